//! The deliveries of events.

use crate::sql::{Uid, made_between};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

/// Counts the deliveries of each of these events; returns those that have any.
pub(crate) fn deliveries_of(conn: &mut PgConnection, events: &[Uid]) -> QueryResult<Vec<(Uid, i64)>> {
    let (first, end) = events.iter().copied().map(made_between).unzip();
    DeliveriesOf { events, first, end }.load(conn)
}

struct DeliveriesOf<'a> {
    events: &'a [Uid],
    first: Vec<Uid>,
    end: Vec<Uid>,
}

statement!(DeliveriesOf, (Uuid, BigInt), PgConnection);

impl QueryFragment<Pg> for DeliveriesOf<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT asked.id, made.count FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.first)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.end)?;
        out.push_sql(
            ") AS asked (id, first, until), LATERAL (SELECT count(*) AS count FROM deliveries \
             WHERE deliveries.id >= asked.first AND deliveries.id < asked.until AND deliveries.event_id = asked.id) AS made \
             WHERE made.count > 0",
        );
        Ok(())
    }
}
