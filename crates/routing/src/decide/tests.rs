use super::*;
use crate::trace::Waited;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;
use store::Gift;
use wire::resource::RouteSpec;
use wire::{
    DeliveryId, DeliveryState, EndpointId, EventId, EventTypePattern, PlaybookId, RouteId, RunId, SourceId,
    WorkspaceId,
};

const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

pub(crate) const MOMENT: Moment = Moment {
    now: NOW,
    lease: Uuid::from_u128(7),
    lease_until: Instant::from_unix_micros(1_800_000_090_000_000),
};

pub(crate) fn event() -> Event {
    Event {
        id: EventId::new(NOW, 1),
        workspace_id: WorkspaceId::from_stored("ws_one"),
        source_id: Some(SourceId::from_stored("so_stripe")),
        event_type: Some("payment.card.failed".to_owned()),
        state: EventState::Accepted,
        verified: Some(true),
        received_at: NOW,
        method: "POST".to_owned(),
        query: None,
        remote_address: None,
        headers: Bytes::from_static(b"[]"),
        content_type: Some("application/json".to_owned()),
        body: Bytes::from_static(br#"{"id": 7}"#),
        idempotency_key: None,
        traceparent: None,
        failures: 0,
        trace: None,
        verify_reason: None,
        verify_secret_id: None,
    }
}

pub(crate) fn to(endpoint: &str) -> Target {
    Target::Endpoint(EndpointId::from_stored(format!("ep_{endpoint}")))
}

fn to_playbook(playbook: &str) -> Target {
    Target::Playbook(PlaybookId::from_stored(format!("pb_{playbook}")))
}

pub(crate) fn spec(to: Target) -> RouteSpec {
    RouteSpec {
        name: "a route".to_owned(),
        enabled: true,
        from: Vec::new(),
        event_types: Vec::new(),
        filter: None,
        transform: None,
        delay: Duration::ZERO,
        delivery: wire::resource::DeliverySpec::default(),
        to,
    }
}

/// The endpoints `on` and `other` and the playbook `on` are enabled, `off` is disabled, everything else does not exist.
pub(crate) fn table(specs: impl IntoIterator<Item = RouteSpec>) -> RoutingTable {
    let route = |(place, spec): (usize, RouteSpec)| Route {
        subscription: None,
        id: RouteId::from_stored(format!("rt_{place}")),
        workspace_id: WorkspaceId::from_stored("ws_one"),
        position: i32::try_from(place).unwrap(),
        spec,
        created_at: NOW,
        updated_at: NOW,
    };
    let endpoint = |name: &str| EndpointId::from_stored(format!("ep_{name}"));
    let playbook = |name: &str| PlaybookId::from_stored(format!("pb_{name}"));
    RoutingTable {
        orders: HashMap::new(),
        doorkeepers: HashMap::new(),
        sources: HashMap::new(),
        environments: HashMap::new(),
        first_wait: Duration::ZERO,
        first_waits: HashMap::new(),
        routes: specs.into_iter().enumerate().map(route).collect(),
        endpoints: [
            (endpoint("on"), true),
            (endpoint("other"), true),
            (endpoint("off"), false),
        ]
        .into(),
        playbooks: [(playbook("on"), true), (playbook("off"), false)].into(),
    }
}

fn decided(
    event: &Event,
    table: &RoutingTable,
    verdicts: impl IntoIterator<Item = (usize, Verdict)>,
    transforms: impl IntoIterator<Item = (usize, Transformed)>,
) -> (RoutedEvent, Value) {
    let matches = matching(event, table, &verdicts.into_iter().collect());
    let routed = decide(
        event,
        table,
        matches,
        &transforms.into_iter().collect(),
        Heard::default(),
        MOMENT,
    );
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    assert_eq!(trace["eventId"], event.id.to_string());
    (routed, trace["routes"].clone())
}

fn failed(message: &str) -> ExpressionError {
    ExpressionError::Failed {
        message: message.to_owned(),
    }
}

fn patterns(texts: &[&str]) -> Vec<EventTypePattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_matching_route_makes_a_delivery_leased_for_the_worker() {
    let table = table([RouteSpec {
        from: vec![SourceId::from_stored("so_stripe")],
        event_types: patterns(&["customer.*", "payment.*"]),
        ..spec(to("on"))
    }]);
    let (routed, trace) = decided(&event(), &table, [], []);
    assert_eq!(routed.state, EventState::Routed);
    let [delivery] = routed.deliveries.as_slice() else {
        panic!("one delivery, not {:?}", routed.deliveries);
    };
    assert_eq!(delivery.id, DeliveryId::of(event().id, &delivery.endpoint_id, 0));
    assert_eq!(delivery.state, DeliveryState::Delivering);
    assert_eq!(delivery.due_at, Some(NOW));
    assert_eq!(delivery.lease, Some((MOMENT.lease, MOMENT.lease_until)));
    assert_eq!(delivery.event_type.as_deref(), Some("payment.card.failed"));
    assert_eq!(delivery.body, None);
    assert_eq!(
        trace,
        json!([{
            "routeId": "rt_0", "name": "a route", "matched": true, "reason": "every clause holds", "clause": "all",
            "value": null, "target": {"endpoint": "ep_on"}, "deliveryId": delivery.id,
        }])
    );
}

#[test]
fn a_disabled_route_takes_nothing() {
    let table = table([RouteSpec {
        enabled: false,
        ..spec(to("on"))
    }]);
    let (routed, trace) = decided(&event(), &table, [], []);
    assert!(routed.deliveries.is_empty());
    assert_eq!(
        trace,
        json!([{
            "routeId": "rt_0", "name": "a route", "matched": false, "reason": "the route is disabled",
            "clause": "enabled", "value": false, "target": {"endpoint": "ep_on"},
        }])
    );
}

#[test]
fn an_event_of_another_source_or_of_none_is_missed() {
    let table = table([RouteSpec {
        from: vec![SourceId::from_stored("so_github")],
        ..spec(to("on"))
    }]);
    let (_, trace) = decided(&event(), &table, [], []);
    assert_eq!(trace[0]["clause"], "from");
    assert_eq!(trace[0]["value"], "so_stripe");
    let emitted = Event {
        source_id: None,
        ..event()
    };
    let (routed, trace) = decided(&emitted, &table, [], []);
    assert!(routed.deliveries.is_empty());
    assert_eq!(
        (&trace[0]["clause"], &trace[0]["value"]),
        (&json!("from"), &Value::Null)
    );
}

#[test]
fn a_route_without_from_takes_events_without_a_source() {
    let emitted = Event {
        source_id: None,
        ..event()
    };
    let (routed, _) = decided(&emitted, &table([spec(to("on"))]), [], []);
    assert_eq!(routed.deliveries.len(), 1);
}

#[test]
fn what_the_platform_tells_goes_where_a_pattern_names_it_and_nowhere_else() {
    let table = table([
        spec(to("everything")),
        with_types(&["*"], "star"),
        with_types(&["*.disabled"], "somebodys"),
        with_types(&["order.*", "endpoint.*"], "family"),
        with_types(&["endpoint.disabled"], "exact"),
        with_types(&["delivery.*"], "other"),
    ]);
    let told = Event {
        source_id: None,
        event_type: Some("endpoint.disabled".to_owned()),
        ..event()
    };
    let endpoints = |event: &Event| -> Vec<String> {
        let (routed, _) = decided(event, &table, [], []);
        let ids = routed.deliveries.iter().map(|row| row.endpoint_id.to_string());
        ids.collect()
    };
    assert_eq!(endpoints(&told), ["ep_family", "ep_exact"]);
    let (_, trace) = decided(&told, &table, [], []);
    assert_eq!(trace[0]["clause"], "event_types");
    // One of this name that somebody sent is like any other.
    for sent in [
        Event {
            source_id: event().source_id,
            ..told.clone()
        },
        Event {
            remote_address: Some("192.0.2.7".to_owned()),
            ..told
        },
    ] {
        assert_eq!(endpoints(&sent).len(), 5);
    }
}

fn with_types(types: &[&str], endpoint: &str) -> RouteSpec {
    RouteSpec {
        event_types: patterns(types),
        ..spec(to(endpoint))
    }
}

#[test]
fn a_type_that_matches_no_pattern_is_shown_with_the_patterns() {
    let table = table([RouteSpec {
        event_types: patterns(&["a.b", "c.*", "d", "e", "f", "g", "h"]),
        ..spec(to("on"))
    }]);
    let (_, trace) = decided(&event(), &table, [], []);
    assert_eq!(trace[0]["clause"], "event_types");
    assert_eq!(trace[0]["value"], "payment.card.failed");
    assert_eq!(
        trace[0]["reason"],
        "the event's type matches none of a.b, c.*, d, e, f and 2 more"
    );
    let untyped = Event {
        event_type: None,
        ..event()
    };
    let (_, trace) = decided(&untyped, &table, [], []);
    assert_eq!(trace[0]["value"], Value::Null);
}

#[test]
fn only_routes_whose_cheap_clauses_hold_are_candidates() {
    let filtered = RouteSpec {
        filter: Some(".a".to_owned()),
        ..spec(to("on"))
    };
    let table = table([
        RouteSpec {
            enabled: false,
            ..filtered.clone()
        },
        filtered.clone(),
        RouteSpec {
            event_types: patterns(&["other"]),
            ..filtered
        },
    ]);
    let event = event();
    let places: Vec<usize> = candidates(&event, &table).map(|(place, _)| place).collect();
    assert_eq!(places, [1]);
}

#[test]
fn a_filter_takes_the_event_only_when_it_yields_true() {
    let table = table([RouteSpec {
        filter: Some(".amount > 100".to_owned()),
        ..spec(to("on"))
    }]);
    let (routed, _) = decided(&event(), &table, [(0, Ok(true))], []);
    assert_eq!(routed.deliveries.len(), 1);

    let (routed, trace) = decided(&event(), &table, [(0, Ok(false))], []);
    assert!(routed.deliveries.is_empty());
    assert_eq!(trace[0]["matched"], false);
    assert_eq!(
        (&trace[0]["clause"], &trace[0]["value"]),
        (&json!("filter"), &json!(false))
    );
}

#[test]
fn a_filter_that_fails_misses_and_the_trace_says_why() {
    let table = table([RouteSpec {
        filter: Some(".amount > 100".to_owned()),
        ..spec(to("on"))
    }]);
    let not_json = ExpressionError::InputNotJson {
        reason: "at byte 0".to_owned(),
    };
    for (error, kind) in [(failed("cannot index"), "failed"), (not_json, "input_not_json")] {
        let text = error.to_string();
        let (routed, trace) = decided(&event(), &table, [(0, Err(error))], []);
        assert!(routed.deliveries.is_empty());
        assert_eq!(trace[0]["clause"], "filter");
        assert_eq!(trace[0]["value"], kind);
        assert!(trace[0]["reason"].as_str().unwrap().ends_with(&text), "{trace}");
    }
}

#[test]
fn a_transform_is_what_the_delivery_sends() {
    let table = table([RouteSpec {
        transform: Some("{id}".to_owned()),
        ..spec(to("on"))
    }]);
    let transformed = Bytes::from_static(br#"{"id":7}"#);
    let (routed, _) = decided(&event(), &table, [], [(0, Ok(transformed.clone()))]);
    assert_eq!(routed.deliveries[0].body, Some(transformed));
}

#[test]
fn a_transform_that_fails_skips_the_delivery_with_the_reason() {
    let table = table([RouteSpec {
        transform: Some("error".to_owned()),
        ..spec(to("on"))
    }]);
    let (routed, trace) = decided(&event(), &table, [], [(0, Err(failed("on purpose")))]);
    let delivery = &routed.deliveries[0];
    assert_eq!(delivery.state, DeliveryState::Skipped);
    assert_eq!((delivery.due_at, delivery.lease), (None, None));
    assert!(delivery.reason.as_ref().unwrap().contains("on purpose"));
    assert_eq!(trace[0]["matched"], true);
    assert_eq!(trace[0]["clause"], "transform");
    assert_eq!(trace[0]["deliveryId"], delivery.id.to_string());

    let (routed, _) = decided(&event(), &table, [], [(0, Err(failed("a\0b")))]);
    let reason = routed.deliveries[0].reason.as_ref().unwrap();
    assert!(
        reason.ends_with("a\u{fffd}b"),
        "Postgres has no NUL in texts: {reason:?}"
    );
}

#[test]
fn the_nearest_schedule_says_how_long_the_first_attempt_waits() {
    let wait = |of_endpoint: Option<u64>, of_route: Option<u64>| {
        let mut spec = spec(to("on"));
        spec.delivery.retry.schedule = of_route.map(|seconds| vec![Duration::from_secs(seconds)]);
        let mut table = table([spec]);
        table.first_wait = Duration::from_secs(7);
        let endpoint = EndpointId::from_stored("ep_on");
        table
            .first_waits
            .extend(of_endpoint.map(|seconds| (endpoint, Duration::from_secs(seconds))));
        let (routed, _) = decided(&event(), &table, [], []);
        let due_at = routed.deliveries[0].due_at.unwrap();
        (due_at.since(NOW).as_secs(), routed.deliveries[0].lease.is_some())
    };
    assert_eq!(wait(None, None), (7, false));
    assert_eq!(wait(Some(3), None), (3, false));
    assert_eq!(wait(Some(3), Some(5)), (5, false));
    assert_eq!(wait(Some(3), Some(0)), (0, true));
}

#[test]
fn a_delayed_delivery_waits_without_a_lease() {
    let table = table([RouteSpec {
        delay: Duration::from_mins(1),
        ..spec(to("on"))
    }]);
    let (routed, _) = decided(&event(), &table, [], []);
    let delivery = &routed.deliveries[0];
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert_eq!(delivery.due_at, Some(NOW + Duration::from_mins(1)));
    assert_eq!(delivery.lease, None);
}

#[test]
fn a_disabled_endpoint_holds_its_delivery() {
    let (routed, trace) = decided(&event(), &table([spec(to("off"))]), [], []);
    let delivery = &routed.deliveries[0];
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert_eq!((delivery.due_at, delivery.lease), (Some(NOW), None));
    assert_eq!(trace[0]["matched"], true);
    assert_eq!(
        (&trace[0]["clause"], &trace[0]["value"]),
        (&json!("target"), &json!("disabled"))
    );
}

#[test]
fn a_deleted_endpoint_skips_its_delivery() {
    let (routed, trace) = decided(&event(), &table([spec(to("deleted"))]), [], []);
    assert_eq!(routed.deliveries[0].state, DeliveryState::Skipped);
    assert_eq!(
        routed.deliveries[0].reason.as_deref(),
        Some("the endpoint does not exist any more")
    );
    assert_eq!(trace[0]["value"], "missing");
}

#[test]
fn a_second_route_to_the_same_endpoint_makes_no_second_delivery() {
    let table = table([spec(to("on")), spec(to("on")), spec(to("other"))]);
    let (routed, trace) = decided(&event(), &table, [], []);
    assert_eq!(routed.deliveries.len(), 2);
    assert_eq!(trace[1]["matched"], true);
    assert_eq!(
        (&trace[1]["clause"], &trace[1]["value"]),
        (&json!("target"), &json!("rt_0"))
    );
    assert_eq!(trace[1].get("deliveryId"), None);
    // The value leads to the delivery that covers it.
    assert_eq!(trace[0]["routeId"], trace[1]["value"]);
    assert_eq!(trace[0]["deliveryId"], routed.deliveries[0].id.to_string());
    assert_eq!(trace[2]["clause"], "all");
}

#[test]
fn a_second_route_to_the_same_playbook_starts_no_second_run() {
    let table = table([spec(to_playbook("on")), spec(to_playbook("on"))]);
    let (routed, trace) = decided(&event(), &table, [], []);
    assert_eq!(routed.runs.len(), 1);
    assert_eq!(trace[0]["runId"], routed.runs[0].id.to_string());
    assert_eq!(trace[1]["matched"], true);
    assert_eq!(
        (&trace[1]["clause"], &trace[1]["value"]),
        (&json!("target"), &trace[0]["routeId"])
    );
    assert_eq!(trace[1].get("runId"), None);
}

#[test]
fn a_route_that_its_target_stops_does_not_have_the_event() {
    for (playbook, value) in [("off", "disabled"), ("gone", "missing")] {
        let table = table([spec(to_playbook(playbook)), spec(to_playbook(playbook))]);
        let (_, trace) = decided(&event(), &table, [], []);
        assert_eq!([&trace[0]["value"], &trace[1]["value"]], [value, value]);
    }
    let binary = Event {
        body: Bytes::from_static(b"\xff\x00"),
        ..event()
    };
    let transforming = RouteSpec {
        transform: Some(".id".to_owned()),
        ..spec(to_playbook("on"))
    };
    let table = table([spec(to_playbook("on")), transforming]);
    let (_, trace) = decided(&binary, &table, [], [(1, Err(failed("no JSON")))]);
    assert_eq!(
        [&trace[0]["clause"], &trace[1]["clause"]],
        ["target", "transform"]
    );
}

#[test]
fn a_route_that_missed_does_not_take_the_endpoint_from_the_next() {
    let missed = RouteSpec {
        enabled: false,
        ..spec(to("on"))
    };
    let (routed, _) = decided(&event(), &table([missed, spec(to("on"))]), [], []);
    assert_eq!(routed.deliveries[0].route_id, Some(RouteId::from_stored("rt_1")));
}

#[test]
fn a_playbook_gets_the_events_json_or_the_transforms() {
    let (routed, trace) = decided(&event(), &table([spec(to_playbook("on"))]), [], []);
    let run = &routed.runs[0];
    assert_eq!(run.id, RunId::of(event().id, &run.playbook_id, 0));
    assert_eq!(run.input, event().body);
    assert_eq!(trace[0]["runId"], run.id.to_string());

    let transforming = RouteSpec {
        transform: Some(".id".to_owned()),
        ..spec(to_playbook("on"))
    };
    let transformed = Bytes::from_static(b"7");
    let (routed, _) = decided(
        &event(),
        &table([transforming.clone()]),
        [],
        [(0, Ok(transformed.clone()))],
    );
    assert_eq!(routed.runs[0].input, transformed);

    let (routed, trace) = decided(
        &event(),
        &table([transforming]),
        [],
        [(0, Err(failed("on purpose")))],
    );
    assert!(routed.runs.is_empty());
    assert_eq!(trace[0]["clause"], "transform");
}

#[test]
fn a_playbook_that_is_disabled_or_gone_or_cannot_read_the_body_starts_no_run() {
    let binary = Event {
        body: Bytes::from_static(b"\xff\x00"),
        ..event()
    };
    for (event, playbook, value) in [
        (event(), "off", "disabled"),
        (event(), "gone", "missing"),
        (binary, "on", "not_json"),
    ] {
        let (routed, trace) = decided(&event, &table([spec(to_playbook(playbook))]), [], []);
        assert!(routed.runs.is_empty());
        assert_eq!(trace[0]["matched"], true);
        assert_eq!(
            (&trace[0]["clause"], &trace[0]["value"]),
            (&json!("target"), &json!(value))
        );
    }
}

#[test]
fn an_event_that_nobody_wants_is_routed_to_nobody() {
    let (routed, trace) = decided(&event(), &table([]), [], []);
    assert_eq!(routed.state, EventState::Routed);
    assert!(routed.deliveries.is_empty() && routed.runs.is_empty());
    assert_eq!(trace, json!([]));
}

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

fn kept_by(playbook: &str, specs: impl IntoIterator<Item = RouteSpec>) -> RoutingTable {
    let keeper = PlaybookId::from_stored(format!("pb_{playbook}"));
    RoutingTable {
        doorkeepers: [(SourceId::from_stored("so_stripe"), keeper)].into(),
        ..table(specs)
    }
}

fn doorkeeper(event: &Event, table: &RoutingTable) -> (RoutedEvent, Value) {
    let matches = matching(event, table, &BTreeMap::new());
    let routed = decide(event, table, matches, &BTreeMap::new(), Heard::default(), MOMENT);
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    (routed, trace["doorkeeper"].clone())
}

#[test]
fn what_no_route_takes_is_for_the_doorkeeper() {
    let missed = RouteSpec {
        event_types: patterns(&["other"]),
        ..spec(to("on"))
    };
    let (routed, trace) = doorkeeper(&event(), &kept_by("on", [missed]));
    let [run] = routed.runs.as_slice() else {
        panic!("one run, not {:?}", routed.runs);
    };
    assert_eq!(run.id, RunId::of(event().id, &run.playbook_id, 0));
    assert_eq!(
        (run.trigger, run.route_id.as_ref(), &run.input),
        (wire::Trigger::App, None, &event().body)
    );
    assert_eq!(trace, json!({"playbookId": "pb_on", "runId": run.id}));
    assert_eq!(routed.state, EventState::Routed);
}

#[test]
fn what_a_route_takes_is_not_for_the_doorkeeper() {
    for taken in [
        to("on"),
        to("off"),
        to("gone"),
        to_playbook("on"),
        to_playbook("off"),
    ] {
        let (routed, trace) = doorkeeper(&event(), &kept_by("other", [spec(taken.clone())]));
        assert_eq!(trace, Value::Null, "{taken:?}");
        assert!(routed.runs.iter().all(|run| run.route_id.is_some()), "{taken:?}");
    }
}

#[test]
fn a_doorkeeper_is_for_its_own_source_alone() {
    let table = kept_by("on", []);
    let elsewhere = Event {
        source_id: Some(SourceId::from_stored("so_github")),
        ..event()
    };
    let emitted = Event {
        source_id: None,
        ..event()
    };
    for event in [elsewhere, emitted] {
        let (routed, trace) = doorkeeper(&event, &table);
        assert!(routed.runs.is_empty() && trace == Value::Null);
    }
}

#[test]
fn a_doorkeeper_that_can_start_no_run_says_why() {
    for (keeper, why) in [("off", "disabled"), ("gone", "does not exist")] {
        let (routed, trace) = doorkeeper(&event(), &kept_by(keeper, []));
        assert!(routed.runs.is_empty());
        assert!(trace["reason"].as_str().unwrap().contains(why), "{trace}");
        assert_eq!(trace.get("runId"), None);
    }
    let bytes = Event {
        body: Bytes::from_static(b"\xff"),
        ..event()
    };
    let (routed, trace) = doorkeeper(&bytes, &kept_by("on", []));
    assert!(routed.runs.is_empty() && trace["reason"].is_string(), "{trace}");
}

#[test]
fn a_route_whose_transform_yields_nothing_leaves_its_playbook_to_the_next() {
    let to_playbook = |transform: Option<&str>, name: &str| RouteSpec {
        name: name.to_owned(),
        transform: transform.map(ToOwned::to_owned),
        ..spec(Target::Playbook(PlaybookId::from_stored("pb_on")))
    };
    let table = table([
        to_playbook(Some(".a | error"), "first"),
        to_playbook(Some(".a"), "second"),
        to_playbook(None, "third"),
        to_playbook(None, "fourth"),
    ]);
    let event = event();
    let decided = |transforms: [Option<&'static [u8]>; 2]| {
        let matches = matching(&event, &table, &BTreeMap::new());
        assert_eq!(
            matches.iter().map(Match::makes_something).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        let transforms = transforms.into_iter().enumerate();
        let transforms = transforms.map(|(place, json)| {
            (
                place,
                json.map(Bytes::from_static).ok_or(ExpressionError::NoOutput),
            )
        });
        let routed = decide(
            &event,
            &table,
            matches,
            &transforms.collect(),
            Heard::default(),
            MOMENT,
        );
        let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
        let started: Vec<bool> = trace["routes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry.get("runId").is_some())
            .collect();
        let clauses: Vec<Value> = trace["routes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["clause"].clone())
            .collect();
        (routed.runs, started, clauses)
    };
    let (runs, started, clauses) = decided([None, Some(b"2")]);
    assert_eq!((runs.len(), runs[0].input.as_ref()), (1, &b"2"[..]));
    assert_eq!(started, [false, true, false, false]);
    assert_eq!(clauses, ["transform", "all", "target", "target"]);
    let (runs, started, _) = decided([None, None]);
    assert_eq!((runs.len(), runs[0].input.as_ref()), (1, event.body.as_ref()));
    assert_eq!(started, [false, false, true, false]);
    let (runs, started, _) = decided([Some(b"1"), Some(b"2")]);
    assert_eq!((runs.len(), runs[0].input.as_ref()), (1, &b"1"[..]));
    assert_eq!(started, [true, false, false, false]);
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
