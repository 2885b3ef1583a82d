//! What is recorded on the path of an event.

use crate::sql::{Maybe, Stamp, StoredText, Uid};
use bytes::Bytes;
use diesel::Queryable;
use uuid::Uuid;
use wire::{
    AttemptId, DeliveryId, DeliveryState, Door, EndpointId, EventId, Instant, ManagementTokenId, RecoveryId,
    RejectionId, RouteId, SourceId, WorkspaceId,
};

/// One idempotency key's record.
#[derive(Debug, Clone, Queryable)]
pub struct Claim {
    /// What the key is unique in.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of what must be the same in a repeat.
    pub fingerprint: Option<Vec<u8>>,
    /// What the first request produced.
    #[diesel(deserialize_as = Uid)]
    pub event_id: EventId,
    /// When the first request was received.
    #[diesel(deserialize_as = Stamp)]
    pub accepted_at: Instant,
    /// Until when the key counts.
    #[diesel(deserialize_as = Stamp)]
    pub expires_at: Instant,
    /// How often it came again.
    pub repeats: i32,
    /// How often it came again with another fingerprint.
    pub mismatches: i32,
}

/// A refused request about to be recorded.
#[derive(Debug, Clone)]
pub struct NewRejection {
    /// Sorts by `received_at`.
    pub id: RejectionId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Where it knocked.
    pub source_id: Option<SourceId>,
    /// A stable word, such as `signature_mismatch`.
    pub cause: String,
    /// A sentence for a person.
    pub detail: String,
    /// When it came.
    pub received_at: Instant,
    /// The request's method.
    pub method: String,
    /// The request's query string.
    pub query: Option<String>,
    /// The sender's address.
    pub remote_address: Option<String>,
    /// `[["name","value"],…]` as JSON, redacted.
    pub headers: Bytes,
    /// The first 4 KiB.
    pub body_preview: Bytes,
    /// Which door refused it.
    pub door: Door,
    /// The whole request, kept encrypted, where it may yet be accepted by hand.
    pub request: Option<RejectedRequest>,
}

/// A refused request as it came, secrets included.
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedRequest {
    /// The request's method.
    pub method: String,
    /// Path and query, as they stood in the request line.
    pub target: String,
    /// In the order of their coming.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The exact bytes.
    pub body: Bytes,
    /// The sender's address.
    pub remote_address: Option<String>,
}

impl std::fmt::Debug for RejectedRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RejectedRequest")
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A refused request.
#[derive(Debug, Clone, Queryable)]
pub struct Rejection {
    /// `rej_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: RejectionId,
    /// Where it knocked.
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub source_id: Option<SourceId>,
    /// A stable word.
    pub cause: String,
    /// A sentence for a person.
    pub detail: String,
    /// When it came.
    #[diesel(deserialize_as = Stamp)]
    pub received_at: Instant,
    /// The request's method.
    pub method: String,
    /// The request's query string.
    pub query: Option<String>,
    /// The sender's address.
    pub remote_address: Option<String>,
    /// `[["name","value"],…]` as JSON, redacted.
    pub headers: Vec<u8>,
    /// The first 4 KiB.
    pub body_preview: Vec<u8>,
    /// Which door refused it.
    #[diesel(deserialize_as = String)]
    pub door: Door,
    /// The event that it became when it was accepted by hand.
    #[diesel(deserialize_as = Maybe<Uid>)]
    pub event_id: Option<EventId>,
    /// Whether the whole request is kept, so that it can be accepted by hand.
    pub is_whole: bool,
}

/// Which rejections a list has.
#[derive(Debug, Clone, Default)]
pub struct RejectionFilter {
    /// Only of this source.
    pub source_id: Option<SourceId>,
    /// Only for this very cause.
    pub cause: Option<String>,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, Queryable)]
pub struct Delivery {
    /// `del_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: DeliveryId,
    /// Whose.
    #[diesel(deserialize_as = StoredText)]
    pub workspace_id: WorkspaceId,
    /// What is delivered.
    #[diesel(deserialize_as = Uid)]
    pub event_id: EventId,
    /// Where to.
    #[diesel(deserialize_as = StoredText)]
    pub endpoint_id: EndpointId,
    /// Which route made it.
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub route_id: Option<RouteId>,
    /// The event's type.
    pub event_type: Option<String>,
    /// Where it is on its path.
    #[diesel(deserialize_as = String)]
    pub state: DeliveryState,
    /// Why it was skipped or failed.
    pub reason: Option<String>,
    /// How many attempts there were.
    pub attempts: i32,
    /// When the next attempt is due.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub due_at: Option<Instant>,
    /// The delivery that this one replays.
    #[diesel(deserialize_as = Maybe<Uid>)]
    pub replay_of: Option<DeliveryId>,
    /// When the first attempt was made.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub first_attempt_at: Option<Instant>,
    /// When a receiver said 2xx.
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub delivered_at: Option<Instant>,
    /// When the route made it.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Instant,
    /// When it last changed.
    #[diesel(deserialize_as = Stamp)]
    pub updated_at: Instant,
    /// What was wrong with its last attempt.
    pub error_kind: Option<String>,
    /// The recovery that sent it again, as another delivery.
    #[diesel(deserialize_as = Maybe<Uid>)]
    pub recovery_id: Option<RecoveryId>,
    /// What it shares with those that go one after the other.
    pub order_key: Option<String>,
}

/// Which deliveries a list has.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only to this endpoint.
    pub endpoint_id: Option<EndpointId>,
    /// Only of this event.
    pub event_id: Option<EventId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
}

/// A leased delivery with all that an attempt needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// Fences off a worker whose lease ran out.
    pub lease: Option<Uuid>,
    /// Until when it holds by the ledger's clock, where that was read with it.
    pub lease_until: Option<Instant>,
    /// How many attempts were begun, see [`Job::number`].
    pub attempts: i32,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// The event.
    pub event_id: EventId,
    /// Where to.
    pub endpoint_id: EndpointId,
    /// The route that made it; a sender may have named the endpoint itself.
    pub route_id: Option<RouteId>,
    /// The event's type.
    pub event_type: Option<String>,
    /// When the attempt was due.
    pub due_at: Option<Instant>,
    /// What a transform made of the event.
    pub transformed: Option<Vec<u8>>,
    /// The event's exact bytes.
    pub body: Bytes,
    /// The event's content type.
    pub content_type: Option<String>,
    /// W3C Trace Context of the request that brought the event.
    pub traceparent: Option<String>,
    /// When the event was received.
    pub received_at: Instant,
    /// What it shares with those that go one after the other.
    pub order_key: Option<String>,
}

impl Job {
    /// The number of the attempt to make, from 1. The router's lease counts no attempt yet, a worker's does.
    pub fn number(&self) -> i32 {
        self.attempts.max(1)
    }
}

/// One HTTP try of a delivery.
#[derive(Debug, Clone, Queryable)]
pub struct Attempt {
    /// `att_…`.
    #[diesel(deserialize_as = Uid)]
    pub id: AttemptId,
    /// Counted from 1.
    pub number: i32,
    /// None when no status line came.
    pub response_status: Option<i32>,
    /// Milliseconds from the dial to the end of the answer.
    pub duration_ms: i32,
    /// None on success.
    pub error_kind: Option<String>,
    /// A sentence for a person.
    pub error_message: Option<String>,
    /// `[["name","value"],…]` as JSON.
    pub request_headers: Vec<u8>,
    /// `[["name","value"],…]` as JSON.
    pub response_headers: Vec<u8>,
    /// At most 64 KiB.
    pub response_body: Vec<u8>,
    /// When it began.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Instant,
}

/// What authenticates at the management API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementToken {
    /// For the audit.
    pub id: ManagementTokenId,
    /// The workspace it opens.
    pub workspace_id: WorkspaceId,
    /// For the audit.
    pub name: String,
}

/// One page of a list that grows.
#[derive(Debug, Clone)]
pub struct Page<Row> {
    /// Newest first.
    pub rows: Vec<Row>,
    /// Whether there are older ones.
    pub more: bool,
}
