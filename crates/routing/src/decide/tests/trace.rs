//! What the trace tells: every match, the misses up to a bound, what was made, and the runs that wait.

use super::*;
use crate::trace::Waited;
use proptest::prelude::*;
use store::Gift;
use wire::RunId;

#[test]
fn a_trace_shows_every_match_and_counts_the_misses_beyond_its_bound() {
    let disabled = RouteSpec {
        enabled: false,
        ..spec(to("on"))
    };
    let misses = std::iter::repeat_n(disabled, crate::trace::MISSES_SHOWN + 3);
    let table = table(misses.chain([spec(to("on"))]));
    let matches = matching(&event(), &table, &BTreeMap::new());
    let routed = decide(
        &event(),
        &table,
        matches,
        &BTreeMap::new(),
        Heard::default(),
        MOMENT,
    );
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    assert_eq!(trace["missesOmitted"], 3);
    let shown = trace["routes"].as_array().unwrap();
    assert_eq!(shown.len(), crate::trace::MISSES_SHOWN + 1);
    assert_eq!(shown.last().unwrap()["matched"], true);
}

#[test]
fn a_quarantined_event_says_why() {
    let routed = quarantine(&event(), "five times: on purpose".to_owned(), NOW);
    assert_eq!(routed.state, EventState::Quarantined);
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    assert_eq!(
        trace,
        json!({"eventId": event().id, "routes": [], "quarantined": "five times: on purpose"})
    );
}

/// A route of a small world, with what its expressions would yield.
fn any_route() -> impl Strategy<Value = (RouteSpec, Option<bool>, Option<bool>)> {
    let targets = prop_oneof![
        Just(to("on")),
        Just(to("other")),
        Just(to("off")),
        Just(to("deleted")),
        Just(to_playbook("on")),
        Just(to_playbook("off")),
        Just(to_playbook("gone")),
    ];
    let expression = || proptest::option::of(any::<bool>());
    (any::<bool>(), targets, expression(), expression(), 0_u64..2).prop_map(
        |(enabled, to, filter, transform, delay)| {
            let spec = RouteSpec {
                enabled,
                filter: filter.map(|_| "f".to_owned()),
                transform: transform.map(|_| "t".to_owned()),
                delay: Duration::from_secs(delay),
                ..spec(to)
            };
            (spec, filter, transform)
        },
    )
}

proptest! {
    #[test]
    fn every_route_is_accounted_for_and_no_target_gets_the_event_twice(
        routes in proptest::collection::vec(any_route(), 0..12),
    ) {
        let table = table(routes.iter().map(|(spec, ..)| spec.clone()));
        let verdicts = routes.iter().enumerate().filter_map(|(place, (_, filter, _))| Some((place, Ok((*filter)?))));
        let yielded = |good: bool| if good { Ok(Bytes::from_static(b"1")) } else { Err(failed("on purpose")) };
        let transforms = routes.iter().enumerate().filter_map(|(place, (.., yields))| Some((place, yielded((*yields)?))));
        let (routed, trace) = decided(&event(), &table, verdicts.collect::<Vec<_>>(), transforms.collect::<Vec<_>>());
        let entries = trace.as_array().unwrap();
        prop_assert_eq!(entries.len(), routes.len());

        let mut made: Vec<String> = routed.deliveries.iter().map(|delivery| delivery.id.to_string()).collect();
        made.extend(routed.runs.iter().map(|run| run.id.to_string()));
        let named: Vec<String> = entries
            .iter()
            .filter_map(|entry| entry.get("deliveryId").or_else(|| entry.get("runId")))
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        made.sort();
        let count = made.len();
        made.dedup();
        prop_assert_eq!(count, made.len(), "no id is made twice");
        let mut sorted = named;
        sorted.sort();
        prop_assert_eq!(made, sorted, "the trace names what was made");

        for delivery in &routed.deliveries {
            let is_leased = delivery.lease.is_some();
            prop_assert_eq!(is_leased, delivery.state == DeliveryState::Delivering);
            prop_assert_eq!(delivery.due_at.is_none(), delivery.state == DeliveryState::Skipped);
            prop_assert_eq!(delivery.reason.is_some(), delivery.state == DeliveryState::Skipped);
        }
        for entry in entries.iter().filter(|entry| entry["matched"] == false) {
            prop_assert!(entry.get("deliveryId").is_none() && entry.get("runId").is_none());
            prop_assert!(["enabled", "filter"].contains(&entry["clause"].as_str().unwrap()));
        }
    }
}

#[test]
fn the_runs_that_wait_are_in_the_trace_beside_the_routes_and_a_run_counts_its_generation() {
    let run_id = RunId::new(NOW, 3);
    let heard = Heard {
        gifts: vec![Gift {
            run_id,
            effect: 1,
            filter: 0,
            is_any: true,
            is_exclusive: false,
        }],
        waits: vec![Waited {
            run_id,
            matched: true,
            exclusive: false,
            reason: "it waits".to_owned(),
        }],
        taken_by: None,
    };
    let emitted = Event {
        method: waitbox::EMITTED.to_owned(),
        headers: waitbox::attributes(&json!({}), 4),
        ..event()
    };
    let table = table([spec(Target::Playbook(PlaybookId::from_stored("pb_on")))]);
    let matches = matching(&emitted, &table, &BTreeMap::new());
    let routed = decide(&emitted, &table, matches, &BTreeMap::new(), heard, MOMENT);
    assert_eq!(
        (routed.runs[0].generation, routed.gifts.len(), routed.is_taken),
        (5, 1, false)
    );
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    assert_eq!(
        trace["waits"],
        json!([{"runId": run_id, "matched": true, "exclusive": false, "reason": "it waits"}])
    );
    assert_eq!(trace["routes"][0]["matched"], true);
}
