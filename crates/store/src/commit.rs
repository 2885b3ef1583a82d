//! Keeping: what a step of a run comes to is its new state, its journal, its events and its waits, in one statement per
//! batch.
//!
//! # Theory of operation
//!
//! A run's row has three fences: its owner, how often it was taken, and how often it was kept. A commit names all three, so
//! that one of a worker that lost the run keeps nothing, and one that is run again after a broken connection keeps nothing
//! twice. The latter is told from the former by the row: only its owner can have added one to the revision it named.

use crate::sql::Uid;
use crate::write::{BatchError, PATIENCE, Unwritten, Writer, answered, statements, together};
use crate::{Committed, Error, QueueError, QueueOptions, RunCommit, SlotLimit, Store, postgres, sqlite};
use batcher::Batcher;
use std::collections::{BTreeMap, HashMap, HashSet};
use wire::{Instant, PlaybookId, RunId};

/// A handle to the thread that keeps runs; clones share it.
#[derive(Debug, Clone)]
pub struct CommitQueue(Batcher<RunCommit, Result<Committed, Unwritten>>);

impl Store {
    /// Starts a thread that keeps what steps of runs come to.
    pub fn commit_queue(&self, options: QueueOptions) -> Result<CommitQueue, Error> {
        let mut writer = Writer::of(self);
        Batcher::spawn("runs", options.into(), move |rows| write(&mut writer, &rows))
            .map(CommitQueue)
            .map_err(Error::Thread)
    }
}

impl CommitQueue {
    /// Keeps a step, unless another has the run by now. Returns after the transaction.
    ///
    /// A row that the ledger refuses is an error of that run alone; see [`Error::is_transient`]. What has nothing to do with the
    /// rows of a batch is [`QueueError::Unknown`] for all of them.
    pub async fn commit(&self, commit: RunCommit) -> Result<Committed, QueueError> {
        answered(self.0.submit(commit))
            .await?
            .map_err(|unwritten| match unwritten {
                Unwritten::Refused(error) => QueueError::Ledger(error),
                Unwritten::Unavailable(error) if error.is_transient() => QueueError::Ledger(error),
                // Told once for all of them, where it happened.
                Unwritten::Unavailable(_) => QueueError::Unknown,
            })
    }
}

fn write(writer: &mut Writer, rows: &[RunCommit]) -> Vec<Result<Committed, Unwritten>> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut ids: Vec<RunId> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    // One run twice in a batch can only be a worker's that lost it, and the next one's. They go one after the other.
    let one_by_one = ids.array_windows().any(|[one, two]| one == two);
    statements(rows, |row| if one_by_one { usize::MAX } else { row.bytes() })
        .flat_map(|rows| together(rows, &mut |rows| keep(writer, deadline, rows)))
        .collect()
}

fn keep(
    writer: &mut Writer,
    deadline: std::time::Instant,
    rows: &[RunCommit],
) -> Result<Vec<Committed>, BatchError> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|index| rows.get(*index).map(|row| row.id));
    let sorted: Vec<&RunCommit> = order.iter().filter_map(|index| rows.get(*index)).collect();
    let kept = writer
        .run(
            deadline,
            |conn| postgres::hot::commit(conn, &sorted),
            |conn| sqlite::hot::commit(conn, &sorted),
        )
        .inspect_err(|error| {
            if let BatchError::Batch(error) = error
                && !error.is_transient()
            {
                tracing::error!(
                    runs = rows.len(),
                    error.chain = error as &dyn std::error::Error,
                    "no steps of runs can be kept now"
                );
            }
        })?;
    let mut answers: Vec<(usize, Committed)> = order.into_iter().zip(kept).collect();
    answers.sort_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

impl RunCommit {
    /// When the run ended, if it did.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        self.state.is_final().then_some(self.at)
    }

    fn bytes(&self) -> usize {
        let steps = self.steps.iter();
        let journal = steps.map(|step| step.input.len() + step.output.as_ref().map_or(0, Vec::len) + 512);
        let emitted = self
            .emitted
            .iter()
            .map(|event| event.body.len() + event.headers.len());
        let waits = self.waits.iter().map(|wait| wait.spec.len() + 256);
        let own = self.engine.as_ref().map_or(0, bytes::Bytes::len);
        let output = self.output.as_ref().map_or(0, bytes::Bytes::len);
        own + output + journal.chain(emitted).chain(waits).sum::<usize>()
    }
}

/// The playbooks and keys whose slots may come free by these commits, one commit each, in the order in which everybody
/// locks them.
pub(crate) fn by_slots<'c>(
    commits: impl Iterator<Item = &'c RunCommit>,
) -> BTreeMap<(&'c PlaybookId, &'c str), (&'c RunCommit, &'c SlotLimit)> {
    commits
        .filter(|commit| commit.state.is_final())
        .filter_map(|commit| {
            let limit = commit.limit.as_ref()?;
            Some(((&commit.playbook_id, limit.key.as_str()), (commit, limit)))
        })
        .collect()
}

/// Those of a batch that are kept.
pub(crate) fn only<'c>(
    kept: &HashSet<Uid>,
    commits: &[&'c RunCommit],
) -> impl Iterator<Item = &'c RunCommit> {
    commits
        .iter()
        .copied()
        .filter(|commit| kept.contains(&commit.id.into()))
}

/// The answers of a batch, in its order.
pub(crate) fn committed(
    commits: &[&RunCommit],
    kept: &HashSet<Uid>,
    woken: &HashMap<RunId, Vec<RunId>>,
) -> Vec<Committed> {
    commits
        .iter()
        .map(|commit| {
            if kept.contains(&commit.id.into()) {
                Committed::Kept(woken.get(&commit.id).cloned().unwrap_or_default())
            } else {
                Committed::Lost
            }
        })
        .collect()
}
