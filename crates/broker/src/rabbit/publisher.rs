//! Publishing to one queue, or to the announcements, with the broker's confirm.
//!
//! One task owns the channel: the broker numbers the messages of a channel in order, and a caller that leaves must not
//! leave a half-sent message or an unread confirm behind. Callers hand it their message and wait for its answer.

use super::backoff::Backoff;
use super::line::{Line, chain};
use super::{ANSWER_DEADLINE, RabbitSettings, Shared};
use crate::Error;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use wire::Queue;

/// Where a publisher publishes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// A queue, which must be there.
    Queue(Queue),
    /// Whoever listens.
    Changes,
}

/// A handle to the task that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
    line: Line,
    name: Arc<str>,
    timeout: Duration,
    shared: Shared,
}

/// A message on its way to the task.
#[derive(Debug)]
struct Request {
    payload: Vec<u8>,
    traceparent: Option<String>,
    deadline: Instant,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Publisher {
    pub(super) fn start(
        target: Target,
        settings: &RabbitSettings,
        line: Line,
        shared: &Shared,
        tasks: &TaskTracker,
    ) -> Self {
        let (requests, received) = mpsc::channel(settings.in_flight.max(1));
        let name = match target {
            Target::Queue(queue) => shared.topology.queue(queue),
            Target::Changes => shared.topology.changes(),
        };
        let task = Task {
            target,
            name: Arc::clone(&name),
            line: line.clone(),
            shared: shared.clone(),
            in_flight: settings.in_flight.max(1),
            timeout: settings.publish_timeout,
            delivery_mode: settings.queues.delivery_mode(),
            requests: Requests {
                first: None,
                queued: received,
            },
        };
        tasks.spawn(task.run());
        Self {
            requests,
            line,
            name,
            timeout: settings.publish_timeout,
            shared: shared.clone(),
        }
    }

    /// Publishes; `Ok` is the broker's confirm. Cancel-safe: the message may arrive, or not.
    pub(super) async fn publish(&self, payload: Vec<u8>, traceparent: Option<&str>) -> Result<(), Error> {
        if self.shared.closing.is_cancelled() {
            return Err(Error::Closed);
        }
        if self.line.connection()?.status().blocked() {
            return Err(Error::Blocked {
                address: self.line.address(),
            });
        }
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.timeout;
        let request = Request {
            payload,
            traceparent: traceparent.map(str::to_owned),
            deadline,
            answer,
        };
        let lost = || Error::Interrupted {
            queue: Arc::clone(&self.name),
        };
        let exchange = async {
            // The task ends only when the conveyor closes.
            let sent = self.requests.send(request).await;
            sent.map_err(|_ended| Error::Closed)?;
            answered.await.unwrap_or_else(|_dropped| Err(lost()))
        };
        let late = || Error::Unconfirmed {
            queue: Arc::clone(&self.name),
            after: self.timeout,
        };
        timeout_at(deadline, exchange)
            .await
            .unwrap_or_else(|_late| Err(late()))
    }
}

/// Owns the channel.
struct Task {
    target: Target,
    name: Arc<str>,
    line: Line,
    shared: Shared,
    in_flight: usize,
    timeout: Duration,
    /// See [`QueueKind::delivery_mode`](super::QueueKind).
    delivery_mode: u8,
    requests: Requests,
}

/// What callers asked for.
struct Requests {
    /// One that was taken out too early.
    first: Option<Request>,
    queued: mpsc::Receiver<Request>,
}

impl Requests {
    /// `None` when it is closed and empty. Cancel-safe.
    async fn next(&mut self) -> Option<Request> {
        match self.first.take() {
            Some(request) => Some(request),
            None => self.queued.recv().await,
        }
    }
}

/// Why a channel is not used any more.
enum End {
    /// The conveyor closes, and everything is answered.
    Closing,
    /// It broke, or behaves as if it had; what is outstanding was answered.
    Channel,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            let Some(connection) = self.next_connection().await else {
                return;
            };
            let line = self.line.clone();
            // When the connection is lost, what is unconfirmed is dropped, and its callers learn of it.
            match line.unless_lost(&connection, self.publish_on(&connection)).await {
                Some(Ok(End::Closing)) => return,
                Some(Ok(End::Channel)) => {
                    backoff.reset();
                    sleep(backoff.pause()).await;
                }
                Some(Err(error)) => {
                    let chain = chain(&error);
                    tracing::warn!(queue.name = %self.name, error.chain = chain, "cannot publish, trying again");
                    self.refuse_for(backoff.pause(), &error).await;
                }
                // The next connection comes after a pause of its own.
                None => {}
            }
        }
    }

    async fn publish_on(&mut self, connection: &Connection) -> Result<End, Error> {
        let channel = self.open(connection).await?;
        Ok(self.serve(&channel).await)
    }

    /// Waits for a connection, answering every request meanwhile; `None` when the conveyor closes.
    async fn next_connection(&mut self) -> Option<Arc<Connection>> {
        let line = self.line.clone();
        loop {
            tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => {
                    self.requests.queued.close();
                    while let Some(request) = self.requests.next().await {
                        request.answer(Err(Error::Closed));
                    }
                    return None;
                }
                connection = line.wait() => return connection,
                request = self.requests.next() => match (request?, line.connection()) {
                    (request, Err(error)) => request.answer(Err(error)),
                    // It came just now.
                    (request, Ok(_)) => self.requests.first = Some(request),
                },
            }
        }
    }

    /// Answers every request during a pause: no publish waits for a channel that cannot be opened.
    async fn refuse_for(&mut self, pause: Duration, error: &Error) {
        let closing = self.shared.closing.clone();
        let refuse = async {
            while let Some(request) = self.requests.next().await {
                request.answer(Err(error.clone()));
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = sleep(pause) => {}
            () = refuse => {}
        }
    }

    /// A channel that confirms, to a target that is there: it may have been deleted since the connection was made.
    async fn open(&self, connection: &Connection) -> Result<Channel, Error> {
        match self.target {
            Target::Queue(queue) => self.shared.topology.declare_queue(connection, queue).await?,
            Target::Changes => self.shared.topology.declare_changes(connection).await?,
        }
        let open = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        };
        let opened = timeout(ANSWER_DEADLINE, open).await;
        opened
            .map_err(|_late| Error::Silent {
                address: self.line.address(),
                after: ANSWER_DEADLINE,
            })?
            .map_err(|error| self.interrupted(&error))
    }

    /// Publishes until the channel ends or the conveyor closes.
    async fn serve(&mut self, channel: &Channel) -> End {
        let mut unconfirmed = FuturesUnordered::new();
        let end = loop {
            tokio::select! {
                biased;
                healthy = unconfirmed.next(), if !unconfirmed.is_empty() => if matches!(healthy, Some(false)) {
                    break End::Channel;
                },
                () = self.shared.closing.cancelled(), if !self.requests.queued.is_closed() => self.requests.queued.close(),
                request = self.requests.next(), if unconfirmed.len() < self.in_flight => match request {
                    Some(request) => match self.send(channel, request).await {
                        Some(sent) => unconfirmed.push(self.confirmed(sent)),
                        None => break End::Channel,
                    },
                    None => break End::Closing,
                },
            }
        };
        // Each has its deadline.
        while unconfirmed.next().await.is_some() {}
        end
    }

    /// Writes a message to the broker; `None` when the channel cannot.
    async fn send(&self, channel: &Channel, request: Request) -> Option<Sent> {
        if request.answer.is_closed() {
            // Its caller gave up while it waited for room: nobody counts on it.
            return Some(Sent {
                confirm: None,
                request,
            });
        }
        let (exchange, routing_key) = match self.target {
            Target::Queue(_) => ("", self.name.as_ref()),
            Target::Changes => (self.name.as_ref(), ""),
        };
        let options = BasicPublishOptions {
            mandatory: matches!(self.target, Target::Queue(_)),
            immediate: false,
        };
        let properties = properties(self.delivery_mode, request.traceparent.as_deref());
        let publish = channel.basic_publish(
            exchange.into(),
            routing_key.into(),
            options,
            &request.payload,
            properties,
        );
        match timeout_at(request.deadline, publish).await {
            Ok(Ok(confirm)) => Some(Sent {
                confirm: Some(confirm),
                request,
            }),
            Ok(Err(error)) => {
                request.answer(Err(self.interrupted(&error)));
                None
            }
            // The socket takes nothing: the broker is gone, or blocks publishers.
            Err(_late) => {
                request.answer(Err(self.unconfirmed()));
                None
            }
        }
    }

    /// Waits for the broker's word and hands it on; answers whether the channel is healthy.
    fn confirmed(&self, sent: Sent) -> impl Future<Output = bool> + use<> {
        let queue = Arc::clone(&self.name);
        let after = self.timeout;
        async move {
            let Sent {
                confirm: Some(confirm),
                request,
            } = sent
            else {
                return true;
            };
            let (outcome, healthy) = match timeout_at(request.deadline, confirm).await {
                // It came back: the queue is gone. The next channel declares it anew.
                Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))) => {
                    (Err(Error::Returned { queue }), false)
                }
                Ok(Ok(Confirmation::Ack(None) | Confirmation::NotRequested)) => (Ok(()), true),
                Ok(Ok(Confirmation::Nack(None))) => (Err(Error::Nacked { queue }), true),
                Ok(Err(_broken)) => (Err(Error::Interrupted { queue }), false),
                // The client would keep what it knows of an unread confirm as long as the channel lives.
                Err(_late) => (Err(Error::Unconfirmed { queue, after }), false),
            };
            request.answer(outcome);
            healthy
        }
    }

    fn interrupted(&self, error: &lapin::Error) -> Error {
        tracing::debug!(queue.name = %self.name, %error, "a publishing channel broke");
        Error::Interrupted {
            queue: Arc::clone(&self.name),
        }
    }

    fn unconfirmed(&self) -> Error {
        Error::Unconfirmed {
            queue: Arc::clone(&self.name),
            after: self.timeout,
        }
    }
}

impl Request {
    fn answer(self, outcome: Result<(), Error>) {
        // The caller may have left.
        let _left = self.answer.send(outcome);
    }
}

/// A message that the broker has, or that nobody waits for any more.
struct Sent {
    confirm: Option<PublisherConfirm>,
    request: Request,
}

fn properties(delivery_mode: u8, traceparent: Option<&str>) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_delivery_mode(delivery_mode)
        .with_content_type("application/json".into());
    let Some(traceparent) = traceparent else {
        return properties;
    };
    let mut headers = FieldTable::default();
    headers.insert(
        "traceparent".into(),
        AMQPValue::LongString(LongString::from(traceparent)),
    );
    properties.with_headers(headers)
}
