//! What runs are targeted at.

use super::body::Document;
use super::{created, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::project;
use crate::show::ProjectView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{Edit, Project};
use wire::{Instant, ProjectId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().projects(opened.id()).await?;
    Ok(ok(rows.iter().map(ProjectView::of).collect::<Vec<_>>()))
}

pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let draft = body
        .read(console.checks(), |fields| project::read(fields, None))
        .await?;
    let id = draft.id.clone().unwrap_or_else(ProjectId::generate);
    let present = console.store().project(opened.id(), id.as_str()).await?;
    super::refuse_taken(present.is_some())?;
    let row = draft.build(id, opened.id(), None, Instant::now());
    let entry = opened.did("project.create", &row.id).named(&row.slug);
    console
        .edit(entry, vec![Edit::Project(row.clone()).over(None)])
        .await?;
    Ok(created(ProjectView::of(&row)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    Ok(ok(ProjectView::of(&find(&console, &opened, &path.1).await?)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let existing = find(&console, &opened, &path.1).await?;
        let draft = body
            .read(console.checks(), |fields| project::read(fields, Some(&existing)))
            .await?;
        let row = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let entry = opened.did("project.update", &row.id).named(&row.slug);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::Project(row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        Ok(ok(ProjectView::of(&row)))
    })
    .await
}

/// Playbooks that are targeted at it stay, and start no run until they have another target.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = opened.did("project.delete", &row.id).named(&row.slug);
    console.edit(entry, vec![Edit::RemoveProject(row.id)]).await?;
    Ok(gone())
}

/// The project with this id or slug in the caller's workspace.
async fn find(console: &Console, opened: &Opened, id_or_slug: &str) -> Result<Project, Error> {
    let row = console.store().project(opened.id(), id_or_slug).await?;
    row.ok_or(Error::NotFound { what: "project" })
}
