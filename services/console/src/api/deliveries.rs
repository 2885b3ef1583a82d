//! Events on their way to endpoints.

use super::body::{Parameters, query};
use super::ok;
use super::page::{Page, next_cursor};
use crate::access::Opened;
use crate::show::{AttemptView, DeliveryView, Payload};
use crate::{Console, Error};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use store::{Delivery, DeliveryFilter};
use wire::{DeliveryId, DeliveryState, Instant};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deliveries {
    deliveries: Vec<DeliveryView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct WithPayload {
    #[serde(flatten)]
    delivery: DeliveryView,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

/// `?endpointId=&eventId=&status=&limit=&cursor=`
pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let mut filter = DeliveryFilter::default();
    if let Some(endpoint) = parameters.take("endpointId")? {
        let directory = super::directory(&console, opened.id()).await?;
        let by_name = directory.endpoints.find(&endpoint).cloned();
        // A deleted endpoint has no name any more, and its deliveries are still there.
        let id = by_name.map_or_else(|| endpoint.parse(), Ok);
        filter.endpoint_id = Some(id.map_err(|error| query("endpointId", &error.to_string()))?);
    }
    if let Some(event) = parameters.take("eventId")? {
        let id = event.parse();
        filter.event_id = Some(id.map_err(|error: wire::ParseIdError| query("eventId", &error.to_string()))?);
    }
    list_of(&console, &opened, filter, parameters).await
}

/// A page of the deliveries that the filter leaves, and of the status that the query may ask for.
pub(super) async fn list_of(
    console: &Console,
    opened: &Opened,
    mut filter: DeliveryFilter,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let page = Page::<DeliveryId>::take(&mut parameters)?;
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
        .deliveries(opened.id(), filter, page.before, page.limit)
        .await?;
    Ok(ok(Deliveries {
        next_cursor: next_cursor(&found, |row| row.id),
        deliveries: views(console, &found.rows).await?,
    }))
}

/// The deliveries as they are shown.
pub(super) async fn views(console: &Console, rows: &[Delivery]) -> Result<Vec<DeliveryView>, Error> {
    let events = rows.iter().map(|row| row.event_id).collect();
    let keys = console.store().idempotency_keys(events).await?;
    Ok(rows.iter().map(|row| DeliveryView::of(row, &keys)).collect())
}

/// `?include=payload`
pub(super) async fn one(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    mut parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let include = match parameters.take("include")?.as_deref() {
        None => false,
        Some("payload") => true,
        Some(_) => return Err(query("include", "must be payload")),
    };
    parameters.finish()?;
    let row = find(&console, &opened, &path.1).await?;
    let payload = if include {
        Some(payload(&console, &opened, &row).await?)
    } else {
        None
    };
    Ok(ok(WithPayload {
        delivery: view(&console, &row).await?,
        payload,
    }))
}

async fn payload(console: &Console, opened: &Opened, row: &Delivery) -> Result<Payload, Error> {
    let Some(event) = console.store().event(opened.id(), row.event_id).await? else {
        return Ok(Payload::NotFound);
    };
    let transformed = console.store().transformed(row.id).await?;
    Ok(Payload::sent(transformed.as_deref(), &event))
}

pub(super) async fn attempts(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    let attempts = console.store().attempts(row.id).await?;
    Ok(ok(attempts.iter().map(AttemptView::of).collect::<Vec<_>>()))
}

/// Makes it due at once, also after it was given up. The attempts go on counting.
pub(super) async fn retry(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    if row.state == DeliveryState::Skipped {
        return Err(Error::State(
            "this delivery was skipped: there is nothing that could be sent again",
        ));
    }
    if !console
        .on_record(opened.did("delivery.retry", &row.id))
        .retry_delivery(opened.id(), row.id, Instant::now())
        .await?
    {
        return Err(Error::State(
            "an attempt of this delivery is being made now; ask again when it has ended",
        ));
    }
    changed(&console, &opened, row.id).await
}

/// Gives it up before its next attempt.
pub(super) async fn cancel(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find(&console, &opened, &path.1).await?;
    if !console
        .on_record(opened.did("delivery.cancel", &row.id))
        .cancel_delivery(opened.id(), row.id, Instant::now())
        .await?
    {
        return Err(Error::State(
            "this delivery does not wait for an attempt, so there is nothing to cancel",
        ));
    }
    changed(&console, &opened, row.id).await
}

async fn changed(console: &Console, opened: &Opened, id: DeliveryId) -> Result<HttpResponse, Error> {
    let row = console.store().delivery(opened.id(), id).await?;
    let row = row.ok_or(Error::NotFound { what: "delivery" })?;
    Ok(ok(view(console, &row).await?))
}

async fn view(console: &Console, row: &Delivery) -> Result<DeliveryView, Error> {
    let keys = console.store().idempotency_keys(vec![row.event_id]).await?;
    Ok(DeliveryView::of(row, &keys))
}

/// The delivery with this id in the caller's workspace.
pub(super) async fn find(console: &Console, opened: &Opened, id: &str) -> Result<Delivery, Error> {
    let missing = Error::NotFound { what: "delivery" };
    let Ok(id) = id.parse() else { return Err(missing) };
    console.store().delivery(opened.id(), id).await?.ok_or(missing)
}
