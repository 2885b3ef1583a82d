//! Nothing is lost when messages, workers, leases or the ledger are.

use crate::yard::{EAGER, Ground, NEVER, Yard, id_of, settings};
use boot::shutdown::Cause;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::proxy::Proxy;
use testkit::receiver::Reply;
use wire::{DeliveryState, Queue, Reference};

/// Leases so short that a test can wait for their end.
fn short_leases() -> boot::Settings {
    let mut settings = settings(EAGER);
    settings.delivery.lease = Duration::from_millis(1_500);
    settings
}

#[tokio::test]
async fn a_delivery_that_no_message_names_is_swept() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.start_worker();
    let id = yard.due(&to).await;
    let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(delivery.attempts, 1);
}

#[tokio::test]
async fn a_queue_that_is_emptied_in_mid_flight_loses_no_delivery() {
    let yard = Yard::on(Ground::distributed(), short_leases()).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(yard.told(&to).await);
        if number == 40 {
            // Two processes.
            yard.start_worker();
            yard.start_worker();
        }
        if number % 20 == 10 {
            yard.conveyor.purge(Queue::Deliver).await.unwrap();
        }
    }
    yard.conveyor.purge(Queue::Deliver).await.unwrap();
    for id in ids {
        yard.comes_to(id, DeliveryState::Delivered).await;
    }
    let requests = yard.receiver.requests();
    let distinct: HashSet<_> = requests
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    assert_eq!(distinct.len(), 100);
}

#[tokio::test]
async fn an_attempt_that_outlasts_its_lease_keeps_it() {
    for ground in [Ground::embedded(), Ground::distributed()] {
        let yard = Yard::on(ground, short_leases()).await;
        let to = yard.with_endpoint("slow", |_| {}).await;
        let late = Reply::status(200).after(Duration::from_secs(4));
        yard.receiver.answer_all_at("/slow", late);
        // The second one would take the delivery as soon as its lease ran out.
        yard.start_worker();
        yard.start_worker();
        let id = yard.told(&to).await;
        let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
        assert_eq!((delivery.attempts, yard.requests_at("slow")), (1, 1));
    }
}

#[test]
fn a_worker_that_dies_loses_nothing_that_it_had_in_hand() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (yard, told, due) = second.block_on(async {
        let yard = Yard::embedded(short_leases()).await;
        let to = yard
            .with_endpoint("in", |endpoint| endpoint.spec.concurrency = 2)
            .await;
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(yard.told(&to).await);
        }
        let due = yard.due(&to).await;
        (yard, told, due)
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
        for id in told {
            let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
            assert!(delivery.attempts >= 1);
        }
        yard.comes_to(due, DeliveryState::Delivered).await;
    });
}

#[tokio::test]
async fn a_reference_with_another_lease_is_nobodys_business() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    let held_by_another = id_of(&yard.leased(&to).await);
    let forged = Reference::Delivery {
        id: held_by_another,
        lease: uuid::Uuid::new_v4(),
    };
    yard.start_worker();
    yard.tell(vec![forged]).await;
    let id = yard.told(&to).await;
    yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(yard.receiver.requests().len(), 1);
    assert_eq!(
        yard.delivery(held_by_another).await.state,
        DeliveryState::Delivering
    );
}

#[tokio::test]
async fn a_reference_that_comes_twice_is_attempted_once() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| endpoint.spec.concurrency = 1)
        .await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(100)));
    let reference = yard.leased(&to).await;
    yard.tell(vec![reference.clone(), reference.clone()]).await;
    yard.start_worker();
    yard.receiver.received(1).await;
    yard.tell(vec![reference.clone()]).await;
    let after = yard.told(&to).await;
    yard.comes_to(id_of(&reference), DeliveryState::Delivered).await;
    yard.comes_to(after, DeliveryState::Delivered).await;
    assert_eq!(yard.receiver.requests().len(), 2);
}

#[tokio::test]
async fn a_success_that_comes_after_the_lease_is_lost_ends_the_retries_and_a_failure_moves_nothing() {
    for (status, patience) in [(200, 4_u64), (500, 4)] {
        let yard = Yard::embedded(short_leases()).await;
        let to = yard
            .with_endpoint("in", |endpoint| {
                endpoint.spec.delivery.timeout = Some(Duration::from_mins(1));
            })
            .await;
        // The first attempt outlives its lease; those that follow hang until the end of the test.
        yard.receiver.answer_all(Reply::hang());
        yard.receiver
            .answer_next([Reply::status(status).after(Duration::from_secs(patience))]);
        yard.start_worker();
        let id = yard.told(&to).await;
        let attempt = yard.attempted(id, 1).await.remove(0);
        assert_eq!(
            attempt.response_status,
            Some(i32::from(status)),
            "the attempt is kept either way"
        );
        let delivery = yard.delivery(id).await;
        if status == 200 {
            assert_eq!(delivery.state, DeliveryState::Delivered);
        } else {
            assert!(!delivery.state.is_final(), "{}", delivery.state);
        }
    }
}

#[tokio::test]
async fn at_the_end_of_a_process_what_runs_is_finished_and_what_waits_is_given_back() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| endpoint.spec.concurrency = 2)
        .await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(300)));
    let mut references = Vec::new();
    for _ in 0..6 {
        references.push(yard.leased(&to).await);
    }
    let ids: Vec<_> = references.iter().map(id_of).collect();
    let process = yard.start_process();
    yard.tell(references).await;
    yard.receiver.received(2).await;
    process.shutdown.begin(Cause::Requested);
    process.end().await;
    let mut states = Vec::new();
    for id in ids {
        states.push(yard.delivery(id).await.state);
    }
    let of = |wanted| states.iter().filter(|state| **state == wanted).count();
    assert_eq!(
        of(DeliveryState::Delivered) + of(DeliveryState::Pending),
        6,
        "{states:?}"
    );
    assert!(of(DeliveryState::Delivered) >= 2, "{states:?}");
    assert_eq!(yard.receiver.requests().len(), of(DeliveryState::Delivered));
}

#[tokio::test]
async fn what_does_not_finish_in_time_at_the_end_is_given_back_too() {
    let mut settings = settings(NEVER);
    settings.shutdown.drain_timeout = Duration::from_secs(4);
    let yard = Yard::embedded(settings).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver.answer_all(Reply::hang());
    let process = yard.start_process();
    let id = yard.told(&to).await;
    yard.receiver.received(1).await;
    process.shutdown.begin(Cause::Requested);
    process.end().await;
    let delivery = yard.delivery(id).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 0));
}

#[tokio::test]
async fn an_outcome_is_recorded_once_the_ledger_answers_again() {
    let database = testkit::database::postgres();
    let mut url: url::Url = database.url().parse().unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let proxy = Proxy::start(server.parse::<SocketAddr>().unwrap());
    url.set_port(Some(proxy.address().port())).unwrap();
    let ground = Ground {
        database,
        url: url.to_string(),
        ..Ground::embedded()
    };
    let yard = Yard::on(ground, settings(NEVER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(500)));
    yard.start_worker();
    let id = yard.told(&to).await;
    yard.receiver.received(1).await;
    proxy.cut();
    // Longer than the ledger's own patience, so that the worker has to try again itself.
    tokio::time::sleep(Duration::from_secs(6)).await;
    proxy.restore();
    testkit::until("the ledger answers again", async || {
        yard.store.ping().await.is_ok()
    })
    .await;
    yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(yard.receiver.requests().len(), 1);
    assert_eq!(yard.attempts(id).await.len(), 1);
}
