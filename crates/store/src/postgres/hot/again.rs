//! AGAIN: further deliveries and runs of an event that was routed before.

use super::made::{Deliveries, Runs};
use crate::postgres::queries::order::Turns;
use crate::routing::{NewDelivery, NewRun};
use crate::sql::Uid;
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Uuid;
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl};
use wire::{EventId, Instant};

/// Writes what is made of the event once more; says whether the event is still there.
pub(crate) fn again(
    conn: &mut PgConnection,
    event: EventId,
    (deliveries, runs): (&[NewDelivery], &[NewRun]),
    now: Instant,
) -> QueryResult<bool> {
    let mut made = Again {
        id: event.into(),
        deliveries: Deliveries::default(),
        runs: Runs::default(),
    };
    for delivery in deliveries {
        made.deliveries.push(event, now, delivery);
    }
    for run in runs {
        made.runs.push(event, now, run);
    }
    let mut turns = Turns::default();
    for delivery in deliveries.iter().filter(|delivery| delivery.goes_in_turn()) {
        turns.add(delivery.endpoint_id.as_str(), delivery.order_key.as_deref());
    }
    conn.transaction(|conn| {
        let found: Vec<Uid> = made.load(conn)?;
        turns.settle(conn, now)?;
        Ok(!found.is_empty())
    })
}

struct Again<'a> {
    id: Uid,
    deliveries: Deliveries<'a>,
    runs: Runs<'a>,
}

statement!(Again, Uuid, PgConnection);

impl QueryFragment<Pg> for Again<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The lock keeps retention from taking the event away meanwhile.
        out.push_sql("WITH found AS (SELECT id FROM events WHERE id = ");
        out.push_bind_param::<Uuid, _>(&self.id)?;
        out.push_sql(" FOR SHARE)");
        self.deliveries.insert(&mut out, "found", true)?;
        self.runs.insert(&mut out, "found", true)?;
        out.push_sql(" SELECT id FROM found");
        Ok(())
    }
}
