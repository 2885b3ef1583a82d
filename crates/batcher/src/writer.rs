//! The loop of the writer thread: take a batch, write it, hand out the answers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::Written;
use crate::queue::{Queue, Submission};

/// What the writer thread has.
pub(crate) struct Writer<Row, Answer> {
    pub(crate) name: &'static str,
    pub(crate) queue: Arc<Queue<Row, Answer>>,
    pub(crate) max_batch: usize,
    pub(crate) written: Option<Written>,
}

impl<Row, Answer> Writer<Row, Answer> {
    /// Runs until the queue is closed and empty.
    pub(crate) fn run(&self, mut write: impl FnMut(Vec<Row>) -> Vec<Answer>) {
        while let Some(batch) = self.queue.take(self.max_batch) {
            self.write(batch, &mut write);
        }
        self.queue.finish();
    }

    /// Whatever goes wrong here, each reply is either sent its own answer or dropped, which tells its caller that
    /// the row is lost.
    fn write(&self, batch: Vec<Submission<Row, Answer>>, write: &mut impl FnMut(Vec<Row>) -> Vec<Answer>) {
        let (rows, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|it| (it.row, it.reply)).unzip();
        let began = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| write(rows))) {
            Ok(answers) if answers.len() == replies.len() => {
                if let Some(written) = self.written {
                    written(self.name, replies.len(), began.elapsed());
                }
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // The caller may have gone away; its row is written and nobody misses the answer.
                    let _ = reply.send(answer);
                }
            }
            Ok(answers) => tracing::error!(
                batcher.name = self.name,
                batch.rows = replies.len(),
                batch.answers = answers.len(),
                "a batch was lost because the write function returned the wrong number of answers"
            ),
            Err(panic) => tracing::error!(
                batcher.name = self.name,
                batch.rows = replies.len(),
                error.chain = message(panic.as_ref()),
                "a batch was lost because the write function panicked"
            ),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
