//! Ending many runs at once: those of a workspace that is closed, or of a playbook that goes.
//!
//! Each is told to end in the ledger, some hundred in a transaction, and the runner is woken; what it does about them is
//! its own to do. What is switched off is saved before: a run that is made meanwhile, and that nobody is told of here, is
//! ended by whichever runner takes it and finds the switch.

use crate::Error;
use broker::Conveyor;
use std::time::Duration;
use store::{RunsOf, Store};
use tokio::time::{Instant as Deadline, timeout_at};
use wire::{Instant, Message, Queue, Reference, RunId};

/// How many are told in one transaction.
const BATCH: i64 = 500;
/// How long an operator waits. What is left then is another request's.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the runner may take to hear of a batch: its sweep finds what it does not hear of.
const TELLING: Duration = Duration::from_secs(1);

/// Has every run end that goes on. Fails with [`Error::Unfinished`] where they are too many for one request.
pub(crate) async fn runs(store: &Store, conveyor: &Conveyor, of: &RunsOf) -> Result<(), Error> {
    let deadline = Deadline::now() + PATIENCE;
    let mut after = None;
    loop {
        let now = Instant::now();
        let batch = store.cancel_runs(of.clone(), after, BATCH, now);
        let told = timeout_at(deadline, batch)
            .await
            .map_err(|_elapsed| Error::Unfinished)??;
        tell(conveyor, &told).await;
        after = told.last().copied();
        if i64::try_from(told.len()).is_ok_and(|count| count < BATCH) {
            return Ok(());
        }
    }
}

async fn tell(conveyor: &Conveyor, runs: &[RunId]) {
    if runs.is_empty() {
        return;
    }
    let references = runs.iter().map(|id| Reference::Run { id: *id }).collect();
    let message = Message::new(references, None);
    let telling = boot::metrics::publish(conveyor, Queue::Run, &message);
    if !matches!(tokio::time::timeout(TELLING, telling).await, Ok(Ok(()))) {
        tracing::warn!(
            runs = runs.len(),
            "the runner was not told of runs that end; its sweep finds them"
        );
    }
}
