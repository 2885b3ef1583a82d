//! One consumer of one queue, through outages.

use super::acks::Acks;
use super::backoff::Backoff;
use super::line::{Line, chain};
use super::{ANSWER_DEADLINE, Rabbit, Shared};
use crate::Error;
use crate::consumer::{self, Received};
use crate::error::cause;
use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use wire::{Message, Queue};

/// A consumer of a queue at a RabbitMQ.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// Keeps the connections: a consumer may outlive its caller's handle.
    _conveyor: Rabbit,
    opener: Opener,
    stage: Stage,
}

/// Kept between two waits: one that is given up must not undo what it had begun.
enum Stage {
    Opening(BoxFuture<'static, Option<Session>>),
    Open(Session),
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
        })
    }
}

/// A channel of this consumer, with what the broker sends on it.
#[derive(Debug)]
struct Session {
    held: Arc<Held>,
    deliveries: lapin::Consumer,
    backoff: Backoff,
}

/// Keeps the channel open while a message of it can still be acknowledged, and counts those that were dropped: they
/// take up prefetch.
#[derive(Debug)]
struct Held {
    connection: Arc<Connection>,
    channel: Channel,
    acks: Acks,
    /// Whether a message was acknowledged.
    useful: AtomicBool,
    dropped: AtomicU16,
    bearable: u16,
    too_many: Notify,
}

impl Consumer {
    pub(super) fn new(conveyor: &Rabbit, queue: Queue, prefetch: NonZeroU16) -> Self {
        let opener = Opener {
            queue,
            prefetch,
            line: conveyor.0.consuming.clone(),
            shared: conveyor.0.shared.clone(),
            tasks: conveyor.0.tasks.clone(),
        };
        Self {
            stage: Stage::Opening(opener.clone().open(Backoff::new()).boxed()),
            opener,
            _conveyor: conveyor.clone(),
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Received> {
        let closing = self.opener.shared.closing.clone();
        if closing.is_cancelled() {
            return None;
        }
        closing.run_until_cancelled_owned(self.take()).await?
    }

    /// `None` only when the conveyor closes. Cancel-safe: between taking a message and answering it nothing is awaited.
    async fn take(&mut self) -> Option<Received> {
        loop {
            let session = match &mut self.stage {
                Stage::Opening(opening) => {
                    self.stage = Stage::Open(opening.await?);
                    continue;
                }
                Stage::Open(session) => session,
            };
            let queue = self.opener.queue.name();
            let held = Arc::clone(&session.held);
            let delivery = tokio::select! {
                biased;
                () = held.too_many.notified() => {
                    tracing::warn!(queue.name = queue, "too many messages were dropped unacknowledged, all go back");
                    None
                }
                delivery = session.deliveries.next() => delivery,
                () = self.opener.line.lost(&held.connection) => None,
            };
            match delivery {
                Some(Ok(delivery)) => match read(&delivery) {
                    Ok(message) => {
                        self.opener.shared.counters.received.add();
                        return Some(received(message, &delivery, held));
                    }
                    Err(error) => self.opener.discard(&delivery, &held, &error),
                },
                Some(Err(error)) => {
                    tracing::debug!(queue.name = queue, %error, "a consuming channel broke");
                    self.start_over();
                }
                // The queue was deleted, the connection is lost, or there was too much dropped.
                None => self.start_over(),
            }
        }
    }

    fn start_over(&mut self) {
        let broken = Stage::Opening(future::ready(None).boxed());
        if let Stage::Open(session) = std::mem::replace(&mut self.stage, broken) {
            self.stage = Stage::Opening(self.opener.clone().reopen(session).boxed());
        }
    }
}

/// What it takes to open a session.
#[derive(Debug, Clone)]
struct Opener {
    queue: Queue,
    prefetch: NonZeroU16,
    line: Line,
    shared: Shared,
    tasks: TaskTracker,
}

impl Opener {
    /// Leaves a channel, and with it everything unacknowledged to the next consumer; then opens another.
    async fn reopen(self, session: Session) -> Option<Session> {
        let Session {
            held,
            mut backoff,
            deliveries,
        } = session;
        if held.useful.load(Ordering::Relaxed) {
            backoff.reset();
        }
        // Where it fails, the channel is gone already.
        let close = timeout(ANSWER_DEADLINE, held.channel.close(200, "starting over".into()));
        let closed = self.line.unless_lost(&held.connection, close).await;
        drop(deliveries);
        // The next connection comes after a pause of its own.
        if closed.is_some() {
            sleep(backoff.pause()).await;
        }
        self.open(backoff).await
    }

    /// Tries until there is a session; `None` when the conveyor closes.
    async fn open(self, mut backoff: Backoff) -> Option<Session> {
        loop {
            let connection = self.line.wait().await?;
            let opened = self
                .line
                .unless_lost(&connection, self.open_on(&connection))
                .await;
            match opened.unwrap_or_else(|| Err(self.line.disconnected(None))) {
                Ok((held, deliveries)) => {
                    return Some(Session {
                        held: Arc::new(held),
                        deliveries,
                        backoff,
                    });
                }
                Err(error) => {
                    let (queue, chain) = (self.queue.name(), chain(&error));
                    tracing::warn!(
                        queue.name = queue,
                        error.chain = chain,
                        "cannot consume, trying again"
                    );
                    sleep(backoff.pause()).await;
                }
            }
        }
    }

    async fn open_on(&self, connection: &Arc<Connection>) -> Result<(Held, lapin::Consumer), Error> {
        // It may have been deleted since the connection was made.
        self.shared.topology.declare_queue(connection, self.queue).await?;
        let name = self.shared.topology.queue(self.queue);
        let open = async {
            let channel = connection.create_channel().await?;
            let options = BasicQosOptions { global: false };
            channel.basic_qos(self.prefetch.get(), options).await?;
            let (queue, options) = (name.as_ref().into(), BasicConsumeOptions::default());
            let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
            let deliveries = consume.await?;
            Ok::<_, lapin::Error>((channel, deliveries))
        };
        let late = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        let opened = timeout(ANSWER_DEADLINE, open).await;
        let opened = opened.unwrap_or_else(|_late| Err(late()));
        let (channel, deliveries) = opened.map_err(|error| Error::Operation {
            operation: "consume",
            queue: Arc::clone(&name),
            source: cause(error),
        })?;
        let held = Held {
            connection: Arc::clone(connection),
            acks: Acks::new(
                channel.clone(),
                self.prefetch.get(),
                self.shared.closing.clone(),
                self.tasks.clone(),
            ),
            channel,
            useful: AtomicBool::new(false),
            dropped: AtomicU16::new(0),
            bearable: self.prefetch.get() / 2,
            too_many: Notify::new(),
        };
        Ok((held, deliveries))
    }

    /// No release of ours wrote it, and giving it back would bring it again at once.
    fn discard(&self, delivery: &Delivery, held: &Held, error: &wire::DecodeError) {
        self.shared.counters.malformed.add();
        tracing::warn!(
            queue.name = self.queue.name(),
            body_bytes = delivery.data.len(),
            error.chain = chain(error),
            "a message was thrown away; the sweepers find what it may have meant"
        );
        held.acks.add(delivery.delivery_tag);
    }
}

fn read(delivery: &Delivery) -> Result<Message, wire::DecodeError> {
    let mut message = Message::decode(&delivery.data)?;
    if message.traceparent.is_none() {
        message.traceparent = traceparent(delivery);
    }
    Ok(message)
}

/// The header that a publisher other than ours, or a broker's plugin, may have set.
fn traceparent(delivery: &Delivery) -> Option<String> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get("traceparent")? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn received(message: Message, delivery: &Delivery, held: Arc<Held>) -> Received {
    Received {
        message,
        redelivered: delivery.redelivered,
        slot: consumer::Slot::Rabbit(Slot {
            tag: Some(delivery.delivery_tag),
            held,
        }),
    }
}

/// The place of an unacknowledged message.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` once it is used.
    tag: Option<u64>,
    held: Arc<Held>,
}

impl Slot {
    pub(crate) fn ack(mut self) {
        if let Some(tag) = self.tag.take() {
            self.held.useful.store(true, Ordering::Relaxed);
            self.held.acks.add(tag);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.tag.is_some() && self.held.dropped.fetch_add(1, Ordering::Relaxed) >= self.held.bearable {
            self.held.too_many.notify_one();
        }
    }
}
