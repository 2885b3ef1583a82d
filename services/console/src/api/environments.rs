//! Named slices of a workspace.

use super::body::Document;
use super::{created, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Fields, value};
use crate::show::EnvironmentView;
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{AuditEntry, Edit, Environment};
use wire::{EnvironmentId, Instant};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().environments(opened.id()).await?;
    Ok(ok(rows.iter().map(EnvironmentView::of).collect::<Vec<_>>()))
}

pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let read = |fields: &mut Fields<'_>| {
        let id = fields.optional("id", value::id::<EnvironmentId>);
        let slug = fields.required("slug", value::slug);
        let is_default = fields.optional("is_default", value::boolean).unwrap_or(false);
        let mut name = None;
        fields.set_optional("name", &mut name, value::name);
        Some((id, slug?, name, is_default))
    };
    let (id, slug, name, is_default) = body.read(console.checks(), read).await?;
    let rows = console.store().environments(opened.id()).await?;
    let id = id.unwrap_or_else(EnvironmentId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let now = Instant::now();
    let row = Environment {
        name,
        id,
        workspace_id: opened.id().clone(),
        slug,
        is_default,
        created_at: now,
        updated_at: now,
    };
    let entry = opened.did("environment.create", &row.id).named(&row.slug);
    save(&console, entry, rows, row.clone(), None).await?;
    Ok(created(EnvironmentView::of(&row)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let rows = console.store().environments(opened.id()).await?;
    Ok(ok(EnvironmentView::of(find(&rows, &path.1)?)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let rows = console.store().environments(opened.id()).await?;
        let mut row = find(&rows, &path.1)?.clone();
        let was_default = row.is_default;
        let read = |fields: &mut Fields<'_>| {
            fields.set("slug", &mut row.slug, value::slug);
            fields.set("is_default", &mut row.is_default, value::boolean);
            fields.set_optional("name", &mut row.name, value::name);
            Some(())
        };
        body.read(console.checks(), read).await?;
        if was_default && !row.is_default {
            let message = "cannot be taken away; make another environment the default";
            return Err(Error::Invalid(vec![Problem::new("isDefault", message)]));
        }
        let since = Some(std::mem::replace(&mut row.updated_at, Instant::now()));
        let entry = opened.did("environment.update", &row.id).named(&row.slug);
        let entry = entry.with("fields", body.fields());
        save(&console, entry, rows, row.clone(), since).await?;
        Ok(ok(EnvironmentView::of(&row)))
    })
    .await
}

/// Fails while a source or an endpoint is in it, and for the default.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let rows = console.store().environments(opened.id()).await?;
    let row = find(&rows, &path.1)?;
    let in_use = |by: &str| Error::InUse {
        what: format!("the environment `{}`", row.slug),
        by: by.to_owned(),
    };
    if row.is_default {
        return Err(in_use("it is the workspace's default"));
    }
    let entry = opened.did("environment.delete", &row.id).named(&row.slug);
    let edits = vec![Edit::RemoveEnvironment(row.id.clone())];
    let removed = console.edit(entry, edits).await;
    match removed {
        Ok(()) => Ok(gone()),
        Err(Error::Dangling) => Err(in_use("a source or an endpoint is in it")),
        Err(error) => Err(error),
    }
}

/// Saves an environment that was last changed at `since`; where it becomes the default, the old one stops being it in the same transaction.
async fn save(
    console: &Console,
    entry: AuditEntry,
    rows: Vec<Environment>,
    row: Environment,
    since: Option<Instant>,
) -> Result<(), Error> {
    let mut edits = Vec::with_capacity(2);
    if row.is_default {
        let old = rows
            .into_iter()
            .find(|other| other.is_default && other.id != row.id);
        edits.extend(old.map(|old| {
            let read_at = Some(old.updated_at);
            let old = Environment {
                is_default: false,
                updated_at: row.updated_at,
                ..old
            };
            Edit::Environment(old).over(read_at)
        }));
    }
    edits.push(Edit::Environment(row).over(since));
    console.edit(entry, edits).await
}

pub(super) fn find<'a>(rows: &'a [Environment], id_or_slug: &str) -> Result<&'a Environment, Error> {
    let row = rows
        .iter()
        .find(|row| row.id.as_str() == id_or_slug || row.slug == id_or_slug);
    row.ok_or(Error::NotFound { what: "environment" })
}
