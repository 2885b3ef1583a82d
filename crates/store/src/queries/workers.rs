//! Workers: who is alive, what each has, and what the silent ones leave behind.

use super::super::Conn;
use super::super::hot::clock;
use super::super::schema::{run_inbox, runs, workers};
use crate::sql::{Stamp, Uid};
use crate::sweep::LONGEST_SWEEP;
use crate::{Control, Error, Telling, Told};
use diesel::dsl::{exists, not};
use diesel::{BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, RunQueryDsl};
use std::time::Duration;
use uuid::Uuid;
use wire::{EventId, Instant, RunId};

/// Says that a worker is alive.
pub(crate) fn beat(conn: &mut Conn, worker: Uuid, name: &str) -> Result<(), Error> {
    let now = Stamp(clock(conn)?);
    diesel::insert_into(workers::table)
        .values((
            workers::id.eq(Uid(worker)),
            workers::name.eq(name),
            workers::started_at.eq(now),
            workers::seen_at.eq(now),
        ))
        .on_conflict(workers::id)
        .do_update()
        .set(workers::seen_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Lets go of what a worker has, and forgets it.
pub(crate) fn retire(conn: &mut Conn, worker: Uuid) -> Result<Vec<RunId>, Error> {
    let now = Stamp(clock(conn)?);
    let had: Vec<Uid> = runs::table
        .filter(runs::owner.eq(Some(Uid(worker))))
        .select(runs::id)
        .load(conn)?;
    diesel::update(runs::table.filter(runs::owner.eq(Some(Uid(worker)))))
        .set((runs::owner.eq(None::<Uid>), runs::ready_at.eq(Some(now))))
        .execute(conn)?;
    diesel::delete(workers::table.find(Uid(worker))).execute(conn)?;
    Ok(had.into_iter().map(RunId::from).collect())
}

/// Lets go of up to `limit` runs whose workers were not seen for so long, and forgets those workers that have none.
pub(crate) fn release_silent(conn: &mut Conn, silence: Duration, limit: i64) -> Result<Vec<RunId>, Error> {
    let now = clock(conn)?;
    // Read in one statement: a worker that has just been born is there before it has a run.
    let is_alive = workers::table
        .filter(workers::seen_at.ge(Stamp(now - silence)))
        .filter(workers::id.nullable().eq(runs::owner));
    let left: Vec<(Uid, Option<Uid>)> = runs::table
        .filter(runs::owner.is_not_null())
        .filter(not(exists(is_alive)))
        .limit(limit)
        .select((runs::id, runs::owner))
        .load(conn)?;
    if left.is_empty() {
        diesel::delete(workers::table.filter(workers::seen_at.lt(Stamp(now - silence)))).execute(conn)?;
        return Ok(Vec::new());
    }
    let (left, silent): (Vec<Uid>, Vec<Option<Uid>>) = left.into_iter().unzip();
    // Another may have released and even taken it in between.
    let still = runs::table
        .filter(runs::id.eq_any(&left))
        .filter(runs::owner.eq_any(silent));
    diesel::update(still)
        .set((runs::owner.eq(None::<Uid>), runs::ready_at.eq(Some(Stamp(now)))))
        .execute(conn)?;
    Ok(left.into_iter().map(RunId::from).collect())
}

/// The runs of a worker that have been told something since it last asked.
pub(crate) fn told(conn: &mut Conn, worker: Uuid) -> Result<Vec<RunId>, Error> {
    let told: Vec<Uid> = runs::table
        .filter(runs::owner.eq(Some(Uid(worker))))
        .filter(runs::ready_at.is_not_null())
        .select(runs::id)
        .load(conn)?;
    Ok(told.into_iter().map(RunId::from).collect())
}

/// Notes that a worker is about to read what these runs of its were told.
pub(crate) fn heard(conn: &mut Conn, worker: Uuid, ids: &[RunId]) -> Result<(), Error> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    diesel::update(
        runs::table
            .filter(runs::id.eq_any(ids))
            .filter(runs::owner.eq(Some(Uid(worker)))),
    )
    .set(runs::ready_at.eq(None::<Stamp>))
    .execute(conn)?;
    Ok(())
}

/// All that a worker has.
pub(crate) fn owned(conn: &mut Conn, worker: Uuid) -> Result<Vec<RunId>, Error> {
    let ids: Vec<Uid> = runs::table
        .filter(runs::owner.eq(Some(Uid(worker))))
        .limit(LONGEST_SWEEP)
        .select(runs::id)
        .load(conn)?;
    Ok(ids.into_iter().map(RunId::from).collect())
}

/// Lets go of these runs of a worker.
pub(crate) fn let_go(
    conn: &mut Conn,
    worker: Uuid,
    ids: &[RunId],
    ready_at: Instant,
) -> Result<usize, Error> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    let held = runs::table
        .filter(runs::id.eq_any(ids))
        .filter(runs::owner.eq(Some(Uid(worker))));
    Ok(diesel::update(held)
        .set((
            runs::owner.eq(None::<Uid>),
            runs::ready_at.eq(Some(Stamp(ready_at))),
        ))
        .execute(conn)?)
}

type Row = (Uid, Uid, String, Option<Uid>, Option<i32>, Option<i32>, bool);

/// What these runs were told and have not taken in, in order.
pub(crate) fn inbox(conn: &mut Conn, ids: &[RunId], limit: i64) -> Result<Vec<Told>, Error> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    let rows: Vec<Row> = run_inbox::table
        .filter(run_inbox::run_id.eq_any(ids))
        .filter(run_inbox::taken_at.is_null())
        .order((run_inbox::run_id, run_inbox::id))
        .limit(limit)
        .select((
            run_inbox::id,
            run_inbox::run_id,
            run_inbox::kind,
            run_inbox::event_id,
            run_inbox::effect,
            run_inbox::filter,
            run_inbox::fresh_keys,
        ))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(read).collect())
}

/// None of a row that no release wrote: the table lets in no other kinds, and a message has its event.
fn read((id, run_id, kind, event_id, effect, filter, fresh_keys): Row) -> Option<Told> {
    let what = match kind.as_str() {
        "cancel" => Telling::Control(Control::Cancel),
        "pause" => Telling::Control(Control::Pause),
        "resume" => Telling::Control(Control::Resume),
        "retry" => Telling::Control(Control::Retry { fresh_keys }),
        _ => Telling::Message {
            event_id: EventId::from(event_id?),
            effect: effect?,
            filter: filter?,
        },
    };
    Some(Told {
        id: id.0,
        run_id: run_id.into(),
        what,
    })
}

/// Wakes up to `limit` runs that were told something a while ago and that nobody looks after: a net under [`told`].
pub(crate) fn wake_told(conn: &mut Conn, patience: Duration, limit: i64) -> Result<usize, Error> {
    let now = clock(conn)?;
    let told: Vec<Uid> = run_inbox::table
        .filter(run_inbox::taken_at.is_null())
        .filter(run_inbox::created_at.lt(Stamp(now - patience)))
        .limit(limit)
        .select(run_inbox::run_id)
        .load(conn)?;
    if told.is_empty() {
        return Ok(0);
    }
    let asleep = runs::table
        .filter(runs::id.eq_any(told))
        .filter(runs::owner.is_null())
        .filter(
            runs::ready_at
                .is_null()
                .or(runs::ready_at.gt(Some(Stamp(now))).assume_not_null()),
        )
        .filter(runs::queued.eq(false));
    Ok(diesel::update(asleep)
        .set(runs::ready_at.eq(Some(Stamp(now))))
        .execute(conn)?)
}
