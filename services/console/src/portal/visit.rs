//! A customer's visit: how a link becomes a cookie, and who a cookie stands for.
//!
//! The link's code and the cookie are random; the ledger has their hashes. The code is used up by a POST from the page
//! that the link leads to. The cookie is sent to the portal alone, by no other site's pages, and no script reads it; forms
//! carry a token besides that only this cookie's owner can know.

use super::Place;
use super::page::{self, Chrome, Door, Section};
use super::refusal::Refusal;
use crate::{Console, secret};
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::future::Future;
use std::pin::Pin;
use store::{Actor, Application, AuditEntry, PortalSession};
use wire::Instant;
use wire::resource::PortalRole;

/// What is in the way of guesses: as many characters as a code has.
const CODE_LENGTH: usize = 48;

/// Who is looking.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) session: PortalSession,
    pub(super) application: Application,
    pub(super) workspace_name: String,
    pub(super) place: Place,
    /// What forms must bring back.
    token: String,
}

impl Visit {
    /// What stands around every page.
    pub(super) fn chrome(&self, at: Section) -> Chrome {
        Chrome {
            path: self.place.path.clone(),
            workspace: self.workspace_name.clone(),
            application: self.application.spec.name.clone(),
            is_admin: self.is_admin(),
            shows_event_types: self.application.spec.show_event_types,
            token: self.token.clone(),
            ends: self.session.expires_at.into(),
            at,
        }
    }

    /// That the customer does `action`, to a thing with this id.
    pub(super) fn did(&self, action: &'static str, id: &impl ToString) -> AuditEntry {
        let actor = Actor::portal(&self.session.id, &self.application.spec.name);
        AuditEntry::new(&self.session.workspace_id, &actor, action, id)
            .with("applicationId", self.application.id.as_str())
    }

    fn is_admin(&self) -> bool {
        self.session.spec.role == PortalRole::Admin
    }

    /// Lets a form in that one of our own pages sent, for this visit.
    pub(super) fn check(&self, request: &HttpRequest, token: &str) -> Result<(), Refusal> {
        let token = SecretString::from(token);
        if is_foreign(request) || !secret::is_same(&token, &self.token) {
            return Err(Refusal::Foreign);
        }
        Ok(())
    }

    /// The same for what only an admin may do.
    pub(super) fn check_admin(&self, request: &HttpRequest, token: &str) -> Result<(), Refusal> {
        self.check(request, token)?;
        if self.is_admin() {
            Ok(())
        } else {
            Err(Refusal::OnlyAdmins)
        }
    }

    async fn of(console: &Console, cookie: &str) -> Result<Self, Refusal> {
        let store = console.store();
        let session = store.portal_session(secret::hash(cookie), Instant::now()).await?;
        let session = session.ok_or(Refusal::NoVisit)?;
        let application = store
            .application(&session.workspace_id, session.application_id.as_str())
            .await?;
        let workspace = store.workspace(session.workspace_id.as_str()).await?;
        let (Some(application), Some(workspace)) = (application, workspace) else {
            return Err(Refusal::NoVisit);
        };
        Ok(Self {
            token: hex::encode(secret::hash(&format!("a form of {cookie}"))),
            workspace_name: workspace.name,
            place: Place::of(console),
            session,
            application,
        })
    }
}

impl FromRequest for Visit {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let console = request.app_data::<Data<Console>>().cloned();
        let cookie = console
            .as_ref()
            .and_then(|console| request.cookie(name(&Place::of(console))));
        Box::pin(async move {
            let (Some(console), Some(cookie)) = (console, cookie) else {
                return Err(Refusal::NoVisit);
            };
            Self::of(&console, cookie.value()).await
        })
    }
}

/// The hidden field of every form.
#[derive(Deserialize)]
pub(super) struct Confirmed {
    pub(super) token: String,
}

/// What a link leads to: a page with a button. It says nothing of whether the link is still good, and uses up nothing.
pub(super) async fn door(console: Data<Console>, code: Path<String>) -> Result<HttpResponse, Refusal> {
    let code = code.into_inner();
    if !is_code(&code) {
        return Err(Refusal::NotFound);
    }
    let door = Door {
        title: "Open the portal",
        path: Place::of(&console).path,
        code,
    };
    Ok(page::answer(&door))
}

/// Uses a link up: the code for a cookie.
pub(super) async fn open(
    console: Data<Console>,
    request: HttpRequest,
    code: Path<String>,
) -> Result<HttpResponse, Refusal> {
    if !is_code(&code) {
        return Err(Refusal::NotFound);
    }
    if is_foreign(&request) {
        return Err(Refusal::Foreign);
    }
    let cookie = secret::generate_token("");
    let (code_hash, cookie_hash) = (secret::hash(&code), secret::hash(cookie.expose_secret()));
    let now = Instant::now();
    let store = console.store();
    if !store.open_portal_session(code_hash, cookie_hash, now).await? {
        return Err(Refusal::UsedUp);
    }
    let session = store.portal_session(cookie_hash, now).await?;
    let session = session.ok_or(Refusal::UsedUp)?;
    let place = Place::of(&console);
    let lasts = session.expires_at.since(now);
    let age = CookieAge::seconds(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX));
    tracing::info!(
        workspace.id = %session.workspace_id,
        application.id = %session.application_id,
        session.id = %session.id,
        "a customer opened the portal"
    );
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, place.path.clone()))
        .cookie(made(&place, cookie.expose_secret(), age))
        .finish())
}

/// Ends the visit, here and in the ledger.
pub(super) async fn leave(
    console: Data<Console>,
    request: HttpRequest,
    visit: Visit,
    form: web::Form<Confirmed>,
) -> Result<HttpResponse, Refusal> {
    visit.check(&request, &form.token)?;
    console.store().end_portal_session(&visit.session.id).await?;
    let mut response = page::refused(&Refusal::Left, &visit.place);
    let cookie = made(&visit.place, "", CookieAge::ZERO);
    response
        .add_cookie(&cookie)
        .expect("our cookie is visible ASCII, which every header may hold");
    Ok(response)
}

fn made<'c>(place: &Place, value: &'c str, age: CookieAge) -> Cookie<'c> {
    Cookie::build(name(place), value)
        .path(place.path.clone())
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(place.is_https)
        .max_age(age)
        .finish()
}

/// Browsers take a cookie of the first name over https alone (RFC 6265bis §4.1.3).
fn name(place: &Place) -> &'static str {
    if place.is_https {
        "__Secure-hookyard-portal"
    } else {
        "hookyard-portal"
    }
}

fn is_code(text: &str) -> bool {
    text.len() == CODE_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the browser says that another site's page sent this form (W3C Fetch Metadata). One that does not say it is
/// held off by the cookie's `SameSite` and the form's token.
fn is_foreign(request: &HttpRequest) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site.as_bytes() != b"same-origin")
}
