//! The conveyor of many processes: queues at a RabbitMQ, 3.10 or later.
//!
//! *Theory of operation.* Two connections, as the broker's makers advise: when the broker blocks publishers, consumers
//! and their acknowledgements go on. A [`Line`] keeps one connection: it dials, declares what it needs, says that it
//! is up, waits for the end, and starts over, with growing pauses, for ever. Everything else takes the connection from
//! its line when there is one: a [`Publisher`] per queue and for announcements, a [`Consumer`] per caller, and the
//! subscription to announcements. None of them shares a channel, because an error ends a channel for all its users.
//!
//! What is asked of the broker works the same from 3.10 to 4.x: no mirrored queues, no prefetch for whole channels, no
//! transient queue that is not exclusive to its connection, and no message is ever given back with a nack (4.x drops a
//! message that was returned 20 times; a nack loop does that in a tenth of a second).

mod acks;
mod backoff;
mod broadcast;
mod consumer;
mod dial;
mod line;
mod publisher;
mod settings;
mod topology;

pub(crate) use consumer::{Consumer, Slot};
pub use settings::{QueueKind, RabbitSettings};

use crate::changes::{BACKLOG, Changes, Generation};
use crate::counts::{Counters, Counts};
use crate::error::cause;
use crate::{Error, State};
use dial::Dialer;
use lapin::Channel;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use line::{Line, Link};
use publisher::{Publisher, Target};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use topology::Topology;
use wire::{Change, Message, Queue};

/// How long the broker may take for one answer, such as to a declaration; a busy one needs a second.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Queues at a RabbitMQ.
#[derive(Debug, Clone)]
pub struct Rabbit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    publishing: Line,
    consuming: Line,
    route: Publisher,
    deliver: Publisher,
    run: Publisher,
    announcements: Publisher,
    announced: tokio::sync::broadcast::Sender<Change>,
    generation: Generation,
    shared: Shared,
    lines: TaskTracker,
    tasks: TaskTracker,
    publish_timeout: Duration,
    /// End the tasks when the last handle is dropped without a close.
    _guards: [DropGuard; 2],
}

/// What every part needs.
#[derive(Debug, Clone)]
struct Shared {
    topology: Arc<Topology>,
    counters: Arc<Counters>,
    /// Nothing new: consumers and subscriptions end, publishers wait for what is outstanding.
    closing: CancellationToken,
    /// The connections end; after `closing`, when the publishers are done.
    disconnecting: CancellationToken,
}

impl Rabbit {
    pub(crate) fn start(settings: &RabbitSettings) -> Result<Self, Error> {
        let shared = Shared {
            topology: Arc::new(Topology::new(settings)),
            counters: Arc::new(Counters::default()),
            closing: CancellationToken::new(),
            disconnecting: CancellationToken::new(),
        };
        let (lines, tasks) = (TaskTracker::new(), TaskTracker::new());
        let dialer = Dialer::new(settings)?;
        let publishing = Line::start("publish", dialer.clone(), &shared, &lines);
        let consuming = Line::start("consume", dialer, &shared, &lines);
        let publisher = |target| Publisher::start(target, settings, publishing.clone(), &shared, &tasks);
        let announced = tokio::sync::broadcast::Sender::new(BACKLOG);
        let generation = Generation::default();
        tasks.spawn(broadcast::keep_subscribed(
            consuming.clone(),
            shared.clone(),
            broadcast::Listeners {
                announced: announced.clone(),
                generation: generation.clone(),
            },
        ));
        Ok(Self(Arc::new(Inner {
            route: publisher(Target::Queue(Queue::Route)),
            deliver: publisher(Target::Queue(Queue::Deliver)),
            run: publisher(Target::Queue(Queue::Run)),
            announcements: publisher(Target::Changes),
            publishing,
            consuming,
            announced,
            generation,
            lines,
            tasks,
            publish_timeout: settings.publish_timeout,
            _guards: [
                shared.closing.clone().drop_guard(),
                shared.disconnecting.clone().drop_guard(),
            ],
            shared,
        })))
    }

    pub(crate) async fn publish(&self, queue: Queue, message: &Message) -> Result<(), Error> {
        let publisher = match queue {
            Queue::Route => &self.0.route,
            Queue::Deliver => &self.0.deliver,
            Queue::Run => &self.0.run,
        };
        let traceparent = message.traceparent.as_deref();
        let outcome = publisher.publish(message.encode(), traceparent).await;
        self.0.shared.counters.publish(&outcome);
        outcome
    }

    pub(crate) fn consume(&self, queue: Queue, prefetch: NonZeroU16) -> Consumer {
        Consumer::new(self, queue, prefetch)
    }

    pub(crate) async fn announce(&self, change: &Change) -> Result<(), Error> {
        // Its own caches need not wait for the broker.
        self.0.generation.advance();
        self.0
            .announcements
            .publish(broadcast::encode(change), None)
            .await
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes::new(self.0.announced.subscribe(), self.0.shared.closing.clone())
    }

    pub(crate) fn generation(&self) -> Generation {
        self.0.generation.clone()
    }

    pub(crate) fn state(&self) -> State {
        match (self.0.publishing.link(), self.0.consuming.link()) {
            (Link::Closed, _) | (_, Link::Closed) => State::Closed,
            (Link::Down { since, error }, _) | (_, Link::Down { since, error }) => {
                State::Connecting { since, error }
            }
            (Link::Up(connection), Link::Up(_)) if connection.status().blocked() => State::Blocked,
            (Link::Up(_), Link::Up(_)) => State::Connected,
        }
    }

    pub(crate) async fn connected(&self) -> bool {
        self.0.publishing.wait().await.is_some() && self.0.consuming.wait().await.is_some()
    }

    pub(crate) async fn depth(&self, queue: Queue) -> Result<u32, Error> {
        let name = self.0.shared.topology.queue(queue);
        let asked = self.ask("read the depth of", &name, async |channel| {
            let options = QueueDeclareOptions::default().passive();
            let declared = channel.queue_declare(name.as_ref().into(), options, FieldTable::default());
            Ok(declared.await?.message_count())
        });
        asked.await
    }

    pub(crate) async fn purge(&self, queue: Queue) -> Result<u32, Error> {
        let name = self.0.shared.topology.queue(queue);
        let asked = self.ask("purge", &name, async |channel| {
            channel
                .queue_purge(name.as_ref().into(), QueuePurgeOptions::default())
                .await
        });
        asked.await
    }

    /// Asks on a channel of its own, which a refusal ends, and not on the connection that may be blocked.
    async fn ask<T>(
        &self,
        operation: &'static str,
        queue: &Arc<str>,
        question: impl AsyncFnOnce(Channel) -> lapin::Result<T>,
    ) -> Result<T, Error> {
        let connection = self.0.consuming.connection()?;
        let ask = async { question(connection.create_channel().await?).await };
        let late = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        let answer = timeout(ANSWER_DEADLINE, ask).await;
        answer
            .unwrap_or_else(|_late| Err(late()))
            .map_err(|error| Error::Operation {
                operation,
                queue: Arc::clone(queue),
                source: cause(error),
            })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.shared.counters.snapshot()
    }

    pub(crate) async fn close(&self) {
        self.0.shared.closing.cancel();
        self.0.tasks.close();
        let flushed = timeout(self.0.publish_timeout, self.0.tasks.wait()).await;
        self.0.shared.disconnecting.cancel();
        self.0.lines.close();
        let parted = timeout(dial::CLOSE_DEADLINE * 2, self.0.lines.wait()).await;
        if flushed.is_err() || parted.is_err() {
            tracing::warn!("the conveyor did not close in time; its connections end with the process");
        }
    }
}
