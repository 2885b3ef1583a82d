//! AGAIN on SQLite.

use super::routing::insert_run;
use crate::routing::{NewDelivery, NewRun};
use crate::sql::Uid;
use crate::sqlite::queries;
use crate::sqlite::schema::events;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use wire::{EventId, Instant};

/// Writes what is made of the event once more, in the transaction that is open; says whether the event is still there.
pub(crate) fn again(
    conn: &mut SqliteConnection,
    event: EventId,
    (deliveries, runs): (&[NewDelivery], &[NewRun]),
    now: Instant,
) -> QueryResult<bool> {
    let found: Option<Uid> = events::table
        .filter(events::id.eq(Uid::from(event)))
        .select(events::id)
        .first(conn)
        .optional()?;
    if found.is_some() {
        queries::deliveries::insert_all(conn, event, deliveries, now)?;
        for run in runs {
            insert_run(conn, event, now, run)?;
        }
    }
    Ok(found.is_some())
}
