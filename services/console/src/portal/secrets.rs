//! An endpoint's signing secret: shown to an admin who asks for it by a form, and rotated as the management API does it.

use super::page::{self, EndpointLine, SecretLine, SecretPage, Section};
use super::pages::{environments, own_endpoint, titled};
use super::refusal::Refusal;
use super::visit::{Confirmed, Visit};
use crate::Console;
use crate::again::again;
use crate::secret::{Rotation, Signing, public_key};
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::time::Duration;
use store::{Edit, SigningSecret};
use wire::Instant;

/// How long an old secret may count on.
pub(super) struct Overlap {
    pub(super) hours: u64,
    pub(super) words: &'static str,
    /// Whether a form begins with it.
    pub(super) is_usual: bool,
}

impl Overlap {
    const fn of(hours: u64, words: &'static str) -> Self {
        Self {
            hours,
            words,
            is_usual: hours == 24,
        }
    }
}

/// What a visitor may choose from.
pub(super) static OVERLAPS: [Overlap; 4] = [
    Overlap::of(0, "no time at all"),
    Overlap::of(1, "an hour"),
    Overlap::of(24, "a day"),
    Overlap::of(7 * 24, "a week"),
];

/// The secrets that count now, in the clear. Of a key pair a receiver needs the public half, and nobody the other.
pub(super) async fn reveal(
    console: Data<Console>,
    request: HttpRequest,
    visit: Visit,
    path: Path<String>,
    form: Form<Confirmed>,
) -> Result<HttpResponse, Refusal> {
    visit.check_admin(&request, &form.token)?;
    let row = own_endpoint(console.store(), &visit, &path).await?;
    let now = Instant::now();
    let live = row.secrets.iter().filter(|secret| secret.is_live(now));
    let chrome = visit.chrome(Section::Endpoints);
    let entry = visit.did("endpoint.reveal_secret", &row.id);
    console.on_record(entry).keep().await?;
    tracing::info!(
        workspace.id = %row.workspace_id,
        application.id = %visit.application.id,
        endpoint.id = %row.id,
        session.id = %visit.session.id,
        "a customer looked at a secret"
    );
    Ok(page::answer(&SecretPage {
        title: titled("Signing secret", &chrome),
        chrome,
        endpoint: EndpointLine::of(&row, &environments(&console, &visit).await?),
        secrets: live.map(line).collect(),
    }))
}

fn line(secret: &SigningSecret) -> SecretLine {
    let public = public_key(&secret.value);
    SecretLine {
        is_public: public.is_some(),
        value: public.unwrap_or_else(|| secret.value.expose_secret().to_owned()),
        ends: secret.expires_at.map(Into::into),
    }
}

/// The form of a rotation.
#[derive(Deserialize)]
pub(super) struct Rotated {
    token: String,
    /// Hours.
    overlap: u64,
}

/// A new secret. It is not shown here: a page that is loaded again must not rotate again.
pub(super) async fn rotate(
    console: Data<Console>,
    request: HttpRequest,
    visit: Visit,
    path: Path<String>,
    form: Form<Rotated>,
) -> Result<HttpResponse, Refusal> {
    visit.check_admin(&request, &form.token)?;
    let overlap = OVERLAPS.iter().find(|overlap| overlap.hours == form.overlap);
    let overlap = overlap.ok_or(Refusal::Foreign)?;
    let rotation = Rotation::lasting(Duration::from_hours(overlap.hours));
    let rotated = again(async || {
        let mut row = match own_endpoint(console.store(), &visit, &path).await {
            Ok(row) => row,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let now = Instant::now();
        let signing = Signing::current(&row.secrets);
        row.secrets = rotation.rotate(row.secrets, signing.generate(), now);
        let since = Some(std::mem::replace(&mut row.updated_at, now));
        let id = row.id.clone();
        let edit = Edit::Endpoint(row).over(since);
        let entry = visit.did("endpoint.rotate_secret", &id);
        console.edit(entry, vec![edit]).await?;
        Ok(Ok(id))
    });
    let id = rotated.await??;
    tracing::info!(
        workspace.id = %visit.session.workspace_id,
        application.id = %visit.application.id,
        endpoint.id = %id,
        session.id = %visit.session.id,
        "a customer rotated a secret"
    );
    let place = format!("{}/endpoints/{id}?done=rotated", visit.place.path);
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}
