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

/// An attempt's end about to be taken in by its endpoint's lane.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) observed: Observed,
    pub(crate) random: f64,
}

impl Store {
    /// An endpoint's lane.
    pub async fn lane(&self, endpoint: EndpointId) -> Result<LaneStatus, Error> {
        read!(self, |conn, queries| queries::lanes::status(conn, &endpoint))
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
