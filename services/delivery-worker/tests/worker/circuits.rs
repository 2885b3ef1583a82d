//! An endpoint that fails is left alone, and let in again little by little.

use crate::yard::{EAGER, Ground, Yard, settings, workspace};
use bytes::Bytes;
use std::time::Duration;
use store::{Edit, Event, EventFilter, Job, NewAttempt, Outcome, QueueOptions};
use testkit::receiver::Reply;
use uuid::Uuid;
use wire::circuit::{Answered, CircuitState};
use wire::{AttemptId, DeliveryId, DeliveryState, EndpointId, Instant};

/// The operational events of this type.
async fn told(yard: &Yard, kind: &str) -> Vec<Event> {
    let page = yard
        .store
        .events(&workspace().id, EventFilter::default(), None, 100)
        .await;
    let events = page.unwrap().rows.into_iter();
    let mut told = Vec::new();
    for row in events.filter(|row| row.event_type.as_deref() == Some(kind)) {
        told.extend(yard.store.event(&workspace().id, row.id).await.unwrap());
    }
    told
}

async fn circuit_comes_to(yard: &Yard, to: &EndpointId, state: CircuitState) {
    testkit::until(&format!("the circuit is {state}"), async || {
        yard.store.lane(to.clone()).await.unwrap().circuit.state == state
    })
    .await;
}

/// An endpoint that fails with `count` deliveries waiting, and its open circuit.
async fn down(yard: &Yard, count: usize) -> (EndpointId, Vec<DeliveryId>) {
    let hours = [0, 3_600, 7_200].map(Duration::from_secs);
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.spec.delivery.retry.schedule = Some(hours.to_vec());
        })
        .await;
    yard.receiver.answer_all(Reply::status(500));
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(yard.due(&to).await);
    }
    yard.start_worker();
    circuit_comes_to(yard, &to, CircuitState::Open).await;
    (to, ids)
}

#[tokio::test]
async fn while_a_circuit_is_open_deliveries_wait_without_using_attempts_and_then_all_arrive() {
    for ground in [Ground::embedded(), Ground::distributed()] {
        let yard = Yard::on(ground, settings(EAGER)).await;
        let (to, ids) = down(&yard, 120).await;
        // What was under way when it opened has ended.
        testkit::until("nothing is in flight", async || {
            yard.store.lane(to.clone()).await.unwrap().in_flight == 0
        })
        .await;
        let asked = yard.receiver.requests().len();
        assert!((10..60).contains(&asked), "{asked} requests until it opened");
        let fresh = yard.told(&to).await;
        let status = yard.store.lane(to.clone()).await.unwrap();
        assert_eq!(status.waiting, 121);
        assert!(status.circuit.probe_at.unwrap() > Instant::now());
        let mut untouched = Vec::new();
        for id in &ids {
            let delivery = yard.delivery(*id).await;
            if delivery.attempts == 0 {
                untouched.push(*id);
            }
        }
        assert!(untouched.len() >= 120 - asked, "{}", untouched.len());

        yard.receiver.answer_all(Reply::status(200));
        yard.store.drain(to.clone(), Instant::now()).await.unwrap();
        for id in untouched.into_iter().chain([fresh]) {
            let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
            assert_eq!(delivery.attempts, 1);
        }
        circuit_comes_to(&yard, &to, CircuitState::Closed).await;
        testkit::until("the recovery was told", async || {
            told(&yard, "endpoint.recovered").await.len() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn a_probe_finds_out_by_itself_that_a_receiver_is_back_and_the_rest_is_paced_out() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let (to, ids) = down(&yard, 60).await;
    testkit::until("nothing is in flight", async || {
        yard.store.lane(to.clone()).await.unwrap().in_flight == 0
    })
    .await;
    let before = yard.receiver.requests().len();
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(20)));
    let probe_at = yard
        .store
        .lane(to.clone())
        .await
        .unwrap()
        .circuit
        .probe_at
        .unwrap();
    let patience = probe_at.since(Instant::now()) + Duration::from_secs(5);
    tokio::time::timeout(patience, yard.receiver.received(before + 1))
        .await
        .expect("the probe comes when it is announced");
    circuit_comes_to(&yard, &to, CircuitState::Closed).await;
    let mut waiting = 0;
    for id in ids {
        // Those that failed before it opened have a retry in an hour.
        waiting += usize::from(yard.delivery(id).await.attempts == 0);
    }
    testkit::until("what waited has arrived", async || {
        yard.receiver.requests().len() >= before + waiting
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_too_busy_gets_fewer_requests_at_a_time() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.spec.delivery.retry.schedule = Some(vec![Duration::ZERO, Duration::from_hours(1)]);
        })
        .await;
    yard.receiver
        .answer_next([Reply::status(429).header("Retry-After", "60")]);
    yard.start_worker();
    let first = yard.told(&to).await;
    yard.comes_to(first, DeliveryState::ScheduledRetry).await;
    testkit::until("it is limited", async || {
        yard.store.lane(to.clone()).await.unwrap().circuit.limit == Some(5)
    })
    .await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(30)));
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(yard.told(&to).await);
    }
    for id in ids {
        yard.comes_to(id, DeliveryState::Delivered).await;
    }
    assert!(
        yard.receiver.most_in_flight() <= 7,
        "{}",
        yard.receiver.most_in_flight()
    );
}

#[tokio::test]
async fn what_an_operator_wants_to_know_is_told_once_as_an_event() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let gone = yard.with_endpoint("gone", |_| {}).await;
    let fails = yard.with_endpoint("fails", |_| {}).await;
    yard.receiver.answer_all_at("/gone", Reply::status(410));
    yard.receiver.answer_all_at("/fails", Reply::status(404));
    yard.start_worker();
    let (one, other) = (yard.told(&gone).await, yard.told(&fails).await);
    yard.comes_to(one, DeliveryState::Failed).await;
    yard.comes_to(other, DeliveryState::DeadLetter).await;
    testkit::until("both are told", async || {
        !told(&yard, "endpoint.disabled").await.is_empty()
            && !told(&yard, "delivery.exhausted").await.is_empty()
    })
    .await;
    let disabled = told(&yard, "endpoint.disabled").await;
    let exhausted = told(&yard, "delivery.exhausted").await;
    assert_eq!((disabled.len(), exhausted.len()), (1, 1));
    let body = |event: &Event| serde_json::from_slice::<serde_json::Value>(&event.body).unwrap();
    assert_eq!(body(&disabled[0])["endpointId"], "ep_gone");
    assert_eq!(body(&disabled[0])["reason"], "gone");
    assert_eq!(body(&exhausted[0])["deliveryId"], other.to_string());
    assert_eq!(body(&exhausted[0])["attempts"], 3);
    assert_eq!(disabled[0].source_id, None);
    let held = yard.store.lane(gone).await.unwrap().held.unwrap();
    assert_eq!(held.reason, "gone");
}

#[tokio::test]
async fn what_an_old_address_answers_does_not_disable_the_new_one() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let id = yard.with_endpoint("old", |_| {}).await;
    yard.receiver
        .answer_all_at("/old", Reply::status(410).after(Duration::from_secs(1)));
    yard.start_worker();
    let delivery = yard.told(&id).await;
    testkit::until("the old one is asked", async || yard.requests_at("old") == 1).await;
    let mut endpoint = yard.store.endpoint(&id).await.unwrap().unwrap();
    endpoint.spec.url = format!("{}/new", yard.receiver.url());
    endpoint.updated_at = Instant::now();
    yard.edit(vec![Edit::Endpoint(endpoint)]).await;
    yard.comes_to(delivery, DeliveryState::Failed).await;
    let next = yard.told(&id).await;
    yard.comes_to(next, DeliveryState::Delivered).await;
    let endpoint = yard.store.endpoint(&id).await.unwrap().unwrap();
    assert!(endpoint.spec.enabled && endpoint.spec.url.ends_with("/new"));
    assert!(told(&yard, "endpoint.disabled").await.is_empty());
}

#[tokio::test]
async fn two_workers_share_one_circuit() {
    let yard = Yard::on(Ground::distributed(), settings(EAGER)).await;
    let (to, _) = down(&yard, 60).await;
    let other = yard.start_process();
    testkit::until("nothing is in flight", async || {
        yard.store.lane(to.clone()).await.unwrap().in_flight == 0
    })
    .await;
    let before = yard.receiver.requests().len();
    let probe_at = yard
        .store
        .lane(to.clone())
        .await
        .unwrap()
        .circuit
        .probe_at
        .unwrap();
    // Many sweeps of both.
    for _ in 0..10 {
        let fresh = yard.told(&to).await;
        yard.comes_to(fresh, DeliveryState::Pending).await;
    }
    let after = yard.receiver.requests().len();
    // On a machine that is busy for that long, their one probe may have gone.
    let most = before + usize::from(Instant::now() >= probe_at);
    assert!(after <= most, "{after} requests, {before} before it opened");
    other.shutdown.begin(boot::shutdown::Cause::Requested);
}

#[tokio::test]
async fn what_waits_in_a_worker_when_another_one_opens_the_circuit_is_given_back() {
    let yard = Yard::on(Ground::distributed(), settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    for _ in 0..10 {
        yard.due(&to).await;
    }
    let lease = Uuid::new_v4();
    let hold = Duration::from_mins(1);
    let swept = yard
        .store
        .lease_due(Instant::now(), 100, (lease, hold), vec![])
        .await;
    let others = swept.unwrap().jobs;
    assert_eq!(others.len(), 10);
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(yard.due(&to).await);
    }
    // As many as run at the beginning, for long enough that the other comes first.
    let slow = Reply::status(500).after(Duration::from_secs(2));
    yard.receiver.answer_all(Reply::status(500));
    yard.receiver.answer_next([slow.clone(), slow]);
    yard.start_worker();
    yard.receiver.received(2).await;
    testkit::until("all are in its line", async || {
        yard.store.lane(to.clone()).await.unwrap().in_flight == 40
    })
    .await;
    let outcomes = yard.store.outcome_queue(QueueOptions::default()).unwrap();
    for job in &others {
        assert!(outcomes.record(failed(job, lease)).await.unwrap().moved);
    }
    circuit_comes_to(&yard, &to, CircuitState::Open).await;
    testkit::until("nothing is in flight", async || {
        yard.store.lane(to.clone()).await.unwrap().in_flight == 0
    })
    .await;
    assert_eq!(yard.receiver.requests().len(), 2);
    let mut attempts = 0;
    for id in ids {
        attempts += yard.attempts(id).await.len();
    }
    assert_eq!(attempts, 2);
}

/// What came of an attempt that another worker made.
fn failed(job: &Job, lease: Uuid) -> Outcome {
    let at = Instant::now();
    Outcome {
        delivery_id: job.delivery_id,
        lease,
        state: DeliveryState::ScheduledRetry,
        reason: None,
        due_at: Some(at + Duration::from_hours(1)),
        attempt: NewAttempt {
            id: AttemptId::generate(),
            number: job.number(),
            response_status: Some(500),
            duration_ms: 1,
            error_kind: Some("http_status".to_owned()),
            error_message: None,
            request_headers: Bytes::from_static(b"[]"),
            response_headers: Bytes::from_static(b"[]"),
            response_body: Bytes::new(),
            created_at: at,
        },
        at,
        endpoint_id: job.endpoint_id.clone(),
        counts: true,
        is_made: true,
        is_probe: false,
        answered: Some(Answered::Badly),
        asked: None,
        ceiling: 10,
        random: 0.5,
        order_key: None,
    }
}
