//! One batch of a recovery: deliveries that failed are sent again, and the place that was reached is kept.

use super::super::Conn;
use super::super::schema::{deliveries, endpoints, events, recoveries};
use super::in_state;
use super::recoveries::{RECOVERABLE, find, scan};
use crate::recoveries::Candidate;
use crate::sql::{Maybe, Stamp, StoredText, Uid};
use crate::{Advance, Error, NewDelivery, Recovery, RecoveryLease};
use bytes::Bytes;
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, Instant};

/// The most that are sent again in one transaction.
const BATCH: u32 = 100;
/// Bytes of bodies after which a batch is full.
const BATCH_BYTES: usize = 8 << 20;
/// How many deliveries that failed are looked at for one batch, and how many of them at once.
const LOOKED_AT: usize = 2_000;
const AT_ONCE: i64 = 500;
/// With so many deliveries under way, an endpoint's queue is no longer short.
const SHORT: i64 = 50;
/// The pause after a batch that sent nothing: looking through what does not match is no reason to keep a database busy.
const IDLE: Duration = Duration::from_millis(250);
/// The pause before what was left for short queues is tried once more; it doubles with each pass that sends nothing.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_THE_LATEST: Duration = Duration::from_mins(1);

/// What a batch found out of an endpoint.
enum Receiver {
    /// It is deleted.
    Gone,
    /// So many deliveries are under way to it, as far as they were counted.
    Queue(i64),
}

/// The place of a batch.
struct Pass {
    scanned_to: Option<DeliveryId>,
    /// Whether nothing is left behind that place.
    is_over: bool,
    recovered: usize,
    skipped: i64,
    deferred: i64,
}

/// Does one batch, in the transaction that is open.
pub(crate) fn advance(conn: &mut Conn, lease: &RecoveryLease, now: Instant) -> Result<Advance, Error> {
    let id = Uid::from(lease.id);
    let mine = recoveries::table
        .filter(recoveries::id.eq(id))
        .filter(recoveries::fence.eq(lease.fence))
        .filter(recoveries::state.eq("running"));
    // The row is locked before anything is read: whoever comes second finds another fence.
    if diesel::update(mine)
        .set(recoveries::updated_at.eq(Stamp(now)))
        .execute(conn)?
        == 0
    {
        return Ok(Advance::Lost);
    }
    let (workspace, scanned_to, fruitless): (StoredText, Maybe<Uid>, i32) = recoveries::table
        .find(id)
        .select((
            recoveries::workspace_id,
            recoveries::scanned_to,
            recoveries::fruitless,
        ))
        .first(conn)?;
    let Some(recovery) = find(conn, &workspace.into(), lease.id)? else {
        return Ok(Advance::Lost);
    };
    let pass = send(conn, &recovery, scanned_to.into(), now)?;
    let (skipped, deferred) = (recovery.skipped + pass.skipped, recovery.deferred + pass.deferred);
    let recovered = recovery.recovered + i64::try_from(pass.recovered).unwrap_or(i64::MAX);
    let is_completed = pass.is_over && deferred == 0;
    let is_again = pass.is_over && !is_completed;
    let fruitless = if pass.recovered > 0 { 0 } else { fruitless };
    let next_at = match (is_completed, is_again) {
        (true, _) => None,
        (false, true) => Some(now + again_after(fruitless)),
        (false, false) => Some(now + paced(pass.recovered, recovery.spec.per_second)),
    };
    diesel::update(recoveries::table.find(id))
        .set((
            recoveries::state.eq(if is_completed { "completed" } else { "running" }),
            recoveries::scanned_to.eq(pass.scanned_to.filter(|_| !is_again).map(Uid::from)),
            recoveries::recovered.eq(recovered),
            recoveries::skipped.eq(if is_again { 0 } else { skipped }),
            recoveries::deferred.eq(if is_again { 0 } else { deferred }),
            recoveries::fruitless.eq(fruitless.saturating_add(i32::from(is_again))),
            recoveries::next_at.eq(next_at.map(Stamp)),
            recoveries::lease_until.eq(None::<Stamp>),
            recoveries::ended_at.eq(is_completed.then_some(Stamp(now))),
        ))
        .execute(conn)?;
    Ok(if is_completed {
        Advance::Completed(pass.recovered)
    } else {
        Advance::Sent(pass.recovered)
    })
}

/// How long what was left waits after so many passes that sent nothing.
fn again_after(fruitless: i32) -> Duration {
    let doubled = u32::try_from(fruitless).unwrap_or(0).min(8);
    (AGAIN * 2_u32.pow(doubled)).min(AGAIN_AT_THE_LATEST)
}

/// How long so many take at this pace.
fn paced(count: usize, per_second: u32) -> Duration {
    if count == 0 {
        return IDLE;
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Duration::from_secs(1) * count / per_second.max(1)
}

fn send(
    conn: &mut Conn,
    recovery: &Recovery,
    scanned_to: Option<DeliveryId>,
    now: Instant,
) -> Result<Pass, Error> {
    let mut made = Vec::new();
    let pass = choose(conn, recovery, scanned_to, (&mut made, now))?;
    // All at the end, so that their lanes are touched in the order in which everybody does.
    super::deliveries::insert_each(conn, made.iter().map(|(event, row)| (*event, row)), now)?;
    Ok(pass)
}

/// Marks what is sent again, and adds to `made` what sends it.
fn choose(
    conn: &mut Conn,
    recovery: &Recovery,
    scanned_to: Option<DeliveryId>,
    (made, now): (&mut Vec<(EventId, NewDelivery)>, Instant),
) -> Result<Pass, Error> {
    let spec = &recovery.spec;
    let wanted = usize::try_from(spec.per_second.clamp(1, BATCH)).unwrap_or(1);
    let began = recovery.started_at.unwrap_or(recovery.created_at);
    let mut pass = Pass {
        scanned_to,
        is_over: false,
        recovered: 0,
        skipped: 0,
        deferred: 0,
    };
    let mut receivers = HashMap::new();
    let (mut looked_at, mut bytes) = (0, 0);
    while looked_at < LOOKED_AT {
        let after = pass.scanned_to;
        let rows = scan(
            conn,
            &recovery.workspace_id,
            (spec.from, spec.until),
            after,
            AT_ONCE,
        )?;
        looked_at += rows.len();
        let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < AT_ONCE);
        let there = events_of(conn, &rows)?;
        for row in rows {
            if pass.recovered >= wanted || bytes >= BATCH_BYTES {
                return Ok(pass);
            }
            pass.scanned_to = Some(row.id);
            if !row.is_taken_by(spec, began) {
                continue;
            }
            match receiver(conn, &mut receivers, &row)? {
                Receiver::Queue(length) if *length >= SHORT => pass.deferred += 1,
                Receiver::Queue(length) if there.contains(&row.event_id) => {
                    if let Some(again) = again(conn, recovery, &row, now)? {
                        *length += 1;
                        bytes += again.body.as_ref().map_or(0, Bytes::len);
                        made.push((row.event_id, again));
                        pass.recovered += 1;
                    }
                }
                Receiver::Gone | Receiver::Queue(_) => pass.skipped += 1,
            }
        }
        if is_last {
            pass.is_over = true;
            return Ok(pass);
        }
    }
    Ok(pass)
}

/// Those of the candidates' events that are still there.
fn events_of(conn: &mut Conn, rows: &[Candidate]) -> Result<HashSet<EventId>, Error> {
    let ids: Vec<Uid> = rows.iter().map(|row| row.event_id.into()).collect();
    let there: Vec<Uid> = events::table
        .filter(events::id.eq_any(ids))
        .select(events::id)
        .load(conn)?;
    Ok(there.into_iter().map(EventId::from).collect())
}

fn receiver<'r>(
    conn: &mut Conn,
    known: &'r mut HashMap<EndpointId, Receiver>,
    row: &Candidate,
) -> Result<&'r mut Receiver, Error> {
    if !known.contains_key(&row.endpoint_id) {
        let found = look_at(conn, row)?;
        known.insert(row.endpoint_id.clone(), found);
    }
    Ok(known.entry(row.endpoint_id.clone()).or_insert(Receiver::Gone))
}

/// An endpoint, and how long its queue is: what waits for it, and what is under way.
fn look_at(conn: &mut Conn, row: &Candidate) -> Result<Receiver, Error> {
    let deleted_at: Option<Maybe<Stamp>> = endpoints::table
        .find(row.endpoint_id.as_str())
        .select(endpoints::deleted_at)
        .first(conn)
        .optional()?;
    let is_there = deleted_at.is_some_and(|at| Option::<Instant>::from(at).is_none());
    if !is_there {
        return Ok(Receiver::Gone);
    }
    let of_endpoint = || {
        deliveries::table
            .filter(deliveries::endpoint_id.eq(row.endpoint_id.as_str()))
            .limit(SHORT)
            .select(deliveries::id)
    };
    let waiting = of_endpoint()
        .filter(sql::<Bool>("state IN ('pending', 'scheduled_retry')"))
        .order(deliveries::due_at);
    let under_way = of_endpoint().filter(in_state("delivering"));
    // The recovery's own are inserted at its batch's end, and are counted by it until then.
    let (waiting, under_way): (Vec<Uid>, Vec<Uid>) = (waiting.load(conn)?, under_way.load(conn)?);
    let length = waiting.len() + under_way.len();
    Ok(Receiver::Queue(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// Marks a delivery, and returns the one that sends it again.
fn again(
    conn: &mut Conn,
    recovery: &Recovery,
    row: &Candidate,
    now: Instant,
) -> Result<Option<NewDelivery>, Error> {
    let failed = deliveries::table
        .filter(deliveries::id.eq(Uid::from(row.id)))
        // An operator may have had it tried again a moment ago.
        .filter(sql::<Bool>(RECOVERABLE));
    let marked = diesel::update(failed)
        .set(deliveries::recovery_id.eq(Some(Uid::from(recovery.id))))
        .execute(conn)?;
    if marked == 0 {
        return Ok(None);
    }
    let body = super::deliveries::transformed(conn, row.id)?;
    Ok(Some(NewDelivery {
        id: row.id.recovered(recovery.id, row.event_id, &row.endpoint_id),
        workspace_id: recovery.workspace_id.clone(),
        endpoint_id: row.endpoint_id.clone(),
        route_id: row.route_id.clone(),
        event_type: row.event_type.clone(),
        state: DeliveryState::Pending,
        reason: None,
        due_at: Some(now),
        lease: None,
        body: body.map(Into::into),
        replay_of: Some(row.id),
    }))
}
