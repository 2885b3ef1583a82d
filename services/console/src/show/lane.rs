//! What an endpoint's deliveries are up to.

use serde::Serialize;
use store::{Ailing, Held, LaneStatus};
use wire::Instant;
use wire::circuit::Circuit;
use wire::circuit::CircuitState;

/// An endpoint's lane: whether its deliveries go, how many wait, and what they wait for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LaneView {
    /// `flowing`, `limited`, `recovering`, `open` or `held`.
    state: &'static str,
    circuit: CircuitState,
    /// Since when the circuit is not closed.
    opened_at: Option<Instant>,
    /// While it is open.
    next_probe_at: Option<Instant>,
    /// Since when every attempt fails.
    failing_since: Option<Instant>,
    failures_in_a_row: u32,
    /// How many attempts may be in flight.
    limit: u32,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    held: Option<HeldView>,
}

/// How many deliveries there are; of one endpoint alone, since counting takes time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    in_flight: usize,
    /// Counted up to 10,000.
    waiting: usize,
    oldest_due_at: Option<Instant>,
}

/// Since when and why an endpoint holds its deliveries.
#[derive(Debug, Clone, Serialize)]
struct HeldView {
    since: Instant,
    reason: String,
}

impl LaneView {
    /// Of one endpoint, which allows `concurrency` attempts in flight.
    pub(crate) fn of(lane: LaneStatus, concurrency: u32) -> Self {
        let counts = Counts {
            in_flight: lane.in_flight,
            waiting: lane.waiting,
            oldest_due_at: lane.oldest_due_at,
        };
        Self {
            counts: Some(counts),
            ..Self::health(&lane.circuit, lane.held, concurrency)
        }
    }

    /// Of one among many; none: its deliveries go.
    pub(crate) fn of_ailing(ailing: Option<Ailing>, concurrency: u32) -> Self {
        match ailing {
            Some(ailing) => Self::health(&ailing.circuit, ailing.held, concurrency),
            None => Self::health(&Circuit::default(), None, concurrency),
        }
    }

    fn health(circuit: &Circuit, held: Option<Held>, concurrency: u32) -> Self {
        let limit = circuit.limit.unwrap_or(concurrency).min(concurrency);
        let state = match circuit.state {
            _ if held.is_some() => "held",
            CircuitState::Open => "open",
            CircuitState::HalfOpen => "recovering",
            CircuitState::Closed if limit < concurrency => "limited",
            CircuitState::Closed => "flowing",
        };
        Self {
            state,
            circuit: circuit.state,
            opened_at: circuit.opened_at,
            next_probe_at: circuit.probe_at,
            failing_since: circuit.failing_since,
            failures_in_a_row: circuit.in_a_row,
            limit,
            counts: None,
            held: held.map(|held| HeldView {
                since: held.since,
                reason: held.reason,
            }),
        }
    }
}
