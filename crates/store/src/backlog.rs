//! What waits, counted: for whoever watches the yard.

use crate::connect::read;
use crate::{Error, Store};
use std::sync::Arc;
use std::time::Duration;
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
    /// What no message is known to carry.
    pub unpublished: Unpublished,
    /// The recoveries that run.
    pub recoveries: Recovering,
}

/// Rows of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many, at the most 10,000.
    pub depth: u64,
    /// Since when the first of them waits.
    pub since: Option<Instant>,
}

/// Rows that are left to sweeps, at the most 10,000 of each kind: a message that carried them would have come by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpublished {
    /// Events that are accepted and not routed.
    pub events: u64,
    /// Deliveries that are due, or whose lease nobody used or renewed.
    pub deliveries: u64,
    /// Runs that are ready to go on.
    pub runs: u64,
}

/// Recoveries that run, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovering {
    /// How many deliveries there were for them when they were started.
    pub total: u64,
    /// How many of them were sent again, or cannot be.
    pub done: u64,
}

impl Recovering {
    /// How much of them is done, from 0 to 1; all of it when there is nothing to do.
    #[expect(clippy::cast_precision_loss, reason = "there are no 2^52 deliveries")]
    pub fn share(&self) -> f64 {
        if self.total == 0 {
            return 1.0;
        }
        self.done as f64 / self.total as f64
    }
}

impl Store {
    /// Counts what waits at `now`. What waits for longer than `patience` is not taken to be on its way by a message.
    pub async fn backlog(&self, now: Instant, patience: Duration) -> Result<Backlog, Error> {
        let before = now - patience;
        read!(self, |conn, queries| queries::backlog::count(conn, now, before))
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
