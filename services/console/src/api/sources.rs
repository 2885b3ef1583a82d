//! Where webhooks come in.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Directory, Fields, Made, addresses, app, source, value};
use crate::show::SourceView;
use crate::{Console, Error, Problem, secret};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::HashMap;
use store::{Captured, Edit, Handshakes, Source};
use wire::{Instant, SourceId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().sources(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    let handshakes = console.store().all_handshakes(opened.id()).await?;
    let mut handshakes: HashMap<SourceId, Handshakes> = handshakes
        .into_iter()
        .map(|known| (known.source_id.clone(), known))
        .collect();
    let view = |row: &Source| SourceView::of(row, &directory).with_handshakes(handshakes.remove(&row.id));
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
        policy: console.checks().policy(),
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
    addresses::check(console.checks(), &addresses::of_source(&built.row, None)).await?;
    let entry = opened
        .did("source.create", &built.row.id)
        .named(&built.row.spec.slug);
    console
        .edit(entry, vec![Edit::Source(built.row.clone()).over(None)])
        .await?;
    Ok(created(SourceView::with_made(
        &built.row,
        &built.made,
        &directory,
    )))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let row = find(&console, &directory, &path.1).await?;
    let handshakes = console.store().handshakes(&row.id).await?;
    Ok(ok(SourceView::of(&row, &directory).with_handshakes(handshakes)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let directory = directory(&console, opened.id()).await?;
        let existing = find(&console, &directory, &path.1).await?;
        let around = Around {
            policy: console.checks().policy(),
            directory: &directory,
        };
        let read = |fields: &mut Fields<'_>| source::read(fields, around, Some(&existing), Some(&existing));
        let draft = body.read(console.checks(), read).await?;
        let built = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let new = addresses::of_source(&built.row, Some(&existing));
        addresses::check(console.checks(), &new).await?;
        let entry = opened
            .did("source.update", &built.row.id)
            .named(&built.row.spec.slug);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::Source(built.row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        let handshakes = console.store().handshakes(&existing.id).await?;
        Ok(ok(
            SourceView::with_made(&built.row, &built.made, &directory).with_handshakes(handshakes)
        ))
    })
    .await
}

/// Its events stay. Routes from it stay, too, and match nothing.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let row = find(&console, &directory, &path.1).await?;
    let entry = opened.did("source.delete", &row.id).named(&row.spec.slug);
    console.edit(entry, vec![Edit::RemoveSource(row.id)]).await?;
    Ok(gone())
}

/// Which of a source's secrets is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rotated {
    /// What its senders sign with.
    Verify,
    /// What its app's platform signs with.
    App,
}

impl Rotated {
    fn read(value: &Value) -> Result<Self, value::Refused> {
        match value::any_text(value)? {
            "verify" => Ok(Self::Verify),
            "app" => Ok(Self::App),
            _ => Err(value::Refused::new("must be `verify` or `app`")),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::App => "app",
        }
    }

    /// What is meant when nobody says: the one that there is.
    fn usual(row: &Source) -> Self {
        if row.spec.verify.is_none() && row.spec.app.is_some() {
            Self::App
        } else {
            Self::Verify
        }
    }
}

/// A new secret, made here or given as `secret` where the sender makes them; the old ones go on counting beside it for
/// the overlap. `of` says which one: `verify` or `app`. The answer, and no other, has the new one.
pub(super) async fn rotate(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let directory = directory(&console, opened.id()).await?;
        let mut row = find(&console, &directory, &path.1).await?;
        let read = |fields: &mut Fields<'_>| {
            let given = fields.optional("secret", value::secret);
            let of = fields.optional("of", Rotated::read);
            Some((given, of, secret::Rotation::read(fields)))
        };
        let (given, of, rotation) = body.read_optional(console.checks(), read).await?;
        let now = Instant::now();
        let of = of.unwrap_or_else(|| Rotated::usual(&row));
        let new = match of {
            Rotated::Verify => {
                let made = || row.spec.verify.as_ref().map(source::made_for);
                let new = given.or_else(made).unwrap_or_default();
                check_fits(row.spec.verify.as_ref(), &new, source::fits)?;
                row.secrets = rotation.rotate(row.secrets, new.clone(), now);
                new
            }
            Rotated::App => {
                let made = || row.spec.app.as_ref().map(app::made_for);
                let new = given.or_else(made).unwrap_or_default();
                check_fits(row.spec.app.as_ref(), &new, app::fits)?;
                row.app_secrets.signing = rotation.rotate(row.app_secrets.signing, new.clone(), now);
                new
            }
        };
        let since = Some(std::mem::replace(&mut row.updated_at, now));
        let entry = opened
            .did("source.rotate_secret", &row.id)
            .with("of", of.as_str());
        let edits = vec![Edit::Source(row.clone()).over(since)];
        console.edit(entry.named(&row.spec.slug), edits).await?;
        let made = Made {
            field: "verify.secrets",
            value: new,
        };
        let handshakes = console.store().handshakes(&row.id).await?;
        Ok(ok(
            SourceView::with_made(&row, &[made], &directory).with_handshakes(handshakes)
        ))
    })
    .await
}

/// Takes over the secret that came with a handshake; those that were there go on counting beside it for the overlap. The
/// answer has it: some senders (Notion) ask for it back.
pub(super) async fn accept_captured(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let directory = directory(&console, opened.id()).await?;
        let mut row = find(&console, &directory, &path.1).await?;
        let rotation = body
            .read_optional(console.checks(), |fields| Some(secret::Rotation::read(fields)))
            .await?;
        let captured = captured(&console, &row).await?;
        check_fits(row.spec.verify.as_ref(), &captured.secret, source::fits)?;
        let now = Instant::now();
        row.secrets = rotation.rotate(row.secrets, captured.secret.clone(), now);
        let since = Some(std::mem::replace(&mut row.updated_at, now));
        let edits = vec![
            Edit::Source(row.clone()).over(since),
            Edit::RemoveCaptured(row.id.clone(), captured.at),
        ];
        let entry = opened.did("source.accept_captured_secret", &row.id);
        console.edit(entry.named(&row.spec.slug), edits).await?;
        let made = Made {
            field: "verify.secrets",
            value: captured.secret,
        };
        let handshakes = console.store().handshakes(&row.id).await?;
        Ok(ok(
            SourceView::with_made(&row, &[made], &directory).with_handshakes(handshakes)
        ))
    })
    .await
}

/// Forgets the secret that came with a handshake.
pub(super) async fn discard_captured(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let directory = directory(&console, opened.id()).await?;
    let row = find(&console, &directory, &path.1).await?;
    let captured = captured(&console, &row).await?;
    let entry = opened.did("source.discard_captured_secret", &row.id);
    let edits = vec![Edit::RemoveCaptured(row.id, captured.at)];
    console.edit(entry.named(&row.spec.slug), edits).await?;
    Ok(gone())
}

async fn captured(console: &Console, row: &Source) -> Result<Captured, Error> {
    let known = console.store().handshakes(&row.id).await?;
    known
        .and_then(|known| known.captured)
        .ok_or(Error::State("no secret that came with a handshake waits here"))
}

/// Refuses a secret with which nothing could verify.
fn check_fits<Spec>(
    spec: Option<&Spec>,
    secret: &SecretString,
    fits: fn(&Spec, &SecretString) -> Result<(), value::Refused>,
) -> Result<(), Error> {
    let Some(spec) = spec else {
        return Err(Error::State(
            "this source verifies nothing so, and has no such secret to rotate",
        ));
    };
    fits(spec, secret).map_err(|refused| Error::Invalid(vec![Problem::new("secret", refused.0)]))
}

/// The source with this id or slug.
pub(super) async fn find(
    console: &Console,
    directory: &Directory,
    id_or_slug: &str,
) -> Result<Source, Error> {
    let missing = Error::NotFound { what: "source" };
    let Some(id) = directory.sources.find(id_or_slug) else {
        return Err(missing);
    };
    console.store().source(id).await?.ok_or(missing)
}
