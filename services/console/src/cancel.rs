//! Ending many runs at once: those of a workspace that is closed, or of a playbook that goes.
//!
//! Each is told to end in the ledger, some hundred in a transaction, and the runner is woken; what it does about them is
//! its own to do.

use crate::Error;
use broker::Conveyor;
use std::time::Duration;
use store::Store;
use tokio::time::{Instant as Deadline, timeout_at};
use wire::{Instant, Message, PlaybookId, Queue, Reference, RunId, WorkspaceId};

/// How many are told in one transaction.
const BATCH: i64 = 500;
/// How long an operator waits. What is left then is another request's.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the runner may take to hear of a batch: its sweep finds what it does not hear of.
const TELLING: Duration = Duration::from_secs(1);

/// Whose runs end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of<'a> {
    /// A workspace's.
    Workspace(&'a WorkspaceId),
    /// A playbook's, which need not be there any more.
    Playbook(&'a PlaybookId),
}

/// Has every run end that goes on. Fails with [`Error::Unfinished`] where they are too many for one request.
pub(crate) async fn runs(store: &Store, conveyor: &Conveyor, of: Of<'_>) -> Result<(), Error> {
    let deadline = Deadline::now() + PATIENCE;
    let mut after = None;
    loop {
        let now = Instant::now();
        let batch = async {
            match of {
                Of::Workspace(id) => store.cancel_runs(id, after, BATCH, now).await,
                Of::Playbook(id) => store.cancel_runs_of(id, after, BATCH, now).await,
            }
        };
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
    let telling = conveyor.publish(Queue::Run, &message);
    if !matches!(tokio::time::timeout(TELLING, telling).await, Ok(Ok(()))) {
        tracing::warn!(
            runs = runs.len(),
            "the runner was not told of runs that end; its sweep finds them"
        );
    }
}
