//! One slow or dead receiver never delays another.

use crate::yard::{EAGER, NEVER, Yard, settings};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant as Stopwatch};
use testkit::receiver::Reply;
use wire::DeliveryState;
use wire::resource::RateLimit;

#[tokio::test]
async fn an_endpoint_that_hangs_delays_no_other() {
    for slots in [256, 8] {
        let mut settings = settings(EAGER);
        settings.delivery.slots = NonZeroUsize::new(slots).unwrap();
        let yard = Yard::embedded(settings).await;
        let hangs = yard
            .with_endpoint("hangs", |endpoint| endpoint.spec.concurrency = 2)
            .await;
        let works = yard.with_endpoint("works", |_| {}).await;
        yard.receiver.answer_all_at("/hangs", Reply::hang());
        // Far more than there are slots, and older than what works.
        let mut stuck = Vec::new();
        for _ in 0..300 {
            stuck.push(yard.due(&hangs).await);
        }
        let mut quick = Vec::new();
        for number in 0..40 {
            quick.push(if number % 2 == 0 {
                yard.due(&works).await
            } else {
                yard.told(&works).await
            });
        }
        yard.start_worker();
        for id in quick {
            yard.comes_to(id, DeliveryState::Delivered).await;
        }
        assert_eq!(yard.requests_at("works"), 40);
        assert!(
            yard.requests_at("hangs") <= 2,
            "the timeout of those that hang was not waited for"
        );
        for id in stuck {
            let state = yard.delivery(id).await.state;
            assert!(
                matches!(state, DeliveryState::Pending | DeliveryState::Delivering),
                "{state}"
            );
        }
    }
}

#[tokio::test]
async fn an_endpoint_gets_no_more_requests_at_a_time_than_it_allows() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| endpoint.spec.concurrency = 3)
        .await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(10)));
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(if number % 2 == 0 {
            yard.due(&to).await
        } else {
            yard.told(&to).await
        });
    }
    yard.start_worker();
    for id in ids {
        yard.comes_to(id, DeliveryState::Delivered).await;
    }
    assert_eq!(yard.receiver.requests().len(), 60);
    assert_eq!(yard.receiver.most_in_flight(), 3);
}

#[tokio::test]
async fn a_backlog_longer_than_a_line_is_delivered_whole() {
    let mut settings = settings(EAGER);
    settings.delivery.slots = NonZeroUsize::new(16).unwrap();
    let yard = Yard::embedded(settings).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    let mut references = Vec::new();
    for _ in 0..500 {
        references.push(yard.leased(&to).await);
    }
    let ids: Vec<_> = references.iter().map(crate::yard::id_of).collect();
    for told in references.chunks(64) {
        yard.tell(told.to_vec()).await;
    }
    yard.start_worker();
    for id in ids {
        let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
        assert_eq!(delivery.attempts, 1, "what found no room used up no attempt");
    }
    assert_eq!(yard.receiver.requests().len(), 500);
}

#[tokio::test]
async fn a_rate_limit_paces_its_endpoint() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.spec.rate_limit = Some(RateLimit {
                per_second: 20.0,
                burst: Some(1_000),
            });
        })
        .await;
    let began = Stopwatch::now();
    for _ in 0..35 {
        yard.told(&to).await;
    }
    yard.start_worker();
    let requests = yard.receiver.received(35).await;
    let last = requests.iter().map(|request| request.at).max().unwrap();
    // 20 at once, 15 more at 20 a second: never faster, however slow this machine is.
    assert!(last - began >= Duration::from_millis(750), "{:?}", last - began);
}

#[tokio::test]
async fn a_disabled_endpoint_that_waits_in_line_is_held_too() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| endpoint.spec.concurrency = 1)
        .await;
    // Long enough for what happens meanwhile, also on a busy machine.
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_secs(2)));
    yard.start_worker();
    let first = yard.told(&to).await;
    yard.receiver.received(1).await;
    let second = yard.told(&to).await;
    yard.with_endpoint("in", |endpoint| endpoint.spec.enabled = false)
        .await;
    yard.comes_to(first, DeliveryState::Delivered).await;
    let held = yard.comes_to(second, DeliveryState::Pending).await;
    assert_eq!(held.attempts, 0);
    assert_eq!(yard.receiver.requests().len(), 1);
}
