//! Test vectors: requests with the verdict that they must get. `hookyard verify --vectors` runs
//! them for operators, and this crate's tests run them for us.
//!
//! ```json
//! {"vectors": [{"id": "github/valid", "kind": "inbound", "provider": "github", "secrets": ["…"],
//!               "method": "POST", "url": "https://…", "headers": [["X-Hub-Signature-256", "sha256=…"]],
//!               "body_b64": "…", "now": 1790000000, "expect": "valid", "reason": "ok"}]}
//! ```
//!
//! A `handshake` also has `vars` and `expect_response`; an `outbound` one has `msg_id`, `timestamp`
//! and `expect_headers` or `expect_error`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use crate::{Answer, Credentials, Handshake, Profile, Request, Secret, SigningKey, Verdict, sign};

/// A file of vectors. Other fields are notes.
#[derive(Debug, Deserialize)]
pub struct Vectors {
    /// The vectors, in order.
    pub vectors: Vec<Vector>,
}

/// One vector.
#[derive(Debug, Deserialize)]
pub struct Vector {
    /// Names it in the report.
    pub id: String,
    kind: Kind,
    provider: String,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    body_b64: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    now: i64,
    #[serde(default)]
    expect: String,
    reason: Option<String>,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    #[serde(default)]
    expect_response: Response,
    #[serde(default)]
    msg_id: String,
    #[serde(default)]
    timestamp: i64,
    expect_headers: Option<BTreeMap<String, String>>,
    expect_error: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Inbound,
    Handshake,
    Outbound,
}

#[derive(Debug, Default, Deserialize)]
struct Response {
    status: Option<u16>,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

/// How a vector and this crate disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got}")]
pub struct Disagreement {
    /// What the vector says.
    pub expected: String,
    /// What came out.
    pub got: String,
}

impl Vector {
    /// Runs the vector.
    ///
    /// # Errors
    ///
    /// The first point on which the outcome differs.
    pub fn check(&self) -> Result<(), Disagreement> {
        let body = STANDARD
            .decode(&self.body_b64)
            .ok()
            .ok_or_else(|| disagree("a body in base64", "something else"))?;
        if matches!(self.kind, Kind::Outbound) {
            return self.check_outbound(&body);
        }
        let profile = Profile::builtin(&self.provider)
            .ok_or_else(|| disagree("a built-in provider", &format!("`{}`", self.provider)))?;
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body: &body,
        };
        let secrets = self.secrets.iter().enumerate();
        let secrets: Vec<_> = secrets
            .map(|(index, value)| Secret::new(index.to_string(), value.as_str()))
            .collect();
        let verify_token = self
            .vars
            .get("verify_token")
            .map(|token| SecretString::from(token.as_str()));
        let credentials = Credentials {
            secrets: &secrets,
            verify_token: verify_token.as_ref(),
            fetched_key: None,
        };
        match self.kind {
            Kind::Handshake => self.check_handshake(profile, &request, &credentials),
            Kind::Inbound | Kind::Outbound => {
                self.check_verdict(profile.verify(&request, &credentials, self.now))
            }
        }
    }

    fn check_verdict(&self, verdict: Verdict) -> Result<(), Disagreement> {
        let (word, reason) = match verdict {
            Verdict::Valid { .. } => ("valid", "ok"),
            Verdict::Invalid(reason) => ("invalid", reason.as_str()),
        };
        let expected_reason = self.reason.as_deref().unwrap_or(reason);
        agree(
            &format!("{} ({expected_reason})", self.expect),
            &format!("{word} ({reason})"),
        )
    }

    fn check_handshake(
        &self,
        profile: &Profile,
        request: &Request<'_>,
        credentials: &Credentials<'_>,
    ) -> Result<(), Disagreement> {
        let handshake = profile.unsigned_handshake(request, credentials).or_else(|| {
            match profile.verify(request, credentials, self.now) {
                Verdict::Valid { secret } => profile.signed_handshake(request, credentials, secret),
                Verdict::Invalid(_) => None,
            }
        });
        let expected = &self.expect_response;
        match handshake {
            None => Err(disagree(&self.expect, "an ordinary request")),
            Some(Handshake::Refused { status, .. }) => {
                agree(&self.expect, "invalid")?;
                agree(
                    &format!("{}", expected.status.unwrap_or(status)),
                    &format!("{status}"),
                )
            }
            Some(Handshake::Answer(answer)) => {
                agree(&self.expect, "handshake")?;
                expected.check(&answer)
            }
        }
    }

    fn check_outbound(&self, body: &[u8]) -> Result<(), Disagreement> {
        let keys = self
            .secrets
            .iter()
            .map(|secret| SigningKey::parse(&SecretString::from(secret.as_str())));
        let expected = self.expect_headers.as_ref();
        match (keys.collect::<Result<Vec<_>, _>>(), expected) {
            (Err(_), _) => agree(
                self.expect_error.as_deref().unwrap_or("a signature"),
                "invalid_secret",
            ),
            (Ok(_), None) => Err(disagree(
                self.expect_error.as_deref().unwrap_or("an error"),
                "a signature",
            )),
            (Ok(keys), Some(expected)) => {
                let timestamp = self.timestamp.to_string();
                let signature = sign(&keys, &self.msg_id, self.timestamp, body);
                let sent = [
                    (ID_HEADER, &self.msg_id),
                    (TIMESTAMP_HEADER, &timestamp),
                    (SIGNATURE_HEADER, &signature),
                ];
                let wanted = |name: &str| expected.get(name).map(String::as_str).unwrap_or_default();
                sent.into_iter()
                    .try_for_each(|(name, value)| agree(wanted(name), value))
            }
        }
    }
}

impl Response {
    fn check(&self, answer: &Answer) -> Result<(), Disagreement> {
        if let Some(status) = self.status {
            agree(&format!("status {status}"), &format!("status {}", answer.status))?;
        }
        let sent = |name: &str| {
            let header = answer
                .headers
                .iter()
                .find(|(sent, _)| sent.eq_ignore_ascii_case(name));
            header.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        if let Some(kind) = &self.content_type {
            agree(kind, sent("content-type"))?;
        }
        for (name, value) in &self.headers {
            agree(value, sent(name))?;
        }
        match &self.body {
            None => Ok(()),
            Some(Value::String(text)) => agree(text, &answer.body),
            Some(json) => {
                let answered: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                agree(&json.to_string(), &answered.to_string())
            }
        }
    }
}

fn agree(expected: &str, got: &str) -> Result<(), Disagreement> {
    if expected == got {
        Ok(())
    } else {
        Err(disagree(expected, got))
    }
}

fn disagree(expected: &str, got: &str) -> Disagreement {
    Disagreement {
        expected: expected.to_owned(),
        got: got.to_owned(),
    }
}
