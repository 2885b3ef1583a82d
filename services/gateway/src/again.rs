//! Looking again at what was refused, for an operator who has mended why: `POST /internal/rejections/{id}/accept`.
//!
//! The request is judged by today's settings, secrets and contacts, but by the clock of its arrival, and then takes the
//! path of every other. What its door would still refuse stays refused, so nobody can let in what its sender did not
//! sign; see `docs/decisions/0011-accept-by-hand.md`.
//!
//! The console sends operators here. It shows a ticket under the master keys; to everybody else, nothing is here.

use crate::Gateway;
use crate::accept::Receipt;
use crate::arrival::{Arrival, Refusal, Refused};
use crate::doors::{app, lookup_failed, token};
use crate::problem::Problem;
use crate::sources::OpenSource;
use actix_web::dev::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use store::RejectedRequest;
use wire::{Door, EventId, Instant, RejectionId, SourceId};

/// What became of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    /// Of several messages, the first one's.
    event_id: EventId,
    /// `queued`, or `duplicate` when all of it was recorded before.
    status: &'static str,
}

/// Why it was not accepted.
#[derive(Serialize)]
struct Refusing {
    error: &'static str,
    message: String,
    /// The cause of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// A request that was kept whole.
struct Kept {
    source: SourceId,
    received_at: Instant,
    request: RejectedRequest,
}

pub(crate) fn mount(config: &mut ServiceConfig) {
    config.service(web::resource("/internal/rejections/{id}/accept").route(web::post().to(accept)));
}

async fn accept(
    gateway: Data<Gateway>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let errand = format!("POST /internal/rejections/{id}/accept");
    if !has_ticket(&gateway, &request, &errand) {
        return Err(Problem::NotFound);
    }
    let id: RejectionId = id.parse().map_err(|_other| Problem::NotFound)?;
    let Some(kept) = recall(&gateway, id).await? else {
        return Ok(conflict(
            "it was accepted, or the whole request is not kept any more",
        ));
    };
    let open = gateway.sources.by_id(&kept.source).await;
    let Some(open) = open.map_err(|error| lookup_failed(&error))? else {
        return Ok(conflict(
            "its source is disabled or gone, or the workspace is closed",
        ));
    };
    let found = gateway.store.rejection(&open.source.workspace_id, id).await;
    let Some(rejection) = found.map_err(|error| lookup_failed(&error.into()))? else {
        return Err(Problem::NotFound);
    };
    let receipts = match judge(&gateway, &open, rejection.door, id, &kept).await {
        Ok(receipts) => receipts,
        Err(refused) => return Ok(refuse(refused)),
    };
    let Some(first) = receipts.first() else {
        return Ok(conflict(
            "it brings nothing to record: it is a challenge, or nobody wrote it",
        ));
    };
    let noted = gateway.store.accept_rejection(id, first.event_id).await;
    noted.map_err(|error| lookup_failed(&error.into()))?;
    let is_new = receipts.iter().any(|receipt| receipt.replay.is_none());
    tracing::info!(
        rejection.id = %id,
        event.id = %first.event_id,
        workspace.id = %open.source.workspace_id,
        is_new,
        "an operator let a rejection in"
    );
    Ok(HttpResponse::Ok().json(Accepted {
        event_id: first.event_id,
        status: if is_new { "queued" } else { "duplicate" },
    }))
}

fn has_ticket(gateway: &Gateway, request: &HttpRequest, errand: &str) -> bool {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let ticket = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    ticket.is_some_and(|ticket| gateway.store.is_ticket(&ticket.into(), errand, Instant::now()))
}

async fn recall(gateway: &Gateway, id: RejectionId) -> Result<Option<Kept>, Problem> {
    let found = gateway.store.rejected_request(id).await;
    let found = found.map_err(|error| lookup_failed(&error.into()))?;
    Ok(found.map(|(source, received_at, request)| Kept {
        source,
        received_at,
        request,
    }))
}

/// Sends the request through its door again, by the clock of its arrival.
async fn judge(
    gateway: &Gateway,
    open: &OpenSource,
    door: Door,
    id: RejectionId,
    kept: &Kept,
) -> Result<Vec<Receipt>, Refused> {
    let head = head(&kept.request).ok_or(Problem::Internal)?;
    let arrival = Arrival {
        head: &head,
        body: &kept.request.body,
        at: kept.received_at,
        rejection: Some(id),
    };
    match (door, &open.app) {
        (Door::Token, _) => match token::admit(gateway, open, arrival).await? {
            token::Admitted::Handshake(_) => Ok(Vec::new()),
            token::Admitted::Event(receipt) => Ok(vec![receipt]),
        },
        (Door::App, Some(app)) => match app::admit(gateway, open, app, arrival).await? {
            app::Admitted::Challenge(_) => Ok(Vec::new()),
            app::Admitted::Messages(receipts) => Ok(receipts),
        },
        (Door::App, None) | (Door::Channel, _) => Err(Problem::NotFound.into()),
    }
}

/// The head of the request as it came. What stands in the ledger came through a parser once, so it parses.
fn head(request: &RejectedRequest) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    head.method = Method::from_bytes(request.method.as_bytes()).ok()?;
    head.uri = request.target.parse().ok()?;
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    let address: Option<IpAddr> = request.remote_address.as_ref().and_then(|text| text.parse().ok());
    head.peer_addr = address.map(|address| SocketAddr::new(address, 0));
    Some(head)
}

fn refuse(Refused { problem, refusal }: Refused) -> HttpResponse {
    let status = match problem.status_code() {
        // Nothing is wrong with the request that asked.
        status if status.is_server_error() => return problem.error_response(),
        StatusCode::TOO_MANY_REQUESTS => return problem.error_response(),
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let (reason, detail) = match refusal {
        Some(Refusal { cause, detail, .. }) => (Some(cause), detail),
        None => (None, problem.to_string()),
    };
    HttpResponse::build(status).json(Refusing {
        error: problem.code(),
        message: detail,
        reason,
    })
}

fn conflict(why: &str) -> HttpResponse {
    HttpResponse::Conflict().json(Refusing {
        error: "not_acceptable",
        message: why.to_owned(),
        reason: None,
    })
}
