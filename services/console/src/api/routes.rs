//! From sources and event types to one target.

use super::body::Document;
use super::{created, directory, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Fields, route};
use crate::show::RouteView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{Edit, Route};
use wire::{Instant, RouteId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().routes(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(rows
        .iter()
        .map(|row| RouteView::of(row, &directory))
        .collect::<Vec<_>>()))
}

/// A new route is tried last.
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
        .read(console.checks(), |fields| Some(route::read(fields, around, None)))
        .await?;
    let rows = console.store().routes(opened.id()).await?;
    let id = draft.id.clone().unwrap_or_else(RouteId::generate);
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let last = rows.iter().map(|row| row.position).max().unwrap_or(0);
    let row = draft.build(id, opened.id(), last.saturating_add(1), None, Instant::now());
    console
        .edit(opened.id(), vec![Edit::Route(row.clone()).over(None)])
        .await?;
    Ok(created(RouteView::of(&row, &directory)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(RouteView::of(&row, &directory)))
}

pub(super) async fn update(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    again(async || {
        let existing = find(&console, &opened, &path.1).await?;
        let directory = directory(&console, opened.id()).await?;
        let around = Around {
            policy: console.checks().policy(),
            directory: &directory,
        };
        let read = |fields: &mut Fields<'_>| Some(route::read(fields, around, Some(&existing)));
        let draft = body.read(console.checks(), read).await?;
        let (id, position) = (existing.id.clone(), existing.position);
        let row = draft.build(id, opened.id(), position, Some(&existing), Instant::now());
        console
            .edit(
                opened.id(),
                vec![Edit::Route(row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        Ok(ok(RouteView::of(&row, &directory)))
    })
    .await
}

pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    console.edit(opened.id(), vec![Edit::RemoveRoute(row.id)]).await?;
    Ok(gone())
}

/// The route with this id or name in the caller's workspace.
async fn find(console: &Console, opened: &Opened, id_or_name: &str) -> Result<Route, Error> {
    let rows = console.store().routes(opened.id()).await?;
    let by_id = rows.iter().position(|row| row.id.as_str() == id_or_name);
    let found = by_id.or_else(|| rows.iter().position(|row| row.spec.name == id_or_name));
    let row = found.and_then(|at| rows.into_iter().nth(at));
    row.ok_or(Error::NotFound { what: "route" })
}
