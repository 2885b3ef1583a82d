//! Door 7: ORQO's API trigger, `POST /api/v1/trigger`, under an API key with the scope `trigger`.

use super::hook::{WINDOW, answer, outcome};
use super::{json, lookup_failed};
use crate::keys::KnownKey;
use crate::limits::Allowance;
use crate::playbooks::Name;
use crate::problem::{Issue, Problem};
use crate::start::{self, Asked, Started, Target};
use crate::{Gateway, body, key};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use wire::resource::KeyScope;
use wire::{Instant, Trigger};

const DOOR: &str = "trigger";

#[derive(Deserialize)]
struct Body<'a> {
    workflow_id: Option<Value>,
    #[serde(borrow, default, deserialize_with = "written")]
    input: Option<&'a RawValue>,
}

/// A `null` that is written is an input; only what is left out is none.
fn written<'de, D: Deserializer<'de>>(input: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Some)
}

/// Starts a run of the playbook that the body names.
pub(super) async fn post(
    gateway: Data<Gateway>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let admitted = admit(&gateway, &request).await;
    let (answered, allowance) = match admitted {
        Ok((known, allowance)) => (take(&gateway, &request, &known, payload).await, allowance),
        Err(problem) => (Err(problem), None),
    };
    metrics::ingest(DOOR, "none", outcome(&answered));
    let started = answered.map_err(Problem::in_words)?;
    let mut head = answer(&started);
    if let Some(allowance) = allowance {
        allowance.show(&mut head.0);
    }
    Ok(head.finish(&started))
}

async fn admit(
    gateway: &Gateway,
    request: &HttpRequest,
) -> Result<(std::sync::Arc<KnownKey>, Option<Allowance>), Problem> {
    let known = gateway
        .in_time(gateway.keys.authenticate(request, KeyScope::Trigger))
        .await?;
    let allowance = gateway.limits.spend(&known.key, 1)?;
    Ok((known, allowance))
}

async fn take(
    gateway: &Gateway,
    request: &HttpRequest,
    known: &KnownKey,
    payload: Payload,
) -> Result<Started, Problem> {
    let limit = gateway.settings.body_limit.bytes() as u64;
    let body = body::read(request, payload, limit, gateway.settings.body_timeout).await?;
    gateway.in_time(begin(gateway, request, known, body)).await
}

async fn begin(
    gateway: &Gateway,
    request: &HttpRequest,
    known: &KnownKey,
    body: Bytes,
) -> Result<Started, Problem> {
    let received_at = Instant::now();
    json::check(&body).map_err(Problem::InvalidBody)?;
    let asked: Body<'_> = json::object(&body).map_err(|error| {
        invalid(
            "",
            format!("the body must be an object with `workflow_id` and `input`: {error}"),
        )
    })?;
    let key = key::from_header(request.headers(), "idempotency-key")?;
    let found = match name(known, asked.workflow_id.as_ref())? {
        Some(name) => gateway.playbooks.find(name).await,
        None => Ok(None),
    };
    let open = found
        .map_err(|error| lookup_failed(&error))?
        .filter(|open| open.playbook.spec.enabled)
        .ok_or(Problem::NotFound)?;
    let input = asked.input.map_or_else(
        || Bytes::from_static(b"{}"),
        |input| Bytes::copy_from_slice(input.get().as_bytes()),
    );
    let wanted = start::Order {
        request,
        open: &open,
        target: Target::resolve(gateway, &open, Asked::default()).await?,
        trigger: Trigger::Api,
        fingerprint: Sha256::digest(&body).into(),
        body: body.clone(),
        input,
        key,
        window: WINDOW,
        received_at,
    };
    start::start(gateway, wanted).await
}

/// The playbook's number, slug or id. A number that no playbook can have names none.
fn name(known: &KnownKey, workflow: Option<&Value>) -> Result<Option<Name>, Problem> {
    let workspace = || known.key.workspace_id.clone();
    match workflow {
        Some(Value::Number(number)) => {
            let number = number
                .as_i64()
                .ok_or_else(|| invalid("/workflow_id", "a playbook's number is a whole number".to_owned()))?;
            Ok(i32::try_from(number)
                .ok()
                .map(|number| Name::Number(workspace(), number)))
        }
        Some(Value::String(name)) if !name.is_empty() => {
            // Postgres has no such texts.
            let is_possible = !name.contains('\0');
            Ok(is_possible.then(|| Name::IdOrSlug(workspace(), name.as_str().into())))
        }
        Some(_) => Err(invalid(
            "/workflow_id",
            "must be the number, the slug or the id of a playbook".to_owned(),
        )),
        None => Err(invalid("/workflow_id", "is missing".to_owned())),
    }
}

fn invalid(path: &str, message: String) -> Problem {
    Problem::InvalidBody(Issue {
        path: path.to_owned(),
        message,
    })
}
