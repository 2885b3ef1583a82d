//! Slots: which runs of a playbook go on at the same time.
//!
//! Runs of one playbook share its slots, or, where it has a key, those of one playbook and one key do. Those that go on are
//! numbered from 0, and an index sees to it that no two have one number. Whoever gives a slot back hands it to the run that
//! has waited longest, in the same transaction and under a lock of the playbook's and the key's, which whoever asks for one
//! holds as well: no slot is free while a run waits for one, and none is overtaken.

use super::super::Conn;
use super::super::hot::lock_slots;
use super::super::schema::{playbooks, runs};
use crate::running::Line;
use crate::sql::{Stamp, StoredText, Uid};
use crate::{Error, HeldRun, SlotLimit, Slotted};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    QueryResult, RunQueryDsl,
};
use std::collections::HashSet;
use uuid::Uuid;
use wire::{Instant, PlaybookId, RunId};

/// Runs that are let go on in one transaction at the most.
const WOKEN: i32 = 1_000;

/// Takes a slot for a run that `owner` has, or has it wait in line, without an owner. The key that the run has counts, and
/// the limit's only when it has none yet.
pub(crate) fn take(
    conn: &mut Conn,
    run: &HeldRun,
    owner: Uuid,
    limit: &SlotLimit,
    now: Instant,
) -> Result<Slotted, Error> {
    let id = Uid::from(run.id);
    let held = runs::table
        .filter(runs::id.eq(id))
        .filter(runs::owner.eq(Some(Uid(owner))))
        .filter(runs::epoch.eq(run.epoch));
    let kept: Option<Option<String>> = held.select(runs::slot_key).first(conn).optional()?;
    let Some(kept) = kept else {
        return Ok(Slotted::Lost);
    };
    let limit = &SlotLimit {
        key: kept.unwrap_or_else(|| limit.key.clone()),
        most: limit.most,
    };
    lock_slots(conn, &run.playbook_id, &limit.key)?;
    let slot: Option<Option<i32>> = held.select(runs::slot).first(conn).optional()?;
    match slot {
        None => return Ok(Slotted::Lost),
        Some(Some(slot)) => return Ok(Slotted::Taken(slot)),
        Some(None) => {}
    }
    let queued = diesel::update(held)
        .set((runs::queued.eq(true), runs::slot_key.eq(Some(&limit.key))))
        .execute(conn)?;
    if queued == 0 {
        return Ok(Slotted::Lost);
    }
    fill(conn, &run.playbook_id, limit, now)?;
    let slot: Option<i32> = runs::table.find(id).select(runs::slot).first(conn)?;
    if let Some(slot) = slot {
        return Ok(Slotted::Taken(slot));
    }
    diesel::update(runs::table.find(id))
        .set((runs::owner.eq(None::<Uid>), runs::updated_at.eq(Stamp(now))))
        .execute(conn)?;
    if run.engine.is_none() {
        // It has not begun, whatever its worker was about to do.
        let unbegun = runs::table
            .filter(runs::id.eq(id))
            .filter(runs::state.eq("running"));
        diesel::update(unbegun)
            .set((runs::state.eq("pending"), runs::started_at.eq(None::<Stamp>)))
            .execute(conn)?;
    }
    Ok(Slotted::Queued)
}

/// Gives back what is free to those who wait longest, and returns them. Whoever calls holds the lock.
pub(crate) fn fill(
    conn: &mut Conn,
    playbook: &PlaybookId,
    limit: &SlotLimit,
    now: Instant,
) -> QueryResult<Vec<RunId>> {
    let of_key = || {
        runs::table
            .filter(runs::playbook_id.eq(playbook.as_str()))
            .filter(runs::slot_key.eq(Some(&limit.key)))
    };
    let used: Vec<Option<i32>> = of_key()
        .filter(runs::slot.is_not_null())
        .select(runs::slot)
        .load(conn)?;
    let used: HashSet<i32> = used.into_iter().flatten().collect();
    let free = limit
        .most
        .saturating_sub(i32::try_from(used.len()).unwrap_or(i32::MAX));
    if free <= 0 {
        return Ok(Vec::new());
    }
    let next: Vec<Uid> = of_key()
        .filter(runs::queued)
        .order(runs::id)
        .limit(free.min(WOKEN).into())
        .select(runs::id)
        .load(conn)?;
    let mut numbers = (0..limit.most).filter(|number| !used.contains(number));
    for id in &next {
        diesel::update(runs::table.find(*id))
            .set((runs::slot.eq(numbers.next()), runs::queued.eq(false)))
            .execute(conn)?;
    }
    ready(conn, &next, now)?;
    Ok(next.into_iter().map(RunId::from).collect())
}

/// Those that somebody has go on anyway.
fn ready(conn: &mut Conn, ids: &[Uid], now: Instant) -> QueryResult<usize> {
    diesel::update(
        runs::table
            .filter(runs::id.eq_any(ids))
            .filter(runs::owner.is_null()),
    )
    .set(runs::ready_at.eq(Some(Stamp(now))))
    .execute(conn)
}

/// Up to `limit` lines after `after`, in their order.
pub(crate) fn lines(conn: &mut Conn, after: Option<&Line>, limit: i64) -> Result<Vec<Line>, Error> {
    let mut query = runs::table
        .filter(runs::queued)
        .select((runs::playbook_id, runs::slot_key.assume_not_null()))
        .distinct()
        .order((runs::playbook_id, runs::slot_key))
        .limit(limit)
        .into_boxed();
    if let Some(Line { playbook, key, .. }) = after {
        let of_playbook = runs::playbook_id.eq(playbook.as_str());
        let beyond = of_playbook.and(runs::slot_key.assume_not_null().gt(key));
        query = query.filter(runs::playbook_id.gt(playbook.as_str()).or(beyond));
    }
    let waiting: Vec<(StoredText, String)> = query.load(conn)?;
    waiting
        .into_iter()
        .map(|(playbook, key)| {
            let playbook = PlaybookId::from(playbook);
            let used = runs::table
                .filter(runs::playbook_id.eq(playbook.as_str()))
                .filter(runs::slot_key.eq(Some(&key)))
                .filter(runs::slot.is_not_null())
                .count()
                .get_result(conn)?;
            Ok(Line { playbook, key, used })
        })
        .collect()
}

/// The settings of those of these playbooks that are still there.
pub(crate) fn specs(conn: &mut Conn, ids: &[PlaybookId]) -> Result<Vec<(PlaybookId, String)>, Error> {
    let ids: Vec<&str> = ids.iter().map(PlaybookId::as_str).collect();
    let rows: Vec<(StoredText, String)> = playbooks::table
        .filter(playbooks::id.eq_any(ids))
        .select((playbooks::id, playbooks::spec))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, spec)| (id.into(), spec)).collect())
}

/// Lets those who wait longest go on, as many as may.
pub(crate) fn refill(
    conn: &mut Conn,
    playbook: &PlaybookId,
    limit: &SlotLimit,
    now: Instant,
) -> Result<Vec<RunId>, Error> {
    lock_slots(conn, playbook, &limit.key)?;
    Ok(fill(conn, playbook, limit, now)?)
}

/// Lets those go on who wait at a playbook that has no limit any more.
pub(crate) fn release(
    conn: &mut Conn,
    playbook: &PlaybookId,
    key: &str,
    now: Instant,
) -> Result<Vec<RunId>, Error> {
    lock_slots(conn, playbook, key)?;
    let next: Vec<Uid> = runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .filter(runs::slot_key.eq(Some(key)))
        .filter(runs::queued)
        .order(runs::id)
        .limit(WOKEN.into())
        .select(runs::id)
        .load(conn)?;
    diesel::update(runs::table.filter(runs::id.eq_any(&next)))
        .set(runs::queued.eq(false))
        .execute(conn)?;
    ready(conn, &next, now)?;
    Ok(next.into_iter().map(RunId::from).collect())
}
