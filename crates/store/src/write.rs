//! The hot writers: a thread each, with a connection of its own, that writes whatever has gathered.

use crate::connect::Ledger;
use crate::error::{Failure, classify};
use crate::{Error, Store, postgres, sqlite};
use diesel::QueryResult;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a row is tried while the database is away; the doors answer 503 at 5 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);

/// How long a caller waits for its row's answer. Longer than [`PATIENCE`] by one try; only a connection that neither
/// answers nor breaks takes this long.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a batch is tried again after a deadlock.
const COLLISIONS: u32 = 3;

/// How many bytes one statement carries at most, unless a single row has more: Postgres refuses a message of 1 GiB, and
/// 128 rows of the largest bodies are more.
const STATEMENT_BYTES: usize = 8 * 1024 * 1024;

/// The bounds of a writing queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// How many rows may wait; one more is refused at once.
    pub capacity: usize,
    /// How many rows one statement carries at most.
    pub max_batch: usize,
    /// Who is told of each batch: the writer (`accept`, `routing`, `outcomes`, `runs`, `slots`), its rows, and how long it took.
    pub written: Option<batcher::Written>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            capacity: 4_096,
            max_batch: 128,
            written: None,
        }
    }
}

impl From<QueueOptions> for batcher::Options {
    fn from(options: QueueOptions) -> Self {
        Self {
            capacity: options.capacity,
            max_batch: options.max_batch,
            written: options.written,
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

/// Awaits the batcher's answer, but not for ever.
pub(crate) async fn answered<T>(
    answer: impl Future<Output = Result<T, batcher::Error>>,
) -> Result<T, QueueError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(QueueError::from),
        Err(_elapsed) => Err(QueueError::Unknown),
    }
}

/// Cuts a batch into runs of rows that fit into one statement.
pub(crate) fn statements<Row>(rows: &[Row], bytes: impl Fn(&Row) -> usize) -> impl Iterator<Item = &[Row]> {
    let mut carried = 0_usize;
    rows.chunk_by(move |row, next| {
        carried = carried.saturating_add(bytes(row));
        let fits = carried.saturating_add(bytes(next)) <= STATEMENT_BYTES;
        if !fits {
            carried = 0;
        }
        fits
    })
}

/// Why a row was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unwritten {
    /// Nothing could be, or it is not known whether it was.
    #[error(transparent)]
    Unavailable(Arc<Error>),
    /// The database would not have this very row.
    #[error(transparent)]
    Refused(Arc<Error>),
}

impl From<Unwritten> for Arc<Error> {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Unavailable(error) | Unwritten::Refused(error) => error,
        }
    }
}

/// Writes all rows with one call of `write`; when a row spoils it, each half with a call of its own, and so on, so that
/// a bad row fails alone.
pub(crate) fn together<Row, Answer>(
    rows: &[Row],
    write: &mut impl FnMut(&[Row]) -> Result<Vec<Answer>, BatchError>,
) -> Vec<Result<Answer, Unwritten>> {
    match write(rows) {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(BatchError::Batch(error)) => {
            let error = Arc::new(error);
            let failed = |_| Err(Unwritten::Unavailable(Arc::clone(&error)));
            rows.iter().map(failed).collect()
        }
        Err(BatchError::Row(error)) if rows.len() <= 1 => {
            tracing::error!(
                error.chain = &error as &dyn std::error::Error,
                "the ledger refused a row"
            );
            vec![Err(Unwritten::Refused(Arc::new(error)))]
        }
        Err(BatchError::Row(_)) => {
            let (first, second) = rows.split_at(rows.len() / 2);
            let mut answers = together(first, write);
            answers.extend(together(second, write));
            answers
        }
    }
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
    /// the outcome is unknown, until `deadline`, but at least once. Running a batch twice must be harmless, which its ids
    /// see to.
    pub(crate) fn run<T>(
        &mut self,
        deadline: Instant,
        on_postgres: impl Fn(&mut postgres::Conn) -> QueryResult<T>,
        on_sqlite: impl Fn(&mut sqlite::Conn) -> QueryResult<T>,
    ) -> Result<T, BatchError> {
        let mut collisions = 0;
        let mut pause = Duration::from_millis(20);
        loop {
            let (failure, error) = match self.once(&on_postgres, &on_sqlite) {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            match failure {
                Failure::Row => return Err(BatchError::Row(error)),
                Failure::Collision if collisions < COLLISIONS && Instant::now() < deadline => {
                    collisions += 1;
                }
                Failure::Connection if Instant::now() + pause < deadline => {
                    tracing::warn!(
                        error.chain = &error as &dyn std::error::Error,
                        "the ledger's connection broke; the same batch is run again"
                    );
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Failure::Connection | Failure::Collision | Failure::Unfit | Failure::Other => {
                    return Err(BatchError::Batch(error));
                }
            }
        }
    }

    fn once<T>(
        &mut self,
        on_postgres: impl Fn(&mut postgres::Conn) -> QueryResult<T>,
        on_sqlite: impl Fn(&mut sqlite::Conn) -> QueryResult<T>,
    ) -> Result<T, (Failure, Error)> {
        let tried = match self {
            Self::Postgres(writer) => on_postgres(writer.connection().map_err(gone)?),
            Self::Sqlite(writer) => on_sqlite(&mut *writer.connection().map_err(gone)?),
        };
        tried.map_err(|error| {
            let failure = classify(&error);
            if let (Self::Postgres(writer), Failure::Connection | Failure::Unfit | Failure::Other) =
                (self, failure)
            {
                writer.disconnect();
            }
            (failure, error.into())
        })
    }
}

/// Without a connection nothing was tried, so the next one may do.
fn gone(error: Error) -> (Failure, Error) {
    (Failure::Connection, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn statements_keep_every_row_in_order_and_stay_within_their_bytes(
            sizes in proptest::collection::vec(0_usize..=2 * STATEMENT_BYTES, 0..40),
        ) {
            let cut: Vec<&[usize]> = statements(&sizes, |size| *size).collect();
            prop_assert_eq!(&cut.concat(), &sizes);
            for rows in &cut {
                prop_assert!(rows.len() == 1 || rows.iter().sum::<usize>() <= STATEMENT_BYTES);
            }
            for pair in cut.windows(2) {
                prop_assert!(pair[0].iter().sum::<usize>() + pair[1][0] > STATEMENT_BYTES, "cut too early");
            }
        }
    }
}
