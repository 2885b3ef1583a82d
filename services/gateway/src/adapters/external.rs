//! An adapter of the operator's own: a program at a URL that verifies and reads a platform's requests.
//!
//! It gets each request as it came (`POST {url}/verify-webhook`, then `POST {url}/parse-inbound`):
//!
//! ```json
//! {"method": "POST", "query": "a=b", "headers": {"content-type": "application/json", …}, "body": "<base64>"}
//! ```

use super::message::{self, Message};
use super::{Heard, Spoken};
use crate::Gateway;
use crate::arrival::{Arrival, Refused};
use crate::key;
use crate::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::header::{ContentType, HeaderMap, X_CONTENT_TYPE_OPTIONS};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egress::{Deadlines, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Verification;
use tokio::sync::Semaphore;

/// The methods that an adapter is asked about.
pub(super) const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "POST"];

/// How long an adapter may take for each of its two answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer, in bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// The longest challenge that is echoed, in characters.
const LONGEST_CHALLENGE: usize = 256;

/// The longest reason of an adapter's that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// Requests of one app that may wait for its adapter at once, so that a slow one fills no memory.
const AT_ONCE: usize = 64;

/// An adapter, and who waits for it.
#[derive(Debug)]
pub(crate) struct External {
    url: String,
    waiting: Semaphore,
}

/// A request as an adapter gets it.
#[derive(Serialize)]
struct Passed<'a> {
    method: &'a str,
    /// Without the question mark.
    query: &'a str,
    /// By their names in lower case. Values of one name are joined with commas (RFC 9110 §5.3).
    headers: BTreeMap<&'a str, String>,
    /// Base64.
    body: String,
}

#[derive(Deserialize)]
struct Verified {
    valid: bool,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Parsed {
    #[serde(default)]
    challenge_response: Option<String>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
}

impl External {
    pub(super) fn at(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            waiting: Semaphore::new(AT_ONCE),
        }
    }

    /// Asks the adapter whether a request is authentic, and then what it says.
    pub(super) async fn hear(&self, gateway: &Gateway, arrival: Arrival<'_>) -> Result<Heard, Refused> {
        let Ok(_turn) = self.waiting.try_acquire() else {
            return Err(Problem::Overloaded.into());
        };
        let passed = Passed {
            method: arrival.head.method.as_str(),
            query: arrival.head.uri.query().unwrap_or_default(),
            headers: headers(&arrival.head.headers),
            body: STANDARD.encode(arrival.body),
        };
        let passed = serde_json::to_vec(&passed).expect("texts and maps of texts serialise");
        let verified: Verified = self.ask(gateway, "verify-webhook", &passed).await?;
        if !verified.valid {
            let reason = verified.reason.as_deref().map_or_else(
                || "the adapter gives no reason".to_owned(),
                |reason| format!("the adapter says: {}", shown(reason)),
            );
            return Err(Refused::revisable(
                Problem::InvalidSignature,
                "invalid_signature",
                reason,
            ));
        }
        match self.ask(gateway, "parse-inbound", &passed).await? {
            Parsed {
                challenge_response: Some(challenge),
                ..
            } => echo(challenge).map(Heard::Challenge),
            Parsed {
                messages: Some(messages),
                ..
            } => message::checked(messages)
                .map(spoken)
                .map_err(|problem| nonsense(&problem)),
            Parsed { .. } => Err(nonsense("it has neither messages nor a challenge")),
        }
        .map_err(Refused::from)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        gateway: &Gateway,
        question: &str,
        passed: &[u8],
    ) -> Result<T, Problem> {
        let url = format!("{}/{question}", self.url);
        let mut request = egress::Request::new(egress::Method::POST, url, passed.to_vec());
        let json = HeaderValue::from_static("application/json");
        request.headers.insert("content-type", json);
        request.deadlines = Deadlines::within(PATIENCE);
        request.max_answer_bytes = ANSWER_BYTES;
        let answer = gateway.egress.send(request).await.map_err(|error| {
            tracing::warn!(
                error.kind = error.kind().as_str(),
                error = %error,
                "an app's adapter does not answer {question}; the sender is told to try again"
            );
            Problem::AdapterFailed
        })?;
        if !answer.status.is_success() || answer.body_truncated {
            tracing::warn!(
                http.status = answer.status.as_u16(),
                body_bytes = answer.body.len(),
                truncated = answer.body_truncated,
                "an app's adapter fails at {question}; the sender is told to try again"
            );
            return Err(Problem::AdapterFailed);
        }
        serde_json::from_slice(&answer.body).map_err(|error| nonsense(&error.to_string()))
    }
}

/// Everything but cookies, and how the body was compressed: it is not any more. What authenticates the sender is the
/// adapter's to look at.
fn headers(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut passed: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        if matches!(name.as_str(), "cookie" | "content-encoding") {
            continue;
        }
        let value = key::text(value.as_bytes());
        passed
            .entry(name.as_str())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert(value);
    }
    passed
}

fn echo(challenge: String) -> Result<HttpResponse, Problem> {
    if challenge.is_empty()
        || challenge.chars().count() > LONGEST_CHALLENGE
        || challenge.chars().any(char::is_control)
    {
        return Err(nonsense("its challenge is not 1 to 256 printable characters"));
    }
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::plaintext())
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(challenge))
}

/// The adapter has its own secrets, so no id of ours is named.
fn spoken(messages: Vec<Message>) -> Heard {
    let verified = Some(Verification::Valid { secret_id: None });
    Heard::Spoken(Spoken { messages, verified })
}

fn nonsense(what: &str) -> Problem {
    tracing::warn!(
        error = what,
        "an app's adapter answers nonsense; the sender is told to try again"
    );
    Problem::AdapterFailed
}

/// A stranger's text, for the operator.
fn shown(text: &str) -> String {
    let printable = text.chars().filter(|character| !character.is_control());
    printable.take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn an_adapter_sees_every_header_but_cookies() {
        let request = TestRequest::default()
            .append_header(("X-Signature", "one"))
            .append_header(("X-Signature", "two"))
            .append_header(("Authorization", "Bearer secret"))
            .append_header(("Cookie", "canary"))
            .to_http_request();
        let passed = headers(request.headers());
        assert_eq!(passed.get("x-signature").map(String::as_str), Some("one, two"));
        assert_eq!(
            passed.get("authorization").map(String::as_str),
            Some("Bearer secret")
        );
        assert_eq!(passed.len(), 2);
    }

    #[test]
    fn only_a_short_printable_challenge_is_echoed() {
        assert!(echo("a".repeat(256)).is_ok());
        for bad in [
            String::new(),
            "a".repeat(257),
            "a\nb".to_owned(),
            "a\0".to_owned(),
        ] {
            assert!(echo(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
