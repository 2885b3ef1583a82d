//! What retention needs a lock for.

use crate::postgres::schema::events;
use crate::sql::{Stamp, Uid};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel::{ExpressionMethods, PgConnection, QueryDsl, QueryResult, RunQueryDsl};
use wire::Instant;

/// Those that somebody has locked are being claimed anew, or forgotten by another: nobody is waited for.
const FORGET: &str = "DELETE FROM claims WHERE ctid = ANY(ARRAY(SELECT ctid FROM claims WHERE expires_at < $1 \
                      ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Removes up to `limit` claims that expired before `before`.
pub(crate) fn forget_claims(conn: &mut PgConnection, before: Instant, limit: i64) -> QueryResult<usize> {
    diesel::sql_query(FORGET)
        .bind::<Timestamptz, _>(Stamp(before))
        .bind::<BigInt, _>(limit)
        .execute(conn)
}

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
