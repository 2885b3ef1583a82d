//! Many tasks submit one row each, one thread writes them together.
//!
//! # Motivation
//!
//! A commit costs about as much for one row as for a hundred. Callers that each wait for their own commit
//! therefore share one: they hand their row to a [`Batcher`] and await the answer to it, and a thread of the
//! batcher's own makes a blocking call for everything that has gathered.
//!
//! # Theory of operation
//!
//! There is no timer. While one batch is being written the next one gathers, so an idle system writes a single
//! row at once and a busy one writes large batches, and neither waits for the other's sake. The queue is
//! bounded and never waited for: a caller that finds it full is told so immediately and can answer 429.
//!
//! Whoever submitted may go away; the row is written all the same, and only its answer is thrown away. A hung-up
//! client can thus never cancel a write half-way.
//!
//! # What it must never do
//!
//! It knows nothing of databases, retries or rows that fail alone: all of that is the write function's work. It
//! never answers a row with another row's answer: a write function that returns the wrong number of answers
//! has them all discarded, since nobody can tell which belongs to whom.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hookyard_batcher::{Batcher, Options};
//!
//! let options = Options { capacity: 1024, max_batch: 128, written: None };
//! let squares = Batcher::spawn("squares", options, |rows: Vec<u64>| {
//!     rows.into_iter().map(|row| row * row).collect()
//! })?;
//! assert_eq!(squares.submit(7).await?, 49);
//! # Ok(()) }
//! ```

mod queue;
mod writer;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::queue::{Queue, Refusal, Submission};
use crate::writer::Writer;

/// The bounds of a batcher, of which a zero counts as one, and who watches it.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many rows may wait, besides those being written. This is what bounds the memory and the latency of
    /// an overload.
    pub capacity: usize,
    /// How many rows the write function gets at most in one call.
    pub max_batch: usize,
    /// Who is told of each batch that was written, before its callers are.
    pub written: Option<Written>,
}

/// Is told of a batch by the writer thread, which waits for it: the batcher's name, how many rows it had, and how long
/// the write function took.
pub type Written = fn(&'static str, usize, Duration);

/// Why a row has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue has no room for the row. Nothing was written, and trying again later is safe.
    #[error("the queue for writing is full; try again in a moment")]
    Full,
    /// The batcher was closed before the row came. Nothing was written.
    #[error("the queue for writing is closed because the service is stopping; try again elsewhere")]
    Closed,
    /// The write function panicked or broke its contract. The row may or may not have been written, so trying
    /// again is safe only for a write that can be repeated.
    #[error("the batch was lost while it was written, its outcome is unknown; the log has the cause")]
    Lost,
}

/// The rows that were still unwritten when the time for closing ran out. The writer goes on with them for as
/// long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batcher was still writing when its time to close ran out, with {queued} more rows queued")]
pub struct Undrained {
    /// How many rows waited behind the batch being written.
    pub queued: usize,
}

/// A handle to one writer thread and the queue in front of it.
///
/// Clones share both. When the last clone is dropped the queue is closed and the thread ends by itself after
/// writing what is queued; [`Batcher::close`] does the same and waits for it.
pub struct Batcher<Row, Answer> {
    owner: Arc<Owner<Row, Answer>>,
}

impl<Row, Answer> Batcher<Row, Answer>
where
    Row: Send + 'static,
    Answer: Send + 'static,
{
    /// Starts the writer thread, named `name`, which calls `write` with every batch.
    ///
    /// `write` must return one answer for each row, in the order of the rows. It may block. When it panics, or
    /// returns another number of answers, the batch's callers get [`Error::Lost`], the cause is logged and the
    /// thread goes on with the next batch; whatever state `write` keeps must therefore survive its panic. (In a
    /// program built with `panic = "abort"` a panic ends the process instead.)
    ///
    /// Fails only when the operating system cannot start a thread.
    pub fn spawn(
        name: &'static str,
        options: Options,
        write: impl FnMut(Vec<Row>) -> Vec<Answer> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(options.capacity.max(1)));
        let writer = Writer {
            name,
            queue: Arc::clone(&queue),
            max_batch: options.max_batch.max(1),
            written: options.written,
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run(write))?;
        Ok(Self {
            owner: Arc::new(Owner { queue }),
        })
    }

    /// Submits one row and awaits its answer.
    ///
    /// Not cancel-safe in the sense of undoing: from the first poll on, the row is queued and will be written
    /// even when the future is dropped. Rows that one task submits one after the other are written in that order.
    pub async fn submit(&self, row: Row) -> Result<Answer, Error> {
        let (submission, answer) = submission(row);
        self.owner.queue.push(submission)?;
        answer.await.map_err(lost)
    }

    /// Submits several rows and awaits all their answers, in the order of the rows.
    ///
    /// They enter the queue together or not at all, and next to each other, but a batch may end between them:
    /// they are not written atomically. More rows than the capacity are always [`Error::Full`]. When any of
    /// them is lost, the result is [`Error::Lost`]. As with [`Batcher::submit`], dropping the future cancels nothing.
    pub async fn submit_many(&self, rows: Vec<Row>) -> Result<Vec<Answer>, Error> {
        let (submissions, replies): (Vec<_>, Vec<_>) = rows.into_iter().map(submission).unzip();
        self.owner.queue.push_all(submissions)?;
        let mut answers = Vec::with_capacity(replies.len());
        for reply in replies {
            answers.push(reply.await.map_err(lost)?);
        }
        Ok(answers)
    }

    /// How many rows wait for the batch that is being written now.
    pub fn depth(&self) -> usize {
        self.owner.queue.depth()
    }

    /// Refuses new rows from now on ([`Error::Closed`]), and waits until those already queued are written.
    ///
    /// Needs a tokio runtime with a timer. Cancel-safe: the queue stays closed and the writer goes on. May be
    /// called more than once.
    pub async fn close(&self, within: Duration) -> Result<(), Undrained> {
        self.owner.queue.close();
        match tokio::time::timeout(within, self.owner.queue.finished()).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => Err(Undrained { queued: self.depth() }),
        }
    }
}

impl<Row, Answer> Clone for Batcher<Row, Answer> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<Row, Answer> fmt::Debug for Batcher<Row, Answer> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Batcher")
            .field("depth", &self.owner.queue.depth())
            .finish_non_exhaustive()
    }
}

/// What the clones of a batcher share. The writer thread holds the queue alone, so that this is dropped, and
/// the queue closed, with the last clone.
struct Owner<Row, Answer> {
    queue: Arc<Queue<Row, Answer>>,
}

impl<Row, Answer> Drop for Owner<Row, Answer> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Closed => Self::Closed,
        }
    }
}

fn submission<Row, Answer>(row: Row) -> (Submission<Row, Answer>, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    (Submission { row, reply }, answer)
}

/// The writer drops a reply unsent only when it has no answer that is certain to belong to the row.
fn lost(_unanswered: oneshot::error::RecvError) -> Error {
    Error::Lost
}
