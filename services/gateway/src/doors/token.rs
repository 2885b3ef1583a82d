//! Door 4: GetHook's ingest, `POST /ingest/{token}`: any body, kept as it is.

use super::look_up;
use crate::accept::{self, Key, Offer, Receipt, Replay};
use crate::arrival::{Arrival, Refused};
use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::verify::{self, Checked};
use crate::{Gateway, body, identity};
use actix_web::http::Method;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use serde::Serialize;
use store::Verification;
use wire::{Door, EventId};

const DOOR: &str = "token";

#[derive(Serialize)]
struct Answer {
    data: Recorded,
}

#[derive(Serialize)]
struct Recorded {
    id: EventId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// Takes any method: providers shake hands with `GET`, `HEAD` and `OPTIONS`; everything else but `POST` is refused.
pub(super) async fn any(
    gateway: Data<Gateway>,
    request: HttpRequest,
    token: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let found = look_up(&gateway, gateway.sources.by_token(&token)).await?;
    let answered = match &found {
        Some(open) => take(&gateway, &request, open, payload).await,
        None => Err(Problem::NotFound),
    };
    if let Err(problem) = &answered {
        metrics::ingest(
            DOOR,
            found.map_or("none", |open| open.provider),
            Ingest::Rejected(problem.code()),
        );
    }
    answered
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let limit = open.body_limit(gateway.settings.token_body_limit, gateway.settings.max_body_limit);
    let read = body::read_of_source(request, payload, open, (limit, gateway.settings.body_timeout)).await;
    let (body, broken) = match read {
        Ok(body) => (body, None),
        Err(problem) => (Bytes::new(), Some(problem)),
    };
    let arrival = Arrival::now(request.head(), &body);
    let admitted = match broken {
        None => admit(gateway, open, arrival).await,
        Some(problem) => Err(problem.into()),
    };
    match admitted {
        Ok(Admitted::Handshake(answer)) => Ok(answer),
        Ok(Admitted::Event(receipt)) => Ok(answer(open, &receipt)),
        Err(refused) => Err(gateway.rejections.refuse(Door::Token, open, arrival, refused)),
    }
}

/// What became of a request that the door lets in.
pub(crate) enum Admitted {
    /// It was a handshake; this is its answer.
    Handshake(HttpResponse),
    /// It is recorded.
    Event(Receipt),
}

/// Checks a request, and records it.
pub(crate) async fn admit(
    gateway: &Gateway,
    open: &OpenSource,
    arrival: Arrival<'_>,
) -> Result<Admitted, Refused> {
    let verified = match open.guard() {
        Some(guard) => match verify::verify(gateway, arrival, guard).await? {
            Checked::Handshake(answer) => return Ok(Admitted::Handshake(answer)),
            Checked::Event { verified } => verified,
        },
        None => None,
    };
    if arrival.head.method != Method::POST {
        return Err(Problem::only_post().into());
    }
    let receipt = gateway.in_time(record(gateway, open, arrival, verified)).await?;
    Ok(Admitted::Event(receipt))
}

async fn record(
    gateway: &Gateway,
    open: &OpenSource,
    arrival: Arrival<'_>,
    verified: Option<Verification>,
) -> Result<Receipt, Problem> {
    let Arrival { head, body, .. } = arrival;
    let event_type = identity::event_type(gateway, head, open, body).await?;
    let key = identity::idempotency_key(gateway, head, open, body).await?;
    // What an operator lets in is let in once, though its sender names no key.
    let key = key.or_else(|| arrival.rejection.map(|id| id.to_string()));
    let offer = Offer {
        request: head,
        workspace_id: &open.source.workspace_id,
        source: Some(open),
        body: body.clone(),
        event_type,
        verified,
        key: key
            .map(|key| Key::of_source(open, key, body))
            .or_else(|| Key::of_body(open, body)),
        received_at: arrival.recorded_at(),
    };
    accept::accept(gateway, offer).await
}

fn answer(open: &OpenSource, receipt: &Receipt) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    let (outcome, status, note) = match receipt.replay {
        None => (Ingest::Accepted, "queued", None),
        Some(Replay { same: true }) => (Ingest::Duplicate, "accepted", Some("duplicate")),
        Some(Replay { same: false }) => (Ingest::Conflict, "accepted", Some("duplicate")),
    };
    metrics::ingest(DOOR, open.provider, outcome);
    if let Some(Replay { same }) = receipt.replay {
        response.insert_header(("Idempotent-Replayed", "true"));
        if !same {
            response.insert_header(("Idempotency-Mismatch", "true"));
        }
    }
    // To a provider that insists on a body of its own, any other is a failure.
    let wanted = open
        .check
        .as_ref()
        .and_then(|check| check.profile.acknowledgement());
    match wanted {
        Some(wanted) => response
            .insert_header(ContentType::plaintext())
            .body(wanted.to_owned()),
        None => response.json(Answer {
            data: Recorded {
                id: receipt.event_id,
                status,
                note,
            },
        }),
    }
}
