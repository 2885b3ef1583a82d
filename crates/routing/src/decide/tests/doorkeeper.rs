//! The doorkeeper of an app gets what no route takes.

use super::*;
use wire::RunId;

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
