//! CLAIM on SQLite, in the caller's transaction, which locks out everybody else.

use crate::HeldRun;
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::runs;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use uuid::Uuid;
use wire::{Instant, RunId};

/// Takes what has been ready for longest.
pub(crate) fn claim(
    conn: &mut SqliteConnection,
    worker: Uuid,
    now: Instant,
    limit: i64,
) -> QueryResult<Vec<HeldRun>> {
    let ready: Vec<Uid> = runs::table
        .filter(runs::owner.is_null())
        .filter(runs::ready_at.is_not_null())
        .filter(runs::ready_at.le(Some(Stamp(now))))
        .order((runs::ready_at, runs::id))
        .limit(limit)
        .select(runs::id)
        .load(conn)?;
    take(conn, worker, now, &ready)
}

/// Takes those of `ids` that are ready.
pub(crate) fn claim_named(
    conn: &mut SqliteConnection,
    worker: Uuid,
    now: Instant,
    ids: &[RunId],
) -> QueryResult<Vec<HeldRun>> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    let ready: Vec<Uid> = runs::table
        .filter(runs::id.eq_any(ids))
        .filter(runs::owner.is_null())
        .filter(runs::ready_at.le(Some(Stamp(now))))
        .select(runs::id)
        .load(conn)?;
    take(conn, worker, now, &ready)
}

fn take(conn: &mut SqliteConnection, worker: Uuid, now: Instant, ids: &[Uid]) -> QueryResult<Vec<HeldRun>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let begun = runs::table
        .filter(runs::id.eq_any(ids))
        .filter(runs::started_at.is_null());
    diesel::update(begun)
        .set(runs::started_at.eq(Some(Stamp(now))))
        .execute(conn)?;
    diesel::update(runs::table.filter(runs::id.eq_any(ids)))
        .set((
            runs::owner.eq(Some(Uid(worker))),
            runs::epoch.eq(runs::epoch + 1),
            runs::ready_at.eq(None::<Stamp>),
            runs::state.eq(sql::<Text>(
                "CASE WHEN state IN ('pending', 'waiting') THEN 'running' ELSE state END",
            )),
            runs::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    runs::table
        .filter(runs::id.eq_any(ids))
        .select((
            runs::id,
            runs::workspace_id,
            runs::playbook_id,
            runs::version,
            runs::event_id,
            runs::state,
            runs::input,
            runs::engine,
            runs::error,
            runs::output,
            runs::epoch,
            runs::revision,
            runs::steps,
            runs::generation,
            runs::slot,
            runs::created_at,
            runs::ended_at,
            runs::project,
            runs::slot_key,
        ))
        .load(conn)
}

/// The clock that all processes share: there is one, and this is it.
#[expect(clippy::unnecessary_wraps, reason = "on Postgres it can fail")]
pub(crate) fn clock(_conn: &mut SqliteConnection) -> QueryResult<Instant> {
    Ok(Instant::now())
}
