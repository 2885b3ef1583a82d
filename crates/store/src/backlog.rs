//! What waits, counted: for whoever watches the yard.

use crate::connect::read;
use crate::{Error, Store};
use std::sync::Arc;
use wire::Instant;

/// What waits for somebody to take it up. Counts end at 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Events that are accepted and not routed.
    pub events: Waiting,
    /// Deliveries that are due, of endpoints that may have them: not those that wait for a circuit or an operator.
    pub deliveries: Waiting,
    /// Runs that are ready to go on.
    pub runs: Waiting,
    /// Dead letters.
    pub dead_letters: u64,
    /// Endpoints whose circuit is open.
    pub open_circuits: u64,
}

/// Rows of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many, at the most 10,000.
    pub depth: u64,
    /// Since when the first of them waits.
    pub since: Option<Instant>,
}

impl Store {
    /// Counts what waits at `now`.
    pub async fn backlog(&self, now: Instant) -> Result<Backlog, Error> {
        read!(self, |conn, queries| queries::backlog::count(conn, now))
    }

    /// A look at the pool: how many of its connections are in use, and how many there are. It keeps no ledger open that is done
    /// with, and sees nothing of it then.
    pub fn pool(&self) -> impl Fn() -> Option<(u32, u32)> + Send + Sync + 'static {
        let ledger = Arc::downgrade(&self.ledger);
        move || {
            let state = ledger.upgrade()?.pool_state();
            let used = state.connections.saturating_sub(state.idle_connections);
            Some((used, state.connections))
        }
    }
}
