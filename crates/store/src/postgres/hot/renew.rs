//! RENEW: attempts that take long keep their leases.

use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::{DeliveryId, Instant};

/// Holds those of these leases until `until` that are still their holder's; returns how many.
///
/// Nobody is waited for: whoever has a delivery locked ends its lease, and the hundreds that this statement has locked
/// meanwhile are just what the next outcomes are recorded of.
pub(crate) fn renew(
    conn: &mut PgConnection,
    leases: &[(DeliveryId, uuid::Uuid)],
    until: Instant,
) -> QueryResult<usize> {
    if leases.is_empty() {
        return Ok(0);
    }
    Renew {
        ids: leases.iter().map(|(id, _)| (*id).into()).collect(),
        tokens: leases.iter().map(|(_, token)| Uid(*token)).collect(),
        until: Stamp(until),
        _rows: std::marker::PhantomData,
    }
    .execute(conn)
}

struct Renew<'a> {
    ids: Vec<Uid>,
    tokens: Vec<Uid>,
    until: Stamp,
    _rows: std::marker::PhantomData<&'a ()>,
}

statement!(Renew, Uuid, PgConnection);

impl QueryFragment<Pg> for Renew<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET lease_until = ");
        out.push_bind_param::<Timestamptz, _>(&self.until)?;
        // Locked rows stay where they are, see LEASE.
        out.push_sql(" WHERE ctid = ANY(ARRAY(SELECT held.ctid FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.tokens)?;
        out.push_sql(
            ") AS lease (id, token) JOIN deliveries AS held ON held.id = lease.id WHERE held.state = 'delivering' \
             AND held.lease_token = lease.token FOR UPDATE OF held SKIP LOCKED))",
        );
        Ok(())
    }
}
