//! Is it authentic? The source's profile over the raw bytes, and its provider's handshakes.

use crate::Gateway;
use crate::problem::Problem;
use crate::reject::Refusal;
use crate::sources::{Check, OpenSource};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use boot::metrics;
use egress::Deadlines;
use moka::future::Cache;
use signature::{Answer, Credentials, Handshake, Reason, Request, Secret, Verdict};
use std::sync::Arc;
use std::time::Duration;
use store::Captured;
use wire::Instant;

/// How long a provider may take to hand out its key, or to hear a confirmation.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(3);

/// How long a provider's key is remembered; they are named by URLs that change with them.
const KEY_TTL: Duration = Duration::from_hours(1);

/// The largest key document, in bytes.
const KEY_BYTES: usize = 64 * 1_024;

/// What a check comes to.
pub(crate) enum Checked {
    /// The request was a handshake; this is its answer.
    Handshake(HttpResponse),
    /// An event, and whether its signature is valid.
    Event {
        /// False only where the source merely records.
        verified: bool,
    },
}

/// Keys that providers publish, by URL.
#[derive(Debug, Clone)]
pub(crate) struct PublishedKeys {
    egress: egress::Client,
    keys: Cache<String, Arc<str>>,
}

impl PublishedKeys {
    pub(crate) fn new(egress: egress::Client) -> Self {
        Self {
            egress,
            keys: Cache::builder().max_capacity(100).time_to_live(KEY_TTL).build(),
        }
    }

    /// Fetches a key, or remembers it. The profile has checked that the URL is on its provider's list.
    async fn fetch(&self, url: String) -> Result<Arc<str>, Reason> {
        let get = async {
            let body = self.get(&url).await.ok_or(Reason::KeyUntrusted)?;
            std::str::from_utf8(&body)
                .map(Arc::from)
                .or(Err(Reason::KeyUntrusted))
        };
        self.keys
            .try_get_with(url.clone(), get)
            .await
            .map_err(|reason| *reason)
    }

    async fn get(&self, url: &str) -> Option<Bytes> {
        let mut request = egress::Request::new(egress::Method::GET, url, Bytes::new());
        request.deadlines = Deadlines::within(PROVIDER_PATIENCE);
        request.max_answer_bytes = KEY_BYTES;
        match self.egress.send(request).await {
            Ok(answer) if answer.status.is_success() && !answer.body_truncated => Some(answer.body),
            Ok(answer) => {
                tracing::warn!(
                    http.status = answer.status.as_u16(),
                    "a provider did not hand out what it points to"
                );
                None
            }
            Err(error) => {
                tracing::warn!(
                    error.kind = error.kind().as_str(),
                    "a provider cannot be reached for what it points to"
                );
                None
            }
        }
    }
}

/// Checks a request of a source that verifies. Handshakes are answered, and are never events.
pub(crate) async fn verify(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    body: &Bytes,
    now: Instant,
) -> Result<Option<Checked>, Problem> {
    let Some(check) = &open.check else { return Ok(None) };
    let url = public_url(gateway, request);
    let headers = header_lines(request);
    let signed = Request {
        method: request.method().as_str(),
        url: &url,
        headers: &headers,
        body,
    };
    let secrets = open.live_secrets(now);
    let known = Credentials {
        secrets: &secrets,
        verify_token: open.source.verify_token.as_ref(),
        ..Credentials::default()
    };
    if let Some(handshake) = check.profile.unsigned_handshake(&signed, &known) {
        let answer = shake(gateway, request, open, handshake, now).await?;
        return Ok(Some(Checked::Handshake(answer)));
    }
    if request.method() != Method::POST {
        return Err(Problem::MethodNotAllowed);
    }
    let verdict = judge(gateway, check, &signed, &secrets, now).await;
    metrics::signature_verified(open.provider, verdict.reason().map_or("valid", Reason::as_str));
    match verdict {
        Verdict::Valid { secret } => match check.profile.signed_handshake(&signed, &known, secret) {
            Some(handshake) => {
                let answer = shake(gateway, request, open, handshake, now).await?;
                Ok(Some(Checked::Handshake(answer)))
            }
            None => Ok(Some(Checked::Event { verified: true })),
        },
        Verdict::Invalid(reason) if check.enforce => {
            let refusal = Refusal {
                cause: reason.as_str(),
                detail: reason.advice().to_owned(),
                body: body.clone(),
            };
            gateway.rejections.keep(request, open, &refusal, now);
            Err(Problem::InvalidSignature)
        }
        Verdict::Invalid(_) => Ok(Some(Checked::Event { verified: false })),
    }
}

/// Fetches the provider's key where there is one to fetch, and asks the profile.
async fn judge(
    gateway: &Gateway,
    check: &Check,
    signed: &Request<'_>,
    secrets: &[Secret],
    now: Instant,
) -> Verdict {
    let fetched = match check.profile.key_url(signed, secrets) {
        Ok(None) => None,
        Ok(Some(url)) => match gateway.published_keys.fetch(url).await {
            Ok(document) => Some(document),
            Err(reason) => return Verdict::Invalid(reason),
        },
        Err(reason) => return Verdict::Invalid(reason),
    };
    let credentials = Credentials {
        secrets,
        fetched_key: fetched.as_deref(),
        ..Credentials::default()
    };
    check.profile.verify(signed, &credentials, now.unix_seconds())
}

/// Answers, once all that the handshake brings about is done.
async fn shake(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    handshake: Handshake,
    now: Instant,
) -> Result<HttpResponse, Problem> {
    let mut answer = match handshake {
        Handshake::Answer(answer) => answer,
        Handshake::Refused { status, .. } if status == StatusCode::FORBIDDEN => {
            return Err(Problem::HandshakeForbidden);
        }
        Handshake::Refused { .. } => return Err(Problem::HandshakeRefused),
    };
    if let Some(url) = &answer.confirm_url {
        // The provider is waiting for us to call back; if that fails, it must see a failure and try again.
        gateway
            .published_keys
            .get(url)
            .await
            .ok_or(Problem::Unavailable)?;
    }
    if let Some(secret) = answer.captured.take()
        && !open.knows(&secret)
    {
        let captured = Captured {
            secret,
            at: now,
            remote_address: request.peer_addr().map(|peer| peer.ip().to_string()),
        };
        gateway.handshakes.keep(&open.source.id, captured).await?;
    }
    gateway.handshakes.count(&open.source.id, now);
    Ok(reply(answer))
}

fn reply(answer: Answer) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK));
    for header in answer.headers {
        response.append_header(header);
    }
    response.body(answer.body)
}

/// What a profile sees of a request when it looks for the event's id and type.
pub(crate) fn with_profile<T>(
    gateway: &Gateway,
    request: &HttpRequest,
    open: &OpenSource,
    body: &[u8],
    ask: impl FnOnce(&signature::Profile, &Request<'_>) -> Option<T>,
) -> Option<T> {
    let check = open.check.as_ref()?;
    let url = public_url(gateway, request);
    let headers = header_lines(request);
    ask(
        &check.profile,
        &Request {
            method: request.method().as_str(),
            url: &url,
            headers: &headers,
            body,
        },
    )
}

/// The URL that the sender used, from the configured base: `Host` is never trusted.
fn public_url(gateway: &Gateway, request: &HttpRequest) -> String {
    let base = gateway.settings.public_url.as_str().trim_end_matches('/');
    request
        .uri()
        .path_and_query()
        .map_or_else(|| base.to_owned(), |path| format!("{base}{path}"))
}

fn header_lines(request: &HttpRequest) -> Vec<(&str, &[u8])> {
    request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}
