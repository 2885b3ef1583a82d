//! The management API: which address leads where.
//!
//! Everything below a workspace stands behind [`access::guard`]; a handler gets at the workspace only through what the
//! guard found, [`access::Opened`].

mod body;
mod claims;
mod configuration;
mod deliveries;
mod endpoints;
mod environments;
mod events;
mod page;
mod playbooks;
mod rejections;
mod replay;
mod routes;
mod runs;
mod sources;

use crate::check::Directory;
use crate::{Console, Error, access, page as pages};
use actix_web::dev::Handler;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Resource, Responder, Route, guard};
use serde::Serialize;
use wire::WorkspaceId;

/// Mounts the management API and the console's pages.
pub fn configure(config: &mut ServiceConfig, console: Console) {
    let workspace = web::scope("/v1/workspaces/{workspace}")
        .wrap(from_fn(access::guard))
        .configure(resources)
        .default_service(web::to(not_found));
    let management = web::scope("/management")
        // Answers hold what a shared cache must not.
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .service(workspace)
        .default_service(web::to(not_found));
    config
        .app_data(web::Data::new(console))
        .service(resource("/", [get(pages::landing)]))
        .service(management);
}

fn resources(config: &mut ServiceConfig) {
    config
        .service(resource("/events", [get(events::list)]))
        .service(resource("/events/{id}", [get(events::one)]))
        .service(resource("/events/{id}/deliveries", [get(events::deliveries)]))
        .service(resource("/events/{id}/trace", [get(events::trace)]))
        .service(resource("/events/{id}/replay", [post(replay::event)]))
        .service(resource("/deliveries", [get(deliveries::list)]))
        .service(resource("/deliveries/{id}", [get(deliveries::one)]))
        .service(resource("/deliveries/{id}/attempts", [get(deliveries::attempts)]))
        .service(resource("/deliveries/{id}/retry", [post(deliveries::retry)]))
        .service(resource("/deliveries/{id}/cancel", [post(deliveries::cancel)]))
        .service(resource("/deliveries/{id}/replay", [post(replay::delivery)]))
        .service(resource(
            "/endpoints",
            [get(endpoints::list), post(endpoints::create)],
        ))
        .service(resource(
            "/endpoints/{id}",
            [
                get(endpoints::one),
                patch(endpoints::update),
                delete(endpoints::remove),
            ],
        ))
        .service(resource(
            "/endpoints/{id}/deliveries",
            [get(endpoints::deliveries)],
        ))
        .service(resource(
            "/endpoints/{id}/rotate-secret",
            [post(endpoints::rotate)],
        ))
        .service(resource("/sources", [get(sources::list), post(sources::create)]))
        .service(resource(
            "/sources/{id}",
            [get(sources::one), patch(sources::update), delete(sources::remove)],
        ))
        .service(resource("/sources/{id}/rotate-secret", [post(sources::rotate)]))
        .service(resource(
            "/sources/{id}/captured-secret",
            [delete(sources::discard_captured)],
        ))
        .service(resource(
            "/sources/{id}/captured-secret/accept",
            [post(sources::accept_captured)],
        ))
        .service(resource("/routes", [get(routes::list), post(routes::create)]))
        .service(resource(
            "/routes/{id}",
            [get(routes::one), patch(routes::update), delete(routes::remove)],
        ))
        .service(resource("/playbooks", [get(playbooks::list)]))
        .service(resource("/playbooks/{id}", [get(playbooks::one)]))
        .service(resource("/runs", [get(runs::list)]))
        .service(resource("/runs/{id}", [get(runs::one)]))
        .service(resource("/rejections", [get(rejections::list)]))
        .service(resource("/claims/{scope}/{key}", [get(claims::one)]))
        .service(resource(
            "/environments",
            [get(environments::list), post(environments::create)],
        ))
        .service(resource(
            "/environments/{id}",
            [
                get(environments::one),
                patch(environments::update),
                delete(environments::remove),
            ],
        ))
        .service(resource("/configuration", [put(configuration::apply)]));
}

/// An address with its methods; all others are refused in our shape.
fn resource<const N: usize>(path: &str, routes: [(&'static str, Route); N]) -> Resource {
    let allow = routes
        .iter()
        .map(|(methods, _)| *methods)
        .collect::<Vec<_>>()
        .join(", ");
    let refused = move || {
        let allow = allow.clone();
        async move { Err::<HttpResponse, _>(Error::MethodNotAllowed { allow }) }
    };
    let resource = web::resource(path).default_service(web::to(refused));
    routes
        .into_iter()
        .fold(resource, |resource, (_, route)| resource.route(route))
}

macro_rules! methods {
    ($($name:ident = $method:ident),+) => {$(
        fn $name<F, Args>(handler: F) -> (&'static str, Route)
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            (stringify!($method), web::method(Method::$method).to(handler))
        }
    )+};
}
methods!(post = POST, put = PUT, patch = PATCH, delete = DELETE);

/// What can be got can be asked for its head (RFC 9110 §9.1).
fn get<F, Args>(handler: F) -> (&'static str, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::Any(guard::Get()).or(guard::Head());
    ("GET, HEAD", web::route().guard(reads).to(handler))
}

/// What every other address answers, for servers that carry the console alone.
pub async fn not_found() -> Result<HttpResponse, Error> {
    Err(Error::NotFound { what: "address" })
}

/// 200 and a body.
fn ok(body: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(body)
}

/// 201 and what was made.
fn created(body: impl Serialize) -> HttpResponse {
    HttpResponse::build(StatusCode::CREATED).json(body)
}

/// 204.
fn gone() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Refuses to save a new thing under an id that another one has.
fn refuse_taken(is_taken: bool) -> Result<(), Error> {
    if is_taken {
        let what = "the id".to_owned();
        return Err(Error::Taken { what });
    }
    Ok(())
}

/// What the things of a workspace are called.
async fn directory(console: &Console, workspace: &WorkspaceId) -> Result<Directory, Error> {
    Ok(Directory::of(console.store().names(workspace).await?))
}
