//! The bounded queue between the submitting tasks and the writer thread.
//!
//! A mutex and a condition variable rather than a channel, for two reasons: several rows can enter together or
//! not at all, and the writer takes everything that has gathered under one lock. The lock is held for a push or
//! a drain and never while anything of a caller's runs, so tasks may take it without blocking noticeably.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

/// One row and where its answer goes.
pub(crate) struct Submission<Row, Answer> {
    pub(crate) row: Row,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Why the queue took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

pub(crate) struct Queue<Row, Answer> {
    capacity: usize,
    gathered: Mutex<Gathered<Row, Answer>>,
    work: Condvar,
    finished: watch::Sender<bool>,
}

struct Gathered<Row, Answer> {
    submissions: VecDeque<Submission<Row, Answer>>,
    closed: bool,
    /// Whether the writer waits on the condition variable. Waking it costs a system call, which a busy writer
    /// does not need.
    writer_waits: bool,
}

impl<Row, Answer> Queue<Row, Answer> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            gathered: Mutex::new(Gathered {
                submissions: VecDeque::new(),
                closed: false,
                writer_waits: false,
            }),
            work: Condvar::new(),
            finished: watch::Sender::new(false),
        }
    }

    pub(crate) fn push(&self, submission: Submission<Row, Answer>) -> Result<(), Refusal> {
        let mut gathered = self.lock();
        self.admit(&gathered, 1)?;
        gathered.submissions.push_back(submission);
        self.wake(gathered);
        Ok(())
    }

    /// Takes all of them, in order and next to each other, or none.
    pub(crate) fn push_all(&self, submissions: Vec<Submission<Row, Answer>>) -> Result<(), Refusal> {
        let mut gathered = self.lock();
        self.admit(&gathered, submissions.len())?;
        gathered.submissions.extend(submissions);
        self.wake(gathered);
        Ok(())
    }

    /// Waits for work and takes the oldest submissions, `max` at most. `None` once the queue is closed and empty.
    pub(crate) fn take(&self, max: usize) -> Option<Vec<Submission<Row, Answer>>> {
        let mut gathered = self.lock();
        while gathered.submissions.is_empty() {
            if gathered.closed {
                return None;
            }
            gathered.writer_waits = true;
            gathered = self.work.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            gathered.writer_waits = false;
        }
        let count = gathered.submissions.len().min(max);
        Some(gathered.submissions.drain(..count).collect())
    }

    pub(crate) fn depth(&self) -> usize {
        self.lock().submissions.len()
    }

    pub(crate) fn close(&self) {
        let mut gathered = self.lock();
        gathered.closed = true;
        self.wake(gathered);
    }

    /// Says that the writer will take nothing more.
    pub(crate) fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Waits for [`Queue::finish`].
    pub(crate) async fn finished(&self) {
        // An error would mean that the sender is gone, but `self` owns it.
        let _ = self.finished.subscribe().wait_for(|finished| *finished).await;
    }

    fn admit(&self, gathered: &Gathered<Row, Answer>, count: usize) -> Result<(), Refusal> {
        if gathered.closed {
            Err(Refusal::Closed)
        } else if count > self.capacity - gathered.submissions.len() {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }

    /// Releases the lock first, so that the writer does not wake up only to wait for it.
    fn wake(&self, gathered: MutexGuard<'_, Gathered<Row, Answer>>) {
        let writer_waits = gathered.writer_waits;
        drop(gathered);
        if writer_waits {
            self.work.notify_one();
        }
    }

    /// No code of a caller's runs under the lock, so a poisoned one still guards a sound queue.
    fn lock(&self) -> MutexGuard<'_, Gathered<Row, Answer>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
