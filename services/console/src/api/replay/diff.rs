//! What was decided and sent beside what today's rules would decide and send. Nothing is sent.

use super::current::{decided, named};
use super::{Order, Past};
use crate::access::Opened;
use crate::api::ok;
use crate::show::{Change, DeliveryChange, DiffView, Making, Sends, Was};
use crate::{Console, Error};
use actix_web::HttpResponse;
use routing::trace::Trace;
use std::collections::BTreeSet;
use store::NewDelivery;
use wire::EndpointId;

/// The most endpoints that are compared: each may have a payload of its own.
const MOST: usize = 100;

/// Bytes of payloads in one answer, and the next ones are not shown.
const LARGEST: usize = 32 << 20;

pub(super) async fn show(
    console: &Console,
    opened: &Opened,
    past: &Past,
    order: &Order,
) -> Result<HttpResponse, Error> {
    let event = &past.event;
    let (trace, made) = if named(past).is_some() {
        // Whom its sender named, no rule decides: it would go there again as it went.
        (None, None)
    } else {
        let explained = decided(console, opened, past).await?;
        (Some(explained.trace), Some(explained.decision.deliveries))
    };
    let is_asked_for = |id: &EndpointId| order.is_for(id) && (!past.is_one || past.first.contains_key(id));
    let new = made.iter().flatten().map(|row| &row.endpoint_id);
    // In one order, so that two looks at it show the same.
    let endpoints: BTreeSet<&EndpointId> = past
        .first
        .keys()
        .chain(new)
        .filter(|id| is_asked_for(id))
        .collect();
    let known = |id: &EndpointId| endpoints.contains(id);
    order.refuse_strangers(known, "never got this, and gets nothing of it by today's rules")?;
    let mut changes = Vec::with_capacity(endpoints.len().min(MOST));
    let mut bytes = 0;
    for endpoint in endpoints.iter().take(MOST) {
        let (change, payloads) = compared(console, past, endpoint, made.as_deref()).await?;
        changes.push(change);
        bytes += payloads;
        if bytes >= LARGEST {
            break;
        }
    }
    let more = endpoints.len() - changes.len();
    let before = event.trace.as_deref().and_then(Trace::from_json);
    Ok(ok(DiffView::of(event.id, before, trace, changes, more)))
}

/// How an endpoint's past is beside its today, and the bytes of both payloads. `made` is what today's rules make; none where no
/// rule is asked.
async fn compared(
    console: &Console,
    past: &Past,
    endpoint: &EndpointId,
    made: Option<&[NewDelivery]>,
) -> Result<(DeliveryChange, usize), Error> {
    let event = &past.event;
    let first = past.first.get(endpoint);
    let transformed = match first {
        Some(first) => console.store().transformed(first.id).await?,
        None => None,
    };
    let was = first.map(|first| Was::of(first, transformed.as_deref(), event));
    let new = made.and_then(|made| made.iter().find(|row| row.endpoint_id == *endpoint));
    let now = match made {
        Some(_) => new.map(|row| Making::delivery(row, event)),
        None => first.map(|_| Making::again(transformed.as_deref(), event)),
    };
    let change = Change::between(
        was.as_ref().map_or(Sends::Nothing, Was::sends),
        now.as_ref().map_or(Sends::Nothing, Making::sends),
    );
    let length = |own: Option<&[u8]>| own.map_or(event.body.len(), <[u8]>::len);
    let bytes = length(transformed.as_deref()) + length(new.and_then(|row| row.body.as_deref()));
    let change = DeliveryChange {
        endpoint_id: endpoint.clone(),
        change,
        was,
        now,
    };
    Ok((change, bytes))
}
