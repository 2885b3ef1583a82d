//! What the tests share: conveyors on a fresh namespace, and messages to tell apart.

use hookyard_broker::{Consumer, Conveyor, QueueKind, RabbitSettings};
use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;
use testkit::broker::TestBroker;
use wire::{EventId, Message, Reference};

/// How many messages a queue of these tests holds.
pub(crate) const CAPACITY: usize = 40;

/// An installation: one conveyor, and others that stand for other processes.
pub(crate) struct Site {
    pub(crate) conveyor: Conveyor,
    broker: Option<TestBroker>,
}

impl Site {
    pub(crate) fn in_process() -> Self {
        Self {
            conveyor: Conveyor::in_process(CAPACITY),
            broker: None,
        }
    }

    pub(crate) async fn rabbit() -> Self {
        Self::with_queues(QueueKind::Classic).await
    }

    pub(crate) async fn with_queues(queues: QueueKind) -> Self {
        let broker = testkit::broker::rabbitmq();
        let settings = RabbitSettings {
            queues,
            ..settings(&broker, broker.url())
        };
        let conveyor = Conveyor::rabbit(&settings).unwrap();
        assert!(within(conveyor.connected()).await);
        Self {
            conveyor,
            broker: Some(broker),
        }
    }

    /// Where its RabbitMQ is.
    pub(crate) fn broker(&self) -> &TestBroker {
        self.broker.as_ref().unwrap()
    }

    /// The conveyor of another process of the same installation.
    pub(crate) async fn other_process(&self) -> Conveyor {
        let Some(broker) = &self.broker else {
            return self.conveyor.clone();
        };
        let conveyor = Conveyor::rabbit(&settings(broker, broker.url())).unwrap();
        assert!(within(conveyor.connected()).await);
        conveyor
    }
}

/// Impatient settings: a test's broker is near.
pub(crate) fn settings(broker: &TestBroker, url: &str) -> RabbitSettings {
    let mut settings = RabbitSettings::new(url);
    broker.namespace().clone_into(&mut settings.namespace);
    "hookyard test".clone_into(&mut settings.client);
    settings.max_length = u32::try_from(CAPACITY).unwrap();
    settings.queue_expiry = Some(Duration::from_mins(2));
    settings
}

pub(crate) fn prefetch(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

/// A message of one event.
pub(crate) fn message() -> Message {
    let id = EventId::generate();
    Message::new(vec![Reference::Event { id }], None)
}

/// The event of a [`message`].
pub(crate) fn event(message: &Message) -> EventId {
    match message.refs[..] {
        [Reference::Event { id }] => id,
        _ => panic!("not a message of these tests: {message:?}"),
    }
}

/// Takes and acknowledges messages until every one of `wanted` came.
pub(crate) async fn take_all(consumer: &mut Consumer, wanted: &BTreeSet<EventId>) {
    let mut missing = wanted.clone();
    while !missing.is_empty() {
        let received = within(consumer.next()).await.unwrap();
        missing.remove(&event(&received.message));
        received.ack();
    }
}

/// A future's output within the tests' deadline.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(testkit::DEADLINE, future).await;
    output.unwrap_or_else(|_late| panic!("nothing came within {:?}", testkit::DEADLINE))
}

/// Whether nothing comes from a consumer while another queue's round trip is made: a wait for nothing has no condition,
/// so it is short and can only be too kind.
pub(crate) async fn is_silent(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(Duration::from_millis(150), consumer.next())
        .await
        .is_err()
}
