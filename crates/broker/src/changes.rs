//! Listening to announcements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use wire::Change;

/// How many announcements a slow listener may be behind before it is told that everything changed.
pub(crate) const BACKLOG: usize = 256;

/// Counts what was announced, as far as this process knows. Clones share the count.
///
/// A cache that has the count in its keys forgets everything whenever something changes, and what was read before a change
/// is not found after it.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// The count now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Something changed, nobody knows what.
pub(crate) const EVERYTHING: Change = Change { workspace: None };

/// The announcements of every process, from the moment this was made.
#[derive(Debug)]
pub struct Changes {
    announced: broadcast::Receiver<Change>,
    closing: CancellationToken,
}

impl Changes {
    pub(crate) fn new(announced: broadcast::Receiver<Change>, closing: CancellationToken) -> Self {
        Self { announced, closing }
    }

    /// Waits for the next announcement; `None` only after [`Conveyor::close`](crate::Conveyor::close). Cancel-safe.
    ///
    /// Where one may have been missed, by a lost connection or by being slow, `Change { workspace: None }` comes.
    pub async fn next(&mut self) -> Option<Change> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => None,
            announced = self.announced.recv() => match announced {
                Ok(change) => Some(change),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(EVERYTHING),
                Err(broadcast::error::RecvError::Closed) => None,
            },
        }
    }
}
