//! What is recorded.

use super::bytes;
use crate::check::Directory;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use store::{Attempt, Claim, Delivery, Event, Rejection};
use wire::{
    AttemptId, DeliveryId, DeliveryState, Door, EndpointId, EventId, Instant, PlaybookId, RecoveryId,
    RejectionId, RouteId, RunId, SourceId,
};

/// A delivery: Nahook's fields, and ours.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryView {
    id: DeliveryId,
    idempotency_key: String,
    endpoint_id: EndpointId,
    status: DeliveryState,
    total_attempts: i32,
    first_attempt_at: Option<Instant>,
    delivered_at: Option<Instant>,
    next_retry_at: Option<Instant>,
    has_payload: bool,
    created_at: Instant,
    updated_at: Instant,
    event_id: EventId,
    event_type: Option<String>,
    route_id: Option<RouteId>,
    reason: Option<String>,
    /// The delivery that this one replays.
    replay_of: Option<DeliveryId>,
    /// What was wrong with its last attempt.
    error_kind: Option<String>,
    /// The recovery that sent it again, as another delivery.
    recovery_id: Option<RecoveryId>,
    /// What it shares with those that go one after the other.
    order_key: Option<String>,
}

impl DeliveryView {
    /// `keys` has the key of each event that is still there. An event without a key goes by its own id, which receivers
    /// can dedupe by as well.
    pub(crate) fn of(row: &Delivery, keys: &HashMap<EventId, Option<String>>) -> Self {
        let key = keys.get(&row.event_id);
        Self {
            id: row.id,
            idempotency_key: key.cloned().flatten().unwrap_or_else(|| row.event_id.to_string()),
            endpoint_id: row.endpoint_id.clone(),
            status: row.state,
            total_attempts: row.attempts,
            first_attempt_at: row.first_attempt_at,
            delivered_at: row.delivered_at,
            next_retry_at: row.due_at.filter(|_| row.state == DeliveryState::ScheduledRetry),
            has_payload: key.is_some(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            event_id: row.event_id,
            event_type: row.event_type.clone(),
            route_id: row.route_id.clone(),
            reason: row.reason.clone(),
            replay_of: row.replay_of,
            error_kind: row.error_kind.clone(),
            recovery_id: row.recovery_id,
            order_key: row.order_key.clone(),
        }
    }
}

/// What a delivery sends, in Nahook's envelope.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Payload {
    /// The bytes are there.
    Available {
        /// The JSON as it stands; else the text; else base64.
        data: Box<RawValue>,
        #[serde(rename = "contentType")]
        content_type: String,
        /// `base64` where the payload is no text.
        #[serde(skip_serializing_if = "Option::is_none")]
        encoding: Option<&'static str>,
    },
    /// The event is gone.
    NotFound,
}

impl Payload {
    /// The payload of a delivery that sends what a transform made of the event, or else the event's own bytes.
    pub(crate) fn sent(transformed: Option<&[u8]>, event: &Event) -> Self {
        match transformed {
            Some(bytes) => Self::of(bytes, Some("application/json".to_owned())),
            None => Self::of(&event.body, event.content_type.clone()),
        }
    }

    /// Whether the same bytes are sent as the same thing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Available {
                    data,
                    content_type,
                    encoding,
                },
                Self::Available {
                    data: other,
                    content_type: other_type,
                    encoding: other_encoding,
                },
            ) => data.get() == other.get() && content_type == other_type && encoding == other_encoding,
            (Self::NotFound, Self::NotFound) => true,
            _ => false,
        }
    }

    /// The payload of a delivery that sends these bytes.
    pub(crate) fn of(bytes: &[u8], content_type: Option<String>) -> Self {
        let (data, encoding) = bytes::json(bytes).map_or_else(|| bytes::quoted(bytes), |json| (json, None));
        Self::Available {
            data,
            content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            encoding,
        }
    }
}

/// One HTTP try.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptView {
    id: AttemptId,
    attempt_number: i32,
    /// Nahook's words: `success` or `failed`.
    status: &'static str,
    response_status_code: Option<i32>,
    response_time_ms: i32,
    error_message: Option<String>,
    created_at: Instant,
    error_kind: Option<String>,
    request_headers: Box<RawValue>,
    /// None without an answer, as the body.
    response_headers: Option<Box<RawValue>>,
    response_body: Option<String>,
    /// `base64` where the answer is no text.
    response_body_encoding: Option<&'static str>,
}

impl AttemptView {
    pub(crate) fn of(row: &Attempt) -> Self {
        let (response_body, response_body_encoding) = bytes::text(&row.response_body);
        let is_answered = row.response_status.is_some();
        Self {
            id: row.id,
            attempt_number: row.number,
            status: if row.error_kind.is_none() {
                "success"
            } else {
                "failed"
            },
            response_status_code: row.response_status,
            response_time_ms: row.duration_ms,
            error_message: row.error_message.clone(),
            created_at: row.created_at,
            error_kind: row.error_kind.clone(),
            request_headers: bytes::list(&row.request_headers),
            response_headers: is_answered.then(|| bytes::list(&row.response_headers)),
            response_body: is_answered.then_some(response_body),
            response_body_encoding,
        }
    }
}

/// One idempotency key's record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimView {
    scope: String,
    key: String,
    /// Of the first request, in hexadecimal.
    fingerprint: Option<String>,
    /// The id of what the first request produced.
    produced: String,
    first_seen_at: Instant,
    expires_at: Instant,
    repeats: i32,
    mismatches: i32,
}

impl ClaimView {
    pub(crate) fn of(row: Claim) -> Self {
        Self {
            produced: produced(&row),
            scope: row.scope,
            key: row.key,
            fingerprint: row.fingerprint.map(hex::encode),
            first_seen_at: row.accepted_at,
            expires_at: row.expires_at,
            repeats: row.repeats,
            mismatches: row.mismatches,
        }
    }
}

/// The id of what a key's first request produced, which its scope tells: a playbook makes a run of an event, an endpoint
/// a delivery.
fn produced(row: &Claim) -> String {
    let event = row.event_id;
    if let Ok(playbook) = row.scope.parse::<PlaybookId>() {
        return RunId::of(event, &playbook, 0).to_string();
    }
    match row.scope.parse::<EndpointId>() {
        Ok(endpoint) => DeliveryId::of(event, &endpoint, 0).to_string(),
        Err(_other) => event.to_string(),
    }
}

/// The slug of a source that is still there.
pub(super) fn source(id: Option<&SourceId>, directory: &Directory) -> Option<String> {
    directory.sources.slug(id?).map(str::to_owned)
}

/// A refused request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectionView {
    id: RejectionId,
    source_id: Option<SourceId>,
    /// The source's slug.
    source: Option<String>,
    /// Which door refused it.
    door: Door,
    cause: String,
    detail: String,
    received_at: Instant,
    headers: Box<RawValue>,
    body_preview: String,
    body_encoding: Option<&'static str>,
    method: String,
    query: Option<String>,
    remote_address: Option<String>,
    /// Whether it is kept whole, so that it can be let in once the cause is mended.
    acceptable: bool,
    /// The event that it became.
    event_id: Option<EventId>,
}

impl RejectionView {
    pub(crate) fn of(row: &Rejection, directory: &Directory) -> Self {
        let (body_preview, body_encoding) = bytes::text(&row.body_preview);
        Self {
            id: row.id,
            source: source(row.source_id.as_ref(), directory),
            source_id: row.source_id.clone(),
            door: row.door,
            cause: row.cause.clone(),
            detail: row.detail.clone(),
            received_at: row.received_at,
            headers: bytes::list(&row.headers),
            body_preview,
            body_encoding,
            method: row.method.clone(),
            query: row.query.clone(),
            remote_address: row.remote_address.clone(),
            acceptable: row.is_whole && row.event_id.is_none(),
            event_id: row.event_id,
        }
    }
}
