//! What happens around every request: its id, its span, its metrics.

use super::body::Body;
use crate::{health, metrics, trace};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use std::sync::Arc;
use std::time::Instant;
use tracing::{Instrument as _, Span, field};

/// The header that carries a request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the caller's, if it is 1–128 visible ASCII characters, else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that this request was given when it came in.
    pub fn of(request: &HttpRequest) -> Self {
        request
            .extensions()
            .get()
            .cloned()
            .unwrap_or_else(|| Self::from_caller(request.headers()))
    }

    fn from_caller(headers: &HeaderMap) -> Self {
        let visible =
            |text: &&str| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let given = headers
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(visible);
        Self(given.map_or_else(|| uuid::Uuid::now_v7().simple().to_string().into(), Arc::from))
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id is visible ASCII, which every header may hold")
    }
}

/// The outermost middleware.
pub(super) async fn around<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    let id = RequestId::from_caller(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = known(request.method());
    let active = metrics::request_began(method);
    let body = Body::of(&mut request);
    let span = span(&request, method, &id);

    let answer = next.call(request).instrument(span.clone()).await;
    drop(active);
    let took = began.elapsed();
    match answer {
        Ok(mut response) => {
            let route = response.request().match_pattern().unwrap_or_default();
            let status = response.status();
            note(&span, method, &route, status);
            span.in_scope(|| {
                let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(
                    http.status = status.as_u16(),
                    elapsed_ms,
                    "{method} {route} answered"
                );
            });
            metrics::request_answered(method, route, status.as_u16(), took, body.bytes());
            response.headers_mut().insert(REQUEST_ID, id.header());
            Ok(response)
        }
        // A middleware of the service's gave up: its answer is made further out, so the id is put on it there.
        Err(mut error) => {
            let status = error.as_response_error().status_code();
            note(&span, method, "", status);
            metrics::request_answered(method, String::new(), status.as_u16(), took, body.bytes());
            error.add_response_mapper(move |mut response| {
                response.headers_mut().insert(REQUEST_ID, id.header());
                response
            });
            Err(error)
        }
    }
}

/// The request's span, in the caller's trace. It holds the route's pattern and never the path, which may be a secret.
fn span(request: &ServiceRequest, method: &'static str, id: &RequestId) -> Span {
    if health::is_page(request.path()) {
        return Span::none();
    }
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        otel.name = field::Empty,
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = field::Empty,
        http.response.status_code = field::Empty,
        request.id = id.as_str(),
    );
    let parent = request
        .headers()
        .get(trace::TRACEPARENT)
        .and_then(|value| value.to_str().ok());
    trace::follow(&span, parent);
    span
}

fn note(span: &Span, method: &'static str, route: &str, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("otel.name", format!("{method} {route}").trim_end());
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The method as a label: callers can invent methods without end.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
