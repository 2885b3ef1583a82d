//! Door 6: ORQO's workflow hook, `POST /api/v1/hooks/{token}`: the token in the path is all that is asked for.

use super::{json, look_up};
use crate::playbooks::{Name, OpenPlaybook};
use crate::problem::Problem;
use crate::start::{self, Asked, Started, Target};
use crate::{Gateway, body, key};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::Duration;
use wire::{Instant, RunId, Trigger};

const DOOR: &str = "hook";

/// How long a key counts, here and at door 7.
pub(super) const WINDOW: Duration = Duration::from_hours(96);

#[derive(Serialize)]
struct Answer {
    workflow_run_id: RunId,
    status: &'static str,
}

/// Starts a run with the body as its input.
pub(super) async fn post(
    gateway: Data<Gateway>,
    request: HttpRequest,
    token: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let answered = take(&gateway, &request, &token, payload).await;
    let answered = answered.map_err(Problem::in_words);
    metrics::ingest(DOOR, "none", outcome(&answered));
    answered.map(|started| answer(&started).finish(&started))
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    token: &str,
    payload: Payload,
) -> Result<Started, Problem> {
    let found = look_up(gateway, gateway.playbooks.find(Name::Hook(token.into()))).await?;
    let open = found.ok_or(Problem::NotFound)?;
    let spec = &open.playbook.spec;
    if !spec.enabled || !spec.hook.as_ref().is_some_and(|hook| hook.enabled) {
        return Err(Problem::TriggerDisabled);
    }
    let limit = gateway.settings.body_limit.bytes() as u64;
    let body = body::read(request, payload, limit, gateway.settings.body_timeout).await?;
    gateway.in_time(begin(gateway, request, &open, body)).await
}

async fn begin(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenPlaybook,
    body: Bytes,
) -> Result<Started, Problem> {
    let received_at = Instant::now();
    let input = if body.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        json::check(&body).map_err(Problem::InvalidBody)?;
        body.clone()
    };
    let key = key::from_header(request.headers(), "idempotency-key")?;
    let wanted = start::Order {
        request,
        open,
        target: Target::resolve(gateway, open, Asked::default()).await?,
        trigger: Trigger::Hook,
        fingerprint: Sha256::digest(&body).into(),
        body,
        input,
        key,
        window: WINDOW,
        received_at,
    };
    start::start(gateway, wanted).await
}

/// What is counted, here and at door 7.
pub(super) fn outcome(answered: &Result<Started, Problem>) -> Ingest {
    match answered {
        Ok(started) if started.is_replay => Ingest::Duplicate,
        Ok(_) => Ingest::Accepted,
        Err(problem) => Ingest::Rejected(problem.code()),
    }
}

/// The answer's head, here and at door 7: 201, and 200 for a replay.
pub(super) fn answer(started: &Started) -> Head {
    let mut response = if started.is_replay {
        HttpResponse::Ok()
    } else {
        HttpResponse::Created()
    };
    if started.is_replay {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Head(response)
}

/// An answer that lacks its body.
pub(super) struct Head(pub(super) actix_web::HttpResponseBuilder);

impl Head {
    /// The first answer's ids.
    pub(super) fn finish(mut self, started: &Started) -> HttpResponse {
        self.0.json(Answer {
            workflow_run_id: started.run_id,
            status: "started",
        })
    }
}
