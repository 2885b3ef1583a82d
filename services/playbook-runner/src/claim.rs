//! Taking runs: those that the conveyor names, and those that are ready. No more at once than there is room for.

use crate::course;
use crate::runner::Runner;
use boot::{metrics, trace};
use broker::{Consumer, Received};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant as Stopwatch};
use store::{Error, HeldRun, Told};
use tokio::sync::OwnedSemaphorePermit;
use wire::{Instant, Queue, Reference, RunId};

/// Messages that are held at once.
pub(crate) const PREFETCH: NonZeroU16 = NonZeroU16::new(16).expect("16 is not zero");

/// How long nothing is taken after the ledger failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes the runs that the conveyor names, until the process stops.
pub(crate) async fn consume(runner: Arc<Runner>, mut consumer: Consumer) {
    let stopping = runner.shutdown.stopping();
    alive(&runner).await;
    loop {
        let received = tokio::select! {
            () = stopping.cancelled() => return,
            next = consumer.next() => match next {
                Some(received) => received,
                None => return,
            },
        };
        let began = Stopwatch::now();
        let ids = runs_of(&received);
        let count = ids.len();
        if let Err(error) = take_named(&runner, ids, received.message.traceparent.as_deref()).await {
            // The sweep finds them again, so the message is done with either way.
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "runs cannot be taken now; a sweep will come back to them"
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

fn runs_of(received: &Received) -> Vec<RunId> {
    let references = received.message.refs.iter();
    references
        .filter_map(|reference| match reference {
            Reference::Run { id } => Some(*id),
            // Of another queue; there is nothing here that could act on it, and a sweep finds its row.
            Reference::Event { .. } | Reference::Delivery { .. } => None,
        })
        .collect()
}

/// A worker that is not known to be alive would be taken for dead.
async fn alive(runner: &Runner) {
    runner.born.get_or_init(async || be_born(runner).await).await;
}

async fn be_born(runner: &Runner) {
    let stopping = runner.shutdown.stopping();
    if runner.store.kind() == "sqlite" {
        // One process has the file, and this is it: whoever had runs is gone.
        if let Err(error) = runner.store.release_silent(Duration::ZERO, i64::MAX).await {
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "runs of the process before cannot be let go of now; they are when it was silent for a while"
            );
        }
    }
    while let Err(error) = runner.store.beat(runner.worker, &runner.name).await {
        tracing::warn!(
            error.chain = &error as &dyn StdError,
            "the ledger does not know this runner yet; it takes no runs until then"
        );
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn take_named(runner: &Arc<Runner>, ids: Vec<RunId>, parent: Option<&str>) -> Result<(), Error> {
    // One that is in hand here was told something.
    let mut ids: Vec<RunId> = ids.into_iter().filter(|id| !runner.courses.ring(*id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let permits = permits(runner, ids.len());
    if permits.len() < ids.len() {
        runner.is_full.store(true, Ordering::Release);
    }
    ids.truncate(permits.len());
    if ids.is_empty() {
        return Ok(());
    }
    let taken = runner
        .store
        .claim_named(runner.worker, Instant::now(), ids)
        .await?;
    begin(runner, taken, permits, parent).await
}

/// Takes what is ready, until the process stops.
pub(crate) async fn sweep(runner: Arc<Runner>) {
    let stopping = runner.shutdown.stopping();
    alive(&runner).await;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(runner.settings.sweep_every) => {}
            () = runner.relieved.notified() => {}
        }
        while !stopping.is_cancelled() {
            match sweep_once(&runner).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "runs that are ready cannot be looked for now"
                    );
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                    break;
                }
            }
        }
    }
}

/// Takes one batch; says whether there may be more, and room for them.
async fn sweep_once(runner: &Arc<Runner>) -> Result<bool, Error> {
    let permits = permits(runner, runner.settings.slots.get());
    let room = permits.len();
    if room == 0 {
        runner.is_full.store(true, Ordering::Release);
        return Ok(false);
    }
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let taken = runner
        .store
        .claim_runs(runner.worker, Instant::now(), limit)
        .await?;
    let found = taken.len();
    if found > 0 {
        metrics::swept(Queue::Run, found);
    }
    begin(runner, taken, permits, None).await?;
    Ok(found == room)
}

fn permits(runner: &Runner, wanted: usize) -> Vec<OwnedSemaphorePermit> {
    std::iter::from_fn(|| Arc::clone(&runner.room).try_acquire_owned().ok())
        .take(wanted)
        .collect()
}

/// Sets out with runs that were taken.
async fn begin(
    runner: &Arc<Runner>,
    taken: Vec<HeldRun>,
    permits: Vec<OwnedSemaphorePermit>,
    parent: Option<&str>,
) -> Result<(), Error> {
    if taken.is_empty() {
        return Ok(());
    }
    // In hand before anything else is awaited: what they are told from now on is rung for.
    let bells: Vec<_> = taken.iter().map(|run| runner.courses.enter(run.id)).collect();
    let ids: Vec<RunId> = taken.iter().map(|run| run.id).collect();
    let told = match runner.store.inbox(ids.clone()).await {
        Ok(told) => told,
        Err(error) => {
            for (id, bell) in ids.iter().zip(&bells) {
                runner.courses.leave(*id, bell);
            }
            // When even this fails, the heart finds them.
            let _ = runner.store.let_go(runner.worker, ids, Instant::now()).await;
            return Err(error);
        }
    };
    let mut by_run: HashMap<RunId, Vec<Told>> = HashMap::new();
    for told in told {
        by_run.entry(told.run_id).or_default().push(told);
    }
    for ((run, bell), permit) in taken.into_iter().zip(bells).zip(permits) {
        let told = by_run.remove(&run.id).unwrap_or_default();
        let span = tracing::info_span!(
            "run",
            run.id = %run.id,
            workspace.id = %run.workspace_id,
            playbook.id = %run.playbook_id,
        );
        trace::follow(&span, parent);
        let runner = Arc::clone(runner);
        tokio::spawn(tracing::Instrument::instrument(
            course::course(runner, run, told, bell, permit),
            span,
        ));
    }
    Ok(())
}
