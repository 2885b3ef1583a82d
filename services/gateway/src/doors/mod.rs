//! The doors, one file each.

pub(crate) mod app;
mod channel;
mod hook;
mod json;
mod playbook;
mod send;
pub(crate) mod token;
mod trigger;

use crate::Gateway;
use crate::problem::{Problem, SendProblem};
use actix_web::web;
use actix_web::{HttpResponse, ResponseError, Route};
use boot::http::{Address, Addresses};
use std::sync::Arc;

/// Every door. What they take and answer is told in [`description`](crate::description).
pub(crate) fn addresses() -> Addresses {
    let mut addresses = Addresses::default();
    addresses
        .service(door(
            "/api/channels/orgs/{orgSlug}/{channelSlug}",
            [("POST", web::post().to(channel::post))],
        ))
        .service(door(
            "/api/webhooks/orgs/{orgSlug}/playbooks/{playbookSlug}",
            [("POST", web::post().to(playbook::post))],
        ))
        .service(sends("/api/ingest/batch", web::post().to(send::to_endpoints)))
        .service(sends(
            "/api/ingest/event/batch",
            web::post().to(send::to_subscribers_of_each),
        ))
        // Also an empty one and one with slashes: those are no event types, and not other addresses.
        .service(sends(
            "/api/ingest/event/{eventType:.*}",
            web::post().to(send::to_subscribers),
        ))
        .service(sends(
            "/api/ingest/{endpointId}",
            web::post().to(send::to_endpoint),
        ))
        .service(Address::new("/api/ingest/{rest:.*}", [], async || {
            SendProblem(Problem::NotFound).error_response()
        }))
        // Here and at the apps' every method, because what others are told depends on the source.
        .service(door(
            "/ingest/{token}",
            [("GET, HEAD, OPTIONS, POST", web::to(token::any))],
        ))
        .service(door(
            "/api/v1/webhooks/{appId}",
            [("GET, HEAD, OPTIONS, POST", web::to(app::any))],
        ))
        .service(door(
            "/api/v1/hooks/{token}",
            [("POST", web::post().to(hook::post))],
        ))
        .service(door("/api/v1/trigger", [("POST", web::post().to(trigger::post))]));
    addresses
}

fn door<const N: usize>(path: &str, routes: [(&'static str, Route); N]) -> Address {
    Address::new(path, routes, method_not_allowed)
}

/// An address of door 3, whose errors have a shape of their own.
fn sends(path: &str, route: Route) -> Address {
    let refused = async || SendProblem(Problem::only_post()).error_response();
    Address::new(path, [("POST", route)], refused)
}

/// The answer where no door is.
pub async fn not_found() -> HttpResponse {
    Problem::NotFound.error_response()
}

async fn method_not_allowed() -> HttpResponse {
    Problem::only_post().error_response()
}

/// Waits for a look-up no longer than the sender would.
async fn look_up<T>(
    gateway: &Gateway,
    asking: impl Future<Output = Result<T, Arc<store::Error>>>,
) -> Result<T, Problem> {
    let asking = async { asking.await.map_err(|error| lookup_failed(&error)) };
    gateway.in_time(asking).await
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
