//! Which event types an endpoint has subscribed to.
//!
//! A subscription is a route from one event type to one endpoint. It is no entry of the list of routes; in traces it is
//! seen as what it is.

use super::body::Document;
use super::{created, endpoints, event_types, gone, ok};
use crate::access::Opened;
use crate::check::value::{Refused, any_text, one_of};
use crate::show::SubscriptionView;
use crate::{Console, Error, Problem};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use store::{AuditEntry, Edit, Endpoint, EventType, Route};
use wire::resource::{DeliverySpec, RouteSpec, Target};
use wire::{Instant, RouteId};

/// Every other route is tried first.
const LAST: i32 = i32::MAX;
/// How many types one request may name.
const MOST: usize = 1_000;
/// How often it is looked again who else is subscribing the same endpoint.
const LOOKS: usize = 3;

pub(super) async fn list(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let endpoint = endpoints::find(&console, &opened, &path.1).await?;
    let rows = console.store().subscriptions(&endpoint.id).await?;
    let views: Vec<_> = rows.iter().filter_map(SubscriptionView::of).collect();
    Ok(ok(views))
}

/// `{eventTypeIds: […]}`; all of them or none. What was subscribed to before stays as it is, and counts.
pub(super) async fn create(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String)>,
    body: Document,
) -> Result<HttpResponse, Error> {
    let endpoint = endpoints::find(&console, &opened, &path.1).await?;
    let known = console.store().event_types(opened.id()).await?;
    let read = |value: &Value| {
        let asked = any_text(value)?;
        let by_id = known.iter().find(|row| row.id.as_str() == asked);
        let found = by_id.or_else(|| known.iter().find(|row| row.name == asked));
        let names = known.iter().map(|row| &row.name);
        found.ok_or_else(|| -> Refused { one_of(names, asked, "event type of this workspace") })
    };
    let types = body
        .read(console.checks(), |fields| {
            if !fields.has("event_type_ids") {
                fields.refuse("event_type_ids", "is missing");
            }
            fields.list("event_type_ids", read)
        })
        .await?;
    if !(1..=MOST).contains(&types.len()) {
        let message = format!("must have 1 to {MOST} entries");
        return Err(Error::Invalid(vec![Problem::new("eventTypeIds", message)]));
    }
    // One that is named twice is one subscription.
    let types: BTreeMap<_, _> = types.into_iter().map(|row| (&row.id, row)).collect();
    let subscribed = types.len();
    subscribe(&console, &opened, &endpoint, types.into_values().collect()).await?;
    Ok(created(json!({"subscribed": subscribed})))
}

/// Makes the subscriptions that are not there yet.
async fn subscribe(
    console: &Console,
    opened: &Opened,
    endpoint: &Endpoint,
    types: Vec<&EventType>,
) -> Result<(), Error> {
    let mut look = 1;
    loop {
        let present = console.store().subscriptions(&endpoint.id).await?;
        let present: HashSet<_> = present
            .iter()
            .filter_map(|row| row.subscription.as_ref())
            .collect();
        let now = Instant::now();
        let missing = types
            .iter()
            .filter(|row| !present.contains(&(row.id.clone(), endpoint.id.clone())));
        let edits: Vec<_> = missing
            .enumerate()
            // Lists are by age: those that come together are in the order of their types.
            .map(|(index, row)| subscription(endpoint, row, now + Duration::from_micros(index as u64)))
            .map(Edit::Route)
            .collect();
        if edits.is_empty() {
            return Ok(());
        }
        let entry = of_endpoint(opened, "endpoint.subscribe", endpoint, &types);
        match console.edit(entry, edits).await {
            // Somebody else made one of them meanwhile.
            Err(Error::Taken { .. }) if look < LOOKS => look += 1,
            outcome => return outcome,
        }
    }
}

/// That somebody does this to an endpoint and these types.
fn of_endpoint(
    opened: &Opened,
    action: &'static str,
    endpoint: &Endpoint,
    types: &[&EventType],
) -> AuditEntry {
    let types: Vec<_> = types.iter().map(|row| row.name.as_str()).collect();
    endpoints::did(opened, action, endpoint).with("eventTypes", types)
}

fn subscription(endpoint: &Endpoint, event_type: &EventType, now: Instant) -> Route {
    let pattern = event_type.name.parse();
    Route {
        id: RouteId::of_subscription(now, rand::random()),
        workspace_id: endpoint.workspace_id.clone(),
        position: LAST,
        subscription: Some((event_type.id.clone(), endpoint.id.clone())),
        spec: RouteSpec {
            name: format!("subscription of {} to {}", endpoint.id, event_type.name),
            enabled: true,
            from: Vec::new(),
            event_types: vec![pattern.expect("the name of an event type is a pattern that matches itself")],
            filter: None,
            transform: None,
            delay: Duration::ZERO,
            delivery: DeliverySpec::default(),
            to: Target::Endpoint(endpoint.id.clone()),
        },
        created_at: now,
        updated_at: now,
    }
}

pub(super) async fn remove(
    console: Data<Console>,
    opened: Opened,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, Error> {
    let endpoint = endpoints::find(&console, &opened, &path.1).await?;
    let event_type = event_types::find(&console, &opened, &path.2).await?;
    let entry = of_endpoint(&opened, "endpoint.unsubscribe", &endpoint, &[&event_type]);
    let is_ended = console
        .on_record(entry)
        .unsubscribe(&endpoint.id, &event_type.id)
        .await?;
    if !is_ended {
        return Err(Error::NotFound { what: "subscription" });
    }
    console.changed(opened.id()).await;
    Ok(gone())
}
