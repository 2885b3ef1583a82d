//! The same bytes to the same endpoints.

use super::{Made, Order, Past};
use crate::access::Opened;
use crate::api::directory;
use crate::{Console, Error};
use store::NewDelivery;
use wire::{DeliveryId, DeliveryState, Instant};

pub(super) async fn send(
    console: &Console,
    opened: &Opened,
    past: &Past,
    order: &Order,
) -> Result<Made, Error> {
    let directory = directory(console, opened.id()).await?;
    let was_sent = |row: &store::Delivery| row.state != DeliveryState::Skipped;
    order.refuse_strangers(
        |id| past.first.get(id).is_some_and(was_sent),
        "never got this, so it cannot get it again",
    )?;
    let now = Instant::now();
    let event_id = past.event.id;
    let mut rows = Vec::new();
    for delivery in past.first.values().filter(|row| was_sent(row)) {
        let endpoint = &delivery.endpoint_id;
        // An endpoint that is gone gets nothing.
        if !order.is_for(endpoint) || directory.endpoints.find(endpoint.as_str()).is_none() {
            continue;
        }
        let body = console.store().transformed(delivery.id).await?;
        rows.push(NewDelivery {
            id: DeliveryId::of(event_id, endpoint, rand::random()),
            workspace_id: opened.id().clone(),
            endpoint_id: endpoint.clone(),
            route_id: delivery.route_id.clone(),
            event_type: delivery.event_type.clone(),
            state: DeliveryState::Pending,
            reason: None,
            due_at: Some(now),
            lease: None,
            body: body.map(Into::into),
            replay_of: Some(delivery.id),
            order_key: delivery.order_key.clone(),
        });
    }
    if rows.is_empty() {
        return Err(Error::State(
            "there is no delivery of it to an endpoint that still exists, so nothing to replay",
        ));
    }
    let deliveries: Vec<DeliveryId> = rows.iter().map(|row| row.id).collect();
    let entry = past.told(opened, "as_delivered", &deliveries);
    let record = console.on_record(entry);
    if !record.replay(event_id, (rows, Vec::new()), now).await? {
        return Err(Error::NotFound { what: "event" });
    }
    Ok(Made {
        mode: "as_delivered",
        deliveries,
        runs: Vec::new(),
    })
}
