//! Recording: the outcome of an attempt moves its delivery and keeps the attempt, in one statement per batch.

use crate::write::{BatchError, PATIENCE, Writer, answered, statements, together};
use crate::{Error, QueueError, QueueOptions, Store, postgres, sqlite};
use batcher::Batcher;
use bytes::Bytes;
use std::sync::Arc;
use uuid::Uuid;
use wire::{AttemptId, DeliveryId, DeliveryState, Instant};

/// What an attempt came to, and what follows.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The lease it was made under. When another holds the delivery by now, only a success still counts.
    pub lease: Uuid,
    /// The delivery's next state: `delivered`, `scheduled_retry`, `dead_letter` or `failed`.
    pub state: DeliveryState,
    /// Why it failed for good.
    pub reason: Option<String>,
    /// When the next attempt is due.
    pub due_at: Option<Instant>,
    /// The attempt.
    pub attempt: NewAttempt,
    /// When it ended.
    pub at: Instant,
}

/// One HTTP try about to be recorded.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Sorts by its beginning.
    pub id: AttemptId,
    /// Counted from 1.
    pub number: i32,
    /// None when no status line came.
    pub response_status: Option<i32>,
    /// Milliseconds from the dial to the end of the answer.
    pub duration_ms: i32,
    /// None on success.
    pub error_kind: Option<String>,
    /// A sentence for a person.
    pub error_message: Option<String>,
    /// `[["name","value"],…]` as JSON, credentials redacted.
    pub request_headers: Bytes,
    /// `[["name","value"],…]` as JSON.
    pub response_headers: Bytes,
    /// At most 64 KiB.
    pub response_body: Bytes,
    /// When it began.
    pub created_at: Instant,
}

/// A handle to the recording thread; clones share it.
#[derive(Debug, Clone)]
pub struct OutcomeQueue(Batcher<Outcome, Result<bool, Arc<Error>>>);

impl Store {
    /// Starts a thread that records outcomes.
    pub fn outcome_queue(&self, options: QueueOptions) -> Result<OutcomeQueue, Error> {
        let mut writer = Writer::of(self);
        Batcher::spawn("outcomes", options.into(), move |rows| write(&mut writer, &rows))
            .map(OutcomeQueue)
            .map_err(Error::Thread)
    }
}

impl OutcomeQueue {
    /// Records the outcome; says whether it moved the delivery, which a worker that lost its lease cannot.
    ///
    /// Returns after the commit. The attempt is kept either way, since it was made. When the connection broke just after
    /// a commit, the second try finds the lease gone and the answer is false, though the delivery was moved.
    pub async fn record(&self, outcome: Outcome) -> Result<bool, QueueError> {
        answered(self.0.submit(outcome))
            .await?
            .map_err(QueueError::Ledger)
    }
}

fn write(writer: &mut Writer, rows: &[Outcome]) -> Vec<Result<bool, Arc<Error>>> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut ids: Vec<DeliveryId> = rows.iter().map(|row| row.delivery_id).collect();
    ids.sort();
    // One delivery twice in a batch can only be two workers' outcomes after a lost lease; a statement would update the
    // row by one of them, and which is left to chance. They go one after the other instead.
    let one_by_one = ids.array_windows().any(|[one, two]| one == two);
    statements(rows, |row| if one_by_one { usize::MAX } else { row.bytes() })
        .flat_map(|rows| together(rows, &mut |rows| record(writer, deadline, rows)))
        .map(|moved| moved.map_err(Arc::from))
        .collect()
}

fn record(
    writer: &mut Writer,
    deadline: std::time::Instant,
    rows: &[Outcome],
) -> Result<Vec<bool>, BatchError> {
    let mut sorted: Vec<&Outcome> = rows.iter().collect();
    sorted.sort_by_key(|row| row.delivery_id);
    let moved = writer.run(
        deadline,
        |conn| postgres::hot::record(conn, &sorted),
        |conn| sqlite::hot::record(conn, &sorted),
    )?;
    Ok(rows
        .iter()
        .map(|row| moved.contains(&row.delivery_id.into()))
        .collect())
}

impl Outcome {
    fn bytes(&self) -> usize {
        let attempt = &self.attempt;
        attempt.request_headers.len() + attempt.response_headers.len() + attempt.response_body.len()
    }
}
