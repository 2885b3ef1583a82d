//! Leases while they hold, and after: read, given back, renewed, and taken back from workers that were lost.

use crate::connect::{Ledger, look_up, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{Error, Job, Store, postgres, sqlite};
use diesel::QueryResult;
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryId, Instant};

/// Takes lost leases back, and wakes their lanes.
macro_rules! reap {
    ($conn:ident, $hot:ident, $queries:ident, $now:ident, $pause:ident, $limit:ident) => {{
        let reaped = $hot::reap($conn, $now, $now + $pause, $limit)?;
        let count = reaped.len();
        let mut waiting = $queries::lanes::Waiting::default();
        for (endpoint, workspace, due_at) in reaped {
            waiting.add(endpoint, workspace, due_at.map(Instant::from));
        }
        waiting.wake($conn, $now)?;
        QueryResult::Ok(count)
    }};
}

impl Store {
    /// Reads the deliveries that are still under these leases, with all that an attempt needs. Gives those back whose bodies
    /// would be too much at once.
    pub async fn leased_jobs(&self, leases: Vec<(DeliveryId, Uuid)>) -> Result<Vec<Job>, Error> {
        let read = look_up!(self, |conn, queries| queries::deliveries::leased(conn, &leases)
            .map(|read| (read.jobs, read.left)));
        let (jobs, left) = read?;
        self.leave(left).await;
        Ok(jobs)
    }

    /// Gives back what was not read. That it fails must not cost what was: those leases run out by themselves.
    pub(crate) async fn leave(&self, left: Vec<(DeliveryId, Uuid)>) {
        let count = left.len();
        if count > 0
            && let Err(error) = self.release(left, Instant::now()).await
        {
            tracing::warn!(
                count,
                error.chain = &error as &dyn std::error::Error,
                "deliveries that were not read could not be given back; their leases run out by themselves"
            );
        }
    }

    /// Gives leased deliveries back unused at `now`: they are due as they were, so that they keep their place among the
    /// others of their endpoint, and no attempt is counted.
    pub async fn release(&self, leases: Vec<(DeliveryId, Uuid)>, now: Instant) -> Result<usize, Error> {
        write!(self, |conn, queries| queries::deliveries::release(
            conn, &leases, now
        ))
    }

    /// Holds leases until `until`; one that another has by now, or that is used up or being used up, stays what it is.
    pub async fn renew(&self, leases: Vec<(DeliveryId, Uuid)>, until: Instant) -> Result<usize, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::renew(conn, &leases, until)?);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::renew(conn, &leases, until)?);
                ledger.write(call).await
            }
        }
    }

    /// Takes back up to `limit` leases that ran out before `now`; returns how many.
    ///
    /// A lease that the router gave and no worker used becomes due at once. One that a worker took becomes a lost
    /// attempt: it counts, and the next one is due after `pause`.
    pub async fn reap(&self, now: Instant, pause: Duration, limit: i64) -> Result<usize, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                use postgres::{hot, queries};
                let reap = move |conn: &mut _| Ok(reap!(conn, hot, queries, now, pause, limit)?);
                ledger.write(reap).await
            }
            Ledger::Sqlite(ledger) => {
                use sqlite::{hot, queries};
                let reap = move |conn: &mut _| Ok(reap!(conn, hot, queries, now, pause, limit)?);
                ledger.write(reap).await
            }
        }
    }

    /// Takes back every lease at once, however long it would hold; returns how many there were.
    ///
    /// Only for a process that alone has the ledger and has just begun: whoever held them is gone for certain.
    pub async fn void_leases(&self, now: Instant) -> Result<usize, Error> {
        write!(self, |conn, queries| queries::deliveries::void_leases(conn, now))
    }
}
