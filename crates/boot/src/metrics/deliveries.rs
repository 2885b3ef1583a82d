//! Deliveries and their attempts.

use super::declare::{Declare, LONG, SHORT};
use super::meters::meters;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use std::time::Duration;
use wire::DeliveryState;

pub(super) struct Deliveries {
    requests: Histogram<f64>,
    attempts: Counter<u64>,
    outcomes: Counter<u64>,
    lag: Histogram<f64>,
    end_to_end: Histogram<f64>,
    in_flight: Gauge<u64>,
}

impl Deliveries {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            requests: declare.seconds("http.client.request.duration", "Requests to receivers", &SHORT),
            attempts: declare.counter(
                "hookyard.delivery.attempts",
                "Attempts, by the class of their answer",
            ),
            outcomes: declare.counter(
                "hookyard.delivery.outcomes",
                "Deliveries, by the state they came to and the class of the answer that decided it",
            ),
            lag: declare.seconds(
                "hookyard.delivery.lag",
                "From when an attempt was due to its pickup",
                &LONG,
            ),
            end_to_end: declare.seconds(
                "hookyard.delivery.end_to_end",
                "From arrival to the first 2xx",
                &LONG,
            ),
            in_flight: declare.gauge(
                "hookyard.delivery.in_flight",
                "Attempts in flight in this process",
            ),
        }
    }
}

/// Counts one attempt and times its request. `class` is `2xx` … `5xx` or the kind of the error (`timeout`, `dns` …).
pub fn delivery_attempted(class: &'static str, is_success: bool, took: Duration) {
    let outcome = if is_success { "success" } else { "failure" };
    let deliveries = &meters().deliveries;
    deliveries.attempts.add(1, &labels(outcome, class));
    let fault = [KeyValue::new("error.type", class)];
    let fault = if is_success { &[] } else { fault.as_slice() };
    deliveries.requests.record(took.as_secs_f64(), fault);
}

/// Counts a delivery that came to this state. `class` is that of the attempt that brought it there; `none` without one.
pub fn delivery_ended(state: DeliveryState, class: &'static str) {
    let outcomes = &meters().deliveries.outcomes;
    outcomes.add(1, &labels(state.as_str(), class));
}

/// Times how late an attempt was taken up: from when it was due, not from when the event came.
pub fn delivery_lag(late: Duration) {
    meters().deliveries.lag.record(late.as_secs_f64(), &[]);
}

/// Times a delivery from the event's arrival to the first 2xx.
pub fn delivery_end_to_end(took: Duration) {
    meters().deliveries.end_to_end.record(took.as_secs_f64(), &[]);
}

/// Shows how many attempts are in flight in this process.
pub fn deliveries_in_flight(attempts: u64) {
    meters().deliveries.in_flight.record(attempts, &[]);
}

fn labels(outcome: &'static str, class: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("outcome", outcome), KeyValue::new("class", class)]
}
