//! The doors, one file each.

pub(crate) mod app;
mod channel;
mod json;
pub(crate) mod token;

use crate::problem::Problem;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use std::sync::Arc;

/// Mounts every door.
pub(crate) fn mount(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/api/channels/orgs/{workspace}/{channel}")
                .route(web::post().to(channel::post))
                .default_service(web::to(method_not_allowed)),
        )
        .service(web::resource("/ingest/{token}").route(web::to(token::any)))
        .service(
            web::resource("/api/v1/webhooks/{app}")
                .route(web::get().to(app::any))
                .route(web::post().to(app::any))
                .default_service(web::to(method_not_allowed)),
        );
}

/// The answer where no door is.
pub async fn not_found() -> HttpResponse {
    Problem::NotFound.error_response()
}

async fn method_not_allowed() -> HttpResponse {
    Problem::MethodNotAllowed.error_response()
}

/// A look-up that failed is a fault of ours, and safe to send again.
fn lookup_failed(error: &Arc<store::Error>) -> Problem {
    tracing::error!(
        error.chain = error as &dyn std::error::Error,
        "a source could not be looked up"
    );
    if error.is_transient() {
        Problem::Unavailable
    } else {
        Problem::Internal
    }
}
