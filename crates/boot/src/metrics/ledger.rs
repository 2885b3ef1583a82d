//! The ledger: what is written to it, what waits in it, and what goes from it.

use super::declare::{Declare, SHORT, count};
use super::meters::{meter, meters};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use std::sync::Once;
use std::time::Duration;
use wire::Queue;

pub(super) struct Ledger {
    batch_rows: Histogram<u64>,
    batch_duration: Histogram<f64>,
    queue_depth: Gauge<u64>,
    oldest_age: Gauge<f64>,
    unpublished: Gauge<u64>,
    dead_letters: Gauge<u64>,
    circuits_open: Gauge<u64>,
    recovered: Counter<u64>,
    recovery_progress: Gauge<f64>,
    expired_rows: Counter<u64>,
    dropped_partitions: Counter<u64>,
}

impl Ledger {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            batch_rows: declare.rows("hookyard.batch.rows", "Rows written to the ledger together"),
            batch_duration: declare.seconds("hookyard.batch.duration", "Writes of such batches", &SHORT),
            queue_depth: declare.gauge("hookyard.queue.depth", "Rows that wait for a consumer"),
            oldest_age: declare.age("hookyard.queue.oldest_age", "Age of the oldest row that waits"),
            unpublished: declare.gauge(
                "hookyard.outbox.unpublished",
                "Rows that no message is known to carry: a sweep has to find them",
            ),
            dead_letters: declare.gauge("hookyard.dlq.size", "Deliveries that are dead letters"),
            circuits_open: declare.gauge("hookyard.breaker.open", "Endpoints held off after failures"),
            recovered: declare.counter(
                "hookyard.recovery.deliveries",
                "Deliveries that recoveries sent again",
            ),
            recovery_progress: declare.share(
                "hookyard.replay.progress",
                "How much of the recoveries that run is done",
            ),
            expired_rows: declare.counter(
                "hookyard.retention.rows",
                "Rows that went because their window was over, by table",
            ),
            dropped_partitions: declare.counter(
                "hookyard.retention.partitions",
                "Partitions that were dropped because nothing in them was needed",
            ),
        }
    }
}

/// Counts the rows of a batch that a writer (`accept`, `routing`, `outcomes`, `runs`, `slots`) wrote together, and times its write.
pub fn batch_written(statement: &'static str, rows: usize, took: Duration) {
    let labels = [KeyValue::new("statement", statement)];
    let ledger = &meters().ledger;
    ledger.batch_rows.record(count(rows), &labels);
    ledger.batch_duration.record(took.as_secs_f64(), &labels);
}

/// Shows how many rows wait for a queue's consumer, and how old the oldest is.
pub fn backlog(queue: Queue, depth: u64, oldest: Duration) {
    let labels = [of_queue(queue)];
    let ledger = &meters().ledger;
    ledger.queue_depth.record(depth, &labels);
    ledger.oldest_age.record(oldest.as_secs_f64(), &labels);
}

/// Shows how many rows for a queue's consumer no message is known to carry.
pub fn unpublished(queue: Queue, rows: u64) {
    meters().ledger.unpublished.record(rows, &[of_queue(queue)]);
}

/// Shows how many deliveries are dead letters.
pub fn dead_letters(deliveries: u64) {
    let labels = [of_queue(Queue::Deliver)];
    meters().ledger.dead_letters.record(deliveries, &labels);
}

/// Shows how many endpoints are held off after failures.
pub fn circuits_open(endpoints: u64) {
    let labels = [of_queue(Queue::Deliver)];
    meters().ledger.circuits_open.record(endpoints, &labels);
}

/// Counts deliveries that recoveries sent again.
pub fn deliveries_recovered(deliveries: usize) {
    meters().ledger.recovered.add(count(deliveries), &[]);
}

/// Shows how much of the recoveries that run is done, from 0 to 1; 1 when none runs.
pub fn recovery_progress(share: f64) {
    meters().ledger.recovery_progress.record(share, &[]);
}

/// Counts rows of a table that went because their window was over.
pub fn expired(table: &'static str, rows: usize) {
    let labels = [KeyValue::new("table", table)];
    meters().ledger.expired_rows.add(count(rows), &labels);
}

/// Counts partitions that were dropped because nothing in them was needed.
pub fn partitions_dropped(partitions: usize) {
    meters().ledger.dropped_partitions.add(count(partitions), &[]);
}

/// Shows how many of the ledger's connections are in use, and how many there are, whenever metrics are read. In a process with
/// several, the first one stays.
pub(crate) fn observe_pool(state: impl Fn() -> Option<(u32, u32)> + Send + Sync + 'static) {
    static OBSERVED: Once = Once::new();
    OBSERVED.call_once(|| {
        meter()
            .u64_observable_gauge("hookyard.db.pool.connections")
            .with_description("Connections of the pool, by state")
            .with_callback(move |observer| {
                let Some((used, all)) = state() else { return };
                let idle = all.saturating_sub(used);
                observer.observe(used.into(), &[KeyValue::new("state", "used")]);
                observer.observe(idle.into(), &[KeyValue::new("state", "idle")]);
            })
            .build();
    });
}

fn of_queue(queue: Queue) -> KeyValue {
    KeyValue::new("queue", queue.name())
}
