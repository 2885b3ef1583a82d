//! What becomes of an event: a pure function of the event, the routes and what their expressions yielded.
//!
//! # Theory of operation
//!
//! Two passes, because a transform is worth evaluating only where a route takes the event:
//!
//! 1. [`candidates`] are the routes whose cheap clauses hold. Their filters are evaluated, by somebody else.
//! 2. [`matching`] looks at the verdicts and at the targets, and says what each route comes to. The transforms of those
//!    that make something are evaluated, by somebody else.
//! 3. [`decide`] makes the deliveries, the runs and the trace.
//!
//! # What it must never do
//!
//! I/O, read a clock, or draw lots: the same event and the same routes come to the same rows, with the same ids. That is
//! what lets an event be routed twice, and a decision be explained or compared afterwards.

use crate::trace::{Clause, Entry, Trace};
use bytes::Bytes;
use expression::ExpressionError;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap};
use store::{Event, NewDelivery, NewRun, Route, RoutedEvent, RoutingTable};
use uuid::Uuid;
use wire::resource::Target;
use wire::{DeliveryId, DeliveryState, EndpointId, EventState, EventTypePattern, Instant, PlaybookId, RunId};

/// What a filter yielded, or why it yielded nothing.
pub type Verdict = Result<bool, ExpressionError>;

/// What a transform yielded, or why it yielded nothing.
pub type Transformed = Result<Bytes, ExpressionError>;

/// The moment of a decision, and the lease for the worker that gets the references.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When it is decided.
    pub now: Instant,
    /// The fencing token of the leases.
    pub lease: Uuid,
    /// Until when the leases hold.
    pub lease_until: Instant,
}

/// What one route comes to for one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// It does not take the event.
    Missed(Finding),
    /// It takes the event, and its target does not: nothing is made.
    Stopped(Finding),
    /// It takes the event, and its endpoint is gone: the delivery is skipped.
    Skipped(Finding),
    /// It takes the event; its target is disabled and holds what it gets.
    Held(Finding),
    /// It takes the event.
    Taken,
}

impl Match {
    /// Whether something is made, for which the transform is needed.
    pub const fn makes_something(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Taken)
    }
}

/// What decided, as the trace has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    clause: Clause,
    value: Value,
    reason: String,
}

/// The routes whose cheap clauses hold, by their place in the table: those whose filters need an answer.
pub fn candidates<'t>(event: &Event, table: &'t RoutingTable) -> impl Iterator<Item = (usize, &'t Route)> {
    table
        .routes
        .iter()
        .enumerate()
        .filter(|(_, route)| cheap_clauses(event, route).is_ok())
}

/// Says what each route of the table comes to, given the verdicts of the candidates' filters by their place.
///
/// The first route that takes the event has its target; further routes to it make nothing.
pub fn matching(event: &Event, table: &RoutingTable, verdicts: &BTreeMap<usize, Verdict>) -> Vec<Match> {
    let mut taken: HashMap<&Target, &Route> = HashMap::new();
    let mut matches = Vec::with_capacity(table.routes.len());
    for (place, route) in table.routes.iter().enumerate() {
        let clauses = cheap_clauses(event, route).and_then(|()| filter(route, verdicts.get(&place)));
        matches.push(match clauses {
            Err(finding) => Match::Missed(finding),
            Ok(()) => match taken.entry(&route.spec.to) {
                Place::Occupied(first) => Match::Stopped(taken_by(first.get())),
                Place::Vacant(free) => {
                    free.insert(route);
                    target(event, table, route)
                }
            },
        });
    }
    matches
}

/// Makes what the matching routes make, given what their transforms yielded by their place in the table.
pub fn decide(
    event: &Event,
    table: &RoutingTable,
    matches: Vec<Match>,
    transforms: &BTreeMap<usize, Transformed>,
    moment: Moment,
) -> RoutedEvent {
    let mut decision = Decision::new(event, moment);
    for (place, (route, found)) in table.routes.iter().zip(matches).enumerate() {
        decision.add(route, found, transforms.get(&place));
    }
    decision.into_routed()
}

/// The quarantine of an event that could not be routed.
pub fn quarantine(event: &Event, why: String, now: Instant) -> RoutedEvent {
    RoutedEvent {
        id: event.id,
        state: EventState::Quarantined,
        trace: Trace::of_quarantined(event.id, why).to_json(),
        deliveries: Vec::new(),
        runs: Vec::new(),
        at: now,
    }
}

fn cheap_clauses(event: &Event, route: &Route) -> Result<(), Finding> {
    let spec = &route.spec;
    if !spec.enabled {
        return Err(Finding {
            clause: Clause::Enabled,
            value: json!(false),
            reason: "the route is disabled".to_owned(),
        });
    }
    let is_from = |source| spec.from.contains(source);
    if !spec.from.is_empty() && !event.source_id.as_ref().is_some_and(is_from) {
        return Err(Finding {
            clause: Clause::From,
            value: json!(event.source_id),
            reason: "the event came from a source that the route does not take events of".to_owned(),
        });
    }
    let event_type = event.event_type.as_deref();
    if !spec.event_types.is_empty() && !spec.event_types.iter().any(|pattern| pattern.matches(event_type)) {
        let patterns: Vec<&str> = spec.event_types.iter().map(EventTypePattern::as_str).collect();
        let reason = match event_type {
            Some(_) => format!("the event's type matches none of {}", listed(&patterns)),
            None => format!("the event has no type, and the route wants {}", listed(&patterns)),
        };
        return Err(Finding {
            clause: Clause::EventTypes,
            value: json!(event_type),
            reason,
        });
    }
    Ok(())
}

/// A route may have a hundred patterns; a reason shows a few.
fn listed(patterns: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = patterns
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if patterns.len() > SHOWN {
        format!("{shown} and {} more", patterns.len() - SHOWN)
    } else {
        shown
    }
}

fn filter(route: &Route, verdict: Option<&Verdict>) -> Result<(), Finding> {
    if route.spec.filter.is_none() {
        return Ok(());
    }
    let (value, reason) = match verdict {
        Some(Ok(true)) => return Ok(()),
        Some(Ok(false)) => (json!(false), "the filter yields false".to_owned()),
        Some(Err(error)) => (
            json!(error.kind()),
            format!("the filter says neither true nor false: {error}"),
        ),
        None => (Value::Null, "the filter was not evaluated".to_owned()),
    };
    Err(Finding {
        clause: Clause::Filter,
        value,
        reason,
    })
}

fn taken_by(first: &Route) -> Finding {
    let (name, id) = (&first.spec.name, &first.id);
    Finding {
        clause: Clause::Target,
        value: json!(id),
        reason: format!(
            "the route `{name}` has the event for this target already, and one event goes to it once"
        ),
    }
}

fn target(event: &Event, table: &RoutingTable, route: &Route) -> Match {
    let finding = |value: &str, reason: &str| Finding {
        clause: Clause::Target,
        value: json!(value),
        reason: reason.to_owned(),
    };
    match &route.spec.to {
        Target::Endpoint(id) => match table.endpoints.get(id) {
            Some(true) => Match::Taken,
            Some(false) => Match::Held(finding(
                "disabled",
                "the endpoint is disabled and holds its deliveries until it is enabled",
            )),
            None => Match::Skipped(finding("missing", "the endpoint does not exist any more")),
        },
        Target::Playbook(id) => match table.playbooks.get(id) {
            Some(true) if route.spec.transform.is_none() && !is_json(&event.body) => Match::Stopped(finding(
                "not_json",
                "a run's input is the event's body as JSON, and this body is none; a transform cannot read it either",
            )),
            Some(true) => Match::Taken,
            Some(false) => Match::Stopped(finding("disabled", "the playbook is disabled and starts no run")),
            None => Match::Stopped(finding("missing", "the playbook does not exist any more")),
        },
    }
}

/// Looks only at the grammar, without recursion and without keeping anything.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}

/// A decision in the making.
struct Decision<'e> {
    event: &'e Event,
    moment: Moment,
    trace: Trace,
    deliveries: Vec<NewDelivery>,
    runs: Vec<NewRun>,
}

impl<'e> Decision<'e> {
    fn new(event: &'e Event, moment: Moment) -> Self {
        Self {
            event,
            moment,
            trace: Trace::of(event.id),
            deliveries: Vec::new(),
            runs: Vec::new(),
        }
    }

    fn add(&mut self, route: &Route, found: Match, transformed: Option<&Transformed>) {
        let matched = !matches!(found, Match::Missed(_));
        let made = match (found, &route.spec.to) {
            (Match::Skipped(finding), Target::Endpoint(id)) => self.skip(route, id, finding),
            (Match::Missed(finding) | Match::Stopped(finding) | Match::Skipped(finding), _) => {
                Made::nothing(finding)
            }
            (Match::Held(finding), to) => self.make(route, to, Some(finding), transformed),
            (Match::Taken, to) => self.make(route, to, None, transformed),
        };
        self.trace.push(Entry {
            route_id: route.id.clone(),
            name: route.spec.name.clone(),
            matched,
            reason: made.finding.reason,
            clause: made.finding.clause,
            value: made.finding.value,
            target: route.spec.to.clone(),
            delivery_id: made.delivery,
            run_id: made.run,
        });
    }

    fn make(
        &mut self,
        route: &Route,
        to: &Target,
        held: Option<Finding>,
        transformed: Option<&Transformed>,
    ) -> Made {
        let body = match (&route.spec.transform, transformed) {
            (None, _) => None,
            (Some(_), Some(Ok(body))) => Some(body.clone()),
            (Some(_), failed) => {
                let finding = transform_failed(failed);
                return match to {
                    Target::Endpoint(id) => self.skip(route, id, finding),
                    Target::Playbook(_) => Made::nothing(finding),
                };
            }
        };
        match to {
            Target::Endpoint(id) => self.deliver(route, id, held, body),
            Target::Playbook(id) => self.run(route, id, body),
        }
    }

    fn deliver(
        &mut self,
        route: &Route,
        to: &EndpointId,
        held: Option<Finding>,
        body: Option<Bytes>,
    ) -> Made {
        let now = self.moment.now;
        let due_at = now + route.spec.delay;
        let goes_now = held.is_none() && due_at == now;
        let lease = goes_now.then_some((self.moment.lease, self.moment.lease_until));
        let state = if goes_now {
            DeliveryState::Delivering
        } else {
            DeliveryState::Pending
        };
        let delivery = NewDelivery {
            state,
            due_at: Some(due_at),
            lease,
            body,
            ..self.delivery(route, to)
        };
        self.push(delivery, held.unwrap_or_else(every_clause))
    }

    fn skip(&mut self, route: &Route, to: &EndpointId, finding: Finding) -> Made {
        let delivery = NewDelivery {
            state: DeliveryState::Skipped,
            // An expression may have put it there, and Postgres would refuse the row.
            reason: Some(finding.reason.replace('\0', "\u{fffd}")),
            ..self.delivery(route, to)
        };
        self.push(delivery, finding)
    }

    fn push(&mut self, delivery: NewDelivery, finding: Finding) -> Made {
        let made = Made {
            finding,
            delivery: Some(delivery.id),
            run: None,
        };
        self.deliveries.push(delivery);
        made
    }

    fn delivery(&self, route: &Route, to: &EndpointId) -> NewDelivery {
        NewDelivery {
            id: DeliveryId::of(self.event.id, to, 0),
            workspace_id: self.event.workspace_id.clone(),
            endpoint_id: to.clone(),
            route_id: Some(route.id.clone()),
            event_type: self.event.event_type.clone(),
            state: DeliveryState::Pending,
            reason: None,
            due_at: None,
            lease: None,
            body: None,
            replay_of: None,
        }
    }

    fn run(&mut self, route: &Route, to: &PlaybookId, input: Option<Bytes>) -> Made {
        let run = NewRun {
            id: RunId::of(self.event.id, to, 0),
            workspace_id: self.event.workspace_id.clone(),
            playbook_id: to.clone(),
            route_id: Some(route.id.clone()),
            input: input.unwrap_or_else(|| self.event.body.clone()),
        };
        let made = Made {
            finding: every_clause(),
            delivery: None,
            run: Some(run.id),
        };
        self.runs.push(run);
        made
    }

    fn into_routed(self) -> RoutedEvent {
        RoutedEvent {
            id: self.event.id,
            state: EventState::Routed,
            trace: self.trace.to_json(),
            deliveries: self.deliveries,
            runs: self.runs,
            at: self.moment.now,
        }
    }
}

/// What a route made, and what decided.
struct Made {
    finding: Finding,
    delivery: Option<DeliveryId>,
    run: Option<RunId>,
}

impl Made {
    fn nothing(finding: Finding) -> Self {
        Self {
            finding,
            delivery: None,
            run: None,
        }
    }
}

fn every_clause() -> Finding {
    Finding {
        clause: Clause::All,
        value: Value::Null,
        reason: "every clause holds".to_owned(),
    }
}

fn transform_failed(failed: Option<&Transformed>) -> Finding {
    let (value, reason) = match failed {
        Some(Err(error)) => (
            json!(error.kind()),
            format!("the transform yields nothing to send: {error}"),
        ),
        Some(Ok(_)) | None => (Value::Null, "the transform was not evaluated".to_owned()),
    };
    Finding {
        clause: Clause::Transform,
        value,
        reason,
    }
}

#[cfg(test)]
mod tests;
