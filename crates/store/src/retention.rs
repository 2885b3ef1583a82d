//! Retention: history that is older than its window goes, and nothing that is unfinished ever does.
//!
//! # Theory of operation
//!
//! A pass goes through each table by its key, oldest first, a batch a transaction, so that whoever runs it can pause in
//! between: deliveries that have come to an end, then attempts without a delivery, then events that nothing needs any
//! more, then runs that have ended, with their steps, recoveries that have, and the audit. An event is needed while it waits to be routed, while it has a delivery of any kind, and while a run that has not
//! ended came of it or is yet to take it in.
//!
//! On Postgres, a day's partition of events or attempts is dropped whole once nothing in it is needed; what a few
//! unfinished things keep a partition for, the pass removes from around them. SQLite has the pass alone.

use crate::connect::{Ledger, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{Error, Store, partitions};
use uuid::Uuid;
use wire::{Instant, WorkspaceId};

/// What grows and expires, in the order in which it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum History {
    /// Deliveries that have come to an end.
    Deliveries,
    /// Attempts of deliveries that are gone.
    Attempts,
    /// Events that nothing needs any more.
    Events,
    /// Refused requests.
    Rejections,
    /// Runs that have ended, with their steps and what they were told.
    Runs,
    /// Recoveries that have ended.
    Recoveries,
    /// What was done by whom.
    Audit,
}

impl History {
    /// In the order in which they go.
    pub const ALL: [Self; 7] = [
        Self::Deliveries,
        Self::Attempts,
        Self::Events,
        Self::Rejections,
        Self::Runs,
        Self::Recoveries,
        Self::Audit,
    ];

    /// The table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Attempts => "attempts",
            Self::Events => "events",
            Self::Rejections => "rejections",
            Self::Runs => "runs",
            Self::Recoveries => "recoveries",
            Self::Audit => "audit_entries",
        }
    }
}

/// What one batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many rows went.
    pub removed: usize,
    /// Where the next batch begins; none when nothing older is left.
    pub next: Option<Uuid>,
}

impl Store {
    /// Does one batch of a pass: looks at up to `limit` rows from before `before`, behind the key `after`, and removes
    /// those that are done with.
    ///
    /// `workspace` leaves one workspace's; attempts carry none, so a workspace's go with their deliveries, and a pass over all
    /// looks through them.
    pub async fn expire(
        &self,
        history: History,
        workspace: Option<&WorkspaceId>,
        before: Instant,
        (after, limit): (Option<Uuid>, i64),
    ) -> Result<Expired, Error> {
        let workspace = workspace.cloned();
        let limit = limit.clamp(1, LONGEST_SWEEP);
        write!(self, |conn, queries| {
            let range = queries::retention::Range {
                workspace: workspace.as_ref(),
                after,
                before,
                limit,
            };
            match history {
                History::Deliveries => queries::retention::deliveries(conn, range),
                History::Attempts => queries::retention::attempts(conn, range),
                History::Events => queries::retention::events(conn, range),
                History::Rejections => queries::retention::rejections(conn, range),
                History::Runs => queries::retention::runs(conn, range),
                History::Recoveries => queries::retention::recoveries(conn, range),
                History::Audit => queries::retention::audit(conn, range),
            }
        })
    }

    /// Drops the partitions of days that end before `before` and in which nothing is needed; returns their names. None on
    /// SQLite, and none while somebody reads them: the next time will do.
    pub async fn drop_partitions(&self, before: Instant) -> Result<Vec<String>, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => ledger.read(move |conn| partitions::drop_old(conn, before)).await,
            Ledger::Sqlite(_) => Ok(Vec::new()),
        }
    }
}
