//! What retention needs a lock for.

use crate::postgres::schema::events;
use crate::sql::Uid;
use diesel::{ExpressionMethods, PgConnection, QueryDsl, QueryResult, RunQueryDsl};

/// Locks these events in the order of their keys.
pub(crate) fn lock_events(conn: &mut PgConnection, ids: &[Uid]) -> QueryResult<()> {
    let locked: Vec<Uid> = events::table
        .filter(events::id.eq_any(ids))
        .order(events::id)
        .select(events::id)
        .for_update()
        .load(conn)?;
    drop(locked);
    Ok(())
}
