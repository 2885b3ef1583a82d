//! Registered names of what happens.

use super::body::Document;
use super::{created, gone, ok};
use crate::access::Opened;
use crate::again::again;
use crate::check::event_type;
use crate::show::EventTypeView;
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use store::{Edit, EventType};
use wire::{EventTypeId, Instant};

pub(super) async fn list(console: Data<Console>, opened: Opened) -> Result<HttpResponse, Error> {
    let rows = console.store().event_types(opened.id()).await?;
    let counts = console.store().subscriber_counts(opened.id()).await?;
    let count = |row: &EventType| counts.get(&row.id).copied().unwrap_or(0);
    let views: Vec<_> = rows
        .iter()
        .map(|row| EventTypeView::of(row, count(row)))
        .collect();
    Ok(ok(views))
}

pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    body: Document,
) -> Result<HttpResponse, Error> {
    let draft = body
        .read(console.checks(), |fields| event_type::read(fields, None))
        .await?;
    let id = draft.id.clone().unwrap_or_else(EventTypeId::generate);
    let rows = console.store().event_types(opened.id()).await?;
    super::refuse_taken(rows.iter().any(|row| row.id == id))?;
    let row = draft.build(id, opened.id(), None, Instant::now());
    let entry = opened.did("event_type.create", &row.id).named(&row.name);
    console
        .edit(entry, vec![Edit::EventType(row.clone()).over(None)])
        .await?;
    Ok(created(EventTypeView::of(&row, 0)))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    view(&console, &opened, &row).await
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
            .read(console.checks(), |fields| {
                event_type::read(fields, Some(&existing))
            })
            .await?;
        let row = draft.build(existing.id.clone(), opened.id(), Some(&existing), Instant::now());
        let entry = opened.did("event_type.update", &row.id).named(&row.name);
        console
            .edit(
                entry.with("fields", body.fields()),
                vec![Edit::EventType(row.clone()).over(Some(existing.updated_at))],
            )
            .await?;
        view(&console, &opened, &row).await
    })
    .await
}

/// The subscriptions to it go with it.
pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let entry = opened.did("event_type.delete", &row.id).named(&row.name);
    console.edit(entry, vec![Edit::RemoveEventType(row.id)]).await?;
    Ok(gone())
}

async fn view(console: &Console, opened: &Opened, row: &EventType) -> Result<HttpResponse, Error> {
    let counts = console.store().subscriber_counts(opened.id()).await?;
    let count = counts.get(&row.id).copied().unwrap_or(0);
    Ok(ok(EventTypeView::of(row, count)))
}

/// The event type with this id or name in the caller's workspace.
pub(super) async fn find(console: &Console, opened: &Opened, id_or_name: &str) -> Result<EventType, Error> {
    let missing = Error::NotFound { what: "event type" };
    // Whatever is neither an id nor a name, a database may refuse to be asked for.
    if id_or_name.parse::<wire::EventTypeName>().is_err() && id_or_name.parse::<EventTypeId>().is_err() {
        return Err(missing);
    }
    let row = console.store().event_type(opened.id(), id_or_name).await?;
    row.ok_or(missing)
}
