//! A workspace's customers, and their endpoints.

use super::body::{Document, Parameters, query};
use super::{created, endpoints, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::application;
use crate::show::ApplicationView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{Application, CONFIGURED_LIMIT, Edit};
use wire::{ApplicationId, Instant};

/// `?limit=&offset=`; all of them unless it is said.
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let limit = number(&mut parameters, "limit", 1..=CONFIGURED_LIMIT)?;
    let offset = number(&mut parameters, "offset", 0..=CONFIGURED_LIMIT)?;
    parameters.finish()?;
    let store = console.store();
    let rows = match (limit, offset) {
        (None, None) => store.all_applications(opened.id()).await?,
        (limit, offset) => {
            let (offset, limit) = (offset.unwrap_or(0), limit.unwrap_or(CONFIGURED_LIMIT));
            store.applications(opened.id(), offset, limit).await?
        }
    };
    Ok(ok(rows.iter().map(ApplicationView::of).collect::<Vec<_>>()))
}

fn number(
    parameters: &mut Parameters,
    name: &'static str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, Error> {
    let Some(text) = parameters.take(name)? else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| {
        let (least, most) = range.into_inner();
        query(name, &format!("must be a whole number from {least} to {most}"))
    })
}

pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let draft = body
        .read(console.checks(), |fields| Some(application::read(fields, None)))
        .await?;
    let id = draft.id.clone().unwrap_or_else(ApplicationId::generate);
    let same = console.store().application(opened.id(), id.as_str()).await?;
    super::refuse_taken(same.is_some_and(|row| row.id == id))?;
    let row = draft.build(id, opened.id(), None, Instant::now());
    let entry = opened.did("application.create", &row.id).named(&row.spec.name);
    console
        .edit(entry, vec![Edit::Application(row.clone()).over(None)])
        .await?;
    Ok(created(ApplicationView::of(&row)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    Ok(ok(ApplicationView::of(&find(&console, &opened, &path.1).await?)))
}

/// A limit below what the application has takes nothing away; it gets no more.
pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let existing = find(&console, &opened, &path.1).await?;
        let draft = body
            .read(console.checks(), |fields| {
                Some(application::read(fields, Some(&existing)))
            })
            .await?;
        let row = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let entry = opened.did("application.update", &row.id).named(&row.spec.name);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::Application(row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        Ok(ok(ApplicationView::of(&row)))
    })
    .await
}

/// Its endpoints go with it, and its visits to the portal end.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = opened.did("application.delete", &row.id).named(&row.spec.name);
    console.edit(entry, vec![Edit::RemoveApplication(row.id)]).await?;
    Ok(gone())
}

pub(super) async fn list_endpoints(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let endpoints = console.store().endpoints_of(&row.id).await?;
    endpoints::listed(&console, &opened, &endpoints).await
}

pub(super) async fn create_endpoint(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    endpoints::make(&console, &opened, body, Some(row.id)).await
}

/// The application with this id or external id in the caller's workspace.
pub(super) async fn find(
    console: &Console,
    opened: &Opened,
    id_or_external: &str,
) -> Result<Application, Error> {
    let missing = Error::NotFound { what: "application" };
    // A database may refuse to be asked for these.
    if id_or_external.chars().any(char::is_control) {
        return Err(missing);
    }
    let row = console.store().application(opened.id(), id_or_external).await?;
    row.ok_or(missing)
}
