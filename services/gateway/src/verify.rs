//! Is it authentic? The source's profile over the raw bytes, and its provider's handshakes.

use crate::arrival::{Arrival, Refused};
use crate::problem::Problem;
use crate::sources::OpenSource;
use crate::{Gateway, kept};
use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use boot::metrics;
use egress::Deadlines;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use signature::{Answer, Credentials, Handshake, Profile, Reason, Request, Secret, Verdict};
use std::sync::Arc;
use std::time::Duration;
use store::{Captured, Source, Verification};
use wire::Instant;
use wire::resource::VerifyMode;

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
    /// An event, and what its signature is.
    Event {
        /// Invalid only where the source merely records; none where it checks nothing.
        verified: Option<Verification>,
    },
}

/// Why a provider's document is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The provider has none there: whoever pointed to it is not to be believed.
    Absent,
    /// The provider cannot be asked now.
    Unreachable,
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
    async fn fetch(&self, url: String) -> Result<Arc<str>, Missing> {
        let get = async {
            let body = self.get(&url).await?;
            std::str::from_utf8(&body).map(Arc::from).or(Err(Missing::Absent))
        };
        self.keys
            .try_get_with(url.clone(), get)
            .await
            .map_err(|missing| *missing)
    }

    async fn get(&self, url: &str) -> Result<Bytes, Missing> {
        let mut request = egress::Request::new(egress::Method::GET, url, Bytes::new());
        request.deadlines = Deadlines::within(PROVIDER_PATIENCE);
        request.max_answer_bytes = KEY_BYTES;
        match self.egress.send(request).await {
            Ok(answer) if answer.status.is_success() && !answer.body_truncated => Ok(answer.body),
            Ok(answer) => {
                let is_theirs = answer.status.is_server_error() || answer.status.as_u16() == 429;
                tracing::warn!(
                    http.status = answer.status.as_u16(),
                    "a provider did not hand out what it points to"
                );
                Err(if is_theirs {
                    Missing::Unreachable
                } else {
                    Missing::Absent
                })
            }
            Err(error) => {
                tracing::warn!(
                    error.kind = error.kind().as_str(),
                    "a provider cannot be reached for what it points to"
                );
                Err(Missing::Unreachable)
            }
        }
    }
}

/// What a door checks its requests with.
pub(crate) struct Guard<'a> {
    pub(crate) source: &'a Source,
    pub(crate) profile: &'a Profile,
    /// What becomes of a request that fails.
    pub(crate) mode: VerifyMode,
    /// For metrics.
    pub(crate) provider: &'static str,
    /// Those that count now, whenever the request came.
    pub(crate) secrets: Vec<Secret>,
    /// What a handshake must show, where the provider's does.
    pub(crate) verify_token: Option<&'a SecretString>,
}

/// Checks a request. Handshakes are answered, and are never events.
pub(crate) async fn verify(
    gateway: &Gateway,
    arrival: Arrival<'_>,
    guard: Guard<'_>,
) -> Result<Checked, Refused> {
    let url = public_url(gateway, arrival.head);
    let headers = header_lines(arrival.head);
    let signed = Request {
        method: arrival.head.method.as_str(),
        url: &url,
        headers: &headers,
        body: arrival.body,
    };
    let known = Credentials {
        secrets: &guard.secrets,
        verify_token: guard.verify_token,
        ..Credentials::default()
    };
    if let Some(handshake) = guard.profile.unsigned_handshake(&signed, &known) {
        let answer = shake(gateway, arrival, &guard, handshake).await?;
        return Ok(Checked::Handshake(answer));
    }
    if arrival.head.method != Method::POST {
        let allow = allow(guard.profile);
        return Err(Problem::MethodNotAllowed { allow }.into());
    }
    if guard.mode == VerifyMode::Off {
        // What has to be signed to be a handshake is an event as any other. Answering it unverified would confirm
        // subscriptions, and hand out signatures, to everybody who knows the address.
        return Ok(Checked::Event { verified: None });
    }
    let verdict = judge(gateway, &guard, &signed, arrival.at).await?;
    metrics::signature_verified(guard.provider, verdict.reason().map_or("valid", Reason::as_str));
    let verified = match verdict {
        Verdict::Valid { secret } => {
            if let Some(handshake) = guard.profile.signed_handshake(&signed, &known, secret) {
                let answer = shake(gateway, arrival, &guard, handshake).await?;
                return Ok(Checked::Handshake(answer));
            }
            let secret = secret.and_then(|index| guard.secrets.into_iter().nth(index));
            Verification::Valid {
                secret_id: secret.map(|secret| secret.id),
            }
        }
        Verdict::Invalid(reason) if guard.mode == VerifyMode::Enforce => {
            return Err(Refused::signature(reason));
        }
        Verdict::Invalid(reason) => Verification::Invalid {
            reason: reason.as_str(),
        },
    };
    Ok(Checked::Event {
        verified: Some(verified),
    })
}

/// What a sender of this profile may come with, as `Allow` has it (RFC 9110 §10.2.1).
pub(crate) fn allow(profile: &Profile) -> String {
    Vec::from_iter(profile.methods()).join(", ")
}

/// Fetches the provider's key where there is one to fetch, and asks the profile.
///
/// While a key cannot be fetched, nothing is said of the signature: a sender takes a refusal for good (Amazon SNS does not send
/// again after a 4xx), and comes again after a 503.
async fn judge(
    gateway: &Gateway,
    guard: &Guard<'_>,
    signed: &Request<'_>,
    now: Instant,
) -> Result<Verdict, Problem> {
    let fetched = match guard.profile.key_url(signed, &guard.secrets) {
        Ok(None) => None,
        Ok(Some(url)) => match gateway.published_keys.fetch(url).await {
            Ok(document) => Some(document),
            Err(Missing::Unreachable) if guard.mode == VerifyMode::Enforce => {
                return Err(Problem::Unavailable);
            }
            Err(_) => return Ok(Verdict::Invalid(Reason::KeyUntrusted)),
        },
        Err(reason) => return Ok(Verdict::Invalid(reason)),
    };
    let credentials = Credentials {
        secrets: &guard.secrets,
        fetched_key: fetched.as_deref(),
        ..Credentials::default()
    };
    Ok(guard.profile.verify(signed, &credentials, now.unix_seconds()))
}

/// Answers, once all that the handshake brings about is done.
async fn shake(
    gateway: &Gateway,
    arrival: Arrival<'_>,
    guard: &Guard<'_>,
    handshake: Handshake,
) -> Result<HttpResponse, Problem> {
    let source = guard.source;
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
            .map_err(|_logged| Problem::Unavailable)?;
    }
    if let Some(secret) = answer.captured.take()
        && !is_known(source, &secret)
    {
        let remote = kept::remote_address(arrival.head, &gateway.settings.trusted_proxies);
        let captured = Captured {
            secret,
            at: arrival.at,
            remote_address: remote.map(|address| address.to_string()),
        };
        gateway
            .in_time(gateway.handshakes.keep(&source.id, captured))
            .await?;
    }
    gateway.handshakes.count(&source.id, arrival.at);
    Ok(reply(answer))
}

/// Whether this is one of a source's signing secrets already. Compared by hashes, so that the time says nothing.
fn is_known(source: &Source, secret: &SecretString) -> bool {
    let hash = |secret: &SecretString| Sha256::digest(secret.expose_secret());
    let asked = hash(secret);
    source.secrets.iter().any(|known| hash(&known.value) == asked)
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
    request: &RequestHead,
    open: &OpenSource,
    body: &[u8],
    ask: impl FnOnce(&Profile, &Request<'_>) -> Option<T>,
) -> Option<T> {
    let check = open.check.as_ref()?;
    let url = public_url(gateway, request);
    let headers = header_lines(request);
    ask(
        &check.profile,
        &Request {
            method: request.method.as_str(),
            url: &url,
            headers: &headers,
            body,
        },
    )
}

/// The URL that the sender used, from the configured base: `Host` is never trusted.
fn public_url(gateway: &Gateway, request: &RequestHead) -> String {
    let base = gateway.settings.public_url.as_str().trim_end_matches('/');
    request
        .uri
        .path_and_query()
        .map_or_else(|| base.to_owned(), |path| format!("{base}{path}"))
}

fn header_lines(request: &RequestHead) -> Vec<(&str, &[u8])> {
    request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::receiver::{Receiver, Reply};

    #[tokio::test]
    async fn a_key_that_its_provider_does_not_have_is_told_from_one_that_cannot_be_asked_for_now() {
        let receiver = Receiver::start();
        let keys = PublishedKeys::new(egress::Client::new(egress::Settings {
            policy: egress::Policy::new(["127.0.0.0/8".parse().unwrap()]),
            ..egress::Settings::default()
        }));
        let url = format!("{}/key.pem", receiver.url());
        for (status, missing) in [
            (404, Missing::Absent),
            (403, Missing::Absent),
            (302, Missing::Absent),
            (429, Missing::Unreachable),
            (500, Missing::Unreachable),
            (503, Missing::Unreachable),
        ] {
            receiver.answer_all(Reply::status(status));
            assert_eq!(keys.fetch(url.clone()).await, Err(missing), "{status}");
        }
        receiver.answer_all(Reply::reset());
        assert_eq!(keys.fetch(url.clone()).await, Err(Missing::Unreachable));
        // None of these is remembered.
        receiver.answer_all(Reply::status(200).body("a key"));
        assert_eq!(keys.fetch(url.clone()).await.as_deref(), Ok("a key"));
        receiver.answer_all(Reply::status(500));
        assert_eq!(keys.fetch(url).await.as_deref(), Ok("a key"));
    }
}
