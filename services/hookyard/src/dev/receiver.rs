//! The demo's receiver: shows what it got and whether the signature verified, and fails as often as it is told.
//!
//! It is mounted beside the doors under `/demo/receiver`, and a delivery reaches it as it would any other receiver: over
//! HTTP, through the guarded client.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signature::{Credentials, ID_HEADER, Profile, Request, Secret};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::Instant;

/// Where it is mounted.
pub(crate) const PATH: &str = "/demo/receiver";
/// How many requests it remembers.
const REMEMBERED: usize = 50;
/// How much of a body it remembers.
const BODY_KEPT: usize = 16 * 1024;
/// More than any door takes.
const BODY_LIMIT: usize = 26 * 1024 * 1024;
/// The most that it can be told to fail.
const MOST_FAILURES: u32 = 1_000;

/// A receiver that knows its endpoint's secret. Clones are the same receiver.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    secrets: Arc<[Secret]>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    received: VecDeque<Received>,
    failures_left: u32,
}

/// One request, as it is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    #[serde(rename = "receivedAt")]
    at: String,
    /// Whether the Standard Webhooks signature is right.
    verified: bool,
    /// Why it is not.
    reason: Option<&'static str>,
    /// What it answered.
    answered: u16,
    webhook_id: Option<String>,
    delivery: Option<String>,
    attempt: Option<String>,
    event_type: Option<String>,
    content_type: Option<String>,
    /// The first 16 KiB.
    body: String,
}

/// `POST /demo/receiver/fail`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    times: u32,
}

impl Receiver {
    /// A receiver that has got nothing yet.
    pub(crate) fn new(secret: SecretString) -> Self {
        Self {
            secrets: Arc::new([Secret::new("demo", secret)]),
            state: Arc::default(),
        }
    }

    /// Mounts it.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        config
            .service(
                web::resource([PATH, "/demo/receiver/"])
                    .route(web::get().to(list))
                    .route(web::post().to(receive))
                    .app_data(Data::new(self.clone()))
                    .app_data(web::PayloadConfig::new(BODY_LIMIT)),
            )
            .service(
                web::resource("/demo/receiver/fail")
                    .route(web::post().to(fail))
                    .app_data(Data::new(self.clone())),
            );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, headers: &HeaderMap, body: &[u8], now: Instant) -> StatusCode {
        let pairs: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: "POST",
            url: PATH,
            headers: &pairs,
            body,
        };
        let credentials = Credentials {
            secrets: &self.secrets,
            ..Credentials::default()
        };
        let reason = match Profile::builtin("standard-webhooks") {
            Some(profile) => profile
                .verify(&request, &credentials, now.unix_seconds())
                .reason(),
            None => unreachable!("the profile is built in, because deliveries are signed under it"),
        };
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };

        let mut state = self.state();
        let status = if state.failures_left > 0 {
            state.failures_left -= 1;
            StatusCode::INTERNAL_SERVER_ERROR
        } else if reason.is_some() {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        };
        if state.received.len() == REMEMBERED {
            state.received.pop_back();
        }
        state.received.push_front(Received {
            at: now.to_string(),
            verified: reason.is_none(),
            reason: reason.map(signature::Reason::as_str),
            answered: status.as_u16(),
            webhook_id: text(ID_HEADER),
            delivery: text("x-hookyard-delivery"),
            attempt: text("x-hookyard-attempt"),
            event_type: text("x-hookyard-event-type"),
            content_type: text(CONTENT_TYPE.as_str()),
            body: String::from_utf8_lossy(body.get(..BODY_KEPT).unwrap_or(body)).into_owned(),
        });
        status
    }
}

async fn list(receiver: Data<Receiver>) -> HttpResponse {
    HttpResponse::Ok().json(&receiver.state().received)
}

async fn receive(receiver: Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let status = receiver.take(request.headers(), &body, Instant::now());
    HttpResponse::build(status).json(json!({"received": status == StatusCode::OK}))
}

async fn fail(receiver: Data<Receiver>, body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<Fail>(&body) {
        Ok(Fail { times }) if times <= MOST_FAILURES => {
            receiver.state().failures_left = times;
            HttpResponse::Ok().json(json!({"failing": times}))
        }
        _ => HttpResponse::BadRequest().json(json!({
            "error": "invalid_body",
            "message": format!("send {{\"times\": n}}, with n from 0 to {MOST_FAILURES}"),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use signature::SigningKey;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn headers(signed: &[u8], now: Instant) -> HeaderMap {
        let key = SigningKey::parse(&SECRET.into()).unwrap();
        let signature = signature::sign(&[key], "msg_1", now.unix_seconds(), signed);
        let pairs = [
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", now.unix_seconds().to_string()),
            ("webhook-signature", signature),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::try_from(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn it_shows_whether_the_signature_verified() {
        let receiver = Receiver::new(SECRET.into());
        let now = Instant::now();
        assert_eq!(receiver.take(&headers(b"{}", now), b"{}", now), StatusCode::OK);
        assert_eq!(
            receiver.take(&headers(b"{}", now), b"[]", now),
            StatusCode::UNAUTHORIZED
        );
        let state = receiver.state();
        let shown: Vec<_> = state
            .received
            .iter()
            .map(|got| (got.verified, got.reason))
            .collect();
        assert_eq!(
            shown,
            [(false, Some("signature_mismatch")), (true, None)],
            "the newest is first"
        );
    }

    #[test]
    fn it_fails_as_often_as_it_is_told() {
        let receiver = Receiver::new(SECRET.into());
        receiver.state().failures_left = 2;
        let now = Instant::now();
        let headers = headers(b"{}", now);
        let answers = [(); 3].map(|()| receiver.take(&headers, b"{}", now).as_u16());
        assert_eq!(answers, [500, 500, 200]);
    }

    #[test]
    fn it_remembers_no_more_than_it_should() {
        let receiver = Receiver::new(SECRET.into());
        for _ in 0..=REMEMBERED {
            receiver.take(&HeaderMap::new(), &vec![b'x'; BODY_KEPT + 1], Instant::now());
        }
        let state = receiver.state();
        assert_eq!(state.received.len(), REMEMBERED);
        assert_eq!(state.received.front().unwrap().body.len(), BODY_KEPT);
    }
}
