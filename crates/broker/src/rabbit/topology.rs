//! What stands at the broker: three queues and one exchange for announcements, with a prefix.
//!
//! Declared at every connection and not by hand: a declaration either creates the thing, or checks that what is there
//! has the same properties. The queues are reached through the default exchange, so there is nothing to bind.

use super::{ANSWER_DEADLINE, QueueKind, RabbitSettings};
use crate::Error;
use crate::error::cause;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use wire::Queue;

/// How many announcements a process that does not take them may be behind; older ones are dropped. Every one of them
/// says the same to a cache: forget.
const CHANGES_KEPT: u32 = 1_000;

/// The names and properties of an installation's queues.
#[derive(Debug)]
pub(super) struct Topology {
    namespace: String,
    kind: QueueKind,
    max_length: u32,
    expiry: Option<Duration>,
}

impl Topology {
    pub(super) fn new(settings: &RabbitSettings) -> Self {
        Self {
            namespace: settings.namespace.clone(),
            kind: settings.queues,
            max_length: settings.max_length,
            expiry: settings.queue_expiry,
        }
    }

    /// The name of a queue at the broker.
    pub(super) fn queue(&self, queue: Queue) -> Arc<str> {
        self.name(queue.name())
    }

    /// The exchange that hands an announcement to every process.
    pub(super) fn changes(&self) -> Arc<str> {
        self.name("hookyard.changes")
    }

    fn name(&self, plain: &str) -> Arc<str> {
        format!("{}{plain}", self.namespace).into()
    }

    /// Declares everything.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        for queue in Queue::ALL {
            self.declare_queue(connection, queue).await?;
        }
        self.declare_changes(connection).await
    }

    /// Declares one queue, on a channel of its own: a refusal ends the channel.
    pub(super) async fn declare_queue(&self, connection: &Connection, queue: Queue) -> Result<(), Error> {
        let name = self.queue(queue);
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text(self.kind.name()));
        arguments.insert(
            "x-max-length".into(),
            AMQPValue::LongLongInt(self.max_length.into()),
        );
        // The publisher learns of it, by a nack.
        arguments.insert("x-overflow".into(), text("reject-publish"));
        if let Some(expiry) = self.expiry {
            let millis = i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX);
            arguments.insert("x-expires".into(), AMQPValue::LongLongInt(millis));
        }
        let declare = async {
            let channel = connection.create_channel().await?;
            let options = QueueDeclareOptions::durable();
            channel
                .queue_declare(name.as_ref().into(), options, arguments)
                .await?;
            Ok(())
        };
        declared(&name, declare).await
    }

    /// Declares the exchange of the announcements.
    pub(super) async fn declare_changes(&self, connection: &Connection) -> Result<(), Error> {
        let name = self.changes();
        let declare = async {
            let channel = connection.create_channel().await?;
            let options = ExchangeDeclareOptions {
                durable: true,
                ..Default::default()
            };
            channel
                .exchange_declare(
                    name.as_ref().into(),
                    ExchangeKind::Fanout,
                    options,
                    FieldTable::default(),
                )
                .await
        };
        declared(&name, declare).await
    }

    /// Declares this process's own queue of announcements, gone with its connection; answers its name.
    pub(super) async fn declare_subscription(&self, channel: &Channel) -> Result<Arc<str>, Error> {
        let name = self.name(&format!("hookyard.changes.{}", Uuid::new_v4().simple()));
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(CHANGES_KEPT.into()));
        let declare = async {
            let options = QueueDeclareOptions::exclusive().auto_delete();
            channel
                .queue_declare(name.as_ref().into(), options, arguments)
                .await?;
            let exchange = self.changes().as_ref().into();
            let options = QueueBindOptions::default();
            channel
                .queue_bind(
                    name.as_ref().into(),
                    exchange,
                    "".into(),
                    options,
                    FieldTable::default(),
                )
                .await
        };
        declared(&name, declare).await?;
        Ok(name)
    }
}

/// Gives a declaration its deadline, and its failure a name.
async fn declared(name: &Arc<str>, declare: impl Future<Output = lapin::Result<()>>) -> Result<(), Error> {
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut).into();
    let outcome = tokio::time::timeout(ANSWER_DEADLINE, declare).await;
    outcome
        .unwrap_or_else(|_late| Err(late()))
        .map_err(|error| refusal(Arc::clone(name), error))
}

/// The reply codes are AMQP 0-9-1's: 406 says "inequivalent arg …", 403 names the permission that lacks.
fn refusal(name: Arc<str>, error: lapin::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::ProtocolError(refusal) => Some(refusal.kind().clone()),
        _ => None,
    };
    let source = cause(error);
    match code {
        Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) => Error::Drift { name, source },
        Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Error::Denied { name, source },
        _ => Error::Declare { name, source },
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}
