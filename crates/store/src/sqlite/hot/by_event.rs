//! The deliveries of events.

use crate::sql::{Uid, made_between};
use crate::sqlite::schema::deliveries;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};

/// Counts the deliveries of each of these events; returns those that have any.
pub(crate) fn deliveries_of(conn: &mut SqliteConnection, events: &[Uid]) -> QueryResult<Vec<(Uid, i64)>> {
    let mut counts = Vec::new();
    for event in events {
        let (first, end) = made_between(*event);
        let count: i64 = deliveries::table
            .filter(deliveries::id.ge(first))
            .filter(deliveries::id.lt(end))
            .filter(deliveries::event_id.eq(event))
            .count()
            .get_result(conn)?;
        if count > 0 {
            counts.push((*event, count));
        }
    }
    Ok(counts)
}
