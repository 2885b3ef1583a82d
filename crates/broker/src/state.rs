//! How the conveyor is, for health checks and people.

use crate::Error;
use std::sync::Arc;
use wire::Instant;

/// Whether messages move now. No state is an emergency: events are accepted and, slower, delivered without a conveyor.
#[derive(Debug, Clone)]
pub enum State {
    /// Messages move.
    Connected,
    /// Connected, but the broker takes no messages until it has memory and disk again.
    Blocked,
    /// No connection, or no usable queues; it is being tried for.
    Connecting {
        /// When it was lost, or the conveyor's start.
        since: Instant,
        /// What went wrong last; none before the first attempt ended.
        error: Option<Arc<Error>>,
    },
    /// Closed by its owner.
    Closed,
}

impl State {
    /// Whether messages move.
    pub const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}
