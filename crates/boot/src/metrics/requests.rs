//! Requests that our own servers answer.

use super::declare::{Declare, SHORT};
use super::meters::meters;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, UpDownCounter};
use std::time::Duration;

pub(super) struct Requests {
    duration: Histogram<f64>,
    body_size: Histogram<u64>,
    active: UpDownCounter<i64>,
}

impl Requests {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            duration: declare.seconds(
                "http.server.request.duration",
                "Requests that we answered",
                &SHORT,
            ),
            body_size: declare.bytes(
                "http.server.request.body.size",
                "Bodies of the requests that we answered",
            ),
            active: declare.at_present("http.server.active_requests", "Requests that are being answered"),
        }
    }
}

/// Counts an HTTP request of ours until it is dropped.
#[must_use]
pub(crate) fn request_began(method: &'static str) -> ActiveRequest {
    meters().requests.active.add(1, &[of_method(method)]);
    ActiveRequest { method }
}

/// A request that has not been answered.
#[derive(Debug)]
pub(crate) struct ActiveRequest {
    method: &'static str,
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        meters().requests.active.add(-1, &[of_method(self.method)]);
    }
}

/// Times an HTTP request of ours and measures its body. The route is a pattern, never the path.
pub(crate) fn request_answered(
    method: &'static str,
    route: String,
    status: u16,
    took: Duration,
    body_bytes: u64,
) {
    let labels = [
        of_method(method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    let requests = &meters().requests;
    requests.duration.record(took.as_secs_f64(), &labels);
    requests.body_size.record(body_bytes, &labels);
}

fn of_method(method: &'static str) -> KeyValue {
    KeyValue::new("http.request.method", method)
}
