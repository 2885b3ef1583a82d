//! What becomes of the event at the targets of the routes that take it: endpoints and playbooks.

use super::*;
use wire::RunId;

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
