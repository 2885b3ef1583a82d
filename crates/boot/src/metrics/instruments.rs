//! The instruments behind the functions, each declared once with its name, unit and buckets.
//!
//! Names follow the semantic conventions of OpenTelemetry where there are some (the messaging ones are still in
//! development there, so they may only appear here), and start with `hookyard.` where there are none.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};
use std::sync::Arc;

/// For requests and writes: half a millisecond to ten seconds.
const SHORT: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// For what may wait for retries: five milliseconds to a day.
const LONG: [f64; 18] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0,
    14_400.0, 86_400.0,
];
/// For rows written together.
const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];

#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) request_duration: Histogram<f64>,
    pub(super) active_requests: UpDownCounter<i64>,
    pub(super) client_duration: Histogram<f64>,
    pub(super) sent_messages: Counter<u64>,
    pub(super) consumed_messages: Counter<u64>,
    pub(super) process_duration: Histogram<f64>,
    pub(super) publish_failures: Counter<u64>,
    pub(super) ingest_events: Counter<u64>,
    pub(super) signature_verifications: Counter<u64>,
    pub(super) rejections_dropped: Counter<u64>,
    pub(super) batch_rows: Histogram<u64>,
    pub(super) batch_duration: Histogram<f64>,
    pub(super) swept_rows: Counter<u64>,
    pub(super) expired_rows: Counter<u64>,
    pub(super) dropped_partitions: Counter<u64>,
    pub(super) recovered_deliveries: Counter<u64>,
    pub(super) queue_depth: Gauge<u64>,
    pub(super) queue_oldest_age: Gauge<f64>,
    pub(super) delivery_attempts: Counter<u64>,
    pub(super) delivery_outcomes: Counter<u64>,
    pub(super) delivery_lag: Histogram<f64>,
    pub(super) delivery_end_to_end: Histogram<f64>,
    pub(super) deliveries_in_flight: Gauge<u64>,
    pub(super) dead_letters: Gauge<u64>,
    pub(super) circuits_open: Gauge<u64>,
    pub(super) run_duration: Histogram<f64>,
    pub(super) run_steps: Counter<u64>,
    pub(super) run_engine_failures: Counter<u64>,
    pub(super) runs_active: Gauge<u64>,
}

impl Instruments {
    #[expect(clippy::too_many_lines, reason = "it is the list of all instruments")]
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        let gauge = |name, description| meter.u64_gauge(name).with_description(description).build();
        let seconds = |name, description, buckets: &[f64]| {
            let histogram = meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description);
            histogram.with_boundaries(buckets.to_vec()).build()
        };
        let rows = |name, description| {
            let histogram = meter.u64_histogram(name).with_description(description);
            histogram.with_boundaries(ROWS.to_vec()).build()
        };
        let active = meter.i64_up_down_counter("http.server.active_requests");
        let oldest = meter.f64_gauge("hookyard.queue.oldest_age").with_unit("s");
        Self {
            request_duration: seconds(
                "http.server.request.duration",
                "Requests that we answered",
                &SHORT,
            ),
            active_requests: active
                .with_description("Requests that are being answered")
                .build(),
            client_duration: seconds("http.client.request.duration", "Requests to receivers", &SHORT),
            sent_messages: counter(
                "messaging.client.sent.messages",
                "References given to the conveyor",
            ),
            consumed_messages: counter(
                "messaging.client.consumed.messages",
                "References taken from the conveyor",
            ),
            process_duration: seconds(
                "messaging.process.duration",
                "Work on one message of the conveyor",
                &SHORT,
            ),
            publish_failures: counter(
                "hookyard.publish.failures",
                "References that the conveyor did not take",
            ),
            ingest_events: counter(
                "hookyard.ingest.events",
                "Webhooks at the doors, by what became of them",
            ),
            signature_verifications: counter(
                "hookyard.signature.verifications",
                "Signatures checked, by result",
            ),
            rejections_dropped: counter("hookyard.rejections.dropped", "Rejections that were not kept"),
            batch_rows: rows("hookyard.batch.rows", "Rows written to the ledger together"),
            batch_duration: seconds("hookyard.batch.duration", "Writes of such batches", &SHORT),
            expired_rows: counter(
                "hookyard.retention.rows",
                "Rows that went because their window was over, by table",
            ),
            dropped_partitions: counter(
                "hookyard.retention.partitions",
                "Partitions that were dropped because nothing in them was needed",
            ),
            recovered_deliveries: counter(
                "hookyard.recovery.deliveries",
                "Deliveries that recoveries sent again",
            ),
            swept_rows: counter(
                "hookyard.sweep.rows",
                "Rows found by a sweep, because no message named them",
            ),
            queue_depth: gauge("hookyard.queue.depth", "Rows that wait for a consumer"),
            queue_oldest_age: oldest
                .with_description("Age of the oldest row that waits")
                .build(),
            delivery_attempts: counter(
                "hookyard.delivery.attempts",
                "Attempts, by the class of their answer",
            ),
            delivery_outcomes: counter(
                "hookyard.delivery.outcomes",
                "Deliveries, by the state they came to",
            ),
            delivery_lag: seconds(
                "hookyard.delivery.lag",
                "From when an attempt was due to its pickup",
                &LONG,
            ),
            delivery_end_to_end: seconds(
                "hookyard.delivery.end_to_end",
                "From arrival to the first 2xx",
                &LONG,
            ),
            deliveries_in_flight: gauge(
                "hookyard.delivery.in_flight",
                "Attempts in flight in this process",
            ),
            dead_letters: gauge("hookyard.dlq.size", "Deliveries that are dead letters"),
            circuits_open: gauge("hookyard.breaker.open", "Endpoints held off after failures"),
            run_duration: seconds(
                "hookyard.run.duration",
                "Runs, from their start to their end",
                &LONG,
            ),
            run_steps: counter(
                "hookyard.run.steps",
                "Finished steps of runs, by the kind of task",
            ),
            run_engine_failures: counter(
                "hookyard.run.engine_failures",
                "Runs that ended because the engine or the ledger could not go on with them",
            ),
            runs_active: gauge("hookyard.run.active", "Runs that this process holds"),
        }
    }
}

/// Declares the counters that a conveyor keeps itself.
pub(super) fn observe_conveyor(meter: &Meter, counts: impl Fn() -> broker::Counts + Send + Sync + 'static) {
    let counts = Arc::new(counts);
    let messages = Arc::clone(&counts);
    meter
        .u64_observable_counter("hookyard.conveyor.messages")
        .with_description("Messages of the conveyor, by what became of them")
        .with_callback(move |observer| {
            let counts = messages();
            for (outcome, messages) in [
                ("published", counts.published),
                ("returned", counts.returned),
                ("refused", counts.refused),
                ("uncertain", counts.uncertain),
                ("received", counts.received),
                ("malformed", counts.malformed),
            ] {
                observer.observe(messages, &[KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    meter
        .u64_observable_counter("hookyard.conveyor.lost_connections")
        .with_description("Times that the connection to the broker was lost")
        .with_callback(move |observer| observer.observe(counts().lost_connections, &[]))
        .build();
}

/// Declares the gauge of a ledger's pool.
pub(super) fn observe_pool(meter: &Meter, state: impl Fn() -> Option<(u32, u32)> + Send + Sync + 'static) {
    meter
        .u64_observable_gauge("hookyard.db.pool.connections")
        .with_description("Connections of the pool, by state")
        .with_callback(move |observer| {
            let Some((used, all)) = state() else { return };
            observer.observe(used.into(), &[KeyValue::new("state", "used")]);
            observer.observe(all.saturating_sub(used).into(), &[KeyValue::new("state", "idle")]);
        })
        .build();
}
