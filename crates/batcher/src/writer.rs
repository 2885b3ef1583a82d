//! The loop of the writer thread: take a batch, write it, hand out the answers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::queue::{Queue, Submission};

/// Runs until the queue is closed and empty.
pub(crate) fn run<Row, Answer>(
    name: &str,
    queue: &Queue<Row, Answer>,
    max_batch: usize,
    mut write: impl FnMut(Vec<Row>) -> Vec<Answer>,
) {
    while let Some(batch) = queue.take(max_batch) {
        write_batch(name, batch, &mut write);
    }
    queue.finish();
}

/// Whatever goes wrong here, each reply is either sent its own answer or dropped, which tells its caller that
/// the row is lost.
fn write_batch<Row, Answer>(
    name: &str,
    batch: Vec<Submission<Row, Answer>>,
    write: &mut impl FnMut(Vec<Row>) -> Vec<Answer>,
) {
    let (rows, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|it| (it.row, it.reply)).unzip();
    match catch_unwind(AssertUnwindSafe(|| write(rows))) {
        Ok(answers) if answers.len() == replies.len() => {
            for (reply, answer) in replies.into_iter().zip(answers) {
                // The caller may have gone away; its row is written and nobody misses the answer.
                let _ = reply.send(answer);
            }
        }
        Ok(answers) => tracing::error!(
            batcher.name = name,
            batch.rows = replies.len(),
            batch.answers = answers.len(),
            "a batch was lost because the write function returned the wrong number of answers"
        ),
        Err(panic) => tracing::error!(
            batcher.name = name,
            batch.rows = replies.len(),
            error.chain = message(panic.as_ref()),
            "a batch was lost because the write function panicked"
        ),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
