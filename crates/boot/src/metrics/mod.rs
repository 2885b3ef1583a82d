//! What this product counts and times, as functions that services call without knowing the SDK.
//!
//! There is one meter provider per process. It is read by `/metrics` (Prometheus text) and, if the settings say so,
//! pushed to a collector. Before [`crate::telemetry::Telemetry::start`] the functions work too, so tests need no setup.
//!
//! Labels are enums and `&'static str`: nothing that a tenant or a sender chose can become one, so the number of series
//! is bounded by the source code. Ids belong in logs and traces.
//!
//! ```
//! use hookyard_boot::metrics::{self, Ingest};
//!
//! metrics::ingest("token", "github", Ingest::Accepted);
//! assert!(metrics::text().contains("hookyard_ingest_events_total"));
//! ```

mod instruments;

use crate::error::Error;
use crate::settings;
use crate::telemetry::metrics_exporter;
use instruments::Instruments;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::sync::{Once, OnceLock};
use std::time::Duration;
use wire::{DeliveryState, Queue, RunState};

static METERS: OnceLock<Meters> = OnceLock::new();

/// The media type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Meters {
    provider: SdkMeterProvider,
    registry: Registry,
    instruments: Instruments,
}

impl Meters {
    fn new(resource: Resource, collector: Option<&settings::HttpUrl>) -> Result<Self, Error> {
        let registry = Registry::new();
        let prometheus = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // There is one scope; as a label it would only repeat itself.
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::Telemetry {
                reason: error.to_string(),
            })?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(prometheus);
        if let Some(collector) = collector {
            builder = builder.with_reader(PeriodicReader::builder(metrics_exporter(collector)?).build());
        }
        let provider = builder.build();
        let instruments = Instruments::new(&provider.meter("hookyard"));
        Ok(Self {
            provider,
            registry,
            instruments,
        })
    }
}

fn meters() -> &'static Meters {
    METERS.get_or_init(|| {
        Meters::new(Resource::builder_empty().build(), None)
            .expect("the reader registers because the registry is new and empty")
    })
}

fn instruments() -> &'static Instruments {
    &meters().instruments
}

/// Starts the meter of this process, once; in tests the first call stays.
pub(crate) fn start(settings: &settings::Telemetry, resource: Resource) -> Result<(), Error> {
    if METERS.get().is_none() {
        let collector = settings.otlp_endpoint.as_ref().filter(|_| settings.otlp_metrics);
        // Whoever was faster has set one that is as good.
        let _ = METERS.set(Meters::new(resource, collector)?);
    }
    Ok(())
}

/// Pushes what is left.
pub(crate) fn finish(timeout: Duration) {
    if let Some(meters) = METERS.get() {
        let _ = meters.provider.shutdown_with_timeout(timeout);
    }
}

/// All metrics in Prometheus's text format.
pub fn text() -> String {
    let mut bytes = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&meters().registry.gather(), &mut bytes) {
        tracing::warn!(
            error.chain = &error as &dyn std::error::Error,
            "some metrics cannot be shown"
        );
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What became of a webhook at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingest {
    /// A new event or run.
    Accepted,
    /// Its key was known: the first answer again.
    Duplicate,
    /// Its key was known with other bytes.
    Conflict,
    /// Refused, with the error code of the answer.
    Rejected(&'static str),
}

/// Counts one webhook at a door (`channel`, `token` …), from a provider (`github`, `none` …).
pub fn ingest(door: &'static str, provider: &'static str, outcome: Ingest) {
    let (outcome, reason) = match outcome {
        Ingest::Accepted => ("accepted", ""),
        Ingest::Duplicate => ("duplicate", ""),
        Ingest::Conflict => ("conflict", ""),
        Ingest::Rejected(reason) => ("rejected", reason),
    };
    let labels = [
        KeyValue::new("door", door),
        KeyValue::new("provider", provider),
        KeyValue::new("outcome", outcome),
        KeyValue::new("reason", reason),
    ];
    instruments().ingest_events.add(1, &labels);
}

/// Counts one check of a signature; `reason` is `valid` or why not.
pub fn signature_verified(provider: &'static str, reason: &'static str) {
    let labels = [
        KeyValue::new("provider", provider),
        KeyValue::new("reason", reason),
    ];
    instruments().signature_verifications.add(1, &labels);
}

/// Counts a rejection that was not kept for the operator: `sampled`, `full`, `ledger` …
pub fn rejection_dropped(reason: &'static str) {
    instruments()
        .rejections_dropped
        .add(1, &[KeyValue::new("reason", reason)]);
}

/// Times one batch that was written to the ledger together, and counts its rows.
pub fn batch_written(statement: &'static str, rows: usize, took: Duration) {
    let labels = [KeyValue::new("statement", statement)];
    instruments().batch_rows.record(count(rows), &labels);
    instruments().batch_duration.record(took.as_secs_f64(), &labels);
}

/// Counts references that went to a queue.
pub fn published(queue: Queue, references: usize) {
    instruments()
        .sent_messages
        .add(count(references), &messaging(queue));
}

/// Counts references that the broker did not take (`returned`, `nacked`, `disconnected` …): a sweep finds their rows.
pub fn publish_failed(queue: Queue, references: usize, reason: &'static str) {
    let [system, destination] = messaging(queue);
    let labels = [system, destination, KeyValue::new("error.type", reason)];
    instruments().publish_failures.add(count(references), &labels);
}

/// Shows what a conveyor counts, whenever metrics are read. In a process with several, the first one stays.
pub(crate) fn observe_conveyor(counts: impl Fn() -> broker::Counts + Send + Sync + 'static) {
    static OBSERVED: Once = Once::new();
    OBSERVED.call_once(|| instruments::observe_conveyor(&meters().provider.meter("hookyard"), counts));
}

/// Shows how many of the ledger's connections are in use, and how many there are, whenever metrics are read. In a process with
/// several, the first one stays.
pub(crate) fn observe_pool(state: impl Fn() -> Option<(u32, u32)> + Send + Sync + 'static) {
    static OBSERVED: Once = Once::new();
    OBSERVED.call_once(|| instruments::observe_pool(&meters().provider.meter("hookyard"), state));
}

/// Counts references that came from a queue, and times what became of their message.
pub fn consumed(queue: Queue, references: usize, took: Duration) {
    let labels = messaging(queue);
    instruments().consumed_messages.add(count(references), &labels);
    instruments().process_duration.record(took.as_secs_f64(), &labels);
}

/// Counts rows that a sweep found because no message named them.
pub fn swept(queue: Queue, rows: usize) {
    instruments()
        .swept_rows
        .add(count(rows), &[KeyValue::new("queue", queue.name())]);
}

/// Counts rows of a table that went because their window was over.
pub fn expired(table: &'static str, rows: usize) {
    instruments()
        .expired_rows
        .add(count(rows), &[KeyValue::new("table", table)]);
}

/// Counts partitions that were dropped because nothing in them was needed.
pub fn partitions_dropped(partitions: usize) {
    instruments().dropped_partitions.add(count(partitions), &[]);
}

/// Counts deliveries that recoveries sent again.
pub fn deliveries_recovered(deliveries: usize) {
    instruments().recovered_deliveries.add(count(deliveries), &[]);
}

/// Shows how many rows wait for a queue's consumer in the ledger, and how old the oldest is.
pub fn backlog(queue: Queue, depth: u64, oldest: Duration) {
    let labels = [KeyValue::new("queue", queue.name())];
    instruments().queue_depth.record(depth, &labels);
    instruments()
        .queue_oldest_age
        .record(oldest.as_secs_f64(), &labels);
}

/// Counts one attempt and times its request. `class` is `2xx` … `5xx` or the kind of the error (`timeout`, `dns` …).
pub fn delivery_attempted(class: &'static str, is_success: bool, took: Duration) {
    let outcome = if is_success { "success" } else { "failure" };
    instruments().delivery_attempts.add(
        1,
        &[KeyValue::new("outcome", outcome), KeyValue::new("class", class)],
    );
    instruments()
        .client_duration
        .record(took.as_secs_f64(), &[KeyValue::new("error.type", class)]);
}

/// Counts a delivery that came to this state.
pub fn delivery_ended(state: DeliveryState) {
    instruments()
        .delivery_outcomes
        .add(1, &[KeyValue::new("outcome", state.as_str())]);
}

/// Times how late an attempt was taken up: from when it was due, not from when the event came.
pub fn delivery_lag(late: Duration) {
    instruments().delivery_lag.record(late.as_secs_f64(), &[]);
}

/// Times a delivery from the event's arrival to the first 2xx.
pub fn delivery_end_to_end(took: Duration) {
    instruments().delivery_end_to_end.record(took.as_secs_f64(), &[]);
}

/// Shows how many attempts are in flight in this process.
pub fn deliveries_in_flight(attempts: u64) {
    instruments().deliveries_in_flight.record(attempts, &[]);
}

/// Shows how many deliveries are dead letters.
pub fn dead_letters(deliveries: u64) {
    instruments().dead_letters.record(deliveries, &[]);
}

/// Shows how many endpoints are held off after failures.
pub fn circuits_open(endpoints: u64) {
    instruments().circuits_open.record(endpoints, &[]);
}

/// Counts and times a run that came to its end.
pub fn run_ended(state: RunState, took: Duration) {
    instruments()
        .run_duration
        .record(took.as_secs_f64(), &[KeyValue::new("status", state.as_str())]);
}

/// Counts finished steps of runs, by the kind of task.
pub fn run_steps(kind: &'static str, steps: usize) {
    instruments()
        .run_steps
        .add(count(steps), &[KeyValue::new("kind", kind)]);
}

/// Counts a run that ended by a fault of ours: one is too many.
pub fn run_broken() {
    instruments().run_engine_failures.add(1, &[]);
}

/// Shows how many runs this process holds.
pub fn runs_active(runs: u64) {
    instruments().runs_active.record(runs, &[]);
}

/// Counts an HTTP request of ours until it is dropped.
#[must_use]
pub(crate) fn request_began() -> ActiveRequest {
    instruments().active_requests.add(1, &[]);
    ActiveRequest
}

/// A request that has not been answered.
#[derive(Debug)]
pub(crate) struct ActiveRequest;

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        instruments().active_requests.add(-1, &[]);
    }
}

/// Times an HTTP request of ours. The route is a pattern, never the path.
pub(crate) fn request_answered(method: &'static str, route: String, status: u16, took: Duration) {
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    instruments().request_duration.record(took.as_secs_f64(), &labels);
}

fn messaging(queue: Queue) -> [KeyValue; 2] {
    [
        KeyValue::new("messaging.system", "rabbitmq"),
        KeyValue::new("messaging.destination.name", queue.name()),
    ]
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives every instrument a value, and reads them all.
    fn everything() -> String {
        ingest("token", "github", Ingest::Accepted);
        ingest("token", "github", Ingest::Duplicate);
        ingest("channel", "none", Ingest::Conflict);
        ingest("token", "github", Ingest::Rejected("invalid_signature"));
        signature_verified("github", "valid");
        rejection_dropped("sampled");
        batch_written("accept", 12, Duration::from_millis(2));
        published(Queue::Route, 3);
        publish_failed(Queue::Route, 1, "returned");
        consumed(Queue::Deliver, 2, Duration::from_millis(3));
        swept(Queue::Route, 2);
        backlog(Queue::Deliver, 7, Duration::from_secs(9));
        delivery_attempted("5xx", false, Duration::from_millis(20));
        delivery_ended(DeliveryState::DeadLetter);
        delivery_lag(Duration::from_millis(5));
        delivery_end_to_end(Duration::from_millis(8));
        deliveries_in_flight(1);
        dead_letters(1);
        circuits_open(1);
        run_ended(RunState::Completed, Duration::from_secs(1));
        run_steps("call", 3);
        run_broken();
        runs_active(1);
        observe_pool(|| Some((1, 10)));
        observe_conveyor(broker::Counts::default);
        drop(request_began());
        request_answered(
            "POST",
            "/ingest/{token}".to_owned(),
            202,
            Duration::from_millis(1),
        );
        text()
    }

    #[test]
    fn what_is_recorded_is_in_the_prometheus_text_under_its_documented_name() {
        let text = everything();
        for expected in [
            "hookyard_ingest_events_total{",
            "reason=\"invalid_signature\"",
            "hookyard_signature_verifications_total{",
            "messaging_client_sent_messages_total{",
            "hookyard_publish_failures_total{",
            "hookyard_conveyor_messages_total{",
            "messaging_client_consumed_messages_total{",
            "messaging_process_duration_seconds_bucket{",
            "hookyard_queue_oldest_age_seconds{",
            "hookyard_delivery_attempts_total{",
            "http_client_request_duration_seconds_bucket{",
            "hookyard_delivery_outcomes_total{",
            "outcome=\"dead_letter\"",
            "hookyard_delivery_lag_seconds_bucket{",
            "hookyard_delivery_end_to_end_seconds_bucket{",
            "http_server_active_requests ",
            "http_route=\"/ingest/{token}\"",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[test]
    fn dashboards_and_alerts_name_only_metrics_that_exist() {
        let existing = everything();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for file in [
            include_str!("../../../../deploy/grafana/dashboards/hookyard.json"),
            include_str!("../../../../deploy/prometheus/alerts.yml"),
        ] {
            let ours = [
                "hookyard_",
                "http_server_",
                "http_client_",
                "messaging_client_",
                "messaging_process_",
            ];
            let words = file.split(|c| !is_name(c));
            let names: Vec<&str> = words
                .filter(|word| ours.iter().any(|ours| word.starts_with(ours)))
                .collect();
            assert!(!names.is_empty());
            for name in names {
                let has_samples = existing
                    .lines()
                    .any(|line| line.split(|c| !is_name(c)).next() == Some(name));
                assert!(has_samples, "no metric is called {name}:\n{existing}");
            }
        }
    }
}
