//! What becomes of an event that runs wait for.

use crate::listeners::{awaited, of_order, one};
use crate::yard::{EAGER, MESSAGES_ONLY, Yard, all_to, event, next, workspace};
use expression::Jail;
use playbook::ListenRequest;
use routing::{Moment, Named, direct};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use store::{AcceptQueue, RoutedEvent};
use uuid::Uuid;
use wire::resource::{RouteSpec, Target};
use wire::{DeliveryId, EndpointId, EventId, EventState, Instant, PlaybookId, Queue, Reference, RunId};

/// The trace of a routed event.
async fn trace(yard: &Yard, id: EventId) -> Value {
    yard.routed(id).await;
    serde_json::from_slice(yard.event(id).await.trace.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn an_event_continues_the_run_that_waits_for_it_and_no_route_sees_it() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    let run = yard.listener(&one("order.paid")).await;
    yard.start_router();
    let mut runner = yard.consume(Queue::Run);

    let id = yard.accept("order.paid", br#"{"order":7}"#).await;
    yard.tell(&[id]).await;
    let trace = trace(&yard, id).await;
    assert_eq!(trace["routes"], json!([]));
    assert_eq!(
        trace["waits"],
        json!([{"runId": run, "matched": true, "exclusive": true, "reason": "the run waits for it and takes it"}])
    );
    assert_eq!(yard.inbox(run).await, [id]);
    assert!(yard.deliveries(id).await.is_empty());
    assert_eq!(next(&mut runner).await, [Reference::Run { id: run }]);

    // It waited for one.
    let (event, routes) = yard.send("order.paid", b"{}").await;
    assert_eq!(routes[0]["matched"], true);
    assert_eq!(yard.deliveries(event.id).await.len(), 1);
    assert_eq!(yard.inbox(run).await, [id]);
}

/// An event that its door has sent to an endpoint and wants offered to runs; with its delivery.
async fn decided(yard: &Yard) -> (EventId, DeliveryId) {
    let draft = event("order.paid", b"{}");
    let id = draft.id;
    let named = Named {
        endpoint: EndpointId::from_stored("ep_sink"),
        is_enabled: true,
        first_wait: Duration::ZERO,
        order_key: None,
    };
    let moment = Moment {
        now: draft.received_at,
        lease: Uuid::new_v4(),
        lease_until: draft.received_at + Duration::from_mins(1),
    };
    let decided = RoutedEvent {
        state: EventState::Accepted,
        ..direct(&draft, named, moment)
    };
    yard.accept_as(draft, Some(decided)).await;
    let made = yard.deliveries(id).await;
    assert_eq!(made.len(), 1);
    (id, made[0].id)
}

#[tokio::test]
async fn an_event_whose_door_has_decided_comes_to_the_run_that_waits_as_well() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let run = yard.listener(&one("order.paid")).await;
    let (id, made) = decided(&yard).await;

    // A route that is there by now is none of it: the sender was told of one delivery.
    yard.routes([all_to("held")]).await;
    yard.start_router();
    yard.tell(&[id]).await;
    let trace = trace(&yard, id).await;
    assert_eq!(trace["direct"]["deliveryId"], made.to_string());
    assert_eq!(
        trace["waits"],
        json!([{"runId": run, "matched": true, "exclusive": true, "reason": "the run waits for it and takes it"}])
    );
    assert_eq!(yard.inbox(run).await, [id]);
    let left: Vec<DeliveryId> = yard.deliveries(id).await.iter().map(|row| row.id).collect();
    assert_eq!(left, [made]);
}

#[tokio::test]
async fn one_that_cannot_be_offered_stays_as_its_door_decided() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let (id, made) = decided(&yard).await;
    for _ in 0..5 {
        yard.store().count_routing_failure(id).await.unwrap();
    }
    yard.start_router();
    yard.tell(&[id]).await;
    assert_eq!(yard.routed(id).await.0.state, EventState::Routed);
    let trace = trace(&yard, id).await;
    assert_eq!(trace["direct"]["deliveryId"], made.to_string());
}

#[tokio::test]
async fn a_broadcast_event_comes_to_all_that_listen_and_to_the_routes() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    let broadcast = ListenRequest {
        broadcast: true,
        ..one("price.changed")
    };
    let runs = [yard.listener(&broadcast).await, yard.listener(&broadcast).await];
    yard.start_router();
    let id = yard.accept("price.changed", b"{}").await;
    yard.tell(&[id]).await;
    let trace = trace(&yard, id).await;
    assert_eq!(trace["routes"][0]["matched"], true);
    let told: HashSet<String> = trace["waits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wait| wait["runId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, runs.iter().map(RunId::to_string).collect());
    assert_eq!(yard.deliveries(id).await.len(), 1);
    for run in runs {
        assert_eq!(yard.inbox(run).await, [id]);
    }
}

#[tokio::test]
async fn correlation_finds_the_one_of_many_that_waits_for_this_very_value() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    let mut runs = Vec::new();
    for order in 0..20 {
        runs.push(yard.listener(&of_order("order.paid", order)).await);
    }
    let named = yard.listener(&of_order("order.paid", "13")).await;
    yard.start_router();
    let id = yard.accept("order.paid", br#"{"order": 13.0}"#).await;
    yard.tell(&[id]).await;
    yard.routed(id).await;
    for (order, run) in runs.iter().enumerate() {
        assert_eq!(yard.inbox(*run).await.len(), usize::from(order == 13), "{order}");
    }
    assert!(yard.inbox(named).await.is_empty(), "a text is no number");
    let (_, routes) = yard.send("order.paid", br#"{"order": 99}"#).await;
    assert_eq!(routes[0]["matched"], true, "nobody waits for that one");
}

#[tokio::test]
async fn a_batch_of_events_goes_one_each_to_the_runs_that_wait_longest() {
    let yard = Yard::embedded(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(yard.listener(&one("job")).await);
    }
    let mut events = Vec::new();
    for _ in 0..8 {
        events.push(yard.accept("job", b"{}").await);
    }
    yard.start_router();
    yard.tell(&events).await;
    let mut delivered = 0;
    for id in &events {
        yard.routed(*id).await;
        delivered += yard.deliveries(*id).await.len();
    }
    assert_eq!(delivered, 3, "what no run waits for goes to the routes");
    let mut had = HashSet::new();
    for run in runs {
        let inbox = yard.inbox(run).await;
        assert_eq!(inbox.len(), 1, "{run}");
        had.extend(inbox);
    }
    assert_eq!(had.len(), 5);
}

#[tokio::test]
async fn source_and_data_decide_as_well_and_a_failing_expression_does_not_match() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let with = |data: Option<&str>, source: Option<&str>| {
        let mut request = one("order.paid");
        request.filters[0].1.data = data.map(ToOwned::to_owned);
        request.filters[0].1.source = source.map(ToOwned::to_owned);
        request
    };
    let failing = yard.listener(&with(Some(".amount | error"), None)).await;
    let elsewhere = yard.listener(&with(None, Some("github"))).await;
    let large = yard.listener(&with(Some(".amount > 100"), None)).await;
    let mut odd = one("order.paid");
    odd.filters[0].1.correlate = vec![(".data | error".to_owned(), json!(1))];
    let odd = yard.listener(&odd).await;
    yard.start_router();

    let small = yard.accept("order.paid", br#"{"amount": 50}"#).await;
    yard.tell(&[small]).await;
    let trace = trace(&yard, small).await;
    let waits = trace["waits"].as_array().unwrap();
    let missed: HashSet<&str> = waits.iter().map(|wait| wait["runId"].as_str().unwrap()).collect();
    assert_eq!(
        missed,
        HashSet::from([failing.to_string().as_str(), odd.to_string().as_str()])
    );
    for wait in waits {
        assert_eq!(wait["matched"], false);
        assert!(wait["reason"].as_str().unwrap().contains("fails: "), "{wait}");
    }
    let big = yard.accept("order.paid", br#"{"amount": 150}"#).await;
    yard.tell(&[big]).await;
    yard.routed(big).await;
    assert_eq!(yard.inbox(large).await, [big]);
    for run in [failing, elsewhere, odd] {
        assert!(yard.inbox(run).await.is_empty());
    }
}

#[tokio::test]
async fn two_routers_give_each_event_to_one_run() {
    let yard = Yard::distributed(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    let mut runs = Vec::new();
    for _ in 0..10 {
        runs.push(yard.listener(&one("job")).await);
    }
    let mut events = Vec::new();
    for _ in 0..15 {
        events.push(yard.accept("job", b"{}").await);
    }
    yard.start_router();
    yard.start_router();
    let mut delivered = 0;
    for id in &events {
        yard.routed(*id).await;
        delivered += yard.deliveries(*id).await.len();
    }
    let mut had = Vec::new();
    for run in runs {
        had.extend(yard.inbox(run).await);
    }
    assert_eq!((delivered, had.len()), (5, 10));
    assert_eq!(had.iter().collect::<HashSet<_>>().len(), 10);
}

#[tokio::test]
async fn a_run_looks_back_and_takes_what_came_before_it_waited() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    yard.start_router();
    let before = yard.accept("order.paid", br#"{"order": 7}"#).await;
    yard.tell(&[before]).await;
    yard.routed(before).await;
    let (begun, second) = (yard.begun().await, yard.begun().await);
    let other = yard.accept("order.paid", br#"{"order": 8}"#).await;
    let routed = yard.accept("order.paid", br#"{"order": 7, "number": 1}"#).await;
    yard.tell(&[routed]).await;
    yard.routed(routed).await;
    let accepted = yard.accept("order.paid", br#"{"order": 7, "number": 2}"#).await;

    let request = of_order("order.paid", 7);
    yard.listen(begun, &request).await;
    let given = look_back(&yard, begun.0, Some(begun.1), &request).await;
    assert_eq!(given, [routed], "the first since it began");
    assert_eq!(yard.inbox(begun.0).await, [routed]);
    assert!(
        look_back(&yard, begun.0, Some(begun.1), &request)
            .await
            .is_empty()
    );

    // Another that waits gets the next, which the router then leaves alone.
    yard.listen(second, &request).await;
    assert_eq!(
        look_back(&yard, second.0, Some(second.1), &request).await,
        [accepted]
    );
    yard.tell(&[accepted, other]).await;
    let trace = trace(&yard, accepted).await;
    assert_eq!(
        trace["waits"][0]["reason"],
        "the run looked back and has taken it"
    );
    assert!(yard.deliveries(accepted).await.is_empty());
    yard.routed(other).await;
    assert_eq!(yard.deliveries(other).await.len(), 1);
}

/// Looks back as a runner would; returns what it was given.
async fn look_back(
    yard: &Yard,
    run: RunId,
    started_by: Option<EventId>,
    request: &ListenRequest,
) -> Vec<EventId> {
    let waits: Vec<_> = waitbox::waits_of(request)
        .into_iter()
        .map(|wait| (1, wait))
        .collect();
    let jail = Jail::in_thread();
    let (of, at) = (workspace().id, Instant::now());
    let given = routing::look_back(yard.store(), &jail, &of, (run, started_by), &waits, at).await;
    given.unwrap().into_iter().map(|(event, _)| event).collect()
}

#[tokio::test]
async fn a_listen_to_all_gets_each_of_its_events_once() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let request = ListenRequest {
        filters: vec![(0, awaited("order.paid")), (1, awaited("order.shipped"))],
        is_any: false,
        broadcast: false,
    };
    let run = yard.listener(&request).await;
    yard.start_router();
    let mut sent = Vec::new();
    for event_type in ["order.paid", "order.paid", "order.shipped", "order.shipped"] {
        sent.push(yard.send(event_type, b"{}").await.0.id);
    }
    assert_eq!(yard.inbox(run).await, [sent[0], sent[2]]);
}

#[tokio::test]
async fn an_event_of_the_seventeenth_generation_is_quarantined() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    let onboarding = Target::Playbook(PlaybookId::from_stored("pb_onboarding"));
    yard.routes([RouteSpec {
        to: onboarding,
        ..all_to("loop")
    }])
    .await;
    yard.start_router();
    let accepts = yard.store().accept_queue(store::QueueOptions::default()).unwrap();
    let last = emit(&accepts, waitbox::LAST_GENERATION - 1).await;
    let more = emit(&accepts, waitbox::LAST_GENERATION).await;
    yard.tell(&[last, more]).await;
    assert_eq!(yard.routed(last).await.0.state, EventState::Routed);
    assert_eq!(yard.routed(more).await.0.state, EventState::Quarantined);
    assert_eq!(yard.runs().await.len(), 1);
    let trace = trace(&yard, more).await;
    let why = trace["quarantined"].as_str().unwrap();
    assert!(why.starts_with("it descends from 17 runs"), "{why}");
}

/// An event that a run of this generation emits.
async fn emit(accepts: &AcceptQueue, generation: i32) -> EventId {
    let event = playbook::Emitted {
        key: "/do/0".to_owned(),
        envelope: json!({"type": "tick", "source": "/playbooks/loop", "data": {}, "datacontenttype": "application/json"}),
    };
    let run = RunId::generate();
    let event = routing::emitted(&workspace().id, run, generation, &event, Instant::now());
    let id = event.id;
    let row = store::Acceptance {
        routed: None,
        claim: None,
        event,
    };
    accepts.accept(row).await.unwrap();
    id
}
