//! What a conveyor counted since its start, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the conveyor was made; they only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that the queue certainly has.
    pub published: u64,
    /// Messages that came back, because there was no queue.
    pub returned: u64,
    /// Messages that the broker refused, or that an in-process queue had no room for.
    pub refused: u64,
    /// Messages that are not certainly there: no connection, no confirm, a blocked broker.
    pub uncertain: u64,
    /// Messages handed to consumers.
    pub received: u64,
    /// Messages that no release of ours wrote; they are thrown away.
    pub malformed: u64,
    /// Times that a connection was lost.
    pub lost_connections: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: Counter,
    pub(crate) returned: Counter,
    pub(crate) refused: Counter,
    pub(crate) uncertain: Counter,
    pub(crate) received: Counter,
    pub(crate) malformed: Counter,
    pub(crate) lost_connections: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Counts {
        Counts {
            published: self.published.get(),
            returned: self.returned.get(),
            refused: self.refused.get(),
            uncertain: self.uncertain.get(),
            received: self.received.get(),
            malformed: self.malformed.get(),
            lost_connections: self.lost_connections.get(),
        }
    }

    /// Counts how a publish ended.
    pub(crate) fn publish(&self, outcome: &Result<(), crate::Error>) {
        use crate::Error;
        match outcome {
            Ok(()) => self.published.add(),
            Err(Error::Returned { .. }) => self.returned.add(),
            Err(Error::Nacked { .. } | Error::Full { .. }) => self.refused.add(),
            Err(_) => self.uncertain.add(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
