//! What became of an event beside what would become of it by today's rules.

use super::{Making, Payload};
use routing::trace::{Entry, Trace};
use serde::Serialize;
use std::collections::HashMap;
use store::{Delivery, Event};
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, RouteId};

/// How something of the past differs from the same today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// It does not.
    Same,
    /// It is there in both, and differs.
    Changed,
    /// It is there today alone.
    Added,
    /// It was there then alone.
    Removed,
}

/// The whole difference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiffView {
    event_id: EventId,
    mode: &'static str,
    deliveries: Vec<DeliveryChange>,
    deliveries_omitted: usize,
    routes: Vec<RouteChange>,
}

/// What an endpoint got beside what it would get.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryChange {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) change: Change,
    pub(crate) was: Option<Was>,
    pub(crate) now: Option<Making>,
}

/// A delivery that was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Was {
    delivery_id: DeliveryId,
    route_id: Option<RouteId>,
    status: DeliveryState,
    reason: Option<String>,
    /// Null where nothing was to be sent.
    payload: Option<Payload>,
}

/// What was decided at a route beside what would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteChange {
    route_id: RouteId,
    name: String,
    change: Change,
    was: Option<Entry>,
    now: Option<Entry>,
}

/// What a delivery sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sends<'p> {
    /// There is no delivery.
    Nothing,
    /// There is one, and it is skipped.
    Skipped,
    /// This.
    This(&'p Payload),
}

impl<'p> Sends<'p> {
    /// What a delivery that was made sends.
    pub(crate) fn of(payload: Option<&'p Payload>) -> Self {
        payload.map_or(Self::Skipped, Self::This)
    }
}

impl Was {
    /// `transformed` is what it sent instead of the event's own bytes.
    pub(crate) fn of(row: &Delivery, transformed: Option<&[u8]>, event: &Event) -> Self {
        let is_skipped = row.state == DeliveryState::Skipped;
        Self {
            delivery_id: row.id,
            route_id: row.route_id.clone(),
            status: row.state,
            reason: row.reason.clone(),
            payload: (!is_skipped).then(|| Payload::sent(transformed, event)),
        }
    }

    /// What was sent.
    pub(crate) fn sends(&self) -> Sends<'_> {
        Sends::of(self.payload.as_ref())
    }
}

impl Change {
    /// Of what was and of what is sent.
    pub(crate) fn between(was: Sends<'_>, now: Sends<'_>) -> Self {
        match (was, now) {
            (Sends::Nothing, Sends::Nothing) | (Sends::Skipped, Sends::Skipped) => Self::Same,
            (Sends::This(was), Sends::This(now)) if was.is_same(now) => Self::Same,
            (Sends::Nothing, _) => Self::Added,
            (_, Sends::Nothing) => Self::Removed,
            (Sends::Skipped | Sends::This(_), Sends::Skipped | Sends::This(_)) => Self::Changed,
        }
    }

    fn of(was: Option<&Entry>, now: Option<&Entry>) -> Self {
        match (was, now) {
            (Some(was), Some(now)) => {
                let is_same = was.matched == now.matched
                    && was.clause == now.clause
                    && was.value == now.value
                    && was.target == now.target;
                if is_same { Self::Same } else { Self::Changed }
            }
            (Some(_), None) => Self::Removed,
            (None, Some(_)) => Self::Added,
            (None, None) => Self::Same,
        }
    }
}

impl DiffView {
    /// From the trace of then and that of today, either of which may be none: an event may not be routed yet, and no rule is
    /// asked where its sender named the target.
    pub(crate) fn of(
        event_id: EventId,
        then: Option<Trace>,
        today: Option<Trace>,
        deliveries: Vec<DeliveryChange>,
        deliveries_omitted: usize,
    ) -> Self {
        let then = then.map(|trace| trace.routes).unwrap_or_default();
        let today = today.map(|trace| trace.routes).unwrap_or_default();
        Self {
            event_id,
            mode: "diff",
            deliveries,
            deliveries_omitted,
            routes: routes(then, today),
        }
    }
}

/// In today's order, and then those that are gone.
fn routes(then: Vec<Entry>, today: Vec<Entry>) -> Vec<RouteChange> {
    let order: Vec<RouteId> = then.iter().map(|entry| entry.route_id.clone()).collect();
    let mut then: HashMap<RouteId, Entry> = then
        .into_iter()
        .map(|entry| (entry.route_id.clone(), entry))
        .collect();
    let mut changes: Vec<RouteChange> = Vec::with_capacity(today.len());
    for now in today {
        let was = then.remove(&now.route_id);
        // What would be made has no id yet.
        let now = Entry {
            delivery_id: None,
            run_id: None,
            ..now
        };
        changes.push(RouteChange {
            route_id: now.route_id.clone(),
            name: now.name.clone(),
            change: Change::of(was.as_ref(), Some(&now)),
            was,
            now: Some(now),
        });
    }
    let gone = order.into_iter().filter_map(|id| then.remove(&id));
    changes.extend(gone.map(|was| RouteChange {
        route_id: was.route_id.clone(),
        name: was.name.clone(),
        change: Change::of(Some(&was), None),
        was: Some(was),
        now: None,
    }));
    changes
}
