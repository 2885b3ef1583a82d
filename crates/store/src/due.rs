//! The sweepers' side of the ledger: what is due, what was lost, what no message named.

use crate::connect::{Ledger, read, write};
use crate::{Error, Event, Job, Store, postgres, sqlite};
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryId, EndpointId, EventId, Instant};

/// The most that one sweep takes at once; whoever asks for more gets this much.
pub(crate) const LONGEST_SWEEP: i64 = 10_000;

impl Store {
    /// Reads those of `ids` that wait to be routed.
    pub async fn accepted_events(&self, ids: Vec<EventId>) -> Result<Vec<Event>, Error> {
        read!(self, |conn, queries| queries::events::accepted(conn, &ids))
    }

    /// Reads the oldest events that were accepted before `before` and not routed since, at most `limit`.
    ///
    /// Several routers may get the same ones; whoever writes first routes them.
    pub async fn unrouted_events(&self, before: Instant, limit: i64) -> Result<Vec<Event>, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        read!(self, |conn, queries| queries::events::unrouted(
            conn, before, limit
        ))
    }

    /// Counts a failure to route `id`, and returns how many there were.
    pub async fn count_routing_failure(&self, id: EventId) -> Result<i32, Error> {
        write!(self, |conn, queries| queries::events::count_failure(conn, id))
    }

    /// Reads the deliveries that are still under these leases, with all that an attempt needs.
    pub async fn leased_jobs(&self, leases: Vec<(DeliveryId, Uuid)>) -> Result<Vec<Job>, Error> {
        read!(self, |conn, queries| queries::deliveries::leased(conn, &leases))
    }

    /// Leases up to `limit` deliveries that are due at `now`, oldest first, for `hold`; counts their attempts.
    ///
    /// Leaves out the endpoints in `full` (whose slots this worker has used up) and disabled ones. The deliveries of a
    /// deleted endpoint are leased whether it was disabled or not: the worker ends them.
    pub async fn lease_due(
        &self,
        now: Instant,
        limit: i64,
        lease: (Uuid, Duration),
        full: Vec<EndpointId>,
    ) -> Result<Vec<Job>, Error> {
        let (token, hold) = lease;
        let lease = (token, now + hold);
        let limit = limit.clamp(0, LONGEST_SWEEP);
        let ids = match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::lease_due(conn, now, limit, lease, &full)?);
                ledger.read(call).await?
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::lease_due(conn, now, limit, lease, &full)?);
                ledger.write(call).await?
            }
        };
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.leased_jobs(ids.into_iter().map(|id| (id.into(), token)).collect())
            .await
    }

    /// Gives leased deliveries back unused: they are due again at `due_at`, and no attempt is counted.
    pub async fn release(&self, leases: Vec<(DeliveryId, Uuid)>, due_at: Instant) -> Result<usize, Error> {
        write!(self, |conn, queries| queries::deliveries::release(
            conn, &leases, due_at
        ))
    }

    /// Holds leases until `until`; one that another has by now, or that was used up, stays what it is.
    pub async fn renew(&self, leases: Vec<(DeliveryId, Uuid)>, until: Instant) -> Result<usize, Error> {
        write!(self, |conn, queries| queries::deliveries::renew(
            conn, &leases, until
        ))
    }

    /// Takes back up to `limit` leases that ran out before `now`; returns how many.
    ///
    /// A lease that the router gave and no worker used becomes due at once. One that a worker took becomes a lost
    /// attempt: it counts, and the next one is due after `pause`.
    pub async fn reap(&self, now: Instant, pause: Duration, limit: i64) -> Result<usize, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::reap(conn, now, now + pause, limit)?);
                ledger.read(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::reap(conn, now, now + pause, limit)?);
                ledger.write(call).await
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
