//! Recording: the outcome of an attempt moves its delivery and keeps the attempt, in one statement per batch.

use crate::write::{BatchError, Writer};
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
    /// Returns after the commit. The attempt is kept either way, since it was made.
    pub async fn record(&self, outcome: Outcome) -> Result<bool, QueueError> {
        self.0
            .submit(outcome)
            .await
            .map_err(QueueError::from)?
            .map_err(QueueError::Ledger)
    }
}

fn write(writer: &mut Writer, rows: &[Outcome]) -> Vec<Result<bool, Arc<Error>>> {
    let mut sorted: Vec<&Outcome> = rows.iter().collect();
    sorted.sort_by_key(|row| row.delivery_id);
    // One delivery twice in a batch can only be two workers' outcomes after a lost lease; a statement would update the
    // row by one of them, and which is left to chance. They go one after the other instead.
    let twice = sorted
        .windows(2)
        .any(|pair| matches!(pair, [one, two] if one.delivery_id == two.delivery_id));
    if twice && rows.len() > 1 {
        return rows.chunks(1).flat_map(|row| write(writer, row)).collect();
    }
    match writer.run(
        |conn| postgres::hot::record(conn, &sorted),
        |conn| sqlite::hot::record(conn, &sorted),
    ) {
        Ok(moved) => rows
            .iter()
            .map(|row| Ok(moved.contains(&row.delivery_id.into())))
            .collect(),
        Err(BatchError::Batch(error)) => {
            let error = Arc::new(error);
            rows.iter().map(|_| Err(Arc::clone(&error))).collect()
        }
        Err(BatchError::Row(error)) => match rows {
            [_] => vec![Err(Arc::new(error))],
            _ => rows.chunks(1).flat_map(|row| write(writer, row)).collect(),
        },
    }
}
