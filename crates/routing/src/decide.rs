//! What becomes of an event: a pure function of the event, the routes and what their expressions yielded.
//!
//! # Theory of operation
//!
//! Two passes, because a transform is worth evaluating only where a route takes the event:
//!
//! 1. [`candidates`] are the routes whose cheap clauses hold. Their filters are evaluated, by [`resolve`](crate::resolve).
//! 2. [`matching`] looks at the verdicts and at the targets, and says what each route comes to. The transforms of those
//!    that make something are evaluated, by [`resolve`](crate::resolve).
//! 3. [`decide`] makes the deliveries, the runs and the trace.
//!
//! # What it must never do
//!
//! I/O, read a clock, or draw lots: the same event and the same routes come to the same rows, with the same ids. That is
//! what lets an event be routed twice, and a decision be explained or compared afterwards.

mod clauses;
mod making;

use crate::trace::{Clause, Trace};
use crate::waiting::Heard;
use bytes::Bytes;
use clauses::{cheap_clauses, filter, taken_by, target};
use expression::ExpressionError;
use making::Decision;
use serde_json::Value;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use store::{Event, Route, RoutedEvent, RoutingTable};
use uuid::Uuid;
use wire::resource::Target;
use wire::{EventState, Instant};

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
    /// It takes the event, and so does an earlier route to the same playbook whose transform may yield nothing: then this
    /// one starts the run.
    Spare,
    /// It takes the event.
    Taken,
}

impl Match {
    /// Whether something is made, for which the transform is needed.
    pub const fn makes_something(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Spare | Self::Taken)
    }
}

/// What decided, as the trace has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub(crate) clause: Clause,
    pub(crate) value: Value,
    pub(crate) reason: String,
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
/// The first route that takes the event has its target; further routes to it make nothing. A route that its target
/// stops has nothing, and leaves the target to the next. So does one to a playbook when its transform yields nothing: an
/// endpoint has a skipped delivery to show then, a playbook would have no trace of the event.
pub fn matching(event: &Event, table: &RoutingTable, verdicts: &BTreeMap<usize, Verdict>) -> Vec<Match> {
    // With each target, the route that surely has it, or the last that may.
    let mut taken: HashMap<&Target, &Route> = HashMap::new();
    let mut matches = Vec::with_capacity(table.routes.len());
    for (place, route) in table.routes.iter().enumerate() {
        let clauses = cheap_clauses(event, route).and_then(|()| filter(route, verdicts.get(&place)));
        matches.push(match clauses {
            Err(finding) => Match::Missed(finding),
            Ok(()) => match taken.entry(&route.spec.to) {
                Entry::Occupied(mut first) if may_yield_nothing(first.get()) => {
                    let found = target(event, table, route);
                    if matches!(found, Match::Taken) {
                        first.insert(route);
                        Match::Spare
                    } else {
                        found
                    }
                }
                Entry::Occupied(first) => {
                    let spec = &first.get().spec;
                    Match::Stopped(taken_by(&spec.name, &first.get().id))
                }
                Entry::Vacant(free) => {
                    let found = target(event, table, route);
                    if !matches!(found, Match::Stopped(_)) {
                        free.insert(route);
                    }
                    found
                }
            },
        });
    }
    matches
}

/// Whether a route that takes an event may leave its target to the next one yet.
fn may_yield_nothing(route: &Route) -> bool {
    matches!(route.spec.to, Target::Playbook(_)) && route.spec.transform.is_some()
}

/// Makes what the matching routes make, given what their transforms yielded by their place in the table. What no route
/// takes is for the doorkeeper of its source's app, where there is one. `heard` are the runs that hear of it besides.
pub fn decide(
    event: &Event,
    table: &RoutingTable,
    matches: Vec<Match>,
    transforms: &BTreeMap<usize, Transformed>,
    heard: Heard,
    moment: Moment,
) -> RoutedEvent {
    let mut decision = Decision::new(event, table, moment, heard);
    let is_missed = matches.iter().all(|found| matches!(found, Match::Missed(_)));
    for (place, (route, found)) in table.routes.iter().zip(matches).enumerate() {
        decision.add(route, found, transforms.get(&place));
    }
    let source = event.source_id.as_ref().filter(|_| is_missed);
    if let Some(playbook) = source.and_then(|source| table.doorkeepers.get(source)) {
        decision.keep_door(playbook, clauses::playbook(event, table, playbook, false));
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
        gifts: Vec::new(),
        // Whoever has it, it is put aside.
        is_taken: true,
        at: now,
    }
}

#[cfg(test)]
pub(crate) mod tests;
