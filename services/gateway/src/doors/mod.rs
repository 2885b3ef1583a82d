//! The doors, one file each.

pub(crate) mod app;
mod channel;
mod hook;
mod json;
mod playbook;
mod send;
pub(crate) mod token;
mod trigger;

use crate::problem::{Problem, SendProblem};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, ResponseError, Route};
use std::sync::Arc;

/// Mounts every door.
pub(crate) fn mount(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/api/channels/orgs/{workspace}/{channel}")
                .route(web::post().to(channel::post))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/api/webhooks/orgs/{workspace}/playbooks/{playbook}")
                .route(web::post().to(playbook::post))
                .default_service(web::to(method_not_allowed)),
        )
        .service(sends("/api/ingest/batch", web::post().to(send::to_endpoints)))
        .service(sends(
            "/api/ingest/event/batch",
            web::post().to(send::to_subscribers_of_each),
        ))
        .service(sends(
            "/api/ingest/event/{event_type}",
            web::post().to(send::to_subscribers),
        ))
        .service(sends("/api/ingest/{endpoint}", web::post().to(send::to_endpoint)))
        .service(web::resource("/ingest/{token}").route(web::to(token::any)))
        .service(
            web::resource("/api/v1/webhooks/{app}")
                .route(web::get().to(app::any))
                .route(web::post().to(app::any))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/api/v1/hooks/{token}")
                .route(web::post().to(hook::post))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/api/v1/trigger")
                .route(web::post().to(trigger::post))
                .default_service(web::to(method_not_allowed)),
        );
}

/// An address of door 3, whose errors have a shape of their own.
fn sends(path: &str, route: Route) -> Resource {
    let refused = async || SendProblem(Problem::MethodNotAllowed).error_response();
    web::resource(path).route(route).default_service(web::to(refused))
}

/// The answer where no door is.
pub async fn not_found() -> HttpResponse {
    Problem::NotFound.error_response()
}

async fn method_not_allowed() -> HttpResponse {
    Problem::MethodNotAllowed.error_response()
}

/// A look-up that failed is a fault of ours, and safe to send again.
pub(crate) fn lookup_failed(error: &Arc<store::Error>) -> Problem {
    tracing::error!(
        error.chain = error as &dyn std::error::Error,
        "what a request is for could not be looked up"
    );
    if error.is_transient() {
        Problem::Unavailable
    } else {
        Problem::Internal
    }
}
