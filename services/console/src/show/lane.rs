//! What an endpoint's deliveries are up to.

use serde::Serialize;
use store::LaneStatus;
use wire::Instant;
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
    in_flight: usize,
    /// Counted up to 10,000.
    waiting: usize,
    oldest_due_at: Option<Instant>,
    held: Option<HeldView>,
}

/// Since when and why an endpoint holds its deliveries.
#[derive(Debug, Clone, Serialize)]
struct HeldView {
    since: Instant,
    reason: String,
}

impl LaneView {
    pub(crate) fn of(lane: LaneStatus, concurrency: u32) -> Self {
        let circuit = lane.circuit;
        let limit = circuit.limit.unwrap_or(concurrency).min(concurrency);
        let state = match circuit.state {
            _ if lane.held.is_some() => "held",
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
            in_flight: lane.in_flight,
            waiting: lane.waiting,
            oldest_due_at: lane.oldest_due_at,
            held: lane.held.map(|held| HeldView {
                since: held.since,
                reason: held.reason,
            }),
        }
    }
}
