//! How to reach a RabbitMQ, and how patient to be.

use secrecy::SecretString;
use std::time::Duration;

/// Settings of the conveyor over RabbitMQ.
#[derive(Debug, Clone)]
pub struct RabbitSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS; the default vhost is `%2f`.
    pub url: SecretString,
    /// What every queue's and exchange's name begins with, so that two installations can share a vhost. Mostly empty.
    pub namespace: String,
    /// What the broker's own pages call this process: `hookyard-gateway on web-3`.
    pub client: String,
    /// PEM of the certificates that the broker's may be signed with; none are the system's.
    pub certificates: Option<String>,
    /// How long the TCP and TLS handshakes may take, and as long again AMQP's.
    pub connect_timeout: Duration,
    /// Twice this without a byte from the broker is a lost connection. Whole seconds.
    pub heartbeat: Duration,
    /// How long a publish may take, the broker's confirm included.
    pub publish_timeout: Duration,
    /// How many messages of one queue may wait for their confirm at a time; more wait for room.
    pub in_flight: usize,
    /// What the queues are. As with their length, all processes of one broker must agree.
    pub queues: QueueKind,
    /// How many messages a queue holds at the broker; more are refused, and the sweepers' work. All processes of one
    /// broker must agree, and a change needs the queues deleted, see [`Error::Drift`](crate::Error::Drift).
    pub max_length: u32,
    /// Queues that nobody used for so long are deleted by the broker: for tests and passing installations.
    pub queue_expiry: Option<Duration>,
}

/// What a queue is at the broker (<https://www.rabbitmq.com/docs/queues>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// In the memory of one node. A reference that is lost with it is found in the ledger by a sweep, seconds later.
    Classic,
    /// On the disks of most nodes of a cluster: nothing is late when a node is lost, at the price of a write to disk for
    /// each message, and of another for its acknowledgement.
    Quorum,
}

impl QueueKind {
    /// As in `x-queue-type`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }

    /// The `delivery-mode` of its messages (AMQP 0-9-1): a quorum queue keeps every message on disk, whatever it says.
    pub(super) const fn delivery_mode(self) -> u8 {
        match self {
            Self::Classic => 1,
            Self::Quorum => 2,
        }
    }
}

impl RabbitSettings {
    /// The defaults for a broker at `url`.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            namespace: String::new(),
            client: "hookyard".to_owned(),
            certificates: None,
            connect_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(5),
            in_flight: 256,
            queues: QueueKind::Classic,
            max_length: 100_000,
            queue_expiry: None,
        }
    }
}
