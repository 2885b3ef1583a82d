//! Slots: which runs of a playbook go on at the same time.
//!
//! Runs of one playbook share its slots, or, where it has a key, those of one playbook and one key do. Those that go on are
//! numbered from 0, and an index sees to it that no two have one number. Whoever gives a slot back hands it to the run that
//! has waited longest, in the same transaction and under a lock of the playbook's and the key's, which whoever asks for one
//! holds as well: no slot is free while a run waits for one, and none is overtaken.

use super::super::Conn;
use super::super::hot::{lock_slots, seat};
use super::super::schema::{playbooks, runs};
use crate::slots::{Asking, Line, Seat};
use crate::sql::{Stamp, StoredText, Uid};
use crate::{Error, SlotLimit, Slotted};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, QueryResult, Queryable,
    RunQueryDsl,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use wire::{Instant, PlaybookId, RunId};

/// Runs that are let go on in one transaction at the most.
const WOKEN: i32 = 1_000;

/// Takes a slot for each run whose owner asks for one, or has it wait in line, without an owner. The key that a run has
/// counts, and the limit's only when it has none yet. Answers in the order of `asking`.
pub(crate) fn take(conn: &mut Conn, asking: &[Asking]) -> QueryResult<Vec<Slotted>> {
    let held = held(conn, asking.iter())?;
    let mut lines: BTreeMap<(&PlaybookId, &str), Vec<&Asking>> = BTreeMap::new();
    for ask in asking {
        if let Some(Slots { key, .. }) = held.get(&ask.run.into()).filter(|held| held.are_of(ask)) {
            let key = key.as_deref().unwrap_or(&ask.limit.key);
            lines.entry((&ask.playbook, key)).or_default().push(ask);
        }
    }
    let mut slotted = HashMap::with_capacity(asking.len());
    for ((playbook, key), asking) in lines {
        lock_slots(conn, playbook, key)?;
        slotted.extend(seat_all(conn, (playbook, key), &asking)?);
    }
    let of = |ask: &Asking| slotted.get(&(Uid::from(ask.run), ask.epoch));
    Ok(asking
        .iter()
        .map(|ask| of(ask).copied().unwrap_or(Slotted::Lost))
        .collect())
}

/// What the ledger says of a run.
#[derive(Queryable)]
struct Slots {
    run: Uid,
    owner: Option<Uid>,
    epoch: i64,
    slot: Option<i32>,
    key: Option<String>,
}

impl Slots {
    fn are_of(&self, asking: &Asking) -> bool {
        self.owner == Some(Uid(asking.owner)) && self.epoch == asking.epoch
    }
}

fn held<'a>(conn: &mut Conn, asking: impl Iterator<Item = &'a Asking>) -> QueryResult<HashMap<Uid, Slots>> {
    let ids: Vec<Uid> = asking.map(|ask| ask.run.into()).collect();
    let rows: Vec<Slots> = runs::table
        .filter(runs::id.eq_any(ids))
        .select((runs::id, runs::owner, runs::epoch, runs::slot, runs::slot_key))
        .load(conn)?;
    Ok(rows.into_iter().map(|slots| (slots.run, slots)).collect())
}

/// Answers those who ask for slots of one line. Whoever calls holds its lock.
fn seat_all(
    conn: &mut Conn,
    (playbook, key): (&PlaybookId, &str),
    asking: &[&Asking],
) -> QueryResult<HashMap<(Uid, i64), Slotted>> {
    let (Some(most), Some(now)) = (
        asking.last().map(|ask| ask.limit.most),
        asking.iter().map(|ask| ask.at).max(),
    ) else {
        return Ok(HashMap::new());
    };
    // Only now that the line is locked do they stay as they are.
    let held = held(conn, asking.iter().copied())?;
    let used = used(conn, playbook, key)?;
    let free = free(most, &used);
    let in_line = in_line(conn, playbook, key, free)?;
    let mut slotted = HashMap::new();
    let mut line: BTreeMap<RunId, Option<&Asking>> =
        in_line.into_iter().map(|id| (RunId::from(id), None)).collect();
    for ask in asking {
        match held.get(&ask.run.into()).filter(|held| held.are_of(ask)) {
            None => {}
            Some(Slots { slot: Some(slot), .. }) => {
                slotted.insert((ask.run.into(), ask.epoch), Slotted::Taken(*slot));
            }
            Some(_) => {
                line.insert(ask.run, Some(ask));
            }
        }
    }
    let numbers = (0..most).filter(|number| !used.contains(number)).map(Some);
    let seats: Vec<Seat<'_>> = line
        .into_iter()
        .zip(numbers.chain(std::iter::repeat(None)))
        .map(|((run, asking), slot)| Seat {
            run: run.into(),
            slot,
            asking,
        })
        .filter(|seat| seat.slot.is_some() || seat.asking.is_some())
        .collect();
    let seated = seat(conn, key, &seats, now)?;
    let mut is_left = false;
    for Seat { run, slot, asking } in seats {
        let is_seated = seated.contains(&run);
        is_left |= slot.is_some() && !is_seated;
        if let Some(ask) = asking.filter(|_| is_seated) {
            let answer = slot.map_or(Slotted::Queued, Slotted::Taken);
            slotted.insert((run, ask.epoch), answer);
        }
    }
    if is_left {
        // Somebody lost his run meanwhile: his slot is the next one's.
        let limit = SlotLimit {
            key: key.to_owned(),
            most,
        };
        fill(conn, playbook, &limit, now)?;
    }
    Ok(slotted)
}

/// The slots that runs have.
fn used(conn: &mut Conn, playbook: &PlaybookId, key: &str) -> QueryResult<HashSet<i32>> {
    let used: Vec<Option<i32>> = runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .filter(runs::slot_key.eq(Some(key)))
        .filter(runs::slot.is_not_null())
        .select(runs::slot)
        .load(conn)?;
    Ok(used.into_iter().flatten().collect())
}

fn free(most: i32, used: &HashSet<i32>) -> i32 {
    most.saturating_sub(i32::try_from(used.len()).unwrap_or(i32::MAX))
        .clamp(0, WOKEN)
}

/// Up to `limit` of those who wait longest.
fn in_line(conn: &mut Conn, playbook: &PlaybookId, key: &str, limit: i32) -> QueryResult<Vec<Uid>> {
    runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .filter(runs::slot_key.eq(Some(key)))
        .filter(runs::queued)
        .order(runs::id)
        .limit(limit.into())
        .select(runs::id)
        .load(conn)
}

/// Gives back what is free to those who wait longest, and returns them. Whoever calls holds the lock.
pub(crate) fn fill(
    conn: &mut Conn,
    playbook: &PlaybookId,
    limit: &SlotLimit,
    now: Instant,
) -> QueryResult<Vec<RunId>> {
    let in_line = in_line(conn, playbook, &limit.key, WOKEN)?;
    if in_line.is_empty() {
        return Ok(Vec::new());
    }
    let used = used(conn, playbook, &limit.key)?;
    let numbers = (0..limit.most).filter(|number| !used.contains(number));
    let seats: Vec<Seat<'_>> = in_line
        .into_iter()
        .zip(numbers)
        .map(|(run, slot)| Seat {
            run,
            slot: Some(slot),
            asking: None,
        })
        .collect();
    let seated = seat(conn, &limit.key, &seats, now)?;
    let woken = seats.iter().map(|seat| seat.run).filter(|id| seated.contains(id));
    Ok(woken.map(RunId::from).collect())
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
