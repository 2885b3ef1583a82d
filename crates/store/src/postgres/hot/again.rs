//! AGAIN: further deliveries and runs of an event that was routed before.

use super::made::{Deliveries, Runs};
use crate::routing::RoutedEvent;
use crate::sql::Uid;
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Uuid;
use diesel::{PgConnection, QueryResult, RunQueryDsl};

/// Writes what is made of the event once more; says whether the event is still there.
pub(crate) fn again(conn: &mut PgConnection, event: &RoutedEvent) -> QueryResult<bool> {
    let found: Vec<Uid> = Again::of(event).load(conn)?;
    Ok(!found.is_empty())
}

struct Again<'a> {
    id: Uid,
    deliveries: Deliveries<'a>,
    runs: Runs<'a>,
}

statement!(Again, Uuid, PgConnection);

impl<'a> Again<'a> {
    fn of(event: &'a RoutedEvent) -> Self {
        let mut made = Self {
            id: event.id.into(),
            deliveries: Deliveries::default(),
            runs: Runs::default(),
        };
        for delivery in &event.deliveries {
            made.deliveries.push(event.id, event.at, delivery);
        }
        for run in &event.runs {
            made.runs.push(event.id, event.at, run);
        }
        made
    }
}

impl QueryFragment<Pg> for Again<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The lock keeps retention from taking the event away meanwhile.
        out.push_sql("WITH found AS (SELECT id FROM events WHERE id = ");
        out.push_bind_param::<Uuid, _>(&self.id)?;
        out.push_sql(" FOR KEY SHARE)");
        self.deliveries.insert(&mut out, "found")?;
        self.runs.insert(&mut out, "found")?;
        out.push_sql(" SELECT id FROM found");
        Ok(())
    }
}
