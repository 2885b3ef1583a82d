//! Replays: further deliveries of what was delivered before, with the same `webhook-id` and ids of their own; or a look at
//! what today's rules would send instead. What was delivered before stays as it is.

mod as_delivered;
mod current;
mod diff;

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
use std::collections::HashMap;
use store::{AuditEntry, Delivery, DeliveryFilter, Event};
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, RunId};

/// The most deliveries of one event that are looked at, a page at a time.
const PAGES: usize = 20;
const PAGE: i64 = 500;

/// What to replay.
#[derive(Debug)]
struct Order {
    mode: Mode,
    /// Only to these; none: to all.
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

/// What was delivered of an event.
#[derive(Debug)]
struct Past {
    event: Event,
    /// What each endpoint got first, or would have got, had it not been skipped.
    first: HashMap<EndpointId, Delivery>,
    /// Whether one delivery alone is replayed.
    is_one: bool,
}

impl Past {
    /// That the caller replays it, so, and what that makes.
    fn told(&self, opened: &Opened, mode: &'static str, deliveries: &[DeliveryId]) -> AuditEntry {
        let one = self.first.values().next().filter(|_| self.is_one);
        let entry = match one {
            Some(delivery) => opened.did("delivery.replay", &delivery.id),
            None => opened.did("event.replay", &self.event.id),
        };
        let deliveries: Vec<_> = deliveries.iter().map(DeliveryId::to_string).collect();
        entry.with("mode", mode).with("deliveries", deliveries)
    }
}

/// What a replay made.
#[derive(Debug)]
struct Made {
    mode: &'static str,
    deliveries: Vec<DeliveryId>,
    runs: Vec<RunId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    event_id: EventId,
    mode: &'static str,
    deliveries: Vec<DeliveryView>,
    /// The ids of the runs that were started.
    runs: Vec<RunId>,
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
    let past = Past {
        first: first_of_each_endpoint(past),
        event,
        is_one: false,
    };
    replay(&console, &opened, past, order).await
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
    let event = console.store().event(opened.id(), delivery.event_id).await?;
    let event = event.ok_or(Error::State("its event is gone, so nothing is left to replay"))?;
    let past = Past {
        first: HashMap::from([(delivery.endpoint_id.clone(), delivery)]),
        event,
        is_one: true,
    };
    replay(&console, &opened, past, order).await
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
    body.read_optional(console.checks(), read).await
}

fn mode(value: &Value) -> Result<Mode, Refused> {
    match any_text(value)? {
        "as_delivered" => Ok(Mode::AsDelivered),
        "current" => Ok(Mode::Current),
        "diff" => Ok(Mode::Diff),
        other => Err(one_of(["as_delivered", "current", "diff"], other, "mode")),
    }
}

async fn replay(console: &Console, opened: &Opened, past: Past, order: Order) -> Result<HttpResponse, Error> {
    let made = match order.mode {
        Mode::AsDelivered => as_delivered::send(console, opened, &past, &order).await?,
        Mode::Current => current::send(console, opened, &past, &order).await?,
        Mode::Diff => return diff::show(console, opened, &past, &order).await,
    };
    let mut deliveries = Vec::with_capacity(made.deliveries.len());
    for id in made.deliveries {
        deliveries.extend(console.store().delivery(opened.id(), id).await?);
    }
    Ok(HttpResponse::Accepted().json(Replayed {
        event_id: past.event.id,
        mode: made.mode,
        deliveries: views(console, &deliveries).await?,
        runs: made.runs,
    }))
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

/// What each endpoint got first. A delivery that was skipped stands there only where nothing was sent.
fn first_of_each_endpoint(past: Vec<Delivery>) -> HashMap<EndpointId, Delivery> {
    let mut first: HashMap<EndpointId, Delivery> = HashMap::new();
    for delivery in past {
        let is_better = first
            .get(&delivery.endpoint_id)
            .is_none_or(|known| rank(&delivery) <= rank(known));
        if is_better {
            first.insert(delivery.endpoint_id.clone(), delivery);
        }
    }
    first
}

/// A replay has its original's bytes; the original is the better name for them. What was skipped was sent to nobody.
fn rank(delivery: &Delivery) -> (bool, bool) {
    (
        delivery.state == DeliveryState::Skipped,
        delivery.replay_of.is_some(),
    )
}

impl Order {
    fn is_for(&self, endpoint: &EndpointId) -> bool {
        self.endpoints.as_ref().is_none_or(|only| only.contains(endpoint))
    }

    /// Refuses endpoints that are named and that a replay cannot go to.
    fn refuse_strangers(
        &self,
        is_known: impl Fn(&EndpointId) -> bool,
        message: &'static str,
    ) -> Result<(), Error> {
        let named = self.endpoints.iter().flatten().enumerate();
        let problems: Vec<Problem> = named
            .filter(|(_, id)| !is_known(id))
            .map(|(index, _)| Problem::new(format!("endpoints[{index}]"), message))
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(problems))
        }
    }
}
