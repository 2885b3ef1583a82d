//! The playbook runner: run → step → effects → journal.
//!
//! This release records runs but has no engine: each run that the conveyor names, or that a sweep finds, is parked as
//! faulted with an error that says so. Nothing is pretended to have run.
//!
//! # What it must never do
//!
//! Call a run completed that no engine ran; evaluate a tenant's expression in its own process.

mod park;

use boot::{Platform, Shutdown, metrics, settings};
use broker::Consumer;
use park::park;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::num::NonZeroU16;
use std::time::{Duration, Instant as Stopwatch};
use store::{Error, Store};
use wire::{Queue, Reference, RunId};

/// Messages that are held at once.
const PREFETCH: NonZeroU16 = NonZeroU16::new(16).expect("16 is not zero");

/// Runs that a sweep takes at the most.
const SWEEP: i64 = 100;

/// How long nothing is taken after the ledger failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the runner: spawns its tasks and returns. They end with the process. Cannot fail in this release.
pub fn start(platform: &Platform) -> Result<(), Infallible> {
    let (store, shutdown) = (&platform.store, &platform.shutdown);
    let consumer = platform.conveyor.consume(Queue::Run, PREFETCH);
    platform.tasks.spawn(
        "playbook.consume",
        consume(store.clone(), consumer, shutdown.clone()),
    );
    let settings = platform.settings.playbook.clone();
    platform
        .tasks
        .spawn("playbook.sweep", sweep(store.clone(), settings, shutdown.clone()));
    Ok(())
}

/// Parks the runs that the conveyor names, until the process stops.
async fn consume(store: Store, mut consumer: Consumer, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        let received = tokio::select! {
            () = stopping.cancelled() => return,
            next = consumer.next() => match next {
                Some(received) => received,
                None => return,
            },
        };
        let began = Stopwatch::now();
        let references = received.message.refs.iter();
        let ids: Vec<RunId> = references
            .filter_map(|reference| match reference {
                Reference::Run { id } => Some(*id),
                // Of another queue; there is nothing here that could act on it, and a sweep finds its row.
                Reference::Event { .. } | Reference::Delivery { .. } => None,
            })
            .collect();
        let count = ids.len();
        if let Err(error) = park_named(&store, ids).await {
            // The sweep finds them again, so the message is done with either way.
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "runs cannot be read or written now; a sweep will come back to them"
            );
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        metrics::consumed(Queue::Run, count, began.elapsed());
        received.ack();
    }
}

async fn park_named(store: &Store, ids: Vec<RunId>) -> Result<usize, Error> {
    park(store, store.pending_runs(ids).await?).await
}

/// Parks the runs that no message named, until the process stops.
async fn sweep(store: Store, settings: settings::Playbook, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(settings.sweep_every) => {}
        }
        while !stopping.is_cancelled() {
            match sweep_once(&store).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "waiting runs cannot be looked for now"
                    );
                    break;
                }
            }
        }
    }
}

/// Parks one batch; says whether there may be more.
async fn sweep_once(store: &Store) -> Result<bool, Error> {
    let runs = store.waiting_runs(SWEEP).await?;
    let found = runs.len();
    if found == 0 {
        return Ok(false);
    }
    metrics::swept(Queue::Run, found);
    let parked = park(store, runs).await?;
    Ok(parked > 0 && i64::try_from(found).is_ok_and(|found| found == SWEEP))
}
