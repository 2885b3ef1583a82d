//! The management API: which address leads where.
//!
//! Everything below a workspace stands behind [`access::guard`]; a handler gets at the workspace only through what the
//! guard found, [`access::Opened`].

mod api_keys;
mod applications;
mod audit;
mod body;
mod claims;
mod configuration;
mod contacts;
mod dead_letters;
mod deliveries;
mod description;
mod endpoints;
mod environments;
mod event_types;
mod events;
mod explain;
mod management_tokens;
mod page;
mod playbook_runs;
mod playbook_versions;
mod playbooks;
mod portal;
mod projects;
mod recoveries;
mod rejections;
mod replay;
mod routes;
mod runs;
mod source_test;
mod sources;
mod subscriptions;
mod templates;
mod visibility;
mod workspace;

pub use description::api;

use crate::check::Directory;
use crate::{Console, Error, access, page as pages};
use actix_web::dev::Handler;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Responder, Route, guard};
use boot::http::{Address, Addresses};
use serde::Serialize;
use wire::WorkspaceId;
use wire::resource::DeliverySpec;

/// Where a workspace is.
const WORKSPACE: &str = "/v1/workspaces/{workspace}";

/// Mounts the management API and the console's pages.
pub fn configure(config: &mut ServiceConfig, console: Console) {
    let workspace = web::scope(WORKSPACE)
        .wrap(from_fn(access::guard))
        .configure(|config| addresses().mount(config))
        .default_service(web::to(not_found));
    let management = web::scope("/management")
        // Answers hold what a shared cache must not.
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .service(workspace)
        .default_service(web::to(not_found));
    let mut looked_at = Addresses::default();
    looked_at
        .service(resource("/", [get(pages::landing)]))
        .service(resource("/openapi.json", [get(pages::openapi)]))
        .service(resource("/docs", [get(pages::docs)]));
    config.app_data(web::Data::new(console));
    looked_at.mount(config);
    config.configure(crate::portal::configure).service(management);
}

/// Everything below a workspace. What it takes and answers is told in [`description`].
fn addresses() -> Addresses {
    let mut addresses = Addresses::default();
    resources(&mut addresses);
    recoveries::mount(&mut addresses);
    callers(&mut addresses);
    workflows(&mut addresses);
    customers(&mut addresses);
    addresses
}

fn resources(config: &mut Addresses) {
    config
        .service(resource("/events", [get(events::list)]))
        .service(resource("/events/{id}", [get(events::one)]))
        .service(resource("/events/{id}/deliveries", [get(events::deliveries)]))
        .service(resource("/events/{id}/trace", [get(events::trace)]))
        .service(resource("/events/{id}/replay", [post(replay::event)]))
        .service(resource("/deliveries", [get(deliveries::list)]))
        // Before those whose id is open.
        .service(resource("/deliveries/dead-letters", [get(dead_letters::list)]))
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
        .service(resource("/endpoints/{id}/hold", [post(endpoints::hold)]))
        .service(resource("/endpoints/{id}/drain", [post(endpoints::drain)]))
        .service(resource("/sources", [get(sources::list), post(sources::create)]))
        .service(resource(
            "/sources/{id}",
            [get(sources::one), patch(sources::update), delete(sources::remove)],
        ))
        .service(resource("/sources/{id}/rotate-secret", [post(sources::rotate)]))
        .service(resource("/sources/{id}/test", [post(source_test::send)]))
        .service(resource(
            "/sources/{id}/captured-secret",
            [delete(sources::discard_captured)],
        ))
        .service(resource(
            "/sources/{id}/captured-secret/accept",
            [post(sources::accept_captured)],
        ))
        .service(resource("/routes", [get(routes::list), post(routes::create)]))
        // Before those whose name is open.
        .service(resource("/routes/explain", [post(explain::routes)]))
        .service(resource(
            "/routes/{id}",
            [get(routes::one), patch(routes::update), delete(routes::remove)],
        ))
        .service(resource("/rejections", [get(rejections::list)]))
        .service(resource("/rejections/{id}", [get(rejections::one)]))
        .service(resource("/rejections/{id}/accept", [post(rejections::accept)]))
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
        .service(resource("/configuration", [put(configuration::apply)]))
        .service(resource("/audit", [get(audit::list)]));
}

/// Who sends and who operates, and what runs are targeted at.
fn callers(config: &mut Addresses) {
    config
        .service(resource("", [get(workspace::one), patch(workspace::update)]))
        .service(resource(
            "/api-keys",
            [get(api_keys::list), post(api_keys::create)],
        ))
        .service(resource(
            "/api-keys/{id}",
            [
                get(api_keys::one),
                patch(api_keys::update),
                delete(api_keys::remove),
            ],
        ))
        .service(resource("/api-keys/{id}/rotate", [post(api_keys::rotate)]))
        .service(resource(
            "/management-tokens",
            [get(management_tokens::list), post(management_tokens::create)],
        ))
        .service(resource(
            "/management-tokens/{id}",
            [get(management_tokens::one), delete(management_tokens::remove)],
        ))
        .service(resource(
            "/contacts",
            [get(contacts::list), post(contacts::create)],
        ))
        .service(resource(
            "/contacts/{id}",
            [
                get(contacts::one),
                patch(contacts::update),
                delete(contacts::remove),
            ],
        ))
        .service(resource(
            "/projects",
            [get(projects::list), post(projects::create)],
        ))
        .service(resource(
            "/projects/{id}",
            [
                get(projects::one),
                patch(projects::update),
                delete(projects::remove),
            ],
        ))
        .service(resource(
            "/templates",
            [get(templates::list), post(templates::create)],
        ))
        .service(resource(
            "/templates/{id}",
            [
                get(templates::one),
                patch(templates::update),
                delete(templates::remove),
            ],
        ));
}

/// Playbooks and what they do.
fn workflows(config: &mut Addresses) {
    config
        .service(resource("/runs", [get(runs::list)]))
        .service(resource("/runs/{id}", [get(runs::one)]))
        .service(resource("/runs/{id}/steps", [get(runs::steps)]))
        .service(resource("/runs/{id}/cancel", [post(runs::cancel)]))
        .service(resource("/runs/{id}/pause", [post(runs::pause)]))
        .service(resource("/runs/{id}/resume", [post(runs::resume)]))
        .service(resource("/runs/{id}/retry", [post(runs::retry)]))
        .service(resource(
            "/playbooks",
            [get(playbooks::list), post(playbooks::create)],
        ))
        // Before those whose name is open.
        .service(resource(
            "/playbooks/validate",
            [post(playbook_versions::validate)],
        ))
        .service(resource(
            "/playbooks/{id}",
            [
                get(playbooks::one),
                put(playbooks::update),
                patch(playbooks::update),
                delete(playbooks::remove),
            ],
        ))
        .service(resource(
            "/playbooks/{id}/rotate-secret",
            [post(playbooks::rotate)],
        ))
        .service(resource(
            "/playbooks/{id}/versions",
            [get(playbook_versions::list)],
        ))
        .service(resource(
            "/playbooks/{id}/versions/{version}",
            [get(playbook_versions::one)],
        ))
        .service(resource(
            "/playbooks/{id}/versions/{version}/activate",
            [post(playbook_versions::activate)],
        ))
        .service(resource(
            "/playbooks/{id}/runs",
            [get(playbook_runs::list), post(playbook_runs::start)],
        ));
}

/// What a workspace's customers are about, in the addresses of Nahook's clients.
fn customers(config: &mut Addresses) {
    config
        .service(resource(
            "/event-types",
            [get(event_types::list), post(event_types::create)],
        ))
        .service(resource(
            "/event-types/{id}",
            [
                get(event_types::one),
                patch(event_types::update),
                delete(event_types::remove),
            ],
        ))
        .service(resource(
            "/environments/{id}/event-types",
            [get(visibility::list)],
        ))
        .service(resource(
            "/environments/{id}/event-types/{type}/visibility",
            [put(visibility::set)],
        ))
        .service(resource(
            "/endpoints/{id}/subscriptions",
            [get(subscriptions::list), post(subscriptions::create)],
        ))
        .service(resource(
            "/endpoints/{id}/subscriptions/{type}",
            [delete(subscriptions::remove)],
        ))
        .service(resource(
            "/applications",
            [get(applications::list), post(applications::create)],
        ))
        .service(resource(
            "/applications/{id}",
            [
                get(applications::one),
                patch(applications::update),
                delete(applications::remove),
            ],
        ))
        .service(resource(
            "/applications/{id}/endpoints",
            [
                get(applications::list_endpoints),
                post(applications::create_endpoint),
            ],
        ))
        .service(resource("/applications/{id}/portal", [post(portal::create)]));
}

/// An address with its methods; all others are refused in our shape.
fn resource<const N: usize>(path: &str, routes: [(&'static str, Route); N]) -> Address {
    let allow = routes
        .iter()
        .map(|(methods, _)| *methods)
        .collect::<Vec<_>>()
        .join(", ");
    let refused = move || {
        let allow = allow.clone();
        async move { Err::<HttpResponse, _>(Error::MethodNotAllowed { allow }) }
    };
    Address::new(path, routes, refused)
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

/// What a workspace says of its deliveries, for endpoints and routes to inherit.
async fn workspace_settings(console: &Console, workspace: &WorkspaceId) -> Result<DeliverySpec, Error> {
    let row = console.store().workspace(workspace.as_str()).await?;
    Ok(row.map(|row| row.spec.delivery).unwrap_or_default())
}
