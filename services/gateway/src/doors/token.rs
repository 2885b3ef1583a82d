//! Door 4: GetHook's ingest, `POST /ingest/{token}`: any body, kept as it is.

use super::lookup_failed;
use crate::accept::{self, Key, Offer, Receipt, Replay};
use crate::problem::Problem;
use crate::reject::Refusal;
use crate::sources::OpenSource;
use crate::verify::{self, Checked};
use crate::{Gateway, body, identity};
use actix_web::http::Method;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use serde::Serialize;
use wire::{EventId, Instant};

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
    let found = gateway
        .sources
        .by_token(&token)
        .await
        .map_err(|error| lookup_failed(&error))?;
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
    let body = body::read(request, payload, limit, gateway.settings.body_timeout)
        .await
        .inspect_err(|problem| {
            if matches!(problem, Problem::TooLarge(_)) {
                let refusal = Refusal {
                    cause: problem.code(),
                    detail: problem.to_string(),
                    body: Bytes::new(),
                };
                gateway.rejections.keep(request, open, &refusal, Instant::now());
            }
        })?;
    let received_at = Instant::now();
    let verified = match verify::verify(gateway, request, open, &body, received_at).await? {
        Some(Checked::Handshake(answer)) => return Ok(answer),
        Some(Checked::Event { verified }) => Some(verified),
        None => None,
    };
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed);
    }
    let event_type = identity::event_type(gateway, request, open, &body).await?;
    let key = identity::idempotency_key(gateway, request, open, &body).await?;
    let offer = Offer {
        request,
        workspace_id: &open.source.workspace_id,
        source_id: Some(&open.source.id),
        key: key.map(|key| Key::of_source(open, key, &body)),
        body,
        event_type,
        verified,
        received_at,
    };
    Ok(answer(open, &accept::accept(gateway, offer).await?))
}

fn answer(open: &OpenSource, receipt: &Receipt) -> HttpResponse {
    let body = |status, note| Answer {
        data: Recorded {
            id: receipt.event_id,
            status,
            note,
        },
    };
    let mut response = HttpResponse::Accepted();
    let Some(Replay { same }) = receipt.replay else {
        metrics::ingest(DOOR, open.provider, Ingest::Accepted);
        return response.json(body("queued", None));
    };
    response.insert_header(("Idempotent-Replayed", "true"));
    if !same {
        response.insert_header(("Idempotency-Mismatch", "true"));
    }
    metrics::ingest(
        DOOR,
        open.provider,
        if same { Ingest::Duplicate } else { Ingest::Conflict },
    );
    response.json(body("accepted", Some("duplicate")))
}
