//! The conveyor, whichever it is.

use crate::{Changes, Consumer, Counts, Error, Generation, InProcess, Rabbit, RabbitSettings, State};
use std::num::NonZeroU16;
use wire::{Change, Message, Queue};

/// Moves messages between services. Clones are handles to the same conveyor; it ends with the last of them and of its
/// consumers, or by [`Conveyor::close`], which alone waits for what is outstanding.
#[derive(Debug, Clone)]
pub enum Conveyor {
    /// Queues at a RabbitMQ, for services in processes of their own.
    Rabbit(Rabbit),
    /// Queues in this process, for all services in one.
    InProcess(InProcess),
}

impl Conveyor {
    /// Starts connecting to a RabbitMQ and answers without waiting for it; a broker that is down is tried for until
    /// [`Conveyor::close`]. Fails only on settings that can never work. Needs a tokio runtime.
    pub fn rabbit(settings: &RabbitSettings) -> Result<Self, Error> {
        Rabbit::start(settings).map(Self::Rabbit)
    }

    /// Queues in this process with room for `capacity` messages each.
    pub fn in_process(capacity: usize) -> Self {
        Self::InProcess(InProcess::new(capacity))
    }

    /// Puts a message into a queue; `Ok` means that the queue has it.
    ///
    /// Fails at once without a connection, and within the publish timeout of the settings otherwise. Cancel-safe: a
    /// message whose caller left may arrive, or not.
    pub async fn publish(&self, queue: Queue, message: &Message) -> Result<(), Error> {
        match self {
            Self::Rabbit(rabbit) => rabbit.publish(queue, message).await,
            Self::InProcess(queues) => queues.publish(queue, message),
        }
    }

    /// Takes part in the consumption of a queue, with at most `prefetch` messages at a time.
    pub fn consume(&self, queue: Queue, prefetch: NonZeroU16) -> Consumer {
        match self {
            Self::Rabbit(rabbit) => Consumer::of_rabbit(rabbit.consume(queue, prefetch)),
            Self::InProcess(queues) => Consumer::in_process(queues.consume(queue, prefetch)),
        }
    }

    /// Tells every process, this one too, that something configured changed.
    ///
    /// Fails as [`Conveyor::publish`] does; caches then find out when their time to live ends.
    pub async fn announce(&self, change: &Change) -> Result<(), Error> {
        match self {
            Self::Rabbit(rabbit) => rabbit.announce(change).await,
            Self::InProcess(queues) => queues.announce(change),
        }
    }

    /// Listens to announcements from now on.
    pub fn changes(&self) -> Changes {
        match self {
            Self::Rabbit(rabbit) => rabbit.changes(),
            Self::InProcess(queues) => queues.changes(),
        }
    }

    /// The count of announcements. What this process announces itself counts before [`Conveyor::announce`] returns.
    pub fn generation(&self) -> Generation {
        match self {
            Self::Rabbit(rabbit) => rabbit.generation(),
            Self::InProcess(queues) => queues.generation(),
        }
    }

    /// How it is now.
    pub fn state(&self) -> State {
        match self {
            Self::Rabbit(rabbit) => rabbit.state(),
            Self::InProcess(queues) => queues.state(),
        }
    }

    /// Waits until messages move; false when the conveyor is closed instead. Cancel-safe.
    pub async fn connected(&self) -> bool {
        match self {
            Self::Rabbit(rabbit) => rabbit.connected().await,
            Self::InProcess(queues) => queues.state().is_connected(),
        }
    }

    /// How many messages of a queue no consumer holds.
    pub async fn depth(&self, queue: Queue) -> Result<u32, Error> {
        match self {
            Self::Rabbit(rabbit) => rabbit.depth(queue).await,
            Self::InProcess(queues) => Ok(queues.depth(queue)),
        }
    }

    /// Throws away the messages of a queue that no consumer holds; answers how many. Nothing is lost by it.
    pub async fn purge(&self, queue: Queue) -> Result<u32, Error> {
        match self {
            Self::Rabbit(rabbit) => rabbit.purge(queue).await,
            Self::InProcess(queues) => Ok(queues.purge(queue)),
        }
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        match self {
            Self::Rabbit(rabbit) => rabbit.counts(),
            Self::InProcess(queues) => queues.counts(),
        }
    }

    /// Ends every consumer and subscription, waits for outstanding confirms (within the publish timeout) and
    /// disconnects. Acknowledge what you hold before: later it has no effect, and the broker hands it out again.
    pub async fn close(&self) {
        match self {
            Self::Rabbit(rabbit) => rabbit.close().await,
            Self::InProcess(queues) => queues.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawnable<F: Future + Send>(future: F) -> F {
        future
    }

    #[tokio::test]
    async fn every_wait_can_be_made_on_a_task() {
        let conveyor = Conveyor::in_process(1);
        let mut consumer = conveyor.consume(Queue::Run, NonZeroU16::MIN);
        let mut changes = conveyor.changes();
        let message = Message::new(Vec::new(), None);
        spawnable(conveyor.publish(Queue::Run, &message)).await.unwrap();
        assert!(spawnable(consumer.next()).await.is_some());
        let (generation, before) = (conveyor.generation(), conveyor.generation().now());
        spawnable(conveyor.announce(&Change { workspace: None }))
            .await
            .unwrap();
        assert!(generation.now() > before);
        assert!(spawnable(changes.next()).await.is_some());
        assert_eq!(spawnable(conveyor.depth(Queue::Run)).await.unwrap(), 0);
        assert_eq!(spawnable(conveyor.purge(Queue::Run)).await.unwrap(), 0);
        assert!(spawnable(conveyor.connected()).await);
        spawnable(conveyor.close()).await;
    }
}
