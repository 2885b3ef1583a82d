//! Links that let a customer into the portal.

use super::body::Document;
use super::{applications, created};
use crate::access::Opened;
use crate::check::{Fields, metadata, value};
use crate::portal::Place;
use crate::show::PortalView;
use crate::{Console, Error, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::time::Duration;
use store::PortalSession;
use wire::resource::{PortalRole, PortalSpec};
use wire::{Instant, PortalSessionId};

/// How long a link and the visit that it opens last, in minutes, unless it is said.
const USUAL_MINUTES: u64 = 60;
/// A minute to a week.
const MINUTES: RangeInclusive<u64> = 1..=7 * 24 * 60;

/// `{role?, expiresInMinutes?, metadata?}`. The answer, and no other, has the code; the ledger has its hash.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let application = applications::find(&console, &opened, &path.1).await?;
    let (spec, minutes) = body
        .read_optional(console.checks(), |fields| Some(read(fields)))
        .await?;
    let now = Instant::now();
    let session = PortalSession {
        id: PortalSessionId::generate(),
        application_id: application.id.clone(),
        workspace_id: opened.id().clone(),
        spec,
        created_at: now,
        expires_at: now + Duration::from_mins(minutes),
    };
    let expires_at = session.expires_at;
    let entry = opened.did("application.open_portal", &session.application_id);
    let entry = entry.named(&application.spec.name);
    let entry = entry.with("sessionId", session.id.as_str());
    let code = secret::generate_token("");
    console
        .on_record(entry)
        .begin_portal_session(session, secret::hash(code.expose_secret()))
        .await?;
    Ok(created(PortalView::of(
        &Place::of(&console).url,
        &code,
        expires_at,
    )))
}

fn read(fields: &mut Fields<'_>) -> (PortalSpec, u64) {
    let mut spec = PortalSpec::default();
    fields.set("role", &mut spec.role, role);
    metadata::read(fields, &mut spec.metadata);
    let mut minutes = USUAL_MINUTES;
    fields.set("expires_in_minutes", &mut minutes, value::integer(MINUTES));
    (spec, minutes)
}

fn role(value: &Value) -> Result<PortalRole, value::Refused> {
    match value::any_text(value)? {
        "admin" => Ok(PortalRole::Admin),
        "viewer" => Ok(PortalRole::Viewer),
        asked => Err(value::one_of(
            ["admin", "viewer"],
            asked,
            "role; there are `admin` and `viewer`",
        )),
    }
}
