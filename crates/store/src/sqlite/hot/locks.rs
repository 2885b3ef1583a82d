//! Locks that Postgres needs. Here a transaction for writing has everything locked.

use diesel::{QueryResult, SqliteConnection};
use wire::PlaybookId;

#[expect(clippy::unnecessary_wraps, reason = "on Postgres it can fail")]
pub(crate) fn lock_slots(
    _conn: &mut SqliteConnection,
    _playbook: &PlaybookId,
    _key: &str,
) -> QueryResult<()> {
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "on Postgres it can fail")]
pub(crate) fn lock_id(_conn: &mut SqliteConnection, _id: &str) -> QueryResult<()> {
    Ok(())
}
