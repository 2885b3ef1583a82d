//! Replays: further deliveries of what was delivered before, with the same `webhook-id` and ids of their own.

use super::body::Document;
use super::deliveries::views;
use crate::access::Opened;
use crate::check::Fields;
use crate::check::value::{Refused, any_text, one_of};
use crate::show::DeliveryView;
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use store::{Delivery, DeliveryFilter, NewDelivery};
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, Instant};

/// The most deliveries of one event that are looked at, a page at a time.
const PAGES: usize = 20;
const PAGE: i64 = 500;

/// What to replay.
#[derive(Debug)]
struct Order {
    mode: Mode,
    /// Only to these; none: to all it went to before.
    endpoints: Option<Vec<EndpointId>>,
}

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The same bytes to the same endpoints.
    AsDelivered,
    /// What today's rules make of the event.
    Current,
    /// The difference of the two; nothing is sent.
    Diff,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    event_id: EventId,
    mode: &'static str,
    deliveries: Vec<DeliveryView>,
}

/// Replays an event to every endpoint that it was delivered to, or to some of them.
pub(super) async fn event(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let event = super::events::find(&console, &opened, &path.1).await?;
    let order = order(&console, &opened, body).await?;
    let past = deliveries_of(&console, &opened, event.id).await?;
    replay(&console, &opened, event.id, past, order).await
}

/// Replays one delivery.
pub(super) async fn delivery(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let delivery = super::deliveries::find(&console, &opened, &path.1).await?;
    let order = order(&console, &opened, body).await?;
    let event_id = delivery.event_id;
    replay(&console, &opened, event_id, vec![delivery], order).await
}

async fn order(console: &Console, opened: &Opened, body: Document) -> Result<Order, Error> {
    let directory = super::directory(console, opened.id()).await?;
    let read = |fields: &mut Fields<'_>| {
        let mode = fields.optional("mode", mode);
        let endpoints = fields.list("endpoints", |value| directory.endpoint(value));
        Some(Order {
            mode: mode.unwrap_or(Mode::AsDelivered),
            endpoints,
        })
    };
    let order = body.read_optional(console.checks(), read).await?;
    match order.mode {
        Mode::AsDelivered => Ok(order),
        Mode::Current => Err(Error::UnsupportedMode { mode: "current" }),
        Mode::Diff => Err(Error::UnsupportedMode { mode: "diff" }),
    }
}

fn mode(value: &Value) -> Result<Mode, Refused> {
    match any_text(value)? {
        "as_delivered" => Ok(Mode::AsDelivered),
        "current" => Ok(Mode::Current),
        "diff" => Ok(Mode::Diff),
        other => Err(one_of(
            ["as_delivered", "current", "diff"],
            other,
            "mode; use `as_delivered`",
        )),
    }
}

/// The event's deliveries, newest first.
async fn deliveries_of(
    console: &Console,
    opened: &Opened,
    event_id: EventId,
) -> Result<Vec<Delivery>, Error> {
    let mut past = Vec::new();
    let mut before = None;
    for _ in 0..PAGES {
        let filter = DeliveryFilter {
            event_id: Some(event_id),
            ..DeliveryFilter::default()
        };
        let page = console
            .store()
            .deliveries(opened.id(), filter, before, PAGE)
            .await?;
        before = page.rows.last().map(|row| row.id);
        past.extend(page.rows);
        if !page.more {
            break;
        }
    }
    Ok(past)
}

async fn replay(
    console: &Console,
    opened: &Opened,
    event_id: EventId,
    past: Vec<Delivery>,
    order: Order,
) -> Result<HttpResponse, Error> {
    let directory = super::directory(console, opened.id()).await?;
    let past = first_of_each_endpoint(past);
    if let Some(endpoints) = &order.endpoints {
        refuse_strangers(endpoints, &past)?;
    }
    let is_asked_for = |id: &EndpointId| order.endpoints.as_ref().is_none_or(|only| only.contains(id));
    // An endpoint that is gone gets nothing.
    let is_there = |id: &EndpointId| directory.endpoints.find(id.as_str()).is_some();
    let now = Instant::now();
    let mut rows = Vec::new();
    for delivery in past
        .values()
        .filter(|row| is_asked_for(&row.endpoint_id) && is_there(&row.endpoint_id))
    {
        let body = console.store().transformed(delivery.id).await?;
        rows.push(NewDelivery {
            id: DeliveryId::of(event_id, &delivery.endpoint_id, rand::random()),
            workspace_id: opened.id().clone(),
            endpoint_id: delivery.endpoint_id.clone(),
            route_id: delivery.route_id.clone(),
            event_type: delivery.event_type.clone(),
            state: DeliveryState::Pending,
            reason: None,
            due_at: Some(now),
            lease: None,
            body: body.map(Into::into),
            replay_of: Some(delivery.id),
        });
    }
    if rows.is_empty() {
        return Err(Error::State(
            "there is no delivery of it to an endpoint that still exists, so nothing to replay",
        ));
    }
    let ids: Vec<DeliveryId> = rows.iter().map(|row| row.id).collect();
    console.store().add_deliveries(event_id, rows, now).await?;
    let mut made = Vec::with_capacity(ids.len());
    for id in ids {
        made.extend(console.store().delivery(opened.id(), id).await?);
    }
    Ok(HttpResponse::Accepted().json(Replayed {
        event_id,
        mode: "as_delivered",
        deliveries: views(console, &made).await?,
    }))
}

/// What each endpoint got first; what was skipped was sent to nobody.
fn first_of_each_endpoint(past: Vec<Delivery>) -> HashMap<EndpointId, Delivery> {
    let mut first: HashMap<EndpointId, Delivery> = HashMap::new();
    for delivery in past.into_iter().filter(|row| row.state != DeliveryState::Skipped) {
        match first.get(&delivery.endpoint_id) {
            // A replay has its original's bytes; the original is the better name for them.
            Some(known) if known.replay_of.is_none() => {}
            _ => {
                first.insert(delivery.endpoint_id.clone(), delivery);
            }
        }
    }
    first
}

/// What was never delivered to an endpoint cannot be delivered to it again.
fn refuse_strangers(endpoints: &[EndpointId], past: &HashMap<EndpointId, Delivery>) -> Result<(), Error> {
    let known: HashSet<&EndpointId> = past.keys().collect();
    let problems: Vec<Problem> = endpoints
        .iter()
        .enumerate()
        .filter(|(_, id)| !known.contains(id))
        .map(|(index, _)| {
            Problem::new(
                format!("endpoints[{index}]"),
                "never got this, so it cannot get it again",
            )
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}
