//! What retention needs a lock for on Postgres.

use crate::sql::Uid;
use diesel::{QueryResult, SqliteConnection};

/// The caller's transaction locks out everybody else.
#[expect(clippy::unnecessary_wraps, reason = "on Postgres it can fail")]
pub(crate) fn lock_events(_conn: &mut SqliteConnection, _ids: &[Uid]) -> QueryResult<()> {
    Ok(())
}
