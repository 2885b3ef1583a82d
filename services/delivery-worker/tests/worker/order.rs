//! Deliveries with a key go one after the other, whatever workers there are and whatever becomes of them.

use crate::yard::{EAGER, Ground, Yard, event, made, settings};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;
use store::NewDelivery;
use testkit::receiver::Reply;
use uuid::Uuid;
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, Instant, Reference};

/// Deliveries of events a millisecond apart, with these keys and their places as bodies, as the router makes them: leased,
/// and told of.
async fn told(yard: &Yard, to: &EndpointId, keys: &[&str]) -> Vec<DeliveryId> {
    let begin = Instant::now();
    let mut ids = Vec::new();
    for (place, key) in (0..).zip(keys) {
        let mut event = event(b"");
        event.id = EventId::new(begin + Duration::from_millis(place), rand::random());
        event.body = Bytes::from(format!("{key} {place}"));
        let token = Uuid::new_v4();
        let delivery = NewDelivery {
            order_key: Some((*key).to_owned()),
            lease: Some((token, Instant::now() + Duration::from_secs(20))),
            ..made(to, &event)
        };
        let id = yard.deliver(event, delivery).await;
        yard.tell(vec![Reference::Delivery { id, lease: token }]).await;
        ids.push(id);
    }
    ids
}

/// The places of the requests that came, by key, in the order in which they came.
fn came(yard: &Yard) -> HashMap<String, Vec<usize>> {
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for request in yard.receiver.requests() {
        let body = String::from_utf8(request.body).unwrap();
        let (key, place) = body.split_once(' ').unwrap();
        by_key
            .entry(key.to_owned())
            .or_default()
            .push(place.parse().unwrap());
    }
    by_key
}

#[tokio::test]
async fn two_workers_deliver_each_key_in_order() {
    for ground in [Ground::embedded(), Ground::distributed()] {
        let yard = Yard::on(ground, settings(EAGER)).await;
        let to = yard.with_endpoint("in", |_| {}).await;
        yard.receiver
            .answer_all(Reply::status(200).after(Duration::from_millis(5)));
        yard.start_worker();
        yard.start_worker();
        let keys: Vec<&str> = (0..60).map(|place| ["a", "b", "c"][place % 3]).collect();
        let ids = told(&yard, &to, &keys).await;
        for id in ids {
            let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
            assert_eq!(delivery.attempts, 1);
        }
        for (key, places) in came(&yard) {
            assert_eq!(places.len(), 20, "{key}");
            assert!(places.is_sorted(), "{key}: {places:?}");
        }
    }
}

#[tokio::test]
async fn one_request_at_a_time_goes_out_for_a_key() {
    let yard = Yard::on(Ground::distributed(), settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(30)));
    yard.start_worker();
    yard.start_worker();
    let ids = told(&yard, &to, &["*"; 20]).await;
    for id in ids {
        yard.comes_to(id, DeliveryState::Delivered).await;
    }
    assert_eq!(yard.receiver.most_in_flight(), 1);
    assert!(came(&yard)["*"].is_sorted());
}

#[tokio::test]
async fn a_head_that_fails_parks_its_key_alone_and_its_dead_letter_lets_the_next_one_go() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let long = [0, 700, 700].map(Duration::from_millis);
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.spec.delivery.retry.schedule = Some(long.to_vec());
        })
        .await;
    let head = told(&yard, &to, &["a"]).await.remove(0);
    yard.receiver.answer_all(Reply::status(500));
    yard.start_worker();
    yard.comes_to(head, DeliveryState::ScheduledRetry).await;
    yard.receiver.answer_all(Reply::status(200));
    yard.receiver.answer_next([]);
    let next = told(&yard, &to, &["a", "b", "b"]).await;
    for id in &next[1..] {
        yard.comes_to(*id, DeliveryState::Delivered).await;
    }
    assert_eq!(yard.delivery(next[0]).await.attempts, 0, "it goes after its head");
    yard.receiver.answer_all(Reply::status(500));
    yard.comes_to(head, DeliveryState::DeadLetter).await;
    yard.receiver.answer_all(Reply::status(200));
    yard.comes_to(next[0], DeliveryState::Delivered).await;
    let order = &came(&yard)["a"];
    assert!(order.len() >= 4, "{order:?}");
}

#[test]
fn a_worker_that_is_killed_leaves_the_order_as_it_was() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let mut short = settings(EAGER);
    short.delivery.lease = Duration::from_millis(1_500);
    let (yard, ids) = second.block_on(async {
        let yard = Yard::on(Ground::distributed(), short).await;
        let to = yard.with_endpoint("in", |_| {}).await;
        let ids = told(&yard, &to, &["a", "a", "b", "a"]).await;
        (yard, ids)
    });
    yard.receiver.answer_all(Reply::hang());
    let process = first.block_on(async { yard.start_process() });
    second.block_on(yard.receiver.received(2));
    // Everything of it is gone at once, as after a kill.
    first.shutdown_background();
    drop(process);
    second.block_on(async {
        yard.receiver.answer_all(Reply::status(200));
        yard.start_worker();
        yard.start_worker();
        for id in ids {
            yard.comes_to(id, DeliveryState::Delivered).await;
        }
        // The head twice, since it was under way.
        assert_eq!(came(&yard)["a"], [0, 0, 1, 3]);
        assert_eq!(came(&yard)["b"], [2, 2]);
    });
}
