//! References on the conveyor: published, consumed, and found by sweeps where no message brought them.

use super::declare::{Declare, SHORT, count};
use super::meters::{meter, meters};
use broker::{Conveyor, Counts};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};
use wire::{Message, Queue};

pub(super) struct Messages {
    sent: Counter<u64>,
    consumed: Counter<u64>,
    operations: Histogram<f64>,
    processing: Histogram<f64>,
    failures: Counter<u64>,
    swept: Counter<u64>,
}

impl Messages {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            sent: declare.counter(
                "messaging.client.sent.messages",
                "References given to the conveyor",
            ),
            consumed: declare.counter(
                "messaging.client.consumed.messages",
                "References taken from the conveyor",
            ),
            operations: declare.seconds(
                "messaging.client.operation.duration",
                "Publishes, up to the broker's confirm",
                &SHORT,
            ),
            processing: declare.seconds(
                "messaging.process.duration",
                "Work on one message of the conveyor",
                &SHORT,
            ),
            failures: declare.counter(
                "hookyard.publish.failures",
                "References that the conveyor did not take",
            ),
            swept: declare.counter(
                "hookyard.sweep.rows",
                "Rows found by a sweep, because no message named them",
            ),
        }
    }
}

/// Publishes a message, times it up to the broker's word, and counts its references. As cancel-safe as
/// [`Conveyor::publish`]; one that is cancelled is not counted.
pub async fn publish(conveyor: &Conveyor, queue: Queue, message: &Message) -> Result<(), broker::Error> {
    let began = Instant::now();
    let published = conveyor.publish(queue, message).await;
    let took = began.elapsed().as_secs_f64();
    let Messages { operations, sent, .. } = &meters().messages;
    let [system, destination] = messaging(queue);
    let operation = KeyValue::new("messaging.operation.name", "publish");
    match &published {
        Ok(()) => {
            operations.record(took, &[system, destination, operation]);
            sent.add(count(message.refs.len()), &messaging(queue));
        }
        Err(error) => {
            let labels = [system, destination, operation, because(error.kind())];
            operations.record(took, &labels);
            publish_failed(queue, message.refs.len(), error.kind());
        }
    }
    published
}

/// Counts references that no message carries (`returned`, `nacked`, `disconnected` …): a sweep finds their rows.
/// [`publish`] does it by itself.
pub fn publish_failed(queue: Queue, references: usize, reason: &'static str) {
    let [system, destination] = messaging(queue);
    let labels = [system, destination, because(reason)];
    meters().messages.failures.add(count(references), &labels);
}

/// Counts references that came from a queue, and times what became of their message.
pub fn consumed(queue: Queue, references: usize, took: Duration) {
    let labels = messaging(queue);
    let messages = &meters().messages;
    messages.consumed.add(count(references), &labels);
    messages.processing.record(took.as_secs_f64(), &labels);
}

/// Counts rows that a sweep found because no message named them.
pub fn swept(queue: Queue, rows: usize) {
    let labels = [KeyValue::new("queue", queue.name())];
    meters().messages.swept.add(count(rows), &labels);
}

/// Shows what a conveyor counts, whenever metrics are read. In a process with several, the first one stays.
pub(crate) fn observe_conveyor(counts: impl Fn() -> Counts + Send + Sync + 'static) {
    static OBSERVED: Once = Once::new();
    OBSERVED.call_once(|| observe(&meter(), Arc::new(counts)));
}

fn observe(meter: &Meter, counts: Arc<impl Fn() -> Counts + Send + Sync + 'static>) {
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

fn messaging(queue: Queue) -> [KeyValue; 2] {
    [
        KeyValue::new("messaging.system", "rabbitmq"),
        KeyValue::new("messaging.destination.name", queue.name()),
    ]
}

fn because(reason: &'static str) -> KeyValue {
    KeyValue::new("error.type", reason)
}
