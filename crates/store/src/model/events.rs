//! Events, and what a signature check said of them.

use crate::sql::{Maybe, Stamp, StoredText, Uid};
use bytes::Bytes;
use diesel::Queryable;
use wire::{EventId, EventState, Instant, SourceId, WorkspaceId};

/// An event about to be recorded.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Sorts by `received_at`.
    pub id: EventId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Where it came in; none for events a playbook emitted.
    pub source_id: Option<SourceId>,
    /// What the sender says happened.
    pub event_type: Option<String>,
    /// What the signature check said; none when there was none.
    pub verified: Option<Verification>,
    /// When its last byte was read.
    pub received_at: Instant,
    /// The request's method.
    pub method: String,
    /// The request's query string, without the question mark.
    pub query: Option<String>,
    /// The sender's address, without its port.
    pub remote_address: Option<String>,
    /// `[["name","value"],…]` as JSON, secret headers left out.
    pub headers: Bytes,
    /// The request's content type.
    pub content_type: Option<String>,
    /// The exact bytes.
    pub body: Bytes,
    /// What it was deduped by.
    pub idempotency_key: Option<String>,
    /// W3C Trace Context of the request.
    pub traceparent: Option<String>,
}

impl NewEvent {
    /// One with what every event has, and nothing else.
    pub fn plain(id: EventId, workspace_id: WorkspaceId, received_at: Instant, body: Bytes) -> Self {
        Self {
            id,
            workspace_id,
            source_id: None,
            event_type: None,
            verified: None,
            received_at,
            method: "POST".to_owned(),
            query: None,
            remote_address: None,
            headers: Bytes::from_static(b"[]"),
            content_type: None,
            body,
            idempotency_key: None,
            traceparent: None,
        }
    }
}

/// What a signature check said of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It is its sender's.
    Valid {
        /// The id of the source's secret that matched; none where no secret of the source's decided, but a published key
        /// or an adapter.
        secret_id: Option<String>,
    },
    /// It is not, and its source merely records that.
    Invalid {
        /// A stable word, such as `signature_mismatch`.
        reason: &'static str,
    },
}

impl Verification {
    /// Whether the event is its sender's.
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid { .. })
    }

    /// Why it is not, if it is not.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Valid { .. } => None,
            Self::Invalid { reason } => Some(reason),
        }
    }

    /// The id of the source's secret that matched, if one did.
    pub fn secret_id(&self) -> Option<&str> {
        match self {
            Self::Valid { secret_id } => secret_id.as_deref(),
            Self::Invalid { .. } => None,
        }
    }
}

/// A recorded event, whole.
#[derive(Debug, Clone, Queryable)]
pub struct Event {
    /// `msg_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: EventId,
    /// Whose.
    #[diesel(deserialize_as = StoredText)]
    pub workspace_id: WorkspaceId,
    /// Where it came in.
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub source_id: Option<SourceId>,
    /// What the sender says happened.
    pub event_type: Option<String>,
    /// Where it is on its path.
    #[diesel(deserialize_as = String)]
    pub state: EventState,
    /// What the signature check said.
    pub verified: Option<bool>,
    /// When its last byte was read.
    #[diesel(deserialize_as = Stamp)]
    pub received_at: Instant,
    /// The request's method.
    pub method: String,
    /// The request's query string.
    pub query: Option<String>,
    /// The sender's address.
    pub remote_address: Option<String>,
    /// `[["name","value"],…]` as JSON.
    #[diesel(deserialize_as = Vec<u8>)]
    pub headers: Bytes,
    /// The request's content type.
    pub content_type: Option<String>,
    /// The exact bytes.
    #[diesel(deserialize_as = Vec<u8>)]
    pub body: Bytes,
    /// What it was deduped by.
    pub idempotency_key: Option<String>,
    /// W3C Trace Context of the request.
    pub traceparent: Option<String>,
    /// How often routing it failed.
    pub failures: i32,
    /// The decision trace as JSON, once routed.
    pub trace: Option<Vec<u8>>,
    /// See [`Verification::reason`].
    pub verify_reason: Option<String>,
    /// See [`Verification::secret_id`].
    pub verify_secret_id: Option<String>,
}

impl From<&NewEvent> for Event {
    /// As it is once it is recorded.
    fn from(new: &NewEvent) -> Self {
        let verdict = new.verified.as_ref();
        Self {
            id: new.id,
            workspace_id: new.workspace_id.clone(),
            source_id: new.source_id.clone(),
            event_type: new.event_type.clone(),
            state: EventState::Accepted,
            verified: verdict.map(Verification::is_valid),
            received_at: new.received_at,
            method: new.method.clone(),
            query: new.query.clone(),
            remote_address: new.remote_address.clone(),
            headers: new.headers.clone(),
            content_type: new.content_type.clone(),
            body: new.body.clone(),
            idempotency_key: new.idempotency_key.clone(),
            traceparent: new.traceparent.clone(),
            failures: 0,
            trace: None,
            verify_reason: verdict.and_then(Verification::reason).map(ToOwned::to_owned),
            verify_secret_id: verdict.and_then(Verification::secret_id).map(ToOwned::to_owned),
        }
    }
}

/// One line of a list of events.
#[derive(Debug, Clone, Queryable)]
pub struct EventSummary {
    /// `msg_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: EventId,
    /// Where it came in.
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub source_id: Option<SourceId>,
    /// What the sender says happened.
    pub event_type: Option<String>,
    /// Where it is on its path.
    #[diesel(deserialize_as = String)]
    pub state: EventState,
    /// What the signature check said.
    pub verified: Option<bool>,
    /// When its last byte was read.
    #[diesel(deserialize_as = Stamp)]
    pub received_at: Instant,
    /// The request's content type.
    pub content_type: Option<String>,
    /// Bytes of the body.
    pub body_bytes: i32,
    /// What it was deduped by.
    pub idempotency_key: Option<String>,
    /// See [`Verification::reason`].
    pub verify_reason: Option<String>,
    /// See [`Verification::secret_id`].
    pub verify_secret_id: Option<String>,
}

/// Which events a list has.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only of this source.
    pub source_id: Option<SourceId>,
    /// Only of this very type.
    pub event_type: Option<String>,
    /// Only in this state.
    pub state: Option<EventState>,
}
