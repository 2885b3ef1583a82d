//! What is known of an endpoint's lane, and what an operator does with it.

use crate::connect::{read, write};
use crate::{Error, Store};
use std::collections::HashMap;
use wire::circuit::{Circuit, Observed};
use wire::{EndpointId, Instant, WorkspaceId};

/// An endpoint's lane as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Its circuit, and with it how much may be in flight.
    pub circuit: Circuit,
    /// Set while it holds its deliveries.
    pub held: Option<Held>,
    /// How many deliveries wait; counted up to 10,000.
    pub waiting: usize,
    /// Since when the first of them is due.
    pub oldest_due_at: Option<Instant>,
    /// How many are leased.
    pub in_flight: usize,
}

/// An endpoint whose deliveries do not all go as they come, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailing {
    /// Its circuit, and with it how much may be in flight.
    pub circuit: Circuit,
    /// Set while it holds its deliveries.
    pub held: Option<Held>,
}

/// That an endpoint holds its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Since when.
    pub since: Instant,
    /// `disabled`, or `gone`, `failing` when the worker did it.
    pub reason: String,
}

/// What one look for lanes that sleep came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awake {
    /// How many were woken.
    pub woken: usize,
    /// Behind which endpoint to look on; none when there is none left.
    pub next: Option<EndpointId>,
}

/// A lane that would sleep longer than its first delivery waits.
#[derive(Debug)]
pub(crate) struct Asleep {
    pub(crate) endpoint: String,
    pub(crate) workspace: String,
    pub(crate) due_at: Instant,
}

/// An attempt's end about to be taken in by its endpoint's lane.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) observed: Observed,
    pub(crate) random: f64,
}

/// Endpoints that one look for sleeping lanes asks about at the most.
const LOOKED_AT: i64 = 1_000;

impl Store {
    /// Wakes the lanes that would sleep longer than a delivery of theirs waits, of up to `limit` endpoints behind `after`
    /// for which deliveries wait.
    ///
    /// Whoever makes a delivery wait wakes its lane. This is for what a process of an earlier version makes wait, which
    /// knows of no lanes, and bounds what any other fault could cost.
    pub async fn wake_lanes(
        &self,
        after: Option<EndpointId>,
        limit: i64,
        now: Instant,
    ) -> Result<Awake, Error> {
        let limit = limit.clamp(1, LOOKED_AT);
        let (asleep, next) = read!(self, |conn, queries| queries::sleepers::find(
            conn,
            after.as_ref(),
            limit,
            now
        ))?;
        let woken = asleep.len();
        if woken > 0 {
            write!(self, |conn, queries| queries::sleepers::wake(conn, asleep, now))?;
        }
        Ok(Awake { woken, next })
    }

    /// An endpoint's lane.
    pub async fn lane(&self, endpoint: EndpointId) -> Result<LaneStatus, Error> {
        read!(self, |conn, queries| queries::lanes::status(conn, &endpoint))
    }

    /// Disables an endpoint, which then holds its deliveries for `reason`, if it is enabled and has not changed since it was
    /// read with this `updated_at`. Returns whose it is; none when it was disabled, deleted or changed, and nothing was done.
    pub async fn disable_endpoint(
        &self,
        endpoint: EndpointId,
        as_read: Instant,
        reason: &'static str,
        now: Instant,
    ) -> Result<Option<WorkspaceId>, Error> {
        write!(self, |conn, queries| queries::endpoints::disable(
            conn, &endpoint, as_read, reason, now
        ))
    }

    /// Those of a workspace's endpoints whose deliveries do not all go as they come.
    pub async fn ailing(&self, workspace: &WorkspaceId) -> Result<HashMap<EndpointId, Ailing>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::lanes::ailing(conn, &workspace))
    }

    /// Lets an endpoint's waiting deliveries go, whatever its circuit is: one first, and more as they succeed.
    pub async fn drain(&self, endpoint: EndpointId, now: Instant) -> Result<(), Error> {
        write!(self, |conn, queries| Ok(queries::lanes::go_on(
            conn,
            endpoint.as_str(),
            now
        )?))
    }
}
