//! The one path by which everything is accepted.

use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::{Gateway, kept};
use actix_web::dev::RequestHead;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{AcceptError, Acceptance, Accepted, NewClaim, NewEvent};
use wire::{EventId, Instant};

/// A request that has passed its door's checks.
pub(crate) struct Offer<'a> {
    pub(crate) request: &'a RequestHead,
    pub(crate) source: &'a OpenSource,
    pub(crate) body: Bytes,
    pub(crate) event_type: Option<String>,
    /// What the signature check said; none when there was none.
    pub(crate) verified: Option<bool>,
    /// None: always a new event.
    pub(crate) key: Option<String>,
    /// How long the key counts.
    pub(crate) window: Duration,
    /// When the last byte was read.
    pub(crate) received_at: Instant,
}

/// What became of an offer: the event is durable.
pub(crate) struct Receipt {
    pub(crate) event_id: EventId,
    /// When the first request with this key was received.
    pub(crate) accepted_at: Instant,
    pub(crate) replay: Option<Replay>,
}

/// The key was taken.
pub(crate) struct Replay {
    /// Whether the body is the first request's.
    pub(crate) same: bool,
}

/// Records the offer, and tells the router of it.
///
/// The fingerprint is of the exact bytes; whether a differing one is refused is the door's to decide.
pub(crate) async fn accept(gateway: &Gateway, offer: Offer<'_>) -> Result<Receipt, Problem> {
    let claim = offer.key.clone().map(|key| NewClaim {
        scope: offer.source.source.id.to_string(),
        key,
        fingerprint: Some(Sha256::digest(&offer.body).into()),
        window: offer.window,
    });
    let event = event(gateway, offer);
    record(gateway, claim, event).await
}

/// Records an event, unless its key was claimed by another.
pub(crate) async fn record(
    gateway: &Gateway,
    claim: Option<NewClaim>,
    event: NewEvent,
) -> Result<Receipt, Problem> {
    let (id, received_at, traceparent) = (event.id, event.received_at, event.traceparent.clone());
    let accepted = tokio::time::timeout(
        gateway.settings.accept_timeout,
        gateway.accepts.accept(Acceptance {
            routed: None,
            claim,
            event,
        }),
    );
    match accepted.await {
        Ok(Ok(Accepted::Created)) => {
            gateway.publisher.offer(id, traceparent);
            Ok(Receipt {
                event_id: id,
                accepted_at: received_at,
                replay: None,
            })
        }
        Ok(Ok(Accepted::Replayed {
            event_id,
            accepted_at,
            same,
        })) => Ok(Receipt {
            event_id,
            accepted_at,
            replay: Some(Replay { same }),
        }),
        Ok(Err(error)) => Err(problem(&error)),
        Err(_elapsed) => {
            tracing::error!(event.id = %id, "the ledger did not answer in time; the sender is told to try again");
            Err(Problem::Unavailable)
        }
    }
}

/// What is kept of an offer.
pub(crate) fn event(gateway: &Gateway, offer: Offer<'_>) -> NewEvent {
    let request = offer.request;
    NewEvent {
        id: EventId::new(offer.received_at, rand::random()),
        workspace_id: offer.source.source.workspace_id.clone(),
        source_id: Some(offer.source.source.id.clone()),
        event_type: offer.event_type,
        verified: offer.verified,
        received_at: offer.received_at,
        method: request.method.to_string(),
        query: kept::query(request),
        remote_address: kept::remote_address(request, &gateway.settings.trusted_proxies)
            .map(|address| address.to_string()),
        headers: kept::headers(&request.headers, |name| offer.source.is_secret(name)),
        content_type: request
            .headers
            .get(CONTENT_TYPE)
            .map(|value| crate::key::text(value.as_bytes())),
        body: offer.body,
        idempotency_key: offer.key,
        traceparent: boot::trace::current(),
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
