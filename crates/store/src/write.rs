//! How anything is written: one blocking call, or a batch by a thread of its own.

use crate::connect::Ledger;
use crate::error::{Failure, classify};
use crate::{Error, Store, postgres, sqlite};
use diesel::QueryResult;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a batch is tried while the database is away; the doors answer 503 at 5 s.
const BATCH_DEADLINE: Duration = Duration::from_secs(4);

/// How often a batch is tried again after a deadlock.
const COLLISIONS: u32 = 3;

/// The bounds of a writing queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// How many rows may wait; one more is refused at once.
    pub capacity: usize,
    /// How many rows one statement carries at most.
    pub max_batch: usize,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            capacity: 4_096,
            max_batch: 128,
        }
    }
}

impl From<QueueOptions> for batcher::Options {
    fn from(options: QueueOptions) -> Self {
        Self {
            capacity: options.capacity,
            max_batch: options.max_batch,
        }
    }
}

/// Why a row has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue is full. Nothing was written.
    #[error("the queue for writing is full")]
    Overloaded,
    /// The process is stopping. Nothing was written.
    #[error("the queue for writing is closed")]
    Closing,
    /// The outcome is unknown; run the same ids again.
    #[error("the outcome of a write is unknown")]
    Unknown,
    /// The ledger said no.
    #[error(transparent)]
    Ledger(Arc<Error>),
}

impl From<batcher::Error> for QueueError {
    fn from(error: batcher::Error) -> Self {
        match error {
            batcher::Error::Full => Self::Overloaded,
            batcher::Error::Closed => Self::Closing,
            batcher::Error::Lost => Self::Unknown,
        }
    }
}

/// Waits for a permit, asynchronously.
pub(crate) async fn permit(permits: &Arc<Semaphore>, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
    match tokio::time::timeout(wait, Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_closed)) => Err(Error::Closing),
        Err(_elapsed) => Err(Error::Busy {
            waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

/// Runs a blocking call on a thread for such, and gives the permit back when it is done, not when the caller is.
pub(crate) async fn blocking<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place for blocking calls, behind a semaphore"
    )]
    let done = tokio::task::spawn_blocking(move || {
        let _held = permit;
        call()
    });
    done.await
        .unwrap_or_else(|stopped| Err(Error::Unavailable(Box::new(stopped))))
}

/// The connection of one writing thread.
pub(crate) enum Writer {
    Postgres(postgres::Writer),
    Sqlite(sqlite::Writer),
}

/// A batch that could not be written whole.
pub(crate) enum BatchError {
    /// One of its rows is bad; write them one by one.
    Row(Error),
    /// Nothing of it can be written now.
    Batch(Error),
}

impl Writer {
    pub(crate) fn of(store: &Store) -> Self {
        match &*store.ledger {
            Ledger::Postgres(ledger) => Self::Postgres(ledger.writer()),
            Ledger::Sqlite(ledger) => Self::Sqlite(ledger.writer()),
        }
    }

    /// Runs one batch, each time with the same rows: again after a collision, and again over a new connection when
    /// the outcome is unknown, until its deadline. Running a batch twice must be harmless, which its ids see to.
    pub(crate) fn run<T>(
        &mut self,
        on_postgres: impl Fn(&mut postgres::Conn) -> QueryResult<T>,
        on_sqlite: impl Fn(&mut sqlite::Conn) -> QueryResult<T>,
    ) -> Result<T, BatchError> {
        let deadline = Instant::now() + BATCH_DEADLINE;
        let mut collisions = 0;
        let mut pause = Duration::from_millis(20);
        loop {
            let tried = match self {
                Self::Postgres(writer) => match writer.connection() {
                    Ok(conn) => on_postgres(conn).map_err(|error| (classify(&error), Error::from(error))),
                    Err(error) => Err((Failure::Connection, error)),
                },
                Self::Sqlite(writer) => on_sqlite(&mut writer.connection())
                    .map_err(|error| (classify(&error), Error::from(error))),
            };
            let (failure, error) = match tried {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            match failure {
                Failure::Row => return Err(BatchError::Row(error)),
                Failure::Collision if collisions < COLLISIONS => collisions += 1,
                Failure::Connection if Instant::now() + pause < deadline => {
                    if let Self::Postgres(writer) = self {
                        writer.disconnect();
                    }
                    tracing::warn!(error = %error, "the ledger's connection broke; running the same batch again");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Failure::Connection | Failure::Collision | Failure::Other => {
                    if let Self::Postgres(writer) = self {
                        writer.disconnect();
                    }
                    return Err(BatchError::Batch(error));
                }
            }
        }
    }
}
