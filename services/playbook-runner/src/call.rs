//! Calls: a request is put together at the last moment, with the secrets in it, and its answer is an event.
//!
//! The request that the engine asks for has places where secrets belong. What is sent has the secrets, and is seen by nobody
//! but [`egress`].

use crate::runner::Runner;
use crate::secrets::values;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use boot::Backoff;
use bytes::Bytes;
use egress::{Answer, Deadlines, HeaderMap, HeaderName, HeaderValue, Method, Request, SendError};
use playbook::secrets::{MissingSecret, are_in, fill};
use playbook::{Body, CallFailure, Credentials, HttpRequest, Reply};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use store::HeldRun;
use tokio::task::{AbortHandle, JoinSet};

/// How long a call may take in all.
pub const TIME: Duration = Duration::from_secs(30);

/// How much of an answer's body is taken.
const ANSWER_BYTES: usize = 1 << 20;

/// How many calls of one run are under way at once: each has a connection, and an answer that waits for its turn. Branches of
/// branches can ask for a thousand.
const AT_ONCE: usize = 32;

/// What came of a call.
pub(crate) type Result = std::result::Result<Reply, CallFailure>;

/// The calls of one run that are under way. Dropping them gives them up.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    tasks: JoinSet<(u32, Result)>,
    handles: HashMap<u32, AbortHandle>,
    /// Those that wait until there is room for them, in the order in which they were asked for.
    waiting: VecDeque<(u32, HttpRequest)>,
    /// One that came to an end, and still counts as one.
    ended: Option<(u32, Result)>,
}

impl Calls {
    /// Has a call begin as soon as there is room for it ([`Calls::fill`]), unless it is under way.
    pub(crate) fn add(&mut self, id: u32, request: HttpRequest) {
        let waits = self.waiting.iter().any(|(waiting, _)| *waiting == id);
        if !waits && !self.handles.contains_key(&id) {
            self.waiting.push_back((id, request));
        }
    }

    /// Begins as many of those that wait as there is room for.
    pub(crate) fn fill(&mut self, runner: &Arc<Runner>, run: &HeldRun, nonce: &str) {
        while self.handles.len() < AT_ONCE
            && let Some((id, request)) = self.waiting.pop_front()
        {
            let (runner, run, nonce) = (Arc::clone(runner), run.clone(), nonce.to_owned());
            let span = tracing::info_span!(
                "call",
                effect.id = id,
                attempt.number = request.attempt,
                http.status = tracing::field::Empty,
                error.kind = tracing::field::Empty,
            );
            let calling = async move { (id, call(&runner, &run, &nonce, request).await) };
            let handle = self.tasks.spawn(tracing::Instrument::instrument(calling, span));
            self.handles.insert(id, handle);
        }
    }

    /// Leaves those that have not begun to whoever takes the run next.
    pub(crate) fn leave_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Gives a call up.
    pub(crate) fn give_up(&mut self, id: u32) {
        if let Some(handle) = self.handles.remove(&id) {
            handle.abort();
        }
        self.waiting.retain(|(waiting, _)| *waiting != id);
    }

    /// Gives all up.
    pub(crate) fn give_up_all(&mut self) {
        self.handles.clear();
        self.waiting.clear();
        self.tasks.abort_all();
    }

    /// Whether none waits, is under way, or has ended and was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.handles.is_empty() && self.waiting.is_empty()
    }

    /// Waits until one has come to an end, which [`Calls::take`] gives. Cancel-safe. False: one broke, which is a fault of ours, and
    /// the run must be begun again from its state.
    pub(crate) async fn end(&mut self) -> bool {
        loop {
            if self
                .ended
                .as_ref()
                .is_some_and(|(id, _)| self.handles.contains_key(id))
            {
                return true;
            }
            match self.tasks.join_next().await {
                // One that was given up may have ended just before.
                Some(Ok(ended)) => self.ended = Some(ended),
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(_)) => return false,
                None => std::future::pending().await,
            }
        }
    }

    /// The one that came to an end, unless it was given up meanwhile.
    pub(crate) fn take(&mut self) -> Option<(u32, Result)> {
        let (id, result) = self.ended.take()?;
        self.handles.remove(&id).map(|_| (id, result))
    }
}

async fn call(runner: &Runner, run: &HeldRun, nonce: &str, request: HttpRequest) -> Result {
    let values = if are_in(&request) {
        read_secrets(runner, run).await?
    } else {
        Value::Null
    };
    let composed = compose(&request, run, nonce, &values, runner.connect_timeout)?;
    drop(values);
    let answered = runner.egress.send(composed).await;
    let span = tracing::Span::current();
    match &answered {
        Ok(answer) => span.record("http.status", answer.status.as_u16()),
        Err(error) => span.record("error.kind", error.kind().as_str()),
    };
    answered.map_or_else(|error| Err(failed(&error)), |answer| reply(&answer))
}

/// The values of the secrets as they are now.
async fn read_secrets(runner: &Runner, run: &HeldRun) -> std::result::Result<Value, CallFailure> {
    let mut backoff = Backoff::new();
    let until = tokio::time::Instant::now() + TIME;
    loop {
        match runner.playbook(run).await {
            Ok(playbook) => return Ok(values(playbook.as_ref())),
            Err(error) if error.is_transient() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(backoff.next(rand::random())).await;
            }
            Err(error) => {
                tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "the secrets of a playbook cannot be read"
                );
                return Err(failure("unsealed", "the playbook's secrets cannot be read now"));
            }
        }
    }
}

fn failure(kind: &str, message: impl Into<String>) -> CallFailure {
    CallFailure {
        kind: kind.to_owned(),
        message: message.into(),
    }
}

fn missing(error: &MissingSecret) -> CallFailure {
    failure("unsealed", error.to_string())
}

fn failed(error: &SendError) -> CallFailure {
    failure(error.kind().as_str(), error.to_string())
}

fn reply(answer: &Answer) -> Result {
    if answer.body_truncated {
        return Err(if answer.body.len() >= ANSWER_BYTES {
            failure(
                "too_large",
                format!("the answer has more than {ANSWER_BYTES} bytes"),
            )
        } else if answer.elapsed >= TIME {
            failure(
                "timeout",
                format!("the answer did not end within {} s", TIME.as_secs()),
            )
        } else {
            failure("reset", "the answer broke off")
        });
    }
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).replace('\0', "\u{fffd}");
        (name.as_str().to_owned(), value)
    });
    Ok(Reply {
        status: answer.status.as_u16(),
        headers: headers.collect(),
        body: BASE64_STANDARD.encode(&answer.body),
    })
}

/// Puts a request together, with its secrets.
fn compose(
    request: &HttpRequest,
    run: &HeldRun,
    nonce: &str,
    secrets: &Value,
    connect: Duration,
) -> std::result::Result<Request, CallFailure> {
    let fill = |text: &str| fill(text, nonce, secrets).map_err(|error| missing(&error));
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_invalid| failure("blocked", format!("`{}` is no method", request.method)))?;
    let mut url = url::Url::parse(&request.uri)
        .map_err(|error| failure("blocked", format!("the address cannot be called: {error}")))?;
    if !request.query.is_empty() {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in &request.query {
            pairs.append_pair(&fill(name)?, &fill(value)?);
        }
    }
    let mut custom_headers = Vec::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        // Not the name: one that is refused is quoted in the run's error.
        custom_headers.push((name.clone(), fill(value)?));
    }
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str, is_secret: bool| {
        let mut value = HeaderValue::from_str(value).map_err(|_invalid| {
            failure(
                "blocked",
                format!("the value of `{name}` cannot be sent in a header"),
            )
        })?;
        value.set_sensitive(is_secret);
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    add("idempotency-key", &request.key, false)?;
    add("x-hookyard-run", &run.id.to_string(), false)?;
    add("x-hookyard-attempt", &request.attempt.to_string(), false)?;
    if let Some(traceparent) = boot::trace::current() {
        add("traceparent", &traceparent, false)?;
    }
    match &request.authentication {
        None => {}
        Some(Credentials::Basic { username, password }) => {
            let pair = format!("{}:{}", fill(username)?, fill(password)?);
            add(
                "authorization",
                &format!("Basic {}", BASE64_STANDARD.encode(pair)),
                true,
            )?;
        }
        Some(Credentials::Bearer { token }) => {
            add("authorization", &format!("Bearer {}", fill(token)?), true)?;
        }
    }
    let body = match &request.body {
        None => Bytes::new(),
        Some(Body::Text(text)) => fill(text)?.into(),
        Some(Body::Json(value)) => {
            let filled = filled(value, &fill)?;
            filled.to_string().into()
        }
    };
    Ok(Request {
        method,
        url: url.into(),
        headers,
        custom_headers,
        body,
        security: None,
        deadlines: Deadlines {
            connect: connect.min(TIME),
            first_byte: TIME,
            total: TIME,
        },
        max_answer_bytes: ANSWER_BYTES,
    })
}

fn filled(
    value: &Value,
    fill: &impl Fn(&str) -> std::result::Result<String, CallFailure>,
) -> std::result::Result<Value, CallFailure> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text)?),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| filled(item, fill))
                .collect::<std::result::Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, inner)| Ok((fill(name)?, filled(inner, fill)?)))
                .collect::<std::result::Result<_, CallFailure>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use playbook::secrets::places;
    use serde_json::json;
    use wire::{Instant, PlaybookId, RunId, RunState, WorkspaceId};

    const AT: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    fn run() -> HeldRun {
        HeldRun {
            id: RunId::new(AT, 1),
            workspace_id: WorkspaceId::from_stored("ws_one"),
            playbook_id: PlaybookId::from_stored("pb_one"),
            version: 1,
            event_id: None,
            state: RunState::Running,
            input: Vec::new(),
            engine: None,
            error: None,
            output: None,
            epoch: 1,
            revision: 0,
            steps: 0,
            generation: 0,
            slot: None,
            slot_key: None,
            created_at: AT,
            ended_at: None,
            project: None,
        }
    }

    fn request(place: &str) -> HttpRequest {
        HttpRequest {
            method: "PUT".to_owned(),
            uri: "https://api.example.com/a?b=1".to_owned(),
            query: vec![("c d".to_owned(), format!("&{place}"))],
            headers: vec![("X-Team".to_owned(), format!("pay {place}"))],
            body: Some(Body::Json(json!({"n": 1, "in": [place]}))),
            authentication: Some(Credentials::Basic {
                username: "Aladdin".to_owned(),
                password: place.to_owned(),
            }),
            key: "run_1/do/0/a".to_owned(),
            attempt: 3,
        }
    }

    fn composed(request: &HttpRequest, secrets: &Value) -> std::result::Result<Request, CallFailure> {
        compose(request, &run(), "nonce", secrets, Duration::from_secs(5))
    }

    #[test]
    fn secrets_go_where_their_places_are() {
        let place = places(&json!({"key": null}), "nonce")["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let sent = composed(&request(&place), &json!({"key": "open sesame"})).unwrap();
        assert_eq!(sent.url, "https://api.example.com/a?b=1&c+d=%26open+sesame");
        assert_eq!(
            sent.custom_headers,
            [("X-Team".to_owned(), "pay open sesame".to_owned())]
        );
        assert_eq!(sent.body, r#"{"in":["open sesame"],"n":1}"#);
        let header = |name: &str| sent.headers[name].to_str().unwrap();
        // RFC 7617 §2
        assert_eq!(header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(sent.headers["authorization"].is_sensitive());
        assert_eq!(header("idempotency-key"), "run_1/do/0/a");
        assert_eq!(header("x-hookyard-run"), RunId::new(AT, 1).to_string());
        assert_eq!(header("x-hookyard-attempt"), "3");
        assert_eq!(
            (sent.max_answer_bytes, sent.deadlines.total),
            (1 << 20, Duration::from_secs(30))
        );
    }

    #[test]
    fn a_secret_that_is_gone_or_cannot_be_sent_is_an_error_without_it() {
        let place = places(&json!({"key": null}), "nonce")["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let gone = composed(&request(&place), &json!({})).unwrap_err();
        assert_eq!(gone.kind, "unsealed");
        assert!(gone.message.contains("`/key`"), "{}", gone.message);
        let bearer = HttpRequest {
            authentication: Some(Credentials::Bearer { token: place }),
            ..request("")
        };
        let unfit = composed(&bearer, &json!({"key": "a\nb"})).unwrap_err();
        assert_eq!(
            unfit.message,
            "the value of `authorization` cannot be sent in a header"
        );
    }
}
