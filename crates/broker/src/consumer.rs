//! Taking messages from a queue.

use crate::{in_process, rabbit};
use wire::Message;

/// One of a queue's consumers. Dropping it ends its part; what was received before can still be acknowledged.
#[derive(Debug)]
pub struct Consumer(Kind);

#[derive(Debug)]
enum Kind {
    Rabbit(Box<rabbit::Consumer>),
    InProcess(in_process::Consumer),
}

impl Consumer {
    pub(crate) fn of_rabbit(consumer: rabbit::Consumer) -> Self {
        Self(Kind::Rabbit(Box::new(consumer)))
    }

    pub(crate) fn in_process(consumer: in_process::Consumer) -> Self {
        Self(Kind::InProcess(consumer))
    }

    /// Waits for the next message, through every outage; `None` only after [`Conveyor::close`](crate::Conveyor::close).
    ///
    /// While `prefetch` received messages are neither acknowledged nor dropped, none comes. Cancel-safe.
    pub async fn next(&mut self) -> Option<Received> {
        match &mut self.0 {
            Kind::Rabbit(consumer) => consumer.next().await,
            Kind::InProcess(consumer) => consumer.next().await,
        }
    }
}

/// A message that this consumer holds.
///
/// Acknowledge it when its rows are done with, or handed on. Dropping it says nothing: at a RabbitMQ it comes again
/// when the connection ends, or when so many were dropped that they would stop the consumer; in this process it is
/// gone. Either way the sweepers find its rows. There is no way to give it back at once: a message that cannot be
/// handled would circle.
#[derive(Debug)]
#[must_use = "a message that is not acknowledged comes again"]
pub struct Received {
    /// What to look at.
    pub message: Message,
    /// Whether it may have been handed out before.
    pub redelivered: bool,
    pub(crate) slot: Slot,
}

/// The place of an unacknowledged message among the `prefetch`.
#[derive(Debug)]
pub(crate) enum Slot {
    Rabbit(rabbit::Slot),
    InProcess(in_process::Slot),
}

impl Received {
    /// Says that the message needs not come again; waits for nothing. When that cannot be said any more, because the
    /// connection is gone, it comes again, to this consumer or another.
    pub fn ack(self) {
        match self.slot {
            Slot::Rabbit(slot) => slot.ack(),
            Slot::InProcess(slot) => slot.ack(),
        }
    }
}
