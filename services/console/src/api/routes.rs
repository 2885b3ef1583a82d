//! From sources and event types to one target.

use super::body::Document;
use super::{created, directory, gone, ok, workspace_settings};
use crate::access::Opened;
use crate::again::again;
use crate::check::{Around, Fields, route};
use crate::show::RouteView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use std::collections::HashMap;
use store::{Edit, Endpoint, Route};
use wire::resource::{DeliverySpec, EffectivePolicy, Target};
use wire::{EndpointId, Instant, RouteId};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().routes(opened.id()).await?;
    let directory = directory(&console, opened.id()).await?;
    let settings = workspace_settings(&console, opened.id()).await?;
    let endpoints = console.store().endpoints(opened.id()).await?;
    let endpoints: HashMap<_, _> = endpoints.iter().map(|row| (&row.id, row)).collect();
    let views = rows.iter().map(|row| {
        let endpoint = leads_to(row).and_then(|id| endpoints.get(id));
        let policy = endpoint.map(|endpoint| effective(&settings, endpoint, row));
        RouteView::with_policy(row, &directory, policy.as_ref())
    });
    Ok(ok(views.collect::<Vec<_>>()))
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
    let entry = opened.did("route.create", &row.id).named(&row.spec.name);
    console
        .edit(entry, vec![Edit::Route(row.clone()).over(None)])
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
    let settings = workspace_settings(&console, opened.id()).await?;
    let endpoint = match leads_to(&row) {
        Some(id) => console.store().endpoint(id).await?,
        None => None,
    };
    let endpoint = endpoint.filter(|endpoint| endpoint.deleted_at.is_none());
    let policy = endpoint.map(|endpoint| effective(&settings, &endpoint, &row));
    Ok(ok(RouteView::with_policy(&row, &directory, policy.as_ref())))
}

/// What holds of the deliveries that a route makes.
fn effective(of_workspace: &DeliverySpec, endpoint: &Endpoint, row: &Route) -> EffectivePolicy {
    EffectivePolicy::of(of_workspace, &endpoint.spec.delivery, Some(&row.spec.delivery))
}

/// The endpoint that gets them; none where they start a playbook.
fn leads_to(row: &Route) -> Option<&EndpointId> {
    match &row.spec.to {
        Target::Endpoint(id) => Some(id),
        Target::Playbook(_) => None,
    }
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
        let entry = opened.did("route.update", &row.id).named(&row.spec.name);
        console
            .edit(
                entry.with("fields", body.fields()),
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
    let entry = opened.did("route.delete", &row.id).named(&row.spec.name);
    console.edit(entry, vec![Edit::RemoveRoute(row.id)]).await?;
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
