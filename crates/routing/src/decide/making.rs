//! The second pass: the deliveries, the runs and the trace of what the routes came to.

use super::clauses::taken_by;
use super::{Finding, Match, Moment, Transformed};
use crate::trace::{Clause, Doorkeeper, Entry, Trace};
use crate::waiting::Heard;
use bytes::Bytes;
use serde_json::{Value, json};
use store::{Event, Gift, NewDelivery, NewRun, Route, RoutedEvent, RoutingTable};
use waitbox::generation;
use wire::resource::Target;
use wire::{DeliveryId, DeliveryState, EndpointId, EventState, PlaybookId, RunId, Trigger};

/// A decision in the making.
pub(super) struct Decision<'e> {
    event: &'e Event,
    table: &'e RoutingTable,
    moment: Moment,
    trace: Trace,
    deliveries: Vec<NewDelivery>,
    runs: Vec<NewRun>,
    gifts: Vec<Gift>,
    is_taken: bool,
}

impl<'e> Decision<'e> {
    pub(super) fn new(event: &'e Event, table: &'e RoutingTable, moment: Moment, heard: Heard) -> Self {
        Self {
            event,
            table,
            moment,
            trace: Trace::of_heard(event.id, &heard),
            deliveries: Vec::new(),
            runs: Vec::new(),
            is_taken: heard.is_taken(),
            gifts: heard.gifts,
        }
    }

    pub(super) fn add(&mut self, route: &Route, found: Match, transformed: Option<&Transformed>) {
        let matched = !matches!(found, Match::Missed(_));
        let made = match (found, &route.spec.to) {
            (Match::Skipped(finding), Target::Endpoint(id)) => self.skip(route, id, finding),
            // Which of several routes to a playbook has started its run is known only now.
            (Match::Stopped(finding), to) => Made::nothing(self.starter(to).unwrap_or(finding)),
            (Match::Missed(finding) | Match::Skipped(finding), _) => Made::nothing(finding),
            (Match::Held(finding), to) => self.make(route, to, Some(finding), transformed),
            (Match::Spare, to) => match self.starter(to) {
                Some(finding) => Made::nothing(finding),
                None => self.make(route, to, None, transformed),
            },
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

    /// The route that has started a run of this target's already.
    fn starter(&self, to: &Target) -> Option<Finding> {
        let mut entries = self.trace.routes.iter();
        let first = entries.find(|entry| entry.run_id.is_some() && entry.target == *to)?;
        Some(taken_by(&first.name, &first.route_id))
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
        let first_wait = self.table.first_wait(to, Some(&route.spec.delivery));
        let due_at = now + route.spec.delay + first_wait;
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
            order_key: None,
        }
    }

    fn run(&mut self, route: &Route, to: &PlaybookId, input: Option<Bytes>) -> Made {
        let run = NewRun {
            route_id: Some(route.id.clone()),
            input: input.unwrap_or_else(|| self.event.body.clone()),
            ..self.run_of(to, Trigger::Route)
        };
        let made = Made {
            finding: every_clause(),
            delivery: None,
            run: Some(run.id),
        };
        self.runs.push(run);
        made
    }

    /// Gives what no route took to the doorkeeper, if `found` says that it can take it.
    pub(super) fn keep_door(&mut self, playbook: &PlaybookId, found: Match) {
        let (run_id, reason) = match found {
            Match::Taken | Match::Spare => {
                let run = self.run_of(playbook, Trigger::App);
                let id = run.id;
                self.runs.push(run);
                (Some(id), None)
            }
            Match::Missed(finding)
            | Match::Stopped(finding)
            | Match::Skipped(finding)
            | Match::Held(finding) => (None, Some(finding.reason)),
        };
        self.trace.doorkeeper = Some(Doorkeeper {
            playbook_id: playbook.clone(),
            run_id,
            reason,
        });
    }

    fn run_of(&self, playbook: &PlaybookId, trigger: Trigger) -> NewRun {
        NewRun {
            id: RunId::of(self.event.id, playbook, 0),
            workspace_id: self.event.workspace_id.clone(),
            playbook_id: playbook.clone(),
            route_id: None,
            input: self.event.body.clone(),
            trigger,
            project: None,
            template: None,
            generation: generation(&self.event.method, &self.event.headers),
        }
    }

    pub(super) fn into_routed(self) -> RoutedEvent {
        RoutedEvent {
            id: self.event.id,
            state: EventState::Routed,
            trace: self.trace.to_json(),
            deliveries: self.deliveries,
            runs: self.runs,
            gifts: self.gifts,
            is_taken: self.is_taken,
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
