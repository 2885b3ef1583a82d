//! The decision trace: for every event, what became of it at each route, and why.
//!
//! It is kept with the event as JSON:
//!
//! ```json
//! {"eventId": "msg_…", "routes": [
//!   {"routeId": "rt_…", "name": "paid", "matched": true, "reason": "every clause holds", "clause": "all", "value": null,
//!    "target": {"endpoint": "ep_…"}, "deliveryId": "del_…"},
//!   {"routeId": "rt_…", "name": "big", "matched": false, "reason": "the filter yields false", "clause": "filter",
//!    "value": false, "target": {"endpoint": "ep_…"}}]}
//! ```
//!
//! Where runs waited for the event, it has them too; one that takes an event leaves nothing to the routes:
//!
//! ```json
//! {"eventId": "msg_…", "routes": [], "waits": [
//!   {"runId": "run_…", "matched": true, "exclusive": true, "reason": "the run waits for it and takes it"}]}
//! ```
//!
//! No route is tried where the sender named the target. Then the trace has that instead:
//!
//! ```json
//! {"eventId": "msg_…", "routes": [], "direct": {"endpointId": "ep_…", "deliveryId": "del_…"}}
//! {"eventId": "msg_…", "routes": [], "direct": {"playbookId": "pb_…", "runId": "run_…"}}
//! ```

use crate::waiting::Heard;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::resource::Target;
use wire::{DeliveryId, EndpointId, EventId, PlaybookId, RouteId, RunId};

/// How many routes that did not match are shown. A workspace may have 10,000, and each event has a trace.
pub const MISSES_SHOWN: usize = 200;

/// How many runs that waited for an event are shown.
pub const WAITS_SHOWN: usize = 200;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The event.
    pub event_id: EventId,
    /// Each route, in the order of the table.
    pub routes: Vec<Entry>,
    /// How many more routes there were that did not match.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub misses_omitted: usize,
    /// Why no route was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
    /// What the sender named itself, so that no route was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,
    /// What the source's doorkeeper did, where no route took the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doorkeeper: Option<Doorkeeper>,
    /// The runs that waited for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waited>,
    /// How many more of those there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waits_omitted: usize,
    /// How many of `routes` did not match.
    #[serde(skip)]
    misses: usize,
}

/// What became of an event at a run that waited for one of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waited {
    /// The run; of those with an expression that failed, the oldest.
    pub run_id: RunId,
    /// Whether it gets the event.
    pub matched: bool,
    /// Whether it gets it alone.
    pub exclusive: bool,
    /// Why, for a person.
    pub reason: String,
}

/// What became of an event at the doorkeeper of its source's app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Doorkeeper {
    /// The playbook.
    pub playbook_id: PlaybookId,
    /// The run that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Why none was, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the sender of an event named itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Direct {
    /// An endpoint to deliver to.
    Delivery {
        /// The endpoint.
        endpoint_id: EndpointId,
        /// What was made.
        delivery_id: DeliveryId,
    },
    /// A playbook to run.
    Run {
        /// The playbook.
        playbook_id: PlaybookId,
        /// What was made.
        run_id: RunId,
    },
}

/// What became of one event at one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The route.
    pub route_id: RouteId,
    /// Its name at that time.
    pub name: String,
    /// Whether the route takes the event. A route can match and yet make nothing, see the clause.
    pub matched: bool,
    /// The same for a person.
    pub reason: String,
    /// What decided.
    pub clause: Clause,
    /// The value that decided: what the clause looked at and did not like, or what its expression came to.
    pub value: Value,
    /// Where the route leads.
    pub target: Target,
    /// The delivery that the route made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<DeliveryId>,
    /// The run that the route started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// The part of a route that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// The route is disabled.
    Enabled,
    /// The event's source is none of the route's.
    From,
    /// The event's type matches none of the patterns.
    EventTypes,
    /// The filter did not yield `true`.
    Filter,
    /// The route matched, and its transform yielded nothing.
    Transform,
    /// The route matched, and its target cannot take the event, or not now.
    Target,
    /// Every clause held.
    All,
}

impl Trace {
    /// The trace of an event that no route was tried on yet.
    pub(crate) fn of(event_id: EventId) -> Self {
        Self {
            event_id,
            routes: Vec::new(),
            misses_omitted: 0,
            quarantined: None,
            direct: None,
            doorkeeper: None,
            waits: Vec::new(),
            waits_omitted: 0,
            misses: 0,
        }
    }

    /// The same, with the runs that waited for it.
    pub(crate) fn of_heard(event_id: EventId, heard: &Heard) -> Self {
        Self::of(event_id).heard_by(heard)
    }

    /// Adds the runs that waited for the event.
    pub(crate) fn heard_by(self, heard: &Heard) -> Self {
        Self {
            waits: heard.waits.iter().take(WAITS_SHOWN).cloned().collect(),
            waits_omitted: heard.waits.len().saturating_sub(WAITS_SHOWN),
            ..self
        }
    }

    /// The trace of an event that no route will be tried on.
    pub(crate) fn of_quarantined(event_id: EventId, why: String) -> Self {
        Self {
            quarantined: Some(why),
            ..Self::of(event_id)
        }
    }

    /// The trace of an event whose sender named the target.
    pub(crate) fn of_direct(event_id: EventId, named: Direct) -> Self {
        Self {
            direct: Some(named),
            ..Self::of(event_id)
        }
    }

    /// Adds what became of the event at the next route; leaves it out when enough misses are shown.
    pub(crate) fn push(&mut self, entry: Entry) {
        if entry.matched {
            self.routes.push(entry);
        } else if self.misses < MISSES_SHOWN {
            self.misses += 1;
            self.routes.push(entry);
        } else {
            self.misses_omitted += 1;
        }
    }

    /// A trace that was kept; none when it is one of another release's that cannot be read.
    pub fn from_json(kept: &[u8]) -> Option<Self> {
        serde_json::from_slice(kept).ok()
    }

    /// The trace as it is kept.
    pub fn to_json(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("a trace has string keys and finite numbers, which serialise")
            .into()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
