//! What lines are told of deliveries, and what bounds them.

use crate::rate::Rate;
use std::time::{Duration, Instant};
use uuid::Uuid;
use wire::{DeliveryId, EndpointId, WorkspaceId};

/// How much is held at the most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Deliveries being attempted.
    pub(crate) slots: usize,
    /// Slots that one workspace leaves to others, however many it could use.
    pub(crate) reserve: usize,
    /// Attempts at the same time that a line begins with.
    pub(crate) window: usize,
    /// Deliveries waiting in one line.
    pub(crate) line: usize,
    /// How long one may wait in a line. What an endpoint's rate does not let start within it waits in the ledger.
    pub(crate) patience: Duration,
    /// Deliveries waiting in all lines.
    pub(crate) waiting: usize,
    /// Deliveries waiting in all lines of one workspace.
    pub(crate) waiting_each: usize,
    /// Deliveries whose outcome is being recorded.
    pub(crate) recording: usize,
    /// Bytes of everything held. The last one admitted may exceed it.
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Deliveries waiting in the line of an endpoint with these limits.
    pub(crate) fn line_of(&self, limits: Limits) -> usize {
        let paced = limits.rate.map(|rate| rate.within(self.patience));
        paced.map_or(self.line, |paced| paced.min(self.line))
    }
}

/// What an endpoint allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Attempts at the same time.
    pub(crate) concurrency: usize,
    /// Attempts per time.
    pub(crate) rate: Option<Rate>,
}

/// A delivery that this worker has a lease on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) delivery: DeliveryId,
    pub(crate) lease: Uuid,
    pub(crate) workspace: WorkspaceId,
    pub(crate) endpoint: EndpointId,
    /// Whether a sweep brought it.
    pub(crate) is_swept: bool,
    /// Whether it tests an open circuit.
    pub(crate) is_probe: bool,
    /// Of its body.
    pub(crate) bytes: usize,
    /// Later the lease would not outlast an attempt.
    pub(crate) start_by: Instant,
}

/// What became of a delivery at the end of its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is held.
    Held,
    /// It was held already: the conveyor brought its reference twice.
    Twice,
    /// There is no room for it here.
    NoRoom,
}
