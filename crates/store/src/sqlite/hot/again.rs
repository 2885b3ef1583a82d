//! AGAIN on SQLite.

use super::routing::insert_made;
use crate::routing::RoutedEvent;
use crate::sql::Uid;
use crate::sqlite::schema::events;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};

/// Writes what is made of the event once more, in the transaction that is open; says whether the event is still there.
pub(crate) fn again(conn: &mut SqliteConnection, event: &RoutedEvent) -> QueryResult<bool> {
    let found: Option<Uid> = events::table
        .filter(events::id.eq(Uid::from(event.id)))
        .select(events::id)
        .first(conn)
        .optional()?;
    if found.is_some() {
        insert_made(conn, event.id, event)?;
    }
    Ok(found.is_some())
}
