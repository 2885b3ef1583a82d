//! What becomes of an event that the conveyor brings.

use crate::yard::{MESSAGES_ONLY, Yard, all_to, endpoint, next};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use store::Edit;
use wire::resource::{RouteSpec, Target};
use wire::{DeliveryState, EventState, PlaybookId, Queue, Reference, SourceId};

#[tokio::test]
async fn a_matching_event_becomes_a_delivery_leased_for_the_worker_that_is_told() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    yard.start_router();
    let mut worker = yard.consume(Queue::Deliver);
    let (event, trace) = yard.send("payment.succeeded", br#"{"id":7}"#).await;
    assert_eq!(event.state, EventState::Routed);

    let references = next(&mut worker).await;
    let [Reference::Delivery { id, lease }] = references.as_slice() else {
        panic!("one delivery, not {references:?}");
    };
    assert_eq!(
        trace,
        json!([{
            "routeId": "rt_sink", "name": "sink", "matched": true, "reason": "every clause holds", "clause": "all",
            "value": null, "target": {"endpoint": "ep_sink"}, "deliveryId": id,
        }])
    );
    let jobs = yard.store().leased_jobs(vec![(*id, *lease)]).await.unwrap();
    assert_eq!(jobs.len(), 1, "the reference opens the lease");
    assert_eq!(jobs[0].body, &br#"{"id":7}"#[..]);
    assert_eq!(jobs[0].number(), 1);
    let deliveries = yard.deliveries(event.id).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(
        (deliveries[0].state, deliveries[0].attempts),
        (DeliveryState::Delivering, 0)
    );
}

#[tokio::test]
async fn filters_and_transforms_are_evaluated_and_the_trace_says_what_decided() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.edit(vec![
        Edit::Endpoint(endpoint("big", true)),
        Edit::Endpoint(endpoint("odd", true)),
    ])
    .await;
    let from = vec![SourceId::from_stored("so_github")];
    yard.routes([
        RouteSpec {
            from,
            ..all_to("held")
        },
        RouteSpec {
            event_types: vec!["payment.*".parse().unwrap()],
            filter: Some(".amount > 100".to_owned()),
            transform: Some("{amount, twice: (.amount * 2)}".to_owned()),
            ..all_to("big")
        },
        RouteSpec {
            filter: Some(".amount".to_owned()),
            ..all_to("odd")
        },
        RouteSpec {
            transform: Some(".amount | error".to_owned()),
            ..all_to("sink")
        },
    ])
    .await;
    yard.start_router();

    let (event, trace) = yard.send("payment.card.charged", br#"{"amount":150}"#).await;
    let said: Vec<_> = trace
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["matched"].clone(),
                entry["clause"].clone(),
                entry["value"].clone(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            (json!(false), json!("from"), json!("so_stripe")),
            (json!(true), json!("all"), json!(null)),
            (json!(false), json!("filter"), json!("not_boolean")),
            (json!(true), json!("transform"), json!("failed")),
        ]
    );
    let deliveries = yard.deliveries(event.id).await;
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        let body = yard.store().transformed(delivery.id).await.unwrap();
        match delivery.endpoint_id.as_str() {
            "ep_big" => assert_eq!(body.as_deref(), Some(&br#"{"amount":150,"twice":300}"#[..])),
            "ep_sink" => {
                assert_eq!(delivery.state, DeliveryState::Skipped);
                assert!(
                    delivery
                        .reason
                        .unwrap()
                        .starts_with("the transform yields nothing to send")
                );
            }
            other => panic!("a delivery to {other}"),
        }
    }

    let (event, trace) = yard.send("payment.card.charged", br#"{"amount":50}"#).await;
    assert_eq!(
        (&trace[1]["clause"], &trace[1]["value"]),
        (&json!("filter"), &json!(false))
    );
    assert_eq!(yard.deliveries(event.id).await.len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_json_matches_no_filter_and_passes_routes_without_one() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([
        RouteSpec {
            filter: Some("true".to_owned()),
            ..all_to("held")
        },
        all_to("sink"),
    ])
    .await;
    yard.start_router();
    let (event, trace) = yard.send("x", b"\xff\x00 not json").await;
    assert_eq!(trace[0]["matched"], false);
    assert_eq!(trace[0]["value"], "input_not_json");
    assert!(trace[0]["reason"].as_str().unwrap().contains("not JSON"));
    assert_eq!(yard.deliveries(event.id).await.len(), 1);
}

#[tokio::test]
async fn delayed_and_held_deliveries_wait_without_a_lease_and_nobody_is_told() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let delay = Duration::from_mins(10);
    yard.routes([
        all_to("held"),
        RouteSpec {
            delay,
            ..all_to("sink")
        },
    ])
    .await;
    yard.start_router();
    let (event, _) = yard.send("x", b"{}").await;
    for delivery in yard.deliveries(event.id).await {
        assert_eq!(delivery.state, DeliveryState::Pending);
        let wait = delivery.due_at.unwrap().since(delivery.created_at);
        let expected = if delivery.endpoint_id.as_str() == "ep_sink" {
            delay
        } else {
            Duration::ZERO
        };
        assert_eq!(wait, expected);
    }
    assert_eq!(yard.conveyor().depth(Queue::Deliver).await.unwrap(), 0);
}

#[tokio::test]
async fn an_event_starts_one_run_of_a_playbook_with_its_body_as_input() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let to = Target::Playbook(PlaybookId::from_stored("pb_onboarding"));
    let run = RouteSpec {
        to,
        ..all_to("onboarding")
    };
    let again = RouteSpec {
        name: "again".to_owned(),
        ..run.clone()
    };
    yard.routes([run, again]).await;
    yard.start_router();
    let mut runner = yard.consume(Queue::Run);
    let (event, trace) = yard.send("customer.created", br#"{"name":"Ada"}"#).await;
    let runs = yard.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].input, br#"{"name":"Ada"}"#);
    assert_eq!(runs[0].event_id, Some(event.id));
    assert_eq!(trace[0]["runId"], runs[0].id.to_string());
    assert_eq!(
        (&trace[1]["clause"], &trace[1]["value"]),
        (&json!("target"), &json!("rt_onboarding"))
    );
    assert_eq!(next(&mut runner).await, [Reference::Run { id: runs[0].id }]);
}

#[tokio::test]
async fn many_references_to_few_events_route_each_event_once() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(yard.accept("x", b"{}").await);
    }
    for _ in 0..10 {
        yard.tell(&[ids.as_slice(), ids.as_slice()].concat()).await;
    }
    // Two routers, as in two processes.
    yard.start_router();
    yard.start_router();
    let mut worker = yard.consume(Queue::Deliver);
    let mut told = Vec::new();
    while told.len() < ids.len() {
        told.extend(next(&mut worker).await);
    }
    for id in &ids {
        yard.routed(*id).await;
        assert_eq!(yard.deliveries(*id).await.len(), 1);
    }
    let distinct: HashSet<String> = told.iter().map(|reference| format!("{reference:?}")).collect();
    assert_eq!(
        (told.len(), distinct.len()),
        (ids.len(), ids.len()),
        "each worker is told once"
    );
}

#[tokio::test]
async fn a_change_counts_from_the_next_event_on() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    yard.start_router();
    let (event, _) = yard.send("x", b"{}").await;
    assert_eq!(yard.deliveries(event.id).await.len(), 1);
    for _ in 0..5 {
        for enabled in [false, true] {
            yard.routes([RouteSpec {
                enabled,
                ..all_to("sink")
            }])
            .await;
            // The announcement is on its way to the router's task while the next event is, so this waits for an event
            // that was decided by the new rules.
            testkit::until("the new rules count", async || {
                let (event, _) = yard.send("x", b"{}").await;
                yard.deliveries(event.id).await.len() == usize::from(enabled)
            })
            .await;
        }
    }
}
