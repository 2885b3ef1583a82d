//! `/livez`, `/readyz`, `/startupz`, `/metrics` and `/version`, for whichever server carries them.

use super::Health;
use crate::metrics;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route};
use serde_json::json;

/// Paths that probes ask every few seconds: they are in no trace.
const PATHS: [&str; 5] = ["/livez", "/readyz", "/startupz", "/metrics", "/version"];

/// Whether a path is one of these pages.
pub(crate) fn is_page(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Mounts the pages: `App::new().configure(health::pages(&health))`, or inside of another `configure`.
///
/// `/readyz?verbose` shows each check as JSON. The pages name hosts and count traffic: an ingress should not pass them on.
pub fn pages(health: &Health) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let health = health.clone();
    move |config| {
        let [livez, readyz, startupz, metrics, version] = PATHS;
        let state = web::Data::new(health.clone());
        for (path, [get, head]) in [
            (livez, both(|route| route.to(live))),
            (readyz, both(|route| route.to(ready))),
            (startupz, both(|route| route.to(started))),
            (metrics, both(|route| route.to(measured))),
            (version, both(|route| route.to(versioned))),
        ] {
            config.service(web::resource(path).app_data(state.clone()).route(get).route(head));
        }
    }
}

fn both(handled: impl Fn(Route) -> Route) -> [Route; 2] {
    [handled(web::get()), handled(web::head())]
}

async fn live(health: web::Data<Health>) -> HttpResponse {
    if health.is_alive() {
        plain(StatusCode::OK, "alive")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the runtime is stuck")
    }
}

async fn started(health: web::Data<Health>) -> HttpResponse {
    if health.is_started() {
        plain(StatusCode::OK, "started")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "starting")
    }
}

async fn ready(request: HttpRequest, health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let is_verbose = request
        .query_string()
        .split('&')
        .any(|part| part.split('=').next() == Some("verbose"));
    if is_verbose {
        return HttpResponse::build(status)
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(readiness);
    }
    let failing: Vec<&str> = readiness.failing().map(|finding| finding.name).collect();
    let text = if failing.is_empty() {
        readiness.status.to_owned()
    } else {
        format!("{}: {}", readiness.status, failing.join(", "))
    };
    plain(status, text)
}

async fn measured() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .body(metrics::text())
}

async fn versioned(health: web::Data<Health>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"name": health.0.program, "version": crate::VERSION}))
}

fn plain(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    let text = text.into() + "\n";
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(ContentType::plaintext())
        .body(text)
}
