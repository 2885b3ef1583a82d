//! What came in, and what became of it.

use super::body::{Parameters, query};
use super::page::{Page, next_cursor};
use super::{directory, ok};
use crate::access::Opened;
use crate::show::{EventDetail, EventView, TraceView};
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use store::{DeliveryFilter, Event, EventFilter};
use wire::EventId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    events: Vec<EventView>,
    next_cursor: Option<String>,
}

/// `?source=&type=&status=&limit=&cursor=`; a source by its slug or its id.
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<EventId>::take(&mut parameters)?;
    let directory = directory(&console, opened.id()).await?;
    let mut filter = EventFilter {
        event_type: parameters.take("type")?,
        ..EventFilter::default()
    };
    for name in ["source", "sourceId"] {
        if let Some(source) = parameters.take(name)? {
            let found = directory.sources.find(&source);
            filter.source_id = Some(
                found
                    .ok_or_else(|| query(name, "is no source of this workspace"))?
                    .clone(),
            );
        }
    }
    if let Some(state) = parameters.take("status")? {
        filter.state = Some(
            state
                .parse()
                .map_err(|error: wire::UnknownState| query("status", &error.to_string()))?,
        );
    }
    parameters.finish()?;
    let found = console
        .store()
        .events(opened.id(), filter, page.before, page.limit)
        .await?;
    let ids = found.rows.iter().map(|row| row.id).collect();
    let outcomes = console.store().outcomes_of(ids).await?;
    Ok(ok(Events {
        next_cursor: next_cursor(&found, |row| row.id),
        events: found
            .rows
            .iter()
            .map(|row| EventView::of(row, &directory, &outcomes))
            .collect(),
    }))
}

pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let event = find(&console, &opened, &path.1).await?;
    let outcomes = console.store().outcomes_of(vec![event.id]).await?;
    let counts = outcomes.get(&event.id).copied().unwrap_or_default();
    let directory = directory(&console, opened.id()).await?;
    Ok(ok(EventDetail::of(event, &directory, counts)))
}

pub(super) async fn deliveries(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let event = find(&console, &opened, &path.1).await?;
    let filter = DeliveryFilter {
        event_id: Some(event.id),
        ..DeliveryFilter::default()
    };
    super::deliveries::list_of(&console, &opened, filter, parameters).await
}

pub(super) async fn trace(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let event = find(&console, &opened, &path.1).await?;
    Ok(ok(TraceView::of(&event)))
}

/// The event with this id in the caller's workspace.
pub(super) async fn find(console: &Console, opened: &Opened, id: &str) -> Result<Event, Error> {
    let missing = Error::NotFound { what: "event" };
    let Ok(id) = id.parse() else { return Err(missing) };
    console.store().event(opened.id(), id).await?.ok_or(missing)
}
