//! What the expressions of a workspace's routes yield for a batch of its events: one request to the jail for all
//! filters, one for all transforms of the routes that take the event.

use crate::ask::ask;
use crate::decide::{Match, Moment, Transformed, Verdict, candidates, decide, matching};
use crate::waiting::Heard;
use bytes::Bytes;
use expression::{ExpressionError, Jail, JailError, Job, Output, Want};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::{Event, RoutedEvent, RoutingTable};
use wire::EventId;

/// What became of an event that was to be decided.
#[derive(Debug)]
pub enum Resolved {
    /// It is decided.
    Decided(RoutedEvent),
    /// One of its expressions was not run, because its program was stopped too often for other events. This is what it comes to
    /// if that counts as an expression that yields nothing; decided in a while, it may come to something else.
    Suspended(Box<RoutedEvent>),
}

impl Resolved {
    /// What it comes to, decided now.
    pub fn now(self) -> RoutedEvent {
        match self {
            Self::Decided(routed) => routed,
            Self::Suspended(routed) => *routed,
        }
    }
}

/// Decides each event against the table, in their order.
///
/// `heard` are the runs that hear of an event besides. `moment` is asked once, when the expressions have yielded: the time that slow ones took must not come off the lease
/// of the worker. Fails only when the jail cannot work now; what an expression does wrong is part of the decision.
/// Cancel-safe: nothing is kept.
pub async fn resolve(
    jail: &Jail,
    events: &[Event],
    table: &RoutingTable,
    mut heard: BTreeMap<EventId, Heard>,
    moment: impl FnOnce() -> Moment,
) -> Result<Vec<Resolved>, JailError> {
    let mut evaluated = evaluate(jail, events, table).await?;
    let keys = crate::order::keys(jail, events, table, &mut evaluated).await?;
    let moment = moment();
    Ok(events
        .iter()
        .zip(evaluated)
        .zip(keys)
        .map(|((event, known), mut keys)| {
            let heard = heard.remove(&event.id).unwrap_or_default();
            let mut routed = decide(event, table, known.matches, &known.transforms, heard, moment);
            for delivery in &mut routed.deliveries {
                delivery.order_key = keys.remove(&delivery.endpoint_id);
            }
            if known.is_suspended {
                Resolved::Suspended(Box::new(routed))
            } else {
                Resolved::Decided(routed)
            }
        })
        .collect())
}

/// What [`decide`] needs to know of one event.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) matches: Vec<Match>,
    pub(crate) transforms: BTreeMap<usize, Transformed>,
    /// Whether one of its expressions was not run: see [`Resolved::Suspended`].
    pub(crate) is_suspended: bool,
}

/// Evaluates what has to be evaluated of each event, in their order.
pub(crate) async fn evaluate(
    jail: &Jail,
    events: &[Event],
    table: &RoutingTable,
) -> Result<Vec<Evaluated>, JailError> {
    let mut filters = Questions::default();
    let programs = programs(table, |route| route.spec.filter.as_deref());
    for (number, event) in events.iter().enumerate() {
        for (place, _) in candidates(event, table) {
            filters.ask(number, place, programs.get(&place), event, Want::Boolean);
        }
    }
    let mut verdicts: Vec<(BTreeMap<usize, Verdict>, bool)> = vec![(BTreeMap::new(), false); events.len()];
    for (number, place, answer) in filters.answers(jail).await? {
        if let Some((verdicts, is_suspended)) = verdicts.get_mut(number) {
            *is_suspended |= suspends(&answer);
            verdicts.insert(place, answer.and_then(boolean));
        }
    }
    let mut evaluated: Vec<Evaluated> = events
        .iter()
        .zip(verdicts)
        .map(|(event, (verdicts, is_suspended))| Evaluated {
            matches: matching(event, table, &verdicts),
            transforms: BTreeMap::new(),
            is_suspended,
        })
        .collect();
    transform(jail, events, table, &mut evaluated).await?;
    Ok(evaluated)
}

async fn transform(
    jail: &Jail,
    events: &[Event],
    table: &RoutingTable,
    evaluated: &mut [Evaluated],
) -> Result<(), JailError> {
    let mut transforms = Questions::default();
    let programs = programs(table, |route| route.spec.transform.as_deref());
    for (number, (event, evaluated)) in events.iter().zip(evaluated.iter()).enumerate() {
        let making = evaluated
            .matches
            .iter()
            .enumerate()
            .filter(|(_, found)| found.makes_something());
        for (place, _) in making {
            transforms.ask(number, place, programs.get(&place), event, Want::Value);
        }
    }
    for (number, place, answer) in transforms.answers(jail).await? {
        if let Some(evaluated) = evaluated.get_mut(number) {
            evaluated.is_suspended |= suspends(&answer);
            evaluated.transforms.insert(place, answer.and_then(value));
        }
    }
    Ok(())
}

/// The programs of a table's routes by their place, shared by all jobs that run them.
fn programs<'t>(
    table: &'t RoutingTable,
    of: impl Fn(&'t store::Route) -> Option<&'t str>,
) -> HashMap<usize, Arc<str>> {
    let routes = table.routes.iter().enumerate();
    routes
        .filter_map(|(place, route)| Some((place, of(route)?.into())))
        .collect()
}

pub(crate) fn suspends(answer: &Result<Output, ExpressionError>) -> bool {
    matches!(answer, Err(ExpressionError::Suspended { .. }))
}

fn boolean(output: Output) -> Verdict {
    match output {
        Output::Boolean(verdict) => Ok(verdict),
        other => Err(ExpressionError::NotBoolean { found: shown(&other) }),
    }
}

fn value(output: Output) -> Transformed {
    match output {
        Output::Value(json) => Ok(json),
        Output::Boolean(verdict) => Ok(Bytes::from(verdict.to_string())),
        Output::Text(_) => Err(ExpressionError::NoOutput),
    }
}

fn shown(output: &Output) -> String {
    format!("{output:?}").chars().take(80).collect()
}

/// Jobs for the jail, each with the event and the route that it is for.
#[derive(Default)]
struct Questions {
    of: Vec<(usize, usize)>,
    jobs: Vec<Job>,
}

impl Questions {
    fn ask(&mut self, number: usize, place: usize, program: Option<&Arc<str>>, event: &Event, want: Want) {
        let Some(program) = program else {
            return;
        };
        self.of.push((number, place));
        self.jobs.push(Job {
            program: Arc::clone(program),
            input: event.body.clone(),
            want,
        });
    }

    async fn answers(
        self,
        jail: &Jail,
    ) -> Result<impl Iterator<Item = (usize, usize, Result<Output, ExpressionError>)>, JailError> {
        let answers = ask(jail, self.jobs).await?;
        let of = self.of.into_iter();
        Ok(of
            .zip(answers)
            .map(|((number, place), answer)| (number, place, answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{MOMENT, event, spec, table, to};
    use futures_executor::block_on;
    use wire::resource::RouteSpec;

    #[test]
    fn each_event_is_decided_by_what_the_expressions_yield_for_it() {
        let table = table([
            RouteSpec {
                filter: Some(".id > 10".to_owned()),
                transform: Some("{twice: (.id * 2)}".to_owned()),
                ..spec(to("on"))
            },
            spec(to("other")),
        ]);
        let small = event();
        let big = Event {
            body: Bytes::from_static(br#"{"id": 11}"#),
            ..event()
        };
        let (jail, events) = (Jail::in_thread(), [small, big]);
        let routed: Vec<RoutedEvent> = block_on(resolve(&jail, &events, &table, BTreeMap::new(), || MOMENT))
            .unwrap()
            .into_iter()
            .map(Resolved::now)
            .collect();
        let made = |routed: &RoutedEvent| -> Vec<(String, Option<Bytes>)> {
            let deliveries = routed.deliveries.iter();
            deliveries
                .map(|delivery| (delivery.endpoint_id.to_string(), delivery.body.clone()))
                .collect()
        };
        let twice = Bytes::from_static(br#"{"twice":22}"#);
        let (on, other) = ("ep_on".to_owned(), ("ep_other".to_owned(), None));
        assert_eq!(made(&routed[0]), vec![other.clone()]);
        assert_eq!(made(&routed[1]), [(on, Some(twice)), other]);
    }

    #[test]
    fn the_lease_begins_when_the_expressions_have_yielded() {
        let table = table([RouteSpec {
            filter: Some(".id > 1".to_owned()),
            ..spec(to("on"))
        }]);
        let jail = Jail::in_thread();
        let moment = || {
            assert_eq!(
                jail.status().started,
                1,
                "the jail was asked before the moment is"
            );
            MOMENT
        };
        let resolved = block_on(resolve(&jail, &[event()], &table, BTreeMap::new(), moment)).unwrap();
        let routed: Vec<RoutedEvent> = resolved.into_iter().map(Resolved::now).collect();
        assert_eq!(
            routed[0].deliveries[0].lease,
            Some((MOMENT.lease, MOMENT.lease_until))
        );
    }
}
