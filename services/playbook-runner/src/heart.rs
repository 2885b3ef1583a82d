//! Signs of life, what was told, and the nets under everything.

use crate::runner::Runner;
use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use store::Error;
use wire::{Instant, RunId};

/// How often a worker says that it is alive, and looks for those that do not.
const BEAT: Duration = Duration::from_secs(5);

/// A worker that was not seen for so long is taken for dead: three beats.
const SILENCE: Duration = Duration::from_secs(15);

/// How often a worker looks for what its runs were told: an operator's wish is heard within a second.
const LISTEN: Duration = Duration::from_millis(300);

/// How often the nets are drawn in.
const NETS: Duration = Duration::from_secs(10);

/// Who was told something so long ago should have heard of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rows that one look finds at the most.
const LOOK: i64 = 1_000;

/// What is left for the end of the process once the runs are given up.
const LAST: Duration = Duration::from_secs(3);

/// Lives until the process stops, and lets go of everything then.
pub(crate) async fn beat(runner: Arc<Runner>) {
    let stopping = runner.shutdown.stopping();
    let mut strays = HashSet::new();
    while !stopping.is_cancelled() {
        if let Err(error) = beat_once(&runner, &mut strays).await {
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "the ledger cannot be told now that this runner is alive"
            );
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    finish(&runner).await;
}

async fn beat_once(runner: &Runner, strays: &mut HashSet<RunId>) -> Result<(), Error> {
    runner.store.beat(runner.worker, &runner.name).await?;
    let left = runner.store.release_silent(SILENCE, LOOK).await?;
    if !left.is_empty() {
        tracing::warn!(
            runs = left.len(),
            "runs of a runner that is silent are taken over"
        );
        runner.tell_runners(&left).await;
    }
    let owned = runner.store.owned(runner.worker).await?;
    let astray: HashSet<RunId> = owned.into_iter().filter(|id| !runner.courses.has(*id)).collect();
    // One that is just being taken is in no hand yet; nobody takes that long.
    let lost: Vec<RunId> = astray.intersection(strays).copied().collect();
    if !lost.is_empty() {
        tracing::error!(
            runs = lost.len(),
            "runs that nobody here looks after are let go of"
        );
        let at = Instant::now();
        runner.store.let_go(runner.worker, lost, at).await?;
    }
    *strays = astray;
    Ok(())
}

/// Waits for the runs in hand to be given up, alive all the while, and gives up what is left.
async fn finish(runner: &Runner) {
    let deadline = tokio::time::Instant::now() + runner.shutdown.drain_timeout().saturating_sub(LAST);
    let mut next_beat = tokio::time::Instant::now() + BEAT;
    while runner.courses.count() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if tokio::time::Instant::now() >= next_beat {
            next_beat += BEAT;
            // What is not heard now is heard at the next beat, or it is over.
            let _ = runner.store.beat(runner.worker, &runner.name).await;
        }
    }
    match runner.store.retire(runner.worker).await {
        Ok(left) => runner.tell_runners(&left).await,
        Err(error) => tracing::warn!(
            error.chain = &error as &dyn StdError,
            "runs could not be let go of; others take them over when this runner was silent for a while"
        ),
    }
}

/// Rings for runs that were told something, until the process stops.
pub(crate) async fn tell(runner: Arc<Runner>) {
    let stopping = runner.shutdown.stopping();
    loop {
        tokio::select! {
            // Runs that finish their calls still hear that they are cancelled.
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LISTEN) => {}
        }
        if runner.courses.count() == 0 {
            continue;
        }
        match runner.store.told(runner.worker).await {
            Ok(told) => ring(&runner, told).await,
            Err(error) => tracing::debug!(
                error.chain = &error as &dyn StdError,
                "what runs were told cannot be looked for now"
            ),
        }
    }
}

async fn ring(runner: &Runner, told: Vec<RunId>) {
    let unheard: Vec<RunId> = told.into_iter().filter(|id| !runner.courses.ring(*id)).collect();
    if !unheard.is_empty() {
        wake(runner, unheard).await;
    }
}

/// Makes runs ready that were told something while they were let go of.
pub(crate) async fn wake(runner: &Runner, ids: Vec<RunId>) {
    match runner.store.wake(ids.clone(), Instant::now()).await {
        Ok(()) => runner.tell_runners(&ids).await,
        Err(error) => tracing::debug!(
            error.chain = &error as &dyn StdError,
            "runs that were told something cannot be woken now; a net will"
        ),
    }
}

/// Draws in the nets, until the process stops: there should be nothing in them.
pub(crate) async fn mend(runner: Arc<Runner>) {
    let stopping = runner.shutdown.stopping();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(NETS.mul_f64(0.75 + rand::random::<f64>() / 2.0)) => {}
        }
        if let Err(error) = mend_once(&runner).await {
            tracing::debug!(
                error.chain = &error as &dyn StdError,
                "runs that wait in vain cannot be looked for now"
            );
        }
    }
}

async fn mend_once(runner: &Runner) -> Result<(), Error> {
    let woken = runner.store.wake_told(PATIENCE, LOOK).await?;
    let let_on = runner.store.refill_slots(Instant::now(), LOOK).await?;
    if woken > 0 || !let_on.is_empty() {
        tracing::info!(woken, let_on = let_on.len(), "runs go on that waited in vain");
    }
    runner.tell_runners(&let_on).await;
    Ok(())
}
