//! The portal: what a workspace's customer sees of its own endpoints, without an account.
//!
//! A link with a code lets a customer in, once: `visit` exchanges the code for a cookie. `pages` shows what there is,
//! `secrets` what only an admin may see. All pages are made here, on the server, and work without a script.
//!
//! # What it must never do
//!
//! Show an endpoint, a delivery or a secret of another application; open a link on a mere GET, because mail programs
//! look at links before people do; log or keep a code or a cookie; load anything from elsewhere.

mod page;
mod pages;
mod refusal;
mod secrets;
mod visit;

use crate::Console;
use actix_web::http::Uri;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, FormConfig, ServiceConfig};
use actix_web::{Resource, guard};
use refusal::Refusal;

/// Nothing but our own stylesheet and our own forms.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Our forms have two fields at the most, in bytes.
const LARGEST_FORM: usize = 1 << 10;

/// Mounts the portal.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let headers = DefaultHeaders::new()
        .add((CACHE_CONTROL, "no-store"))
        .add((CONTENT_SECURITY_POLICY, POLICY))
        .add((REFERRER_POLICY, "no-referrer"))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
        .add(("X-Robots-Tag", "noindex"));
    let one = "/endpoints/{endpoint}";
    let forms = FormConfig::default()
        .limit(LARGEST_FORM)
        .error_handler(|_malformed, _request| Refusal::Foreign.into());
    let portal = web::scope("/portal")
        .wrap(from_fn(refusal::pages))
        .wrap(headers)
        .app_data(forms)
        .service(looked_at("/style.css").to(page::style))
        .service(looked_at("").to(pages::endpoints))
        .service(looked_at("/event-types").to(pages::event_types))
        .service(looked_at(one).to(pages::endpoint))
        .service(looked_at(&format!("{one}/deliveries/{{delivery}}")).to(pages::delivery))
        .service(posted(&format!("{one}/secret")).to(secrets::reveal))
        .service(posted(&format!("{one}/rotate-secret")).to(secrets::rotate))
        .service(posted("/leave").to(visit::leave))
        .service(
            web::resource("/{code}")
                .route(web::route().guard(reads()).to(visit::door))
                .route(web::post().to(visit::open)),
        )
        .default_service(web::to(refusal::not_found));
    config.service(portal);
}

/// An address that is only looked at. Whatever else is asked of it is not there.
fn looked_at(path: &str) -> Resource {
    web::resource(path).guard(reads())
}

fn posted(path: &str) -> Resource {
    web::resource(path).guard(guard::Post())
}

fn reads() -> impl guard::Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

/// Where the portal is, as the outside sees it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `https://hooks.example.com/portal`
    pub(crate) url: String,
    /// `/portal`, behind whatever path the public URL has.
    path: String,
    /// Whether cookies are for https alone.
    is_https: bool,
}

impl Place {
    pub(crate) fn of(console: &Console) -> Self {
        let base = console.settings().public_url.as_str();
        let uri: Uri = base.parse().unwrap_or_default();
        Self {
            url: format!("{base}/portal"),
            path: format!("{}/portal", uri.path().trim_end_matches('/')),
            is_https: uri.scheme_str() == Some("https"),
        }
    }
}
