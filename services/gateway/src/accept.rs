//! The one path by which everything is accepted.

use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::{Gateway, kept};
use actix_web::dev::RequestHead;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use routing::Moment;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{AcceptError, Acceptance, Accepted, NewClaim, NewEvent, RoutedEvent, Verification};
use uuid::Uuid;
use wire::{EventId, Instant, WorkspaceId};

/// An idempotency key as a door counts it.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// What it is unique in.
    pub(crate) scope: String,
    /// 1 to 255 bytes.
    pub(crate) text: String,
    /// What must be the same in a repeat; none: nothing is compared.
    pub(crate) fingerprint: Option<[u8; 32]>,
    /// How long it counts.
    pub(crate) window: Duration,
}

impl Key {
    /// A key of a source's, whose fingerprint is of the exact bytes.
    pub(crate) fn of_source(open: &OpenSource, key: String, body: &[u8]) -> Self {
        Self {
            scope: open.source.id.to_string(),
            text: key,
            fingerprint: Some(Sha256::digest(body).into()),
            window: open.source.spec.dedupe.window,
        }
    }

    /// The key that a body is of itself, for a source that wants that.
    pub(crate) fn of_body(open: &OpenSource, body: &[u8]) -> Option<Self> {
        let window = open.source.spec.dedupe.same_body?;
        let digest: [u8; 32] = Sha256::digest(body).into();
        Some(Self {
            scope: open.source.id.to_string(),
            text: format!("sha256:{}", hex::encode(digest)),
            fingerprint: Some(digest),
            window,
        })
    }
}

/// A request that has passed its door's checks.
pub(crate) struct Offer<'a> {
    pub(crate) request: &'a RequestHead,
    pub(crate) workspace_id: &'a WorkspaceId,
    /// None: it came in by no source.
    pub(crate) source: Option<&'a OpenSource>,
    pub(crate) body: Bytes,
    pub(crate) event_type: Option<String>,
    /// What the signature check said; none when there was none.
    pub(crate) verified: Option<Verification>,
    /// None: always a new event.
    pub(crate) key: Option<Key>,
    /// When the last byte was read.
    pub(crate) received_at: Instant,
}

/// What became of an offer: the event is durable.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) event_id: EventId,
    /// When the first request with this key was received.
    pub(crate) accepted_at: Instant,
    pub(crate) replay: Option<Replay>,
}

/// The key was taken.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Whether the fingerprint is the first request's.
    pub(crate) same: bool,
}

/// An event that is about to be accepted, and the key it is accepted under.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) event: NewEvent,
    pub(crate) key: Option<Key>,
}

/// Records the offer, and tells the router of it.
pub(crate) async fn accept(gateway: &Gateway, offer: Offer<'_>) -> Result<Receipt, Problem> {
    accept_draft(gateway, draft(gateway, offer), None).await
}

/// Gives the offer its id, so that a door can decide what becomes of it before it is recorded.
pub(crate) fn draft(gateway: &Gateway, offer: Offer<'_>) -> Draft {
    let request = offer.request;
    let event = NewEvent {
        id: EventId::new(offer.received_at, rand::random()),
        workspace_id: offer.workspace_id.clone(),
        source_id: offer.source.map(|open| open.source.id.clone()),
        event_type: offer.event_type,
        verified: offer.verified,
        received_at: offer.received_at,
        method: request.method.to_string(),
        query: kept::query(request),
        remote_address: kept::remote_address(request, &gateway.settings.trusted_proxies)
            .map(|address| address.to_string()),
        headers: kept::headers(&request.headers, |name| {
            offer.source.is_some_and(|open| open.is_secret(name))
        }),
        content_type: request
            .headers
            .get(CONTENT_TYPE)
            .map(|value| crate::key::text(value.as_bytes())),
        body: offer.body,
        idempotency_key: offer.key.as_ref().map(|key| key.text.clone()),
        traceparent: boot::trace::current(),
    };
    Draft {
        event,
        key: offer.key,
    }
}

/// The moment of a decision at a door, with a lease for the worker that gets the reference.
pub(crate) fn moment(gateway: &Gateway, received_at: Instant) -> Moment {
    Moment {
        now: received_at,
        lease: Uuid::new_v4(),
        lease_until: gateway.store.now() + gateway.lease,
    }
}

/// Records an event with what becomes of it, where the door decided that, and tells whom it concerns.
///
/// Whether a differing fingerprint is refused is the door's to decide.
pub(crate) async fn accept_draft(
    gateway: &Gateway,
    draft: Draft,
    routed: Option<RoutedEvent>,
) -> Result<Receipt, Problem> {
    let Draft { event, key } = draft;
    gateway.limits.admit(&event.workspace_id).await?;
    let (id, received_at, traceparent) = (event.id, event.received_at, event.traceparent.clone());
    let tell = crate::publish::references(id, routed.as_ref());
    let claim = key.map(|key| NewClaim {
        scope: key.scope,
        key: key.text,
        fingerprint: key.fingerprint,
        window: key.window,
    });
    match gateway.accepts.accept(Acceptance { claim, event, routed }).await {
        Ok(Accepted::Created) => {
            gateway.publisher.offer(tell, traceparent.as_deref());
            Ok(Receipt {
                event_id: id,
                accepted_at: received_at,
                replay: None,
            })
        }
        Ok(Accepted::Replayed {
            event_id,
            accepted_at,
            same,
        }) => Ok(Receipt {
            event_id,
            accepted_at,
            replay: Some(Replay { same }),
        }),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &AcceptError) -> Problem {
    match error {
        AcceptError::Overloaded => Problem::Overloaded,
        AcceptError::Closing => Problem::Unavailable,
        AcceptError::Unavailable(cause) => {
            tracing::error!(error = %cause, "the ledger does not answer; the sender is told to try again");
            Problem::Unavailable
        }
        AcceptError::Unknown | AcceptError::Refused(_) => {
            tracing::error!(
                error.chain = error as &dyn std::error::Error,
                "an event could not be recorded"
            );
            Problem::Internal
        }
    }
}
