//! Events, and what was decided of them.

use super::bytes;
use super::recorded::source;
use crate::check::Directory;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use store::{Event, EventSummary};
use wire::{EventId, EventState, Instant, SourceId};

/// One line of a list of events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    id: EventId,
    source_id: Option<SourceId>,
    /// The source's slug.
    source: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    status: EventState,
    verified: Option<bool>,
    /// Null where nothing was checked.
    verification: Option<VerificationView>,
    received_at: Instant,
    content_type: Option<String>,
    /// Bytes of the body.
    size: i64,
    idempotency_key: Option<String>,
    /// How many.
    deliveries: i64,
    /// How many.
    runs: i64,
}

/// Why the check of a signature said what it said.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationView {
    /// What was wrong; none of a valid signature.
    reason: Option<String>,
    /// Which of the source's secrets matched, if one did.
    secret_id: Option<String>,
}

impl EventView {
    /// `outcomes` says how many deliveries and runs each event has.
    pub(crate) fn of(
        row: &EventSummary,
        directory: &Directory,
        outcomes: &HashMap<EventId, (i64, i64)>,
    ) -> Self {
        let (deliveries, runs) = outcomes.get(&row.id).copied().unwrap_or_default();
        Self {
            id: row.id,
            source: source(row.source_id.as_ref(), directory),
            source_id: row.source_id.clone(),
            event_type: row.event_type.clone(),
            status: row.state,
            verified: row.verified,
            verification: row.verified.map(|_is_valid| VerificationView {
                reason: row.verify_reason.clone(),
                secret_id: row.verify_secret_id.clone(),
            }),
            received_at: row.received_at,
            content_type: row.content_type.clone(),
            size: row.body_bytes.into(),
            idempotency_key: row.idempotency_key.clone(),
            deliveries,
            runs,
        }
    }
}

/// One event, whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventDetail {
    #[serde(flatten)]
    summary: EventView,
    method: String,
    query: Option<String>,
    remote_address: Option<String>,
    /// `[["name","value"],…]`.
    headers: Box<RawValue>,
    body: String,
    /// `base64` where the body is no text.
    body_encoding: Option<&'static str>,
}

impl EventDetail {
    pub(crate) fn of(row: Event, directory: &Directory, (deliveries, runs): (i64, i64)) -> Self {
        let (body, body_encoding) = bytes::text(&row.body);
        Self {
            summary: EventView {
                id: row.id,
                source: source(row.source_id.as_ref(), directory),
                source_id: row.source_id,
                event_type: row.event_type,
                status: row.state,
                verified: row.verified,
                verification: row.verified.map(|_is_valid| VerificationView {
                    reason: row.verify_reason,
                    secret_id: row.verify_secret_id,
                }),
                received_at: row.received_at,
                content_type: row.content_type,
                size: i64::try_from(row.body.len()).unwrap_or(i64::MAX),
                idempotency_key: row.idempotency_key,
                deliveries,
                runs,
            },
            method: row.method,
            query: row.query,
            remote_address: row.remote_address,
            headers: bytes::list(&row.headers),
            body,
            body_encoding,
        }
    }
}

/// What was decided of an event: `{"eventId":"msg_…","routes":[…]}`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum TraceView {
    /// As the router wrote it.
    Routed(Box<RawValue>),
    /// Nothing was decided yet.
    #[serde(rename_all = "camelCase")]
    Waiting {
        /// The event.
        event_id: EventId,
        /// None so far.
        routes: [(); 0],
    },
}

impl TraceView {
    pub(crate) fn of(row: &Event) -> Self {
        let routed = row.trace.as_deref().and_then(bytes::json).map(Self::Routed);
        routed.unwrap_or(Self::Waiting {
            event_id: row.id,
            routes: [],
        })
    }
}
