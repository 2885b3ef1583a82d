//! What a visitor looks at. Every look-up goes through the visit's own application.

use super::page::{
    self, AttemptLine, Chrome, DeliveryLine, DeliveryPage, EndpointLine, EndpointPage, EndpointsPage,
    EventTypeLine, EventTypesPage, Published, Section,
};
use super::refusal::Refusal;
use super::secrets::OVERLAPS;
use super::visit::Visit;
use crate::Console;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;
use std::collections::HashSet;
use store::{DeliveryFilter, Endpoint, Environment, Store};
use wire::{DeliveryId, EnvironmentId};

/// How many deliveries a page shows.
const DELIVERIES_SHOWN: i64 = 50;

pub(super) async fn endpoints(console: Data<Console>, visit: Visit) -> Result<HttpResponse, Refusal> {
    let rows = console.store().endpoints_of(&visit.application.id).await?;
    let environments = environments(&console, &visit).await?;
    let chrome = visit.chrome(Section::Endpoints);
    Ok(page::answer(&EndpointsPage {
        title: titled("Endpoints", &chrome),
        chrome,
        endpoints: rows
            .iter()
            .map(|row| EndpointLine::of(row, &environments))
            .collect(),
    }))
}

/// `?before=del_…&done=rotated`
#[derive(Deserialize)]
pub(super) struct Look {
    before: Option<DeliveryId>,
    done: Option<String>,
}

pub(super) async fn endpoint(
    console: Data<Console>,
    visit: Visit,
    path: Path<String>,
    look: Option<Query<Look>>,
) -> Result<HttpResponse, Refusal> {
    let Query(look) = look.ok_or(Refusal::NotFound)?;
    let row = own_endpoint(console.store(), &visit, &path).await?;
    let filter = DeliveryFilter {
        endpoint_id: Some(row.id.clone()),
        ..DeliveryFilter::default()
    };
    let mut found = console
        .store()
        .deliveries(&row.workspace_id, filter, look.before, DELIVERIES_SHOWN)
        .await?;
    // Newest first, so that there are none of theirs behind one of before.
    found.more &= found.rows.iter().all(|delivery| is_theirs(&row, delivery.id));
    found.rows.retain(|delivery| is_theirs(&row, delivery.id));
    let last = found.rows.last().map(|delivery| delivery.id);
    let chrome = visit.chrome(Section::Endpoints);
    Ok(page::answer(&EndpointPage {
        title: titled(&row.spec.url, &chrome),
        chrome,
        endpoint: EndpointLine::of(&row, &environments(&console, &visit).await?),
        rotated: look.done.as_deref() == Some("rotated"),
        overlaps: &OVERLAPS,
        deliveries: found.rows.iter().map(DeliveryLine::of).collect(),
        is_first_page: look.before.is_none(),
        older: last.filter(|_| found.more),
    }))
}

pub(super) async fn delivery(
    console: Data<Console>,
    visit: Visit,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let store = console.store();
    let row = own_endpoint(store, &visit, &path.0).await?;
    let id: DeliveryId = path.1.parse().map_err(|_malformed| Refusal::NotFound)?;
    let delivery = store.delivery(&row.workspace_id, id).await?;
    let delivery = delivery.filter(|delivery| delivery.endpoint_id == row.id && is_theirs(&row, id));
    let delivery = delivery.ok_or(Refusal::NotFound)?;
    let attempts = store.attempts(id).await?;
    let line = DeliveryLine::of(&delivery);
    let chrome = visit.chrome(Section::Endpoints);
    Ok(page::answer(&DeliveryPage {
        title: titled(line.event_type(), &chrome),
        chrome,
        endpoint: EndpointLine::of(&row, &environments(&console, &visit).await?),
        delivery: line,
        attempts: attempts.iter().map(AttemptLine::of).collect(),
    }))
}

/// What is published where the customer has endpoints.
pub(super) async fn event_types(console: Data<Console>, visit: Visit) -> Result<HttpResponse, Refusal> {
    if !visit.application.spec.show_event_types {
        return Err(Refusal::NotFound);
    }
    let store = console.store();
    let own = store.endpoints_of(&visit.application.id).await?;
    let own: HashSet<EnvironmentId> = own.into_iter().map(|row| row.environment_id).collect();
    let known = store.event_types(&visit.session.workspace_id).await?;
    let mut shown = Vec::new();
    for environment in environments(&console, &visit).await? {
        if !own.contains(&environment.id) {
            continue;
        }
        let published = store.published_event_types(&environment.id).await?;
        let published: HashSet<_> = published.into_iter().collect();
        let types = known.iter().filter(|row| published.contains(&row.id));
        let event_types: Vec<_> = types.map(EventTypeLine::of).collect();
        if !event_types.is_empty() {
            let name = page::name_of(&environment);
            shown.push(Published { name, event_types });
        }
    }
    let chrome = visit.chrome(Section::EventTypes);
    Ok(page::answer(&EventTypesPage {
        title: titled("Event types", &chrome),
        chrome,
        environments: shown,
    }))
}

/// Whether a delivery to an endpoint is of the time since it is the customer's.
fn is_theirs(endpoint: &Endpoint, delivery: DeliveryId) -> bool {
    endpoint
        .spec
        .owned_since
        .is_none_or(|since| delivery.instant() >= since)
}

/// An endpoint of the visit's application, by its id.
pub(super) async fn own_endpoint(store: &Store, visit: &Visit, id: &str) -> Result<Endpoint, Refusal> {
    let own = store.endpoints_of(&visit.application.id).await?;
    let found = own.into_iter().find(|row| row.id.as_str() == id);
    found.ok_or(Refusal::NotFound)
}

pub(super) async fn environments(console: &Console, visit: &Visit) -> Result<Vec<Environment>, Refusal> {
    Ok(console.store().environments(&visit.session.workspace_id).await?)
}

/// `Endpoints – Acme Inc.`
pub(super) fn titled(what: &str, chrome: &Chrome) -> String {
    format!("{what} – {}", chrome.workspace)
}
