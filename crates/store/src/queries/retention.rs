//! Removing what is done with, a batch at a time.

use super::super::Conn;
use super::super::schema::{
    attempts, audit_entries, deliveries, events, recoveries, rejections, run_inbox, run_waits, runs, steps,
};
use super::runs::UNFINISHED;
use crate::Error;
use crate::partitions::first_of;
use crate::retention::Expired;
use crate::sql::{Maybe, Stamp, Uid};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryId, Instant, WorkspaceId};

/// The states in which nothing happens to a delivery any more.
const FINAL: [&str; 4] = ["delivered", "dead_letter", "failed", "skipped"];

/// Steps that are removed in one statement.
const STEPS_AT_ONCE: i64 = 5_000;

/// Which rows a batch looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'a> {
    pub(crate) workspace: Option<&'a WorkspaceId>,
    pub(crate) after: Option<Uuid>,
    pub(crate) before: Instant,
    pub(crate) limit: i64,
}

impl Range<'_> {
    /// What the batch came to, given the keys that it looked at.
    fn expired(&self, removed: usize, looked_at: &[Uid]) -> Expired {
        let is_last = i64::try_from(looked_at.len()).is_ok_and(|count| count < self.limit);
        Expired {
            removed,
            next: looked_at.last().map(|id| id.0).filter(|_| !is_last),
        }
    }
}

/// The keys of a table in a range, oldest first.
macro_rules! keys {
    ($table:ident, $range:expr, |$query:ident| $narrow:expr) => {{
        let mut $query = $table::table
            .filter($table::id.lt(Uid(first_of($range.before))))
            .order($table::id)
            .limit($range.limit)
            .into_boxed();
        if let Some(after) = $range.after {
            $query = $query.filter($table::id.gt(Uid(after)));
        }
        $narrow
    }};
}

pub(crate) fn deliveries(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(deliveries, range, |query| match range.workspace {
        Some(workspace) => query.filter(deliveries::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let rows: Vec<(Uid, String)> = query.select((deliveries::id, deliveries::state)).load(conn)?;
    let looked_at: Vec<Uid> = rows.iter().map(|(id, _)| *id).collect();
    let done: Vec<Uid> = rows
        .into_iter()
        .filter(|(_, state)| FINAL.contains(&state.as_str()))
        .map(|(id, _)| id)
        .collect();
    // One that was tried again since has its own end to wait for, and whoever revives one meanwhile keeps it.
    let removed = diesel::delete(
        deliveries::table
            .filter(deliveries::id.eq_any(&done))
            .filter(deliveries::state.eq_any(FINAL))
            .filter(deliveries::updated_at.lt(Stamp(range.before))),
    )
    .execute(conn)?;
    // In a pass over all, whole days of attempts go at once, and the rest after them.
    if range.workspace.is_some() && removed > 0 {
        let kept: Vec<Uid> = deliveries::table
            .filter(deliveries::id.eq_any(&done))
            .select(deliveries::id)
            .load(conn)?;
        attempts_of(conn, &without(done, kept))?;
    }
    Ok(range.expired(removed, &looked_at))
}

/// Those of `all` that are not in `kept`.
fn without(all: Vec<Uid>, kept: Vec<Uid>) -> Vec<Uid> {
    let kept: HashSet<Uid> = kept.into_iter().collect();
    all.into_iter().filter(|id| !kept.contains(id)).collect()
}

/// Removes the attempts of deliveries, of which none is much older than the oldest of their events; says how many there were.
fn attempts_of(conn: &mut Conn, of: &[Uid]) -> Result<usize, Error> {
    let Some(oldest) = of.iter().map(|id| DeliveryId::from(*id).instant()).min() else {
        return Ok(0);
    };
    let made = attempts::table
        .filter(attempts::delivery_id.eq_any(of))
        .filter(attempts::id.ge(Uid(first_of(oldest - Duration::from_hours(24)))));
    Ok(diesel::delete(made).execute(conn)?)
}

/// Goes by the deliveries that attempts were made for, and removes those of the ones that are gone.
pub(crate) fn attempts(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    if range.workspace.is_some() {
        return Ok(Expired::default());
    }
    let mut query = attempts::table
        .filter(attempts::delivery_id.lt(Uid(first_of(range.before))))
        .select(attempts::delivery_id)
        .distinct()
        .order(attempts::delivery_id)
        .limit(range.limit)
        .into_boxed();
    if let Some(after) = range.after {
        query = query.filter(attempts::delivery_id.gt(Uid(after)));
    }
    let looked_at: Vec<Uid> = query.load(conn)?;
    let kept: Vec<Uid> = deliveries::table
        .filter(deliveries::id.eq_any(&looked_at))
        .select(deliveries::id)
        .load(conn)?;
    let removed = attempts_of(conn, &without(looked_at.clone(), kept))?;
    Ok(range.expired(removed, &looked_at))
}

pub(crate) fn events(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(events, range, |query| match range.workspace {
        Some(workspace) => query.filter(events::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let rows: Vec<(Uid, String)> = query.select((events::id, events::state)).load(conn)?;
    let looked_at: Vec<Uid> = rows.iter().map(|(id, _)| *id).collect();
    let routed: Vec<Uid> = rows
        .into_iter()
        .filter(|(_, state)| state != "accepted")
        .map(|(id, _)| id)
        .collect();
    // Takes the rows' locks before anything is asked: a replay that is being made is waited for, and then seen.
    super::super::hot::lock_events(conn, &routed)?;
    let needed = needed(conn, &routed)?;
    let done: Vec<Uid> = routed.into_iter().filter(|id| !needed.contains(id)).collect();
    let removed = diesel::delete(events::table.filter(events::id.eq_any(done))).execute(conn)?;
    Ok(range.expired(removed, &looked_at))
}

/// Those of the events that something needs.
fn needed(conn: &mut Conn, ids: &[Uid]) -> Result<HashSet<Uid>, Error> {
    let delivered = super::super::hot::deliveries_of(conn, ids)?;
    let some: Vec<Option<Uid>> = ids.iter().copied().map(Some).collect();
    let started: Vec<Option<Uid>> = runs::table
        .filter(runs::event_id.eq_any(&some))
        .filter(sql::<Bool>(UNFINISHED))
        .select(runs::event_id)
        .load(conn)?;
    let told: Vec<(Option<Uid>, Uid)> = run_inbox::table
        .filter(run_inbox::event_id.eq_any(&some))
        .select((run_inbox::event_id, run_inbox::run_id))
        .load(conn)?;
    let hearers: Vec<Uid> = told.iter().map(|(_, run)| *run).collect();
    let hearing: Vec<Uid> = runs::table
        .filter(runs::id.eq_any(hearers))
        .filter(sql::<Bool>(UNFINISHED))
        .select(runs::id)
        .load(conn)?;
    let hearing: HashSet<Uid> = hearing.into_iter().collect();
    let awaited = told
        .into_iter()
        .filter(|(_, run)| hearing.contains(run))
        .map(|(event, _)| event);
    Ok(delivered
        .into_iter()
        .map(|(event, _)| event)
        .chain(started.into_iter().chain(awaited).flatten())
        .collect())
}

pub(crate) fn rejections(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(rejections, range, |query| match range.workspace {
        Some(workspace) => query.filter(rejections::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let ids: Vec<Uid> = query.select(rejections::id).load(conn)?;
    let removed = diesel::delete(rejections::table.filter(rejections::id.eq_any(&ids))).execute(conn)?;
    Ok(range.expired(removed, &ids))
}

/// Runs that have ended go with all that is theirs, but none that somebody has or wants to go on.
pub(crate) fn runs(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(runs, range, |query| match range.workspace {
        Some(workspace) => query.filter(runs::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let mut rows: Vec<(Uid, Maybe<Stamp>, i32)> =
        query.select((runs::id, runs::ended_at, runs::steps)).load(conn)?;
    // A run may have thousands of steps, and all of a batch's go in one statement.
    let found = rows.len();
    let mut steps = 0;
    let fitting = rows.iter().take_while(|(_, _, of_run)| {
        steps += i64::from(*of_run);
        steps <= STEPS_AT_ONCE
    });
    let fitting = fitting.count().max(1);
    rows.truncate(fitting);
    let looked_at: Vec<Uid> = rows.iter().map(|(id, _, _)| *id).collect();
    let done: Vec<Uid> = rows
        .into_iter()
        .filter_map(|(id, ended_at, _)| {
            let ended_at = Option::<Instant>::from(ended_at)?;
            (ended_at < range.before).then_some(id)
        })
        .collect();
    let removed = diesel::delete(
        runs::table
            .filter(runs::id.eq_any(&done))
            .filter(runs::ended_at.lt(Stamp(range.before)))
            .filter(runs::owner.is_null())
            .filter(runs::ready_at.is_null()),
    )
    .execute(conn)?;
    if removed > 0 {
        let kept: Vec<Uid> = runs::table
            .filter(runs::id.eq_any(&done))
            .select(runs::id)
            .load(conn)?;
        let gone = without(done, kept);
        diesel::delete(steps::table.filter(steps::run_id.eq_any(&gone))).execute(conn)?;
        diesel::delete(run_waits::table.filter(run_waits::run_id.eq_any(&gone))).execute(conn)?;
        diesel::delete(run_inbox::table.filter(run_inbox::run_id.eq_any(&gone))).execute(conn)?;
    }
    let mut expired = range.expired(removed, &looked_at);
    if looked_at.len() < found {
        expired.next = looked_at.last().map(|id| id.0);
    }
    Ok(expired)
}

pub(crate) fn recoveries(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(recoveries, range, |query| match range.workspace {
        Some(workspace) => query.filter(recoveries::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let ids: Vec<Uid> = query.select(recoveries::id).load(conn)?;
    let ended = recoveries::table
        .filter(recoveries::id.eq_any(&ids))
        .filter(recoveries::state.eq_any(["completed", "cancelled"]))
        .filter(recoveries::ended_at.lt(Some(Stamp(range.before))));
    let removed = diesel::delete(ended).execute(conn)?;
    Ok(range.expired(removed, &ids))
}

pub(crate) fn audit(conn: &mut Conn, range: Range<'_>) -> Result<Expired, Error> {
    let query = keys!(audit_entries, range, |query| match range.workspace {
        Some(workspace) => query.filter(audit_entries::workspace_id.eq(workspace.as_str())),
        None => query,
    });
    let ids: Vec<Uid> = query.select(audit_entries::id).load(conn)?;
    let removed =
        diesel::delete(audit_entries::table.filter(audit_entries::id.eq_any(&ids))).execute(conn)?;
    Ok(range.expired(removed, &ids))
}
