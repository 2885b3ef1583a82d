//! What retention needs a lock for on Postgres.

use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::claims;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use wire::Instant;

/// Removes up to `limit` claims that expired before `before`.
pub(crate) fn forget_claims(conn: &mut SqliteConnection, before: Instant, limit: i64) -> QueryResult<usize> {
    let expired: Vec<(String, Vec<u8>)> = claims::table
        .filter(claims::expires_at.lt(Stamp(before)))
        .order(claims::expires_at)
        .limit(limit)
        .select((claims::scope, claims::key_hash))
        .load(conn)?;
    let mut forgotten = 0;
    for key in expired {
        forgotten += diesel::delete(claims::table.find(key)).execute(conn)?;
    }
    Ok(forgotten)
}

/// The caller's transaction locks out everybody else.
#[expect(clippy::unnecessary_wraps, reason = "on Postgres it can fail")]
pub(crate) fn lock_events(_conn: &mut SqliteConnection, _ids: &[Uid]) -> QueryResult<()> {
    Ok(())
}
