//! What can go wrong between two services.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

/// The error below ours; shared, because a state keeps what its log line said.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Why a message is not certainly on its way, or why there is no connection.
///
/// Publishers need not act on it: the row stands in the ledger, and a sweeper finds it. What an operator can do is in
/// the text.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The setting is no broker's address. The text never repeats the URL, which has a password.
    #[error("the broker's URL is not usable: {0}; it looks like amqps://user:password@host:5671/vhost")]
    Url(&'static str),
    /// The certificates to trust are not PEM, or the system has none.
    #[error("cannot load the certificates that the broker's is checked against")]
    Certificates(#[source] Cause),
    /// No answer on TCP, TLS or AMQP: wrong address, no broker, a firewall, an untrusted certificate.
    #[error("cannot connect to the broker at {address}")]
    Connect {
        /// `host:port/vhost`.
        address: Arc<str>,
        /// What the system or the broker said.
        #[source]
        source: Cause,
    },
    /// Something accepted the connection, but spoke no AMQP in time.
    #[error("the broker at {address} did not answer within {after:?}: is it an AMQP port?")]
    Silent {
        /// `host:port/vhost`.
        address: Arc<str>,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("the connection to the broker at {address} was lost")]
    Lost {
        /// `host:port/vhost`.
        address: Arc<str>,
        /// What the system or the broker said.
        #[source]
        source: Cause,
    },
    /// A queue or exchange is there with other properties, left by another release or made by hand.
    #[error(
        "`{name}` at the broker has other properties than this release declares; let it drain and delete it \
         (`rabbitmqctl delete_queue {name}`), and it is declared anew within seconds; events are not lost, they \
         stand in the ledger"
    )]
    Drift {
        /// The queue or exchange.
        name: Arc<str>,
        /// The broker's words, which name the property.
        #[source]
        source: Cause,
    },
    /// The user may not declare a queue or exchange.
    #[error(
        "the broker's user may not declare `{name}`: it needs configure, write and read permission on it"
    )]
    Denied {
        /// The queue or exchange.
        name: Arc<str>,
        /// The broker's words.
        #[source]
        source: Cause,
    },
    /// A queue or exchange could not be declared, see the source.
    #[error("cannot declare `{name}` at the broker")]
    Declare {
        /// The queue or exchange.
        name: Arc<str>,
        /// The broker's words.
        #[source]
        source: Cause,
    },
    /// There is no connection now, so nothing was sent; it is being tried for in the background.
    #[error("not connected to the broker at {address}, trying again until it answers")]
    Disconnected {
        /// `host:port/vhost`.
        address: Arc<str>,
        /// Why not, where known.
        #[source]
        source: Option<Arc<Error>>,
    },
    /// The connection broke before the broker confirmed: the message may have arrived, or not.
    #[error("the connection broke before the broker confirmed a message for `{queue}`")]
    Interrupted {
        /// The queue's or exchange's name at the broker.
        queue: Arc<str>,
    },
    /// No confirm in time: the message may have arrived, or not.
    #[error(
        "the broker did not confirm a message for `{queue}` within {after:?}; has the queue its majority?"
    )]
    Unconfirmed {
        /// The queue's or exchange's name at the broker.
        queue: Arc<str>,
        /// How long was waited.
        after: Duration,
    },
    /// No such queue: the message came back. The queue is declared anew at once.
    #[error("the broker has no queue `{queue}`, the message came back; it is declared anew")]
    Returned {
        /// The queue's name at the broker.
        queue: Arc<str>,
    },
    /// The broker refused the message, because the queue is at its length limit or has no majority.
    #[error(
        "the broker refused a message for `{queue}`, which is full or has no majority; are its consumers up?"
    )]
    Nacked {
        /// The queue's name at the broker.
        queue: Arc<str>,
    },
    /// The broker takes no messages from anybody until it has memory and disk again.
    #[error("the broker at {address} has blocked all publishers (memory or disk alarm)")]
    Blocked {
        /// `host:port/vhost`.
        address: Arc<str>,
    },
    /// The in-process queue has no room.
    #[error("the in-process queue `{queue}` has its {capacity} messages")]
    Full {
        /// The queue.
        queue: &'static str,
        /// How many it holds.
        capacity: usize,
    },
    /// An operation on a queue failed, see the source.
    #[error("cannot {operation} `{queue}` at the broker")]
    Operation {
        /// `purge`, `read the depth of`.
        operation: &'static str,
        /// The queue's name at the broker.
        queue: Arc<str>,
        /// The broker's words.
        #[source]
        source: Cause,
    },
    /// The conveyor was closed by its owner.
    #[error("the conveyor is closed")]
    Closed,
}

impl Error {
    /// The case as one word, for metrics: `disconnected`, `unconfirmed`, `nacked` …
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Certificates(_) => "certificates",
            Self::Connect { .. } => "connect",
            Self::Silent { .. } => "silent",
            Self::Lost { .. } => "lost",
            Self::Drift { .. } => "drift",
            Self::Denied { .. } => "denied",
            Self::Declare { .. } => "declare",
            Self::Disconnected { .. } => "disconnected",
            Self::Interrupted { .. } => "interrupted",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Returned { .. } => "returned",
            Self::Nacked { .. } => "nacked",
            Self::Blocked { .. } => "blocked",
            Self::Full { .. } => "full",
            Self::Operation { .. } => "operation",
            Self::Closed => "closed",
        }
    }
}

pub(crate) fn cause(error: impl StdError + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}
