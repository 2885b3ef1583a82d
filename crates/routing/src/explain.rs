//! A decision to look at: what routes would make of an event, with nothing written.

use crate::decide::{Finding, Match, Moment, decide};
use crate::evaluate::evaluate;
use crate::trace::{Entry, Trace};
use crate::waiting::Heard;
use expression::{Jail, JailError};
use store::{Event, Route, RoutedEvent, RoutingTable};
use wire::RouteId;

/// What would become of an event.
#[derive(Debug, Clone)]
pub struct Explained {
    /// What was decided at each route.
    pub trace: Trace,
    /// The decision. Its leases mean nothing: nobody is told of them.
    pub decision: RoutedEvent,
}

/// Decides an event against the table as [`resolve`](crate::resolve) does, for somebody who looks at it. Runs that wait hear
/// nothing of it.
///
/// The trace leaves out what misses once there is much of it, but never the route that is `asked_for`. Fails only when the
/// jail cannot work now. Cancel-safe: nothing is kept.
pub async fn explain(
    jail: &Jail,
    event: &Event,
    table: &RoutingTable,
    moment: Moment,
    asked_for: Option<&RouteId>,
) -> Result<Explained, JailError> {
    let evaluated = evaluate(jail, std::slice::from_ref(event), table).await?;
    let known = evaluated
        .into_iter()
        .next()
        .expect("one event was given, and each comes to something");
    let missed = asked_for.and_then(|id| missed(id, table, &known.matches));
    let decision = decide(
        event,
        table,
        known.matches,
        &known.transforms,
        Heard::default(),
        moment,
    );
    let mut trace = Trace::from_json(&decision.trace).expect("it was written a moment ago");
    if let Some(entry) = missed
        && !trace.routes.iter().any(|known| known.route_id == entry.route_id)
    {
        trace.misses_omitted = trace.misses_omitted.saturating_sub(1);
        trace.routes.push(entry);
    }
    Ok(Explained { trace, decision })
}

/// What the trace would have for a route that does not take the event.
fn missed(id: &RouteId, table: &RoutingTable, matches: &[Match]) -> Option<Entry> {
    let mut routes = table.routes.iter().zip(matches);
    match routes.find(|(route, _)| route.id == *id)? {
        (route, Match::Missed(finding)) => Some(entry(route, finding)),
        _ => None,
    }
}

fn entry(route: &Route, finding: &Finding) -> Entry {
    Entry {
        route_id: route.id.clone(),
        name: route.spec.name.clone(),
        matched: false,
        reason: finding.reason.clone(),
        clause: finding.clause,
        value: finding.value.clone(),
        target: route.spec.to.clone(),
        delivery_id: None,
        run_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{MOMENT, event, spec, table, to};
    use crate::trace::MISSES_SHOWN;
    use futures_executor::block_on;
    use std::collections::BTreeMap;
    use wire::EventTypePattern;
    use wire::resource::RouteSpec;

    #[test]
    fn an_explanation_is_the_decision_that_would_be_written() {
        let table = table([
            RouteSpec {
                filter: Some(".id > 10".to_owned()),
                ..spec(to("on"))
            },
            RouteSpec {
                transform: Some("{twice: (.id * 2)}".to_owned()),
                ..spec(to("other"))
            },
        ]);
        let jail = Jail::in_thread();
        let explained = block_on(explain(&jail, &event(), &table, MOMENT, None)).unwrap();
        let routed = block_on(crate::resolve(&jail, &[event()], &table, BTreeMap::new(), || {
            MOMENT
        }))
        .unwrap()
        .into_iter()
        .map(crate::Resolved::now)
        .collect::<Vec<_>>();
        assert_eq!(explained.trace.to_json(), routed[0].trace);
        let bodies: Vec<_> = explained
            .decision
            .deliveries
            .iter()
            .map(|made| &made.body)
            .collect();
        let written: Vec<_> = routed[0].deliveries.iter().map(|made| &made.body).collect();
        assert_eq!(bodies, written);
        assert!(
            bodies[0]
                .as_ref()
                .is_some_and(|body| body.starts_with(br#"{"twice":"#))
        );
    }

    #[test]
    fn the_route_that_is_asked_for_is_shown_behind_any_number_of_misses() {
        let missing = RouteSpec {
            event_types: vec!["nothing.has.this".parse::<EventTypePattern>().unwrap()],
            ..spec(to("on"))
        };
        let table = table((0..MISSES_SHOWN + 2).map(|_| missing.clone()));
        let last = &table.routes.last().unwrap().id;
        let jail = Jail::in_thread();
        let plain = block_on(explain(&jail, &event(), &table, MOMENT, None)).unwrap();
        assert_eq!(
            (plain.trace.routes.len(), plain.trace.misses_omitted),
            (MISSES_SHOWN, 2)
        );
        let asked = block_on(explain(&jail, &event(), &table, MOMENT, Some(last))).unwrap();
        assert_eq!(asked.trace.misses_omitted, 1);
        assert_eq!(asked.trace.routes.last().unwrap().route_id, *last);
        assert_eq!(asked.trace.routes.len(), MISSES_SHOWN + 1);
    }
}
