//! Recording: the outcome of an attempt moves its delivery and keeps the attempt, in one statement per batch.

use crate::lane::LaneNews;
use crate::lanes::Watched;
use crate::sql::Uid;
use crate::write::{BatchError, PATIENCE, Writer, answered, statements, together};
use crate::{Error, QueueError, QueueOptions, Store, postgres, sqlite};
use batcher::Batcher;
use bytes::Bytes;
use diesel::Connection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use wire::circuit::{Answered, Observed};
use wire::{AttemptId, DeliveryId, DeliveryState, EndpointId, Instant};

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
    /// Where it went.
    pub endpoint_id: EndpointId,
    /// Whether the attempt counts: a probe of an open circuit that failed uses none up.
    pub counts: bool,
    /// Whether an attempt was made at all. Where the delivery only ends, none is kept.
    pub is_made: bool,
    /// Whether it was made to test an open circuit.
    pub is_probe: bool,
    /// What it says of the endpoint; none when nothing was sent.
    pub answered: Option<Answered>,
    /// For how long the receiver asked to be left alone.
    pub asked: Option<Duration>,
    /// What the delivery shares with those that go after it.
    pub order_key: Option<String>,
    /// How many attempts the endpoint allows in flight.
    pub ceiling: u32,
    /// Uniform in `0.0..1.0`.
    pub random: f64,
}

/// What became of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Whether it moved its delivery, which a worker that lost its lease cannot.
    pub moved: bool,
    /// Its endpoint's health, when there is anything to know of it.
    pub lane: Option<LaneNews>,
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
pub struct OutcomeQueue(Batcher<Outcome, Result<Recorded, Arc<Error>>>);

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
    /// Records the outcome; says whether it moved the delivery, which a worker that lost its lease cannot, and what it did
    /// to its endpoint's health.
    ///
    /// Returns after the commit. The attempt is kept either way, since it was made. When the connection broke just after
    /// a commit, the second try finds the lease gone and says that nothing moved, though the delivery was moved.
    pub async fn record(&self, outcome: Outcome) -> Result<Recorded, QueueError> {
        answered(self.0.submit(outcome))
            .await?
            .map_err(QueueError::Ledger)
    }
}

fn write(writer: &mut Writer, rows: &[Outcome]) -> Vec<Result<Recorded, Arc<Error>>> {
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
) -> Result<Vec<Recorded>, BatchError> {
    let mut sorted: Vec<&Outcome> = rows.iter().collect();
    sorted.sort_by_key(|row| row.delivery_id);
    let moved = writer.run(
        deadline,
        |conn| postgres::hot::record(conn, &sorted),
        |conn| sqlite::hot::record(conn, &sorted),
    )?;
    let mut recorded: Vec<Recorded> = rows
        .iter()
        .map(|row| Recorded {
            moved: moved.contains_key(&row.delivery_id.into()),
            lane: None,
        })
        .collect();
    observe(writer, deadline, rows, &moved, &mut recorded);
    Ok(recorded)
}

/// Takes failures into their endpoints' health, and successes where they matter: a healthy endpoint costs nothing here.
fn observe(
    writer: &mut Writer,
    deadline: std::time::Instant,
    rows: &[Outcome],
    moved: &HashMap<Uid, bool>,
    recorded: &mut [Recorded],
) {
    let matters = |row: &Outcome| {
        let is_watched = moved.get(&row.delivery_id.into()).is_none_or(|watched| *watched);
        row.answered
            .is_some_and(|answered| answered != Answered::Well || is_watched)
    };
    let ailing: HashSet<&EndpointId> = rows
        .iter()
        .filter(|row| matters(row))
        .map(|row| &row.endpoint_id)
        .collect();
    let mut places = Vec::new();
    let mut watched = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        if let Some(result) = row.answered
            && ailing.contains(&row.endpoint_id)
        {
            places.push(place);
            watched.push(Watched {
                endpoint_id: row.endpoint_id.clone(),
                observed: Observed {
                    began_at: row.attempt.created_at,
                    ended_at: row.at,
                    result,
                    is_probe: row.is_probe,
                    ceiling: row.ceiling,
                    asked: row.asked,
                },
                random: row.random,
            });
        }
    }
    if watched.is_empty() {
        return;
    }
    let news = writer.run(
        deadline,
        |conn| conn.transaction(|conn| postgres::queries::lanes::observe(conn, &watched)),
        |conn| conn.immediate_transaction(|conn| sqlite::queries::lanes::observe(conn, &watched)),
    );
    match news {
        Ok(news) => {
            for (place, news) in places.into_iter().zip(news) {
                if let Some(row) = recorded.get_mut(place) {
                    row.lane = news;
                }
            }
        }
        // The outcomes are recorded; a few attempts more will show what these did.
        Err(BatchError::Row(error) | BatchError::Batch(error)) => tracing::warn!(
            error.chain = &error as &dyn std::error::Error,
            "attempts could not be taken into their endpoints' health"
        ),
    }
}

impl Outcome {
    /// How many attempts its delivery has used up.
    pub(crate) fn counted(&self) -> i32 {
        self.attempt.number - i32::from(!(self.counts && self.is_made))
    }

    fn bytes(&self) -> usize {
        let attempt = &self.attempt;
        attempt.request_headers.len() + attempt.response_headers.len() + attempt.response_body.len()
    }
}
