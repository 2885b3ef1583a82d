//! What waits, counted: for whoever watches the yard.

use crate::connect::read;
use crate::{Error, Store};
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

    /// How many connections of the pool are in use, and how many there are.
    pub fn pool(&self) -> (u32, u32) {
        let state = self.ledger.pool_state();
        (state.connections - state.idle_connections, state.connections)
    }
}
