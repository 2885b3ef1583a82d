//! What today's rules make of an event.

use super::{Made, Order, Past, as_delivered};
use crate::access::Opened;
use crate::api::explain::explain;
use crate::{Console, Error};
use routing::Explained;
use routing::trace::{Direct, Trace};
use wire::{DeliveryId, DeliveryState, RunId};

pub(super) async fn send(
    console: &Console,
    opened: &Opened,
    past: &Past,
    order: &Order,
) -> Result<Made, Error> {
    // Whom its sender named, no rule decides.
    match named(past) {
        Some(Direct::Delivery { .. }) => {
            let made = as_delivered::send(console, opened, past, order).await?;
            return Ok(Made {
                mode: "current",
                ..made
            });
        }
        Some(Direct::Run { .. }) => {
            return Err(Error::State(
                "its sender started a run with it, and no rule decides on that; start the playbook instead",
            ));
        }
        None => {}
    }
    let mut decision = decided(console, opened, past).await?.decision;
    let made = &mut decision.deliveries;
    order.refuse_strangers(
        |id| made.iter().any(|row| row.endpoint_id == *id),
        "gets nothing of it by today's rules; the mode `diff` says why",
    )?;
    made.retain(|row| {
        let is_one_of_it = !past.is_one || past.first.contains_key(&row.endpoint_id);
        is_one_of_it && order.is_for(&row.endpoint_id)
    });
    // Who names endpoints, or one delivery, asks for deliveries alone.
    if past.is_one || order.endpoints.is_some() {
        decision.runs.clear();
    }
    for row in &mut decision.deliveries {
        row.id = DeliveryId::of(past.event.id, &row.endpoint_id, rand::random());
        row.replay_of = past.first.get(&row.endpoint_id).map(|first| first.id);
        // Nobody is told of it; the sweeps of the workers find it.
        row.lease = None;
        if row.state == DeliveryState::Delivering {
            row.state = DeliveryState::Pending;
        }
    }
    for row in &mut decision.runs {
        row.id = RunId::of(past.event.id, &row.playbook_id, rand::random());
    }
    let deliveries: Vec<DeliveryId> = decision.deliveries.iter().map(|row| row.id).collect();
    let runs: Vec<RunId> = decision.runs.iter().map(|row| row.id).collect();
    if deliveries.is_empty() && runs.is_empty() {
        return Err(Error::State(
            "today's rules make nothing of it there; the mode `diff` says why",
        ));
    }
    let entry = past.told(opened, "current", &deliveries);
    let entry = entry.with("runs", runs.iter().map(RunId::to_string).collect::<Vec<_>>());
    if !console
        .on_record(entry)
        .replay(past.event.id, (decision.deliveries, decision.runs), decision.at)
        .await?
    {
        return Err(Error::NotFound { what: "event" });
    }
    for id in &runs {
        console.tell_runner(*id).await;
    }
    Ok(Made {
        mode: "current",
        deliveries,
        runs,
    })
}

/// What the sender of the event named itself.
pub(super) fn named(past: &Past) -> Option<Direct> {
    let trace = past.event.trace.as_deref().and_then(Trace::from_json)?;
    trace.direct
}

pub(super) async fn decided(console: &Console, opened: &Opened, past: &Past) -> Result<Explained, Error> {
    let table = console.store().routing_table(opened.id()).await?;
    explain(console, &past.event, &table, None).await
}
