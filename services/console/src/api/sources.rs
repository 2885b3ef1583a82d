//! Where webhooks come in.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::check::{Around, Fields, Made, source, value};
use crate::show::SourceView;
use crate::{Console, Error, Problem, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use secrecy::SecretString;
use std::collections::HashMap;
use store::{Captured, Edit, Handshakes, Source};
use wire::{Instant, SourceId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().sources(opened.id()).await?;
    let handshakes = console.store().all_handshakes(opened.id()).await?;
    let mut handshakes: HashMap<SourceId, Handshakes> = handshakes
        .into_iter()
        .map(|known| (known.source_id.clone(), known))
        .collect();
    let view = |row: &Source| SourceView::of(row).with_handshakes(handshakes.remove(&row.id));
    Ok(ok(rows.iter().map(view).collect::<Vec<_>>()))
}

/// The answer, and no other, has the secrets that were made.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let around = Around {
        policy: &console.checks().policy,
        directory: &directory,
    };
    let draft = body
        .read(console.checks(), |fields| {
            source::read(fields, around, None, None)
        })
        .await?;
    let id = draft.id.clone().unwrap_or_else(SourceId::generate);
    super::refuse_taken(directory.sources.find(id.as_str()).is_some())?;
    let built = draft.build(id, opened.id(), None, Instant::now());
    console
        .edit(opened.id(), vec![Edit::Source(built.row.clone())])
        .await?;
    Ok(created(SourceView::with_made(&built.row, &built.made)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let handshakes = console.store().handshakes(&row.id).await?;
    Ok(ok(SourceView::of(&row).with_handshakes(handshakes)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let existing = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    let around = Around {
        policy: &console.checks().policy,
        directory: &directory,
    };
    let read = |fields: &mut Fields<'_>| source::read(fields, around, Some(&existing), Some(&existing));
    let draft = body.read(console.checks(), read).await?;
    let built = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
    console
        .edit(opened.id(), vec![Edit::Source(built.row.clone())])
        .await?;
    let handshakes = console.store().handshakes(&existing.id).await?;
    Ok(ok(
        SourceView::with_made(&built.row, &built.made).with_handshakes(handshakes)
    ))
}

/// Its events stay. Routes from it stay, too, and match nothing.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    console
        .edit(opened.id(), vec![Edit::RemoveSource(row.id)])
        .await?;
    Ok(gone())
}

/// A new secret, made here or given as `secret` where the sender makes them; the old ones go on counting beside it for
/// the overlap. The answer, and no other, has the new one.
pub(super) async fn rotate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let mut row = find(&console, &opened, &path.1).await?;
    let read = |fields: &mut Fields<'_>| {
        let given = fields.optional("secret", value::secret);
        Some((given, secret::Rotation::read(fields)))
    };
    let (given, rotation) = body.read_optional(console.checks(), read).await?;
    let new = given.unwrap_or_else(secret::generate_signing);
    refuse_unfit(&row, &new)?;
    let now = Instant::now();
    row.secrets = rotation.rotate(row.secrets, new.clone(), now);
    row.updated_at = now;
    console.edit(opened.id(), vec![Edit::Source(row.clone())]).await?;
    let made = Made {
        field: "verify.secrets",
        value: new,
    };
    let handshakes = console.store().handshakes(&row.id).await?;
    Ok(ok(
        SourceView::with_made(&row, &[made]).with_handshakes(handshakes)
    ))
}

/// Takes over the secret that came with a handshake; those that were there go on counting beside it for the overlap. The
/// answer has it: some senders (Notion) ask for it back.
pub(super) async fn accept_captured(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let mut row = find(&console, &opened, &path.1).await?;
    let rotation = body
        .read_optional(console.checks(), |fields| Some(secret::Rotation::read(fields)))
        .await?;
    let captured = captured(&console, &row).await?;
    refuse_unfit(&row, &captured.secret)?;
    let now = Instant::now();
    row.secrets = rotation.rotate(row.secrets, captured.secret.clone(), now);
    row.updated_at = now;
    let edits = vec![
        Edit::Source(row.clone()),
        Edit::RemoveCaptured(row.id.clone(), captured.at),
    ];
    console.edit(opened.id(), edits).await?;
    let made = Made {
        field: "verify.secrets",
        value: captured.secret,
    };
    let handshakes = console.store().handshakes(&row.id).await?;
    Ok(ok(
        SourceView::with_made(&row, &[made]).with_handshakes(handshakes)
    ))
}

/// Forgets the secret that came with a handshake.
pub(super) async fn discard_captured(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let captured = captured(&console, &row).await?;
    console
        .edit(opened.id(), vec![Edit::RemoveCaptured(row.id, captured.at)])
        .await?;
    Ok(gone())
}

async fn captured(console: &Console, row: &Source) -> Result<Captured, Error> {
    let known = console.store().handshakes(&row.id).await?;
    known
        .and_then(|known| known.captured)
        .ok_or(Error::State("no secret that came with a handshake waits here"))
}

/// Refuses a secret with which nothing could verify.
fn refuse_unfit(row: &Source, secret: &SecretString) -> Result<(), Error> {
    let Some(verify) = &row.spec.verify else {
        return Err(Error::State(
            "this source verifies nothing, so it has no secret to rotate",
        ));
    };
    source::fits(verify, secret).map_err(|refused| Error::Invalid(vec![Problem::new("secret", refused.0)]))
}

/// The source with this id or slug in the caller's workspace.
async fn find(console: &Console, opened: &Opened, id_or_slug: &str) -> Result<Source, Error> {
    let missing = Error::NotFound { what: "source" };
    let directory = directory(console, opened.id()).await?;
    let Some(id) = directory.sources.find(id_or_slug) else {
        return Err(missing);
    };
    console.store().source(id).await?.ok_or(missing)
}
