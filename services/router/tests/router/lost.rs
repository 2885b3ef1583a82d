//! Nothing is lost when messages, the conveyor or the ledger are.

use crate::yard::{EAGER, MESSAGES_ONLY, Yard, all_to, next, rabbit};
use broker::Conveyor;
use serde_json::Value;
use std::net::SocketAddr;
use testkit::proxy::Proxy;
use wire::{DeliveryState, EventState, Instant, Message, Queue, Reference, RunId};

#[tokio::test]
async fn a_sweep_routes_an_event_that_no_message_named() {
    let yard = Yard::embedded(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    yard.start_router();
    let id = yard.accept("x", b"{}").await;
    yard.routed(id).await;
    assert_eq!(yard.deliveries(id).await.len(), 1);
}

#[tokio::test]
async fn a_sweep_leaves_young_events_to_the_conveyor() {
    let yard = Yard::embedded(&[("router.sweep_after", "1h"), ("router.sweep_every", "10ms")]).await;
    yard.routes([all_to("sink")]).await;
    let young = yard.accept("x", b"{}").await;
    yard.start_router();
    // By the time this one is through, the sweep has looked many times.
    for _ in 0..20 {
        yard.send("x", b"{}").await;
    }
    assert_eq!(yard.event(young).await.state, EventState::Accepted);
}

#[tokio::test]
async fn a_sweep_routes_more_events_than_fit_into_one_batch() {
    let settings = [EAGER.as_slice(), &[("router.batch", "7")]].concat();
    let yard = Yard::embedded(&settings).await;
    yard.routes([all_to("sink")]).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(yard.accept("x", b"{}").await);
    }
    yard.start_router();
    for id in ids {
        yard.routed(id).await;
    }
}

#[tokio::test]
async fn a_lease_that_nobody_can_be_told_of_is_given_back_at_once() {
    let conveyor = Conveyor::in_process(1);
    let yard = Yard::with(conveyor, &MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    // The queue of the workers is full.
    let full = Message::new(
        vec![Reference::Run {
            id: RunId::generate(),
        }],
        None,
    );
    yard.conveyor().publish(Queue::Deliver, &full).await.unwrap();
    yard.start_router();
    let (event, _) = yard.send("x", b"{}").await;
    testkit::until("the lease is given back", async || {
        yard.deliveries(event.id).await[0].state == DeliveryState::Pending
    })
    .await;
    let delivery = yard.deliveries(event.id).await.remove(0);
    assert_eq!(delivery.attempts, 0, "no attempt is used up");
    assert!(delivery.due_at.unwrap() <= Instant::now());
}

#[tokio::test]
async fn an_event_that_failed_five_times_is_quarantined_and_the_trace_says_so() {
    let yard = Yard::embedded(&MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    let bad = yard.accept("x", b"{}").await;
    for _ in 0..5 {
        yard.store().count_routing_failure(bad).await.unwrap();
    }
    yard.start_router();
    let good = yard.accept("x", b"{}").await;
    yard.tell(&[bad, good]).await;
    let (event, routes) = yard.routed(bad).await;
    assert_eq!(event.state, EventState::Quarantined);
    assert_eq!(routes, Value::Array(Vec::new()));
    let trace: Value = serde_json::from_slice(event.trace.as_ref().unwrap()).unwrap();
    assert_eq!(trace["quarantined"], "routing failed 5 times");
    assert!(yard.deliveries(bad).await.is_empty());
    assert_eq!(yard.routed(good).await.0.state, EventState::Routed);
    // Neither a message nor a sweep touches it again.
    yard.tell(&[bad]).await;
    yard.send("x", b"{}").await;
    assert_eq!(yard.event(bad).await.state, EventState::Quarantined);
}

#[tokio::test]
async fn a_queue_that_is_emptied_in_mid_flight_loses_no_event() {
    let yard = Yard::distributed(&EAGER).await;
    yard.routes([all_to("sink")]).await;
    let mut worker = yard.consume(Queue::Deliver);
    let mut ids = Vec::new();
    for number in 0..100 {
        let id = yard.accept("x", b"{}").await;
        yard.tell(&[id]).await;
        ids.push(id);
        if number == 30 {
            yard.start_router();
        }
        if number % 20 == 10 {
            yard.conveyor().purge(Queue::Route).await.unwrap();
        }
    }
    yard.conveyor().purge(Queue::Route).await.unwrap();
    for id in &ids {
        yard.routed(*id).await;
        let deliveries = yard.deliveries(*id).await;
        assert_eq!(deliveries.len(), 1);
        assert_eq!(deliveries[0].state, DeliveryState::Delivering);
    }
    let mut told = 0;
    while told < ids.len() {
        told += next(&mut worker).await.len();
    }
    assert_eq!(told, ids.len());
}

#[tokio::test]
async fn while_the_ledger_is_away_messages_are_kept_and_then_routed() {
    let database = testkit::database::postgres();
    let mut url: url::Url = database.url().parse().unwrap();
    let server: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
        .parse()
        .unwrap();
    let proxy = Proxy::start(server);
    url.set_port(Some(proxy.address().port())).unwrap();
    let yard = Yard::on(database, url.to_string(), rabbit(), &MESSAGES_ONLY).await;
    yard.routes([all_to("sink")]).await;
    yard.start_router();
    yard.send("x", b"{}").await;

    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(yard.accept("x", b"{}").await);
    }
    proxy.cut();
    for id in &ids {
        yard.tell(&[*id]).await;
    }
    testkit::until("the router has taken the messages", async || {
        yard.conveyor().depth(Queue::Route).await.unwrap() == 0
    })
    .await;
    proxy.restore();
    for id in ids {
        testkit::until("the ledger answers again", async || {
            yard.store().ping().await.is_ok()
        })
        .await;
        yard.routed(id).await;
    }
}
