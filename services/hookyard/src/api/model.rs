//! The shapes of answers, as far as commands show them. What else an answer has stays in `rest`, so that `--json` loses
//! nothing of it.

#![expect(
    clippy::struct_field_names,
    reason = "the fields have the names of the contract"
)]

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One page of events, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Event>,
    pub(crate) next_cursor: Option<String>,
}

/// An event; what only one event shows is absent in lists.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) source: Option<String>,
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    pub(crate) status: String,
    pub(crate) verified: Option<bool>,
    #[serde(default)]
    pub(crate) verification: Option<Verification>,
    pub(crate) received_at: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) deliveries: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<(String, String)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body_encoding: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// Why an event is verified, or is not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    pub(crate) reason: Option<String>,
    pub(crate) secret_id: Option<String>,
}

/// One page of deliveries, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryPage {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) next_cursor: Option<String>,
}

/// A delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event_id: String,
    pub(crate) event_type: Option<String>,
    pub(crate) endpoint_id: String,
    pub(crate) route_id: Option<String>,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) total_attempts: u64,
    pub(crate) next_retry_at: Option<String>,
    /// By which recovery it was sent again.
    pub(crate) recovery_id: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// One try of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) attempt_number: u64,
    pub(crate) status: String,
    pub(crate) response_status_code: Option<u16>,
    pub(crate) response_time_ms: Option<u64>,
    pub(crate) error_kind: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response_body: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// What each route decided about an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) event_id: String,
    pub(crate) routes: Vec<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) misses_omitted: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quarantined: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) doorkeeper: Option<Doorkeeper>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waits: Vec<Waited>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// What the source's doorkeeper did with an event that no route took.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Doorkeeper {
    pub(crate) playbook_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What became of an event at a run that waited for one of its type.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waited {
    pub(crate) run_id: String,
    pub(crate) matched: bool,
    #[serde(default)]
    pub(crate) exclusive: bool,
    /// A sentence.
    pub(crate) reason: String,
}

/// One route's decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    pub(crate) route_id: String,
    pub(crate) name: Option<String>,
    pub(crate) matched: bool,
    /// A sentence.
    pub(crate) reason: Option<String>,
    /// The value that decided.
    pub(crate) value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// One page of rejections, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectionPage {
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) next_cursor: Option<String>,
}

/// A refused request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rejection {
    pub(crate) id: String,
    pub(crate) source_id: Option<String>,
    #[serde(default)]
    pub(crate) source: Option<String>,
    #[serde(default)]
    pub(crate) door: Option<String>,
    pub(crate) cause: String,
    pub(crate) detail: Option<String>,
    pub(crate) received_at: String,
    #[serde(default)]
    pub(crate) headers: Option<Vec<(String, String)>>,
    #[serde(default)]
    pub(crate) body_preview: Option<String>,
    #[serde(default)]
    pub(crate) acceptable: bool,
    #[serde(default)]
    pub(crate) event_id: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl Rejection {
    /// The source's slug, or its id once it is gone.
    pub(crate) fn source(&self) -> &str {
        self.source
            .as_deref()
            .or(self.source_id.as_deref())
            .unwrap_or_default()
    }

    /// Whether it can be let in, or the event that it became.
    pub(crate) fn outcome(&self) -> &str {
        match &self.event_id {
            Some(event) => event,
            None if self.acceptable => "yes",
            None => "no",
        }
    }
}

/// A rejection that was let in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    pub(crate) event_id: String,
    pub(crate) status: String,
}

/// What `hookyard send` needs of a source.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Source {
    pub(crate) token: String,
}
