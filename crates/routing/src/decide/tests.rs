//! The clauses and transforms of routes; and the event, routes and table that all tests of decisions share.

mod doorkeeper;
mod targets;
mod trace;

use super::*;
use serde_json::json;
use std::time::Duration;
use wire::resource::RouteSpec;
use wire::{
    DeliveryId, DeliveryState, EndpointId, EventId, EventTypePattern, PlaybookId, RouteId, SourceId,
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
fn the_trace_names_the_route_that_started_the_run() {
    let table = table([
        RouteSpec {
            transform: Some(".".to_owned()),
            ..spec(to_playbook("on"))
        },
        spec(to_playbook("on")),
        spec(to_playbook("on")),
    ]);
    let matches = matching(&event(), &table, &BTreeMap::new());
    let transforms = BTreeMap::from([(0, Ok(Bytes::from_static(b"{}")))]);
    let routed = decide(&event(), &table, matches, &transforms, Heard::default(), MOMENT);
    assert_eq!(routed.runs.len(), 1);
    let trace: Value = serde_json::from_slice(&routed.trace).unwrap();
    for place in [1, 2] {
        assert_eq!(trace["routes"][place]["value"], "rt_0", "{trace}");
    }
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
fn an_event_that_nobody_wants_is_routed_to_nobody() {
    let (routed, trace) = decided(&event(), &table([]), [], []);
    assert_eq!(routed.state, EventState::Routed);
    assert!(routed.deliveries.is_empty() && routed.runs.is_empty());
    assert_eq!(trace, json!([]));
}
