//! LEASE and REAP.

use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::{EndpointId, Instant};

/// Leases what is due, oldest first, and returns it. `lease` is the token and until when it holds.
pub(crate) fn lease_due(
    conn: &mut PgConnection,
    now: Instant,
    limit: i64,
    lease: (uuid::Uuid, Instant),
    full: &[EndpointId],
) -> QueryResult<Vec<Uid>> {
    let full = full.iter().map(EndpointId::as_str).collect();
    LeaseDue {
        now: Stamp(now),
        limit,
        token: Uid(lease.0),
        until: Stamp(lease.1),
        full,
    }
    .load(conn)
}

struct LeaseDue<'a> {
    now: Stamp,
    limit: i64,
    token: Uid,
    until: Stamp,
    full: Vec<&'a str>,
}

statement!(LeaseDue, Uuid, PgConnection);

impl QueryFragment<Pg> for LeaseDue<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = 'delivering', attempts = attempts + 1, lease_token = ");
        out.push_bind_param::<Uuid, _>(&self.token)?;
        out.push_sql(", lease_until = ");
        out.push_bind_param::<Timestamptz, _>(&self.until)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            " WHERE id = ANY(ARRAY(SELECT id FROM deliveries WHERE state IN ('pending', 'scheduled_retry') AND due_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND endpoint_id <> ALL(");
        out.push_bind_param::<Array<Text>, _>(&self.full)?;
        out.push_sql(
            ") AND endpoint_id NOT IN (SELECT id FROM endpoints WHERE NOT enabled AND deleted_at IS NULL) \
             ORDER BY due_at LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED)) RETURNING id");
        Ok(())
    }
}

/// Takes back leases that ran out, and returns how many.
pub(crate) fn reap(
    conn: &mut PgConnection,
    now: Instant,
    retry_at: Instant,
    limit: i64,
) -> QueryResult<usize> {
    Reap {
        now: Stamp(now),
        retry_at: Stamp(retry_at),
        limit,
        _rows: std::marker::PhantomData,
    }
    .load::<Uid>(conn)
    .map(|reaped| reaped.len())
}

struct Reap<'a> {
    now: Stamp,
    retry_at: Stamp,
    limit: i64,
    _rows: std::marker::PhantomData<&'a ()>,
}

statement!(Reap, Uuid, PgConnection);

impl QueryFragment<Pg> for Reap<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // A lease of the router's counted no attempt, so its delivery is simply due. A worker's did: the attempt is lost.
        out.push_sql(
            "UPDATE deliveries SET lease_token = NULL, lease_until = NULL, \
             state = CASE WHEN attempts = 0 THEN 'pending' ELSE 'scheduled_retry' END, due_at = CASE WHEN attempts = 0 THEN ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ELSE ");
        out.push_bind_param::<Timestamptz, _>(&self.retry_at)?;
        out.push_sql(" END, updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            " WHERE id = ANY(ARRAY(SELECT id FROM deliveries WHERE state = 'delivering' AND lease_until < ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ORDER BY lease_until LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED)) RETURNING id");
        Ok(())
    }
}
