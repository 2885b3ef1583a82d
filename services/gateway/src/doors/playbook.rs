//! Door 2: RakerOne's playbook trigger, `POST /api/webhooks/orgs/{orgSlug}/playbooks/{playbookSlug}`.

use super::{json, look_up};
use crate::playbooks::{Name, OpenPlaybook};
use crate::problem::{Issue, Problem};
use crate::start::{self, Asked, Started, Target};
use crate::{Gateway, body, key};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics::{self, Ingest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::time::Duration;
use subtle::ConstantTimeEq;
use wire::{Instant, RunId, Trigger};

const DOOR: &str = "playbook";

/// How long a key counts.
const WINDOW: Duration = Duration::from_hours(30 * 24);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    run_id: RunId,
    status: &'static str,
    message: &'static str,
    timestamp: Instant,
}

/// Where in a body the target stands.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    project: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    template: Option<Cow<'a, str>>,
}

/// Starts a run under the playbook's secret and a required key.
pub(super) async fn post(
    gateway: Data<Gateway>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (workspace, slug) = path.into_inner();
    let answered = take(&gateway, &request, (&workspace, &slug), payload).await;
    let outcome = match &answered {
        Ok(started) if started.is_replay => Ingest::Duplicate,
        Ok(_) => Ingest::Accepted,
        Err(problem) => Ingest::Rejected(problem.code()),
    };
    metrics::ingest(DOOR, "none", outcome);
    answered.map(|started| answer(&started))
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    (workspace, slug): (&str, &str),
    payload: Payload,
) -> Result<Started, Problem> {
    let name = Name::Slugs(workspace.into(), slug.into());
    let found = look_up(gateway, gateway.playbooks.find(name)).await?;
    let open = found
        .filter(|open| open.playbook.spec.enabled && open.playbook.secret_hash.is_some())
        .ok_or(Problem::NotFound)?;
    let is_closed = gateway.in_time(Target::is_closed(gateway, &open)).await?;
    if !is_authentic(request, &open) {
        return Err(if is_closed {
            Problem::NotFound
        } else {
            Problem::InvalidWebhookSecret
        });
    }
    let limit = gateway.settings.body_limit.bytes() as u64;
    let body = body::read(request, payload, limit, gateway.settings.body_timeout)
        .await
        .map_err(Problem::in_issues)?;
    gateway.in_time(begin(gateway, request, &open, body)).await
}

async fn begin(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenPlaybook,
    body: Bytes,
) -> Result<Started, Problem> {
    let received_at = Instant::now();
    let input = object(&body)?;
    let key = key::from_header(request.headers(), "x-idempotency-key")?.ok_or(Problem::MissingKey)?;
    let named: Named<'_> = serde_json::from_slice(&input).map_err(|error| invalid(&error))?;
    let asked = Asked {
        project: named.project.as_deref(),
        template: named.template.as_deref(),
    };
    let target = Target::resolve(gateway, open, asked).await?;
    let fingerprint = target.fingerprint(&body);
    let wanted = start::Order {
        request,
        open,
        target,
        trigger: Trigger::Webhook,
        body,
        input: input.clone(),
        key: Some(key),
        fingerprint,
        window: WINDOW,
        received_at,
    };
    start::start(gateway, wanted).await
}

/// The body as the run's input: an empty one is an empty object, and nothing else but an object is taken.
fn object(body: &Bytes) -> Result<Bytes, Problem> {
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    json::check(body).map_err(Problem::InvalidBody)?;
    if body.trim_ascii_start().first() == Some(&b'{') {
        return Ok(body.clone());
    }
    Err(Problem::InvalidBody(Issue {
        path: String::new(),
        message: "the body must be empty or a JSON object, the run's input".to_owned(),
    }))
}

fn invalid(error: &serde_json::Error) -> Problem {
    Problem::InvalidBody(Issue {
        path: String::new(),
        message: format!("`project` and `template` are texts, each there once: {error}"),
    })
}

/// Compares in constant time, and hashes first, so that the length tells nothing either.
fn is_authentic(request: &HttpRequest, open: &OpenPlaybook) -> bool {
    let mut values = request.headers().get_all("x-webhook-secret");
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Some(expected) = &open.playbook.secret_hash else {
        return false;
    };
    let presented: [u8; 32] = Sha256::digest(value.as_bytes()).into();
    presented.ct_eq(expected).into()
}

fn answer(started: &Started) -> HttpResponse {
    let body = |status, message| Answer {
        run_id: started.run_id,
        status,
        message,
        timestamp: started.accepted_at,
    };
    if started.is_replay {
        return HttpResponse::Ok()
            .insert_header(("Idempotent-Replayed", "true"))
            .json(body("replayed", "Playbook run was triggered before"));
    }
    HttpResponse::Created().json(body("created", "Playbook run successfully triggered"))
}
