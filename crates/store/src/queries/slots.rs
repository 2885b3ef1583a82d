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
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use wire::{Instant, PlaybookId, RunId};

/// Runs that are let go on in one transaction at the most.
const WOKEN: usize = 1_000;

/// Takes a slot for each run whose owner asks for one, or has it wait in line, without an owner. The key that a run has
/// counts, and the limit's only when it has none yet. Answers in the order of `asking`.
pub(crate) fn take(conn: &mut Conn, asking: &[Asking]) -> QueryResult<Vec<Slotted>> {
    let Some(now) = asking.iter().map(|ask| ask.at).max() else {
        return Ok(Vec::new());
    };
    let held = held(conn, asking.iter())?;
    let mut lines: BTreeMap<(&PlaybookId, &str), Vec<&Asking>> = BTreeMap::new();
    for ask in asking {
        if let Some(Slots { key, .. }) = held.get(&ask.run.into()).filter(|held| held.are_of(ask)) {
            let key = key.as_deref().unwrap_or(&ask.limit.key);
            lines.entry((&ask.playbook, key)).or_default().push(ask);
        }
    }
    for (playbook, key) in lines.keys() {
        lock_slots(conn, playbook, key)?;
    }
    // Only now that the lines are locked do they stay as they are.
    let mut held = self::held(conn, asking.iter())?;
    let mut slotted = HashMap::with_capacity(asking.len());
    let mut seats = Vec::with_capacity(asking.len());
    for (line, asking) in &lines {
        for ask in asking {
            if let Some(slot) = held
                .get(&ask.run.into())
                .filter(|held| held.are_of(ask))
                .and_then(|held| held.slot)
            {
                slotted.insert((ask.run.into(), ask.epoch), Slotted::Taken(slot));
            }
        }
        seats.extend(seats_of(conn, *line, asking, &mut held)?);
    }
    // Whoever changes several runs does so in this order: see `control::wake`.
    seats.sort_unstable_by_key(|seat| seat.run.0);
    let seated = seat(conn, &seats, now)?;
    let mut left = BTreeSet::new();
    for Seat {
        run,
        line,
        slot,
        asking,
    } in seats
    {
        if !seated.contains(&run) {
            // Somebody lost his run meanwhile: his slot is the next one's.
            left.extend(slot.map(|_| line));
        } else if let Some(ask) = asking {
            let answer = slot.map_or(Slotted::Queued, Slotted::Taken);
            slotted.insert((run, ask.epoch), answer);
        }
    }
    for line in left {
        if let Some(ask) = lines.get(&line).and_then(|asking| asking.last()) {
            let limit = SlotLimit {
                key: line.1.to_owned(),
                most: ask.limit.most,
            };
            fill(conn, line.0, &limit, now)?;
        }
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

/// Where those belong who ask for slots of one line, and those who get theirs with them; takes them out of `held`. Whoever
/// calls holds the line's lock.
fn seats_of<'a>(
    conn: &mut Conn,
    (playbook, key): (&'a PlaybookId, &'a str),
    asking: &[&'a Asking],
    held: &mut HashMap<Uid, Slots>,
) -> QueryResult<Vec<Seat<'a>>> {
    let Some(most) = asking.last().map(|ask| ask.limit.most) else {
        return Ok(Vec::new());
    };
    let numbers = free(most, &used(conn, playbook, key)?);
    let mut line: BTreeMap<RunId, Option<&Asking>> = in_line(conn, playbook, key, numbers.len())?
        .into_iter()
        .map(|id| (RunId::from(id), None))
        .collect();
    for ask in asking {
        let held = held.remove(&ask.run.into()).filter(|held| held.are_of(ask));
        if held.is_some_and(|held| held.slot.is_none()) {
            line.insert(ask.run, Some(ask));
        }
    }
    let numbers = numbers.into_iter().map(Some).chain(std::iter::repeat(None));
    Ok(line
        .into_iter()
        .zip(numbers)
        .map(|((run, asking), slot)| Seat {
            run: run.into(),
            line: (playbook, key),
            slot,
            asking,
        })
        .filter(|seat| seat.slot.is_some() || seat.asking.is_some())
        .collect())
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

/// The slots that may be given. A limit that was lowered is kept to by giving none while more go on than it allows.
fn free(most: i32, used: &HashSet<i32>) -> Vec<i32> {
    let most = usize::try_from(most).unwrap_or(0);
    (0..)
        .filter(|number| !used.contains(number))
        .take(most.saturating_sub(used.len()))
        .collect()
}

/// Up to `limit` of those who wait longest.
fn in_line(conn: &mut Conn, playbook: &PlaybookId, key: &str, limit: usize) -> QueryResult<Vec<Uid>> {
    let limit = limit.min(WOKEN);
    if limit == 0 {
        return Ok(Vec::new());
    }
    runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .filter(runs::slot_key.eq(Some(key)))
        .filter(runs::queued)
        .order(runs::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
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
    // Most who give a slot back have nobody behind them.
    let in_line = in_line(
        conn,
        playbook,
        &limit.key,
        usize::try_from(limit.most).unwrap_or(0),
    )?;
    if in_line.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = free(limit.most, &used(conn, playbook, &limit.key)?);
    let seats: Vec<Seat<'_>> = in_line
        .into_iter()
        .zip(numbers)
        .map(|(run, slot)| Seat {
            run,
            line: (playbook, limit.key.as_str()),
            slot: Some(slot),
            asking: None,
        })
        .collect();
    let seated = seat(conn, &seats, now)?;
    let woken = seats.iter().map(|seat| seat.run).filter(|id| seated.contains(id));
    Ok(woken.map(RunId::from).collect())
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
    let next = in_line(conn, playbook, key, WOKEN)?;
    diesel::update(runs::table.filter(runs::id.eq_any(&next)))
        .set(runs::queued.eq(false))
        .execute(conn)?;
    // Those that somebody has go on anyway.
    let unowned = runs::table
        .filter(runs::id.eq_any(&next))
        .filter(runs::owner.is_null());
    diesel::update(unowned)
        .set(runs::ready_at.eq(Some(Stamp(now))))
        .execute(conn)?;
    Ok(next.into_iter().map(RunId::from).collect())
}
