//! Taking deliveries: off the conveyor, and out of the ledger when they are due.

use crate::judge::NO_REPLY;
use crate::notice;
use crate::worker::{LEFT, Leased, SWEEP, Worker};
use boot::Backoff;
use boot::{Shutdown, metrics};
use broker::{Consumer, Received};
use futures_util::FutureExt as _;
use std::error::Error as StdError;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use store::{Error, Full, Job, Sweep};
use uuid::Uuid;
use wire::{DeliveryId, DeliveryState, Instant, Queue, Reference};

/// Messages that are held at once. The router puts up to 64 references into one.
pub(crate) const PREFETCH: NonZeroU16 = NonZeroU16::new(16).expect("16 is not zero");

/// References that are read from the ledger together.
const GATHERED: usize = SWEEP;

/// How long a full worker waits before it looks for itself whether it still is.
const FULL: Duration = Duration::from_secs(1);

/// How long the slots may be full before that is for slow receivers rather than for many deliveries.
const STUCK: Duration = Duration::from_millis(250);

/// How soon it is looked again whether there is room, at the least.
const LOOK: Duration = Duration::from_millis(10);

/// How long deliveries that had to wait for their turn are gathered before they are looked for.
const GATED: Duration = Duration::from_millis(50);

/// How long after a worker was lost its delivery is tried again: as after a first failure.
const LOST: Duration = Duration::from_secs(5);

/// Leases that are taken back in one statement.
const REAPED: i64 = 500;

/// Takes what the conveyor brings while there are free slots, until the process stops.
///
/// A message is acknowledged as soon as its deliveries are in hand: from there on their leases say who has them.
pub(crate) async fn consume(worker: Arc<Worker>, mut consumer: Consumer, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    // Whether the slots were full for so long that what comes next need not wait for them.
    let mut is_stuck = false;
    loop {
        let next = async {
            is_stuck = !room(&worker, is_stuck).await;
            consumer.next().await
        };
        let first = tokio::select! {
            () = stopping.cancelled() => return,
            next = next => match next {
                Some(first) => first,
                None => return,
            },
        };
        let messages = gather(first, &mut consumer);
        let began = Stopwatch::now();
        let leases = leases(&messages);
        let count = leases.len();
        let Some(jobs) = read(&worker, leases, &shutdown).await else {
            return;
        };
        if jobs.len() < count {
            // Their endpoint was limited or failing, so the router's leases were not given.
            worker.gated.notify_one();
        }
        worker.hold(jobs).await;
        metrics::consumed(Queue::Deliver, count, began.elapsed());
        for message in messages {
            message.ack();
        }
    }
}

/// Waits until there is room for what the conveyor brings; says whether there is. There is none when the slots have been
/// full for too long: then what the conveyor has is taken off it all the same, and what finds no place here goes to the
/// ledger. On the conveyor it would stand before everybody's, and there workspaces take turns.
async fn room(worker: &Worker, is_stuck: bool) -> bool {
    let patience = if is_stuck { Duration::ZERO } else { STUCK };
    let began = Stopwatch::now();
    loop {
        {
            let lines = worker.lines();
            if lines.room() > 0 {
                return true;
            }
            if began.elapsed() >= patience && lines.lacks_slots_alone() {
                return false;
            }
        }
        let left = patience.saturating_sub(began.elapsed()).max(LOOK);
        let _woken = tokio::time::timeout(left.min(FULL), worker.freed.notified()).await;
    }
}

/// Adds what has arrived already to the first message. Waits for nothing.
fn gather(first: Received, consumer: &mut Consumer) -> Vec<Received> {
    let mut count = first.message.refs.len();
    let mut messages = vec![first];
    while count < GATHERED
        && let Some(Some(next)) = consumer.next().now_or_never()
    {
        count += next.message.refs.len();
        messages.push(next);
    }
    messages
}

fn leases(messages: &[Received]) -> Vec<(DeliveryId, Uuid)> {
    let references = messages.iter().flat_map(|received| &received.message.refs);
    references
        .filter_map(|reference| match reference {
            Reference::Delivery { id, lease } => Some((*id, *lease)),
            // Of another queue; there is nothing here that could act on it, and a sweep finds its row.
            Reference::Event { .. } | Reference::Run { .. } => None,
        })
        .collect()
}

/// Reads the deliveries that are still under these leases, however long it takes. None when the process stops.
async fn read(worker: &Worker, leases: Vec<(DeliveryId, Uuid)>, shutdown: &Shutdown) -> Option<Vec<Leased>> {
    let stopping = shutdown.stopping();
    let mut backoff = Backoff::new();
    loop {
        match worker.store.leased_jobs(leases.clone()).await {
            Ok(jobs) => {
                let (now, lease) = (worker.store.now(), worker.settings.lease);
                return Some(jobs.into_iter().map(|job| of_router(job, now, lease)).collect());
            }
            Err(error) => {
                let pause = backoff.next(rand::random());
                tracing::warn!(
                    deliveries = leases.len(),
                    error.chain = &error as &dyn StdError,
                    "deliveries cannot be read now; trying again in {} ms",
                    pause.as_millis()
                );
                tokio::select! {
                    () = stopping.cancelled() => return None,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Under the router's lease, or the gateway's.
fn of_router(job: Job, now: Instant, lease: Duration) -> Leased {
    Leased {
        until: job.lease_until.unwrap_or(now + lease),
        job,
        is_swept: false,
        is_probe: false,
    }
}

/// Waits until a delivery was made waiting whose endpoint may have a slot for it, and then until a few more may have been.
async fn gated(worker: &Worker) {
    worker.gated.notified().await;
    tokio::time::sleep(GATED).await;
}

/// Takes what is due while there are free slots, until the process stops.
pub(crate) async fn sweep(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    let every = worker.settings.sweep_every;
    let mut backoff = Backoff::new();
    let mut pause = every.mul_f64(rand::random());
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = worker.relieved.notified() => {}
            // One after the other is slow enough, so nothing is gathered first.
            () = worker.turned.notified() => {}
            () = gated(&worker) => {}
            () = tokio::time::sleep(pause) => {}
        }
        // Again at once while full batches come.
        let swept = loop {
            match sweep_once(&worker).await {
                Ok(true) if !stopping.is_cancelled() => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        pause = match swept {
            Ok(()) => {
                backoff = Backoff::new();
                every
            }
            Err(error) => {
                let pause = backoff.next(rand::random()).max(every);
                tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "due deliveries cannot be looked for now; trying again in {} ms",
                    pause.as_millis()
                );
                pause
            }
        };
    }
}

/// Takes one batch; says whether there may be more and room for it.
async fn sweep_once(worker: &Worker) -> Result<bool, Error> {
    let (room, full) = {
        let lines = worker.lines();
        let full = Full {
            endpoints: lines.crowded(),
            workspaces: lines.full(),
        };
        // What there is, even if it is little: when most slots hang, the rest must not wait for more.
        (lines.room_for_swept().min(SWEEP), full)
    };
    if room == 0 {
        return Ok(worker.lines().has_room_or_wants_it());
    }
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let now = Instant::now();
    let until = worker.store.now() + worker.settings.lease;
    let lease = (Uuid::new_v4(), worker.settings.lease);
    let Sweep {
        jobs,
        probes,
        more,
        given_up,
    } = worker.store.lease_due(now, limit, lease, full).await?;
    if !given_up.is_empty() {
        tracing::warn!(
            count = given_up.len(),
            "deliveries waited at an open circuit for 72 hours, and are dead letters"
        );
    }
    for one in &given_up {
        metrics::delivery_ended(DeliveryState::DeadLetter, NO_REPLY);
        if let Some(told) = notice::given_up(one)
            && let Some(untold) = worker.quota.admit(&one.endpoint_id, now)
        {
            notice::raise(worker, told.event(untold)).await;
        }
    }
    let found = jobs.len();
    if found == 0 {
        // Whoever was left out is looked for when it can use another slot.
        worker.lines().has_room_or_wants_it();
        // Lanes that were looked at in vain stand before others.
        return Ok(more);
    }
    metrics::swept(Queue::Deliver, found);
    let leased = jobs.into_iter().map(|job| Leased {
        is_swept: true,
        is_probe: probes.contains(&job.delivery_id),
        job,
        until,
    });
    let held = worker.hold(leased.collect()).await;
    if held == 0 {
        // The ledger leases nothing for endpoints that are disabled, so what is remembered of them may be old.
        worker.recipients.forget();
    }
    Ok(more && held > 0 && worker.lines().has_room_or_wants_it())
}

/// Takes back the leases of workers that were lost, until the process stops.
pub(crate) async fn reap(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        // Not to the beat of the other workers.
        let pause = worker
            .settings
            .sweep_every
            .mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        loop {
            match worker.store.reap(worker.store.now(), LOST, REAPED).await {
                Ok(0) => break,
                Ok(reaped) => {
                    tracing::warn!(
                        reaped,
                        "leases ran out: their workers were lost, or could not record"
                    );
                    if i64::try_from(reaped).is_ok_and(|reaped| reaped < REAPED) {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "lost leases cannot be looked for now"
                    );
                    break;
                }
            }
        }
    }
}

/// Renews the leases of attempts, so that a lease can be short: it says for how long a worker that died is waited for,
/// not for how long an attempt may take. Most attempts are over before their lease is looked at once. Goes on while the
/// process ends, until what runs has ended.
pub(crate) async fn renew(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        tokio::time::sleep(worker.settings.lease / (2 * LEFT)).await;
        let leases = worker.lines().leases_in_use();
        if leases.is_empty() {
            if stopping.is_cancelled() {
                return;
            }
            continue;
        }
        let until = worker.store.now() + worker.settings.lease;
        if let Err(error) = worker.store.renew(leases, until).await {
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "the leases of attempts could not be renewed; the attempts may be made twice"
            );
        }
    }
}

/// Gives back what would outwait its lease, and forgets what is idle, until the process stops.
pub(crate) async fn tidy(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let (overdue, running) = {
            let mut lines = worker.lines();
            let now = Stopwatch::now();
            let overdue = lines.take_overdue(now);
            lines.forget_idle(now);
            (overdue, lines.running())
        };
        metrics::deliveries_in_flight(u64::try_from(running).unwrap_or(u64::MAX));
        let leases = overdue.into_iter().map(|ticket| (ticket.delivery, ticket.lease));
        worker.release(leases.collect()).await;
    }
}
