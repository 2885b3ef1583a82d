//! What is it called? The event's type and its idempotency key, found in headers, the body or the provider's own way.

use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::verify::with_profile;
use crate::{Gateway, key};
use actix_web::dev::RequestHead;
use actix_web::web::Bytes;
use expression::{Job, Output, Want};
use signature::Profile;
use wire::resource::ValueRule;

/// The event's type: what the sender says, the source's rule, the provider's rule, none.
pub(crate) async fn event_type(
    gateway: &Gateway,
    request: &RequestHead,
    open: &OpenSource,
    body: &Bytes,
) -> Result<Option<String>, Problem> {
    if let Some(found) = ruled_event_type(gateway, request, open, body).await? {
        return Ok(Some(found));
    }
    let preset = with_profile(gateway, request, open, body, Profile::event_type);
    Ok(preset.filter(|event_type| wire::is_event_type(event_type)))
}

/// The event's type as far as the sender or the source says it: the header, the source's rule, none.
pub(crate) async fn ruled_event_type(
    gateway: &Gateway,
    request: &RequestHead,
    open: &OpenSource,
    body: &Bytes,
) -> Result<Option<String>, Problem> {
    if let Some(own) = key::own_event_type(&request.headers)? {
        return Ok(Some(own));
    }
    let ruled = match &open.source.spec.event_type {
        Some(ValueRule::Header(name)) => key::event_type(&request.headers, name).unwrap_or(None),
        Some(ValueRule::Body(path)) => look_up(gateway, path, body).await?,
        None => None,
    };
    // What a rule finds is the provider's, who cannot mend it: a nonsense type is none.
    Ok(ruled.filter(|event_type| wire::is_event_type(event_type)))
}

/// The key at door 4: the source's own rule, the standard headers, the provider's id, none.
pub(crate) async fn idempotency_key(
    gateway: &Gateway,
    request: &RequestHead,
    open: &OpenSource,
    body: &Bytes,
) -> Result<Option<String>, Problem> {
    let dedupe = &open.source.spec.dedupe;
    for name in &dedupe.headers {
        if let Some(key) = key::from_header(&request.headers, name)? {
            return Ok(Some(key));
        }
    }
    if let Some(path) = &dedupe.body
        && let Some(key) = look_up(gateway, path, body).await?.filter(|key| key::is_key(key))
    {
        return Ok(Some(key));
    }
    for name in key::STANDARD_HEADERS
        .into_iter()
        .filter(|name| dedupe.request_id || *name != "x-request-id")
    {
        if let Some(key) = key::from_header(&request.headers, name)? {
            return Ok(Some(key));
        }
    }
    let preset = with_profile(gateway, request, open, body, Profile::event_id);
    Ok(preset.filter(|key| key::is_key(key)))
}

/// Looks a text up in a JSON body. A body that is no JSON, and an expression that fails on it, have none.
///
/// That nothing can be evaluated now is a fault of ours: accepting without the key would break its promise.
async fn look_up(gateway: &Gateway, path: &str, body: &Bytes) -> Result<Option<String>, Problem> {
    let job = Job {
        program: path.into(),
        input: body.clone(),
        want: Want::Text,
    };
    match gateway.jail.evaluate_one(job).await {
        Ok(Ok(Output::Text(text))) => Ok(text),
        Ok(Ok(Output::Boolean(_) | Output::Value(_))) => Ok(None),
        Ok(Err(error)) => {
            tracing::debug!(
                error.kind = error.kind(),
                "a source's rule found nothing in a body"
            );
            Ok(None)
        }
        Err(error) => {
            tracing::error!(
                error.chain = &error as &dyn std::error::Error,
                "a source's rule could not be evaluated"
            );
            Err(Problem::Unavailable)
        }
    }
}
