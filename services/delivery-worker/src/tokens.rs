//! Tokens of endpoints that want one that is fetched: OAuth 2.0 client credentials (RFC 6749 §4.4).
//!
//! A token is fetched once for all attempts that wait for it, remembered for as long as its server says, and forgotten when
//! the receiver refuses it or the endpoint changes. A failure is not remembered: it is the attempt's, which has a schedule.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egress::{Answer, Client, Deadlines, HeaderName, HeaderValue, Method, Request, SendError, StatusCode};
use moka::Expiry;
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use store::Endpoint;
use url::form_urlencoded;
use wire::EndpointId;
use wire::resource::{AuthSpec, Oauth2Client};
use zeroize::Zeroizing;

/// Endpoints whose tokens are remembered.
const CAPACITY: u64 = 20_000;
/// How long a token is used whose server does not say.
const UNSAID: Duration = Duration::from_mins(5);
/// The longest that one is used, whatever its server says.
const LONGEST: Duration = Duration::from_hours(24);
/// A token is not used in its last moments: it has to outlive the attempt.
const MARGIN: Duration = Duration::from_secs(30);
/// What is read of a token endpoint's answer.
const ANSWER_BYTES: usize = 64 << 10;
/// The longest token, in bytes.
const LONGEST_TOKEN: usize = 16 << 10;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFailure {
    /// The token endpoint gave no answer.
    #[error("no token could be fetched: {0}")]
    Unanswered(#[source] SendError),
    /// It refused.
    #[error("the token endpoint answered {status}{}; check the client's id, secret and scope", said(.code.as_deref()))]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// What was wrong, in the words of RFC 6749 §5.2.
        code: Option<String>,
    },
    /// Its answer has no token that can be sent.
    #[error("the token endpoint's answer has no bearer token; check that `tokenUrl` is one of OAuth 2.0")]
    Malformed,
    /// The client's secret is gone.
    #[error("the endpoint has no client secret; set `auth` again")]
    NoSecret,
}

fn said(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

impl TokenFailure {
    /// The stable name of what went wrong.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unanswered(error) => error.kind().as_str(),
            Self::Refused { .. } => "http_status",
            Self::Malformed => egress::Kind::Protocol.as_str(),
            Self::NoSecret => egress::Kind::Blocked.as_str(),
        }
    }
}

/// A token, and how long it is used.
#[derive(Debug, Clone)]
struct Token {
    value: Arc<SecretString>,
    used_for: Duration,
}

/// One entry a version of an endpoint: what was fetched for another client is not found.
type Key = (EndpointId, i64);

#[derive(Debug)]
struct Lifetimes;

impl Expiry<Key, Token> for Lifetimes {
    fn expire_after_create(&self, _key: &Key, token: &Token, _at: Stopwatch) -> Option<Duration> {
        Some(token.used_for)
    }
}

/// Fetches tokens, and remembers them. Clones share what they remember.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    egress: Client,
    cache: Cache<Key, Token>,
}

impl Tokens {
    pub(crate) fn new(egress: Client) -> Self {
        Self {
            egress,
            cache: Cache::builder()
                .max_capacity(CAPACITY)
                .expire_after(Lifetimes)
                .build(),
        }
    }

    /// The token to send to an endpoint; none where it wants none. Many callers at once fetch it once.
    pub(crate) async fn of(
        &self,
        endpoint: &Endpoint,
        deadlines: Deadlines,
    ) -> Result<Option<Arc<SecretString>>, Arc<TokenFailure>> {
        let Some(AuthSpec::Oauth2(client)) = &endpoint.spec.auth else {
            return Ok(None);
        };
        let fetch = fetch(&self.egress, client, endpoint.credential.as_ref(), deadlines);
        let token = self.cache.try_get_with(key(endpoint), fetch).await?;
        Ok(Some(token.value))
    }

    /// Forgets the token of an endpoint that refuses it.
    pub(crate) async fn forget(&self, endpoint: &Endpoint) {
        self.cache.invalidate(&key(endpoint)).await;
    }
}

fn key(endpoint: &Endpoint) -> Key {
    (endpoint.id.clone(), endpoint.updated_at.unix_micros())
}

async fn fetch(
    egress: &Client,
    client: &Oauth2Client,
    secret: Option<&SecretString>,
    deadlines: Deadlines,
) -> Result<Token, TokenFailure> {
    let secret = secret.ok_or(TokenFailure::NoSecret)?;
    let mut request = Request::new(Method::POST, client.token_url.clone(), form(client));
    request.deadlines = deadlines;
    request.max_answer_bytes = ANSWER_BYTES;
    let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request
        .headers
        .insert(HeaderName::from_static("content-type"), content_type);
    let accept = HeaderValue::from_static("application/json");
    request.headers.insert(HeaderName::from_static("accept"), accept);
    if let Some(value) = basic(client, secret) {
        request
            .headers
            .insert(HeaderName::from_static("authorization"), value);
    }
    let answer = egress.send(request).await.map_err(TokenFailure::Unanswered)?;
    read(&answer)
}

/// RFC 6749 §4.4.2.
fn form(client: &Oauth2Client) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    for (name, value) in [("scope", &client.scope), ("audience", &client.audience)] {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    form.finish()
}

/// RFC 6749 §2.3.1: both halves are encoded as in a form before they are joined.
fn basic(client: &Oauth2Client, secret: &SecretString) -> Option<HeaderValue> {
    let secret = Zeroizing::new(encoded(secret.expose_secret()));
    let pair = Zeroizing::new(format!("{}:{}", encoded(&client.client_id), *secret));
    let value = Zeroizing::new(format!(
        "Basic {}",
        *Zeroizing::new(STANDARD.encode(pair.as_bytes()))
    ));
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `application/x-www-form-urlencoded`.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    token_type: String,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

fn read(answer: &Answer) -> Result<Token, TokenFailure> {
    if !answer.status.is_success() {
        let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
        // One of a few words; anything else is not for our records.
        let code = refusal.map(|refusal| refusal.error);
        let is_word = |code: &String| {
            code.len() <= 40 && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
        };
        return Err(TokenFailure::Refused {
            status: answer.status,
            code: code.filter(is_word),
        });
    }
    let granted: Granted =
        serde_json::from_slice(&answer.body).map_err(|_not_one| TokenFailure::Malformed)?;
    let value = granted.access_token.expose_secret();
    let can_be_sent =
        (1..=LONGEST_TOKEN).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if !can_be_sent || !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(TokenFailure::Malformed);
    }
    Ok(Token {
        used_for: used_for(granted.expires_in),
        value: Arc::new(granted.access_token),
    })
}

/// How long a token is used that lives for so many seconds; one that lives no longer than an attempt is used for that alone.
fn used_for(expires_in: Option<f64>) -> Duration {
    let Some(seconds) = expires_in else {
        return UNSAID;
    };
    let lives = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    lives
        .saturating_sub(MARGIN)
        .clamp(Duration::from_secs(1), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::{Bytes, HeaderMap};

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            body_truncated: false,
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn a_client_shows_its_credentials_as_the_standard_has_it() {
        let client = Oauth2Client {
            token_url: "https://auth.example/token".to_owned(),
            client_id: "a:b".to_owned(),
            scope: Some("read write".to_owned()),
            audience: Some("https://api.example/".to_owned()),
        };
        let value = basic(&client, &"s p&c".into()).unwrap();
        assert!(value.is_sensitive());
        assert_eq!(
            value.to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("a%3Ab:s+p%26c"))
        );
        assert_eq!(
            form(&client),
            "grant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fapi.example%2F"
        );
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (said, used) in [
            (None, UNSAID),
            (Some(3_600.0), Duration::from_secs(3_570)),
            (Some(10.0), Duration::from_secs(1)),
            (Some(-1.0), Duration::from_secs(1)),
            (Some(f64::INFINITY), LONGEST),
            (Some(1e18), LONGEST),
        ] {
            assert_eq!(used_for(said), used, "{said:?}");
        }
    }

    #[test]
    fn an_answer_is_a_bearer_token_or_says_what_is_wrong() {
        let good = read(&answer(
            200,
            r#"{"access_token": "abc", "token_type": "Bearer", "expires_in": 60}"#,
        ))
        .unwrap();
        assert_eq!(
            (good.value.expose_secret(), good.used_for),
            ("abc", Duration::from_secs(30))
        );
        for body in [
            "",
            "{}",
            r#"{"access_token": "a b", "token_type": "bearer"}"#,
            r#"{"access_token": "", "token_type": "bearer"}"#,
            r#"{"access_token": "a\r\nX: y", "token_type": "bearer"}"#,
            r#"{"access_token": "a", "token_type": "mac"}"#,
        ] {
            let failure = read(&answer(200, body)).unwrap_err();
            assert!(matches!(failure, TokenFailure::Malformed), "{body}: {failure}");
            assert_eq!(failure.kind(), "protocol");
        }
        let failure = read(&answer(401, r#"{"error": "invalid_client"}"#)).unwrap_err();
        assert_eq!(failure.kind(), "http_status");
        assert!(
            failure.to_string().contains("401 Unauthorized (invalid_client)"),
            "{failure}"
        );
        let failure = read(&answer(400, r#"{"error": "<script>"}"#)).unwrap_err();
        assert!(!failure.to_string().contains("script"), "{failure}");
    }
}
