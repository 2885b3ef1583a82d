//! What routes would make of an event, for somebody who looks before anything is saved or sent.

use super::Payload;
use super::diff::Sends;
use crate::check::Directory;
use routing::Explained;
use routing::trace::{Clause, Entry};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use store::{Event, NewDelivery, NewRun};
use wire::resource::Target;
use wire::{DeliveryId, DeliveryState, EventId, Instant, PlaybookId, RouteId, RunId};

/// The decision, as the trace of an event has it, and what each route would make.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplanationView {
    /// Null of an event that was thought up.
    event_id: Option<EventId>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// The source's slug.
    source: Option<String>,
    routes: Vec<RouteExplanation>,
    /// How many more routes do not match.
    misses_omitted: usize,
    doorkeeper: Option<DoorkeeperExplanation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteExplanation {
    route_id: RouteId,
    name: String,
    matched: bool,
    reason: String,
    clause: Clause,
    value: Value,
    target: Target,
    /// Whether the route is the one of the request, which is not saved.
    unsaved: bool,
    makes: Option<Making>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DoorkeeperExplanation {
    playbook_id: PlaybookId,
    reason: Option<String>,
    makes: Option<Making>,
}

/// What a route would make, with what it would send.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Making {
    /// `delivery` or `run`.
    kind: &'static str,
    /// `pending` or `skipped`.
    status: &'static str,
    reason: Option<String>,
    /// When its first attempt would be.
    due_at: Option<Instant>,
    /// Null where nothing would be sent.
    payload: Option<Payload>,
}

impl Making {
    /// A delivery that would be made of this event.
    pub(crate) fn delivery(made: &NewDelivery, event: &Event) -> Self {
        let is_skipped = made.state == DeliveryState::Skipped;
        let payload = (!is_skipped).then(|| Payload::sent(made.body.as_deref(), event));
        Self {
            kind: "delivery",
            status: if is_skipped { "skipped" } else { "pending" },
            reason: made.reason.clone(),
            due_at: made.due_at.filter(|_| !is_skipped),
            payload,
        }
    }

    /// The same bytes as before, to whom the sender named.
    pub(crate) fn again(transformed: Option<&[u8]>, event: &Event) -> Self {
        Self {
            kind: "delivery",
            status: "pending",
            reason: None,
            due_at: None,
            payload: Some(Payload::sent(transformed, event)),
        }
    }

    /// What would be sent.
    pub(crate) fn sends(&self) -> Sends<'_> {
        Sends::of(self.payload.as_ref())
    }

    /// A run that would be started.
    pub(crate) fn run(made: &NewRun) -> Self {
        Self {
            kind: "run",
            status: "pending",
            reason: None,
            due_at: None,
            payload: Some(Payload::of(&made.input, Some("application/json".to_owned()))),
        }
    }
}

impl ExplanationView {
    /// `recorded` is the event's id where it is more than a thought.
    pub(crate) fn of(
        event: &Event,
        recorded: Option<EventId>,
        explained: &Explained,
        unsaved: Option<&RouteId>,
        directory: &Directory,
    ) -> Self {
        let makings = Makings::of(event, explained);
        let source = event.source_id.as_ref();
        let routes = explained.trace.routes.iter();
        Self {
            event_id: recorded,
            event_type: event.event_type.clone(),
            source: source
                .and_then(|id| directory.sources.slug(id))
                .map(str::to_owned),
            routes: routes
                .map(|entry| RouteExplanation {
                    makes: makings.at(entry),
                    unsaved: unsaved == Some(&entry.route_id),
                    route_id: entry.route_id.clone(),
                    name: entry.name.clone(),
                    matched: entry.matched,
                    reason: entry.reason.clone(),
                    clause: entry.clause,
                    value: entry.value.clone(),
                    target: entry.target.clone(),
                })
                .collect(),
            misses_omitted: explained.trace.misses_omitted,
            doorkeeper: explained
                .trace
                .doorkeeper
                .as_ref()
                .map(|door| DoorkeeperExplanation {
                    makes: door
                        .run_id
                        .and_then(|id| makings.runs.get(&id))
                        .copied()
                        .map(Making::run),
                    playbook_id: door.playbook_id.clone(),
                    reason: door.reason.clone(),
                }),
        }
    }
}

/// What would be made, by its id.
struct Makings<'e> {
    event: &'e Event,
    deliveries: HashMap<DeliveryId, &'e NewDelivery>,
    runs: HashMap<RunId, &'e NewRun>,
}

impl<'e> Makings<'e> {
    fn of(event: &'e Event, explained: &'e Explained) -> Self {
        Self {
            event,
            deliveries: explained
                .decision
                .deliveries
                .iter()
                .map(|made| (made.id, made))
                .collect(),
            runs: explained
                .decision
                .runs
                .iter()
                .map(|made| (made.id, made))
                .collect(),
        }
    }

    fn at(&self, entry: &Entry) -> Option<Making> {
        let delivery = entry.delivery_id.and_then(|id| self.deliveries.get(&id));
        let run = || entry.run_id.and_then(|id| self.runs.get(&id));
        match delivery {
            Some(delivery) => Some(Making::delivery(delivery, self.event)),
            None => run().copied().map(Making::run),
        }
    }
}
