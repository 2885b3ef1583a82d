//! What the conveyor carries: references into the ledger, never bodies or secrets.
//!
//! A message may be lost, doubled or late: whoever takes it reads the ledger, and the sweepers find what no message
//! named. The format is JSON with a version, so that services of two releases can share a broker during a rollout.

use crate::{DeliveryId, EventId, RunId, WorkspaceId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The conveyor's queues, one per consuming service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Accepted events, for the router.
    Route,
    /// Leased deliveries, for the delivery-worker.
    Deliver,
    /// Runs with something to do, for the playbook-runner.
    Run,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Route, Self::Deliver, Self::Run];

    /// Its name at the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Route => "hookyard.route",
            Self::Deliver => "hookyard.deliver",
            Self::Run => "hookyard.run",
        }
    }
}

/// Points at one row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// An event in state `accepted`.
    Event {
        /// The event.
        id: EventId,
    },
    /// A delivery leased for whoever takes this reference.
    Delivery {
        /// The delivery.
        id: DeliveryId,
        /// The fencing token of the lease.
        lease: Uuid,
    },
    /// A run that something happened to.
    Run {
        /// The run.
        id: RunId,
    },
}

impl Reference {
    /// The queue whose consumer understands it.
    pub const fn queue(&self) -> Queue {
        match self {
            Self::Event { .. } => Queue::Route,
            Self::Delivery { .. } => Queue::Deliver,
            Self::Run { .. } => Queue::Run,
        }
    }
}

/// One message: up to some hundreds of references of one queue, and the trace that the first belongs to.
///
/// `{"v":1,"refs":[{"event":{"id":"msg_…"}}],"traceparent":"00-…"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    v: u8,
    /// What to look at.
    pub refs: Vec<Reference>,
    /// W3C Trace Context of the request that caused the first reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Bytes on the conveyor that are no message of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of a message's shape.
    #[error("a message on the conveyor is malformed")]
    Malformed(#[source] serde_json::Error),
    /// A release that we do not know wrote it.
    #[error("a message on the conveyor has version {0}, this release reads 1")]
    Version(u8),
}

impl Message {
    /// Makes a message of the current version.
    pub fn new(refs: Vec<Reference>, traceparent: Option<String>) -> Self {
        Self {
            v: 1,
            refs,
            traceparent,
        }
    }

    /// The bytes for the broker.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a message has only strings and integers, which serialise")
    }

    /// Reads what [`Message::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: Self = serde_json::from_slice(bytes).map_err(DecodeError::Malformed)?;
        if message.v != 1 {
            return Err(DecodeError::Version(message.v));
        }
        Ok(message)
    }
}

/// A broadcast to every process: something configured in this workspace changed, forget what you cached of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it changed; `None` is everywhere.
    pub workspace: Option<WorkspaceId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_bytes() {
        let message = Message::new(
            vec![
                Reference::Event {
                    id: EventId::generate(),
                },
                Reference::Delivery {
                    id: DeliveryId::generate(),
                    lease: Uuid::from_u128(9),
                },
                Reference::Run {
                    id: RunId::generate(),
                },
            ],
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        );
        assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn the_bytes_on_the_wire_are_these() {
        let id = EventId::from_uuid(Uuid::from_u128(1));
        let bytes = Message::new(vec![Reference::Event { id }], None).encode();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            r#"{"v":1,"refs":[{"event":{"id":"msg_00000000000000000000000001"}}]}"#
        );
    }

    #[test]
    fn a_message_of_another_version_is_refused() {
        assert!(matches!(
            Message::decode(br#"{"v":2,"refs":[]}"#),
            Err(DecodeError::Version(2))
        ));
        assert!(matches!(Message::decode(b"\xff"), Err(DecodeError::Malformed(_))));
    }
}
