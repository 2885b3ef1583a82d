//! What both conveyors promise.

use crate::site::{CAPACITY, Site, event, is_silent, message, prefetch, take_all, within};
use hookyard_broker::{Error, State};
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::until;
use wire::{Change, DeliveryId, Message, Queue, Reference, RunId, WorkspaceId};

/// Runs each test on each conveyor.
macro_rules! on_both {
    ($($test:ident,)*) => {
        mod in_process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Site::in_process()).await;
            })*
        }
        mod rabbit {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Site::rabbit().await).await;
            })*
        }
    };
}

on_both![
    a_message_comes_as_it_was_published,
    an_acknowledged_message_is_gone,
    queues_do_not_mix,
    consumers_of_all_processes_share_a_queue,
    a_consumer_holds_at_most_its_prefetch,
    messages_that_are_dropped_do_not_stop_a_consumer,
    messages_are_acknowledged_in_any_order,
    a_wait_that_is_given_up_loses_no_message,
    a_full_queue_refuses_until_there_is_room,
    a_purged_queue_is_empty_and_goes_on,
    every_listener_of_every_process_hears_a_change,
    a_slow_listener_is_told_that_everything_changed,
    after_the_end_consumers_and_listeners_end_and_publishing_fails,
];

async fn a_message_comes_as_it_was_published(site: Site) {
    let id = DeliveryId::generate();
    let (lease, traceparent) = (
        id.uuid(),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let many = vec![Reference::Delivery { id, lease }; 700];
    let sent = Message::new(many, Some(traceparent.to_owned()));
    site.conveyor.publish(Queue::Deliver, &sent).await.unwrap();

    let mut consumer = site.conveyor.consume(Queue::Deliver, prefetch(1));
    let received = within(consumer.next()).await.unwrap();
    assert_eq!(received.message, sent);
    assert!(!received.redelivered);
    received.ack();
}

async fn an_acknowledged_message_is_gone(site: Site) {
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(10));
    site.conveyor.publish(Queue::Route, &message()).await.unwrap();
    within(consumer.next()).await.unwrap().ack();
    drop(consumer);

    let other = site.other_process().await;
    let mut next = other.consume(Queue::Route, prefetch(10));
    assert!(is_silent(&mut next).await);
    assert_eq!(site.conveyor.depth(Queue::Route).await.unwrap(), 0);
    let counts = site.conveyor.counts();
    assert_eq!((counts.published, counts.received), (1, 1));
}

async fn queues_do_not_mix(site: Site) {
    let run = Message::new(
        vec![Reference::Run {
            id: RunId::generate(),
        }],
        None,
    );
    let mut route = site.conveyor.consume(Queue::Route, prefetch(10));
    let mut runs = site.conveyor.consume(Queue::Run, prefetch(10));
    site.conveyor.publish(Queue::Run, &run).await.unwrap();
    let received = within(runs.next()).await.unwrap();
    assert_eq!(received.message, run);
    received.ack();
    assert!(is_silent(&mut route).await);
}

async fn consumers_of_all_processes_share_a_queue(site: Site) {
    let other = site.other_process().await;
    let mut one = site.conveyor.consume(Queue::Route, prefetch(1));
    let mut two = other.consume(Queue::Route, prefetch(1));
    let mut wanted = BTreeSet::new();
    for _ in 0..2 {
        let message = message();
        site.conveyor.publish(Queue::Route, &message).await.unwrap();
        wanted.insert(event(&message));
    }
    // Each holds one and may not have a second, so the other's is the other.
    let (first, second) = (
        within(one.next()).await.unwrap(),
        within(two.next()).await.unwrap(),
    );
    assert_eq!(
        BTreeSet::from([event(&first.message), event(&second.message)]),
        wanted
    );
    first.ack();
    second.ack();
}

async fn a_consumer_holds_at_most_its_prefetch(site: Site) {
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(2));
    for _ in 0..3 {
        site.conveyor.publish(Queue::Route, &message()).await.unwrap();
    }
    let first = within(consumer.next()).await.unwrap();
    let second = within(consumer.next()).await.unwrap();
    assert!(is_silent(&mut consumer).await);
    first.ack();
    let third = within(consumer.next()).await.unwrap();
    assert_ne!(event(&third.message), event(&second.message));
    second.ack();
    third.ack();
}

async fn messages_that_are_dropped_do_not_stop_a_consumer(site: Site) {
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(2));
    for _ in 0..5 {
        site.conveyor.publish(Queue::Route, &message()).await.unwrap();
        drop(within(consumer.next()).await.unwrap());
    }
    let last = message();
    site.conveyor.publish(Queue::Route, &last).await.unwrap();
    take_all(&mut consumer, &BTreeSet::from([event(&last)])).await;
}

/// Some wait for others to be acknowledged with, and some are held up by one that takes long.
async fn messages_are_acknowledged_in_any_order(site: Site) {
    const ROUNDS: usize = 20;
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(16));
    let mut slow = Vec::new();
    for round in 0..ROUNDS {
        let mut held = Vec::new();
        for _ in 0..12 {
            site.conveyor.publish(Queue::Route, &message()).await.unwrap();
            let received = within(consumer.next()).await.unwrap();
            assert!(!received.redelivered, "round {round}");
            held.push(received);
        }
        slow.push(held.swap_remove(round % 12));
        held.rotate_left(round % 11);
        for (place, received) in held.into_iter().rev().enumerate() {
            if place == round % 11 {
                // Longer than what was done is kept for others.
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            received.ack();
        }
        if slow.len() > 3 {
            slow.remove(0).ack();
        }
    }
    for received in slow {
        received.ack();
    }
    drop(consumer);
    let other = site.other_process().await;
    let mut next = other.consume(Queue::Route, prefetch(16));
    assert!(is_silent(&mut next).await);
    assert_eq!(site.conveyor.counts().received, 12 * ROUNDS as u64);
}

async fn a_wait_that_is_given_up_loses_no_message(site: Site) {
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(5));
    let (sender, count) = (site.conveyor.clone(), 30);
    let sending = tokio::spawn(async move {
        let mut sent = BTreeSet::new();
        for _ in 0..count {
            let message = message();
            sender.publish(Queue::Route, &message).await.unwrap();
            sent.insert(event(&message));
        }
        sent
    });
    let mut taken = BTreeSet::new();
    until("every message came", async || {
        // Given up after a moment, mostly before a message is there.
        if let Ok(Some(received)) = tokio::time::timeout(Duration::from_micros(300), consumer.next()).await {
            taken.insert(event(&received.message));
            received.ack();
        }
        taken.len() == count
    })
    .await;
    assert_eq!(taken, sending.await.unwrap());
}

async fn a_full_queue_refuses_until_there_is_room(site: Site) {
    let mut held = 0;
    // A quorum queue may take some more than its limit before it notices.
    let refused = loop {
        match site.conveyor.publish(Queue::Route, &message()).await {
            Ok(()) if held < CAPACITY * 4 => held += 1,
            outcome => break outcome.unwrap_err(),
        }
    };
    assert!(
        matches!(refused, Error::Full { .. } | Error::Nacked { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("hookyard.route"), "{refused}");
    assert!(held >= CAPACITY);
    assert_eq!(site.conveyor.counts().refused, 1);
    // The other queues have room.
    site.conveyor.publish(Queue::Run, &message()).await.unwrap();

    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(10));
    for _ in 0..held {
        within(consumer.next()).await.unwrap().ack();
    }
    until("there is room", async || {
        site.conveyor.publish(Queue::Route, &message()).await.is_ok()
    })
    .await;
}

async fn a_purged_queue_is_empty_and_goes_on(site: Site) {
    for _ in 0..7 {
        site.conveyor.publish(Queue::Route, &message()).await.unwrap();
    }
    until("the depth is 7", async || {
        site.conveyor.depth(Queue::Route).await.unwrap() == 7
    })
    .await;
    assert_eq!(site.conveyor.purge(Queue::Route).await.unwrap(), 7);
    assert_eq!(site.conveyor.depth(Queue::Route).await.unwrap(), 0);

    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(10));
    let message = message();
    site.conveyor.publish(Queue::Route, &message).await.unwrap();
    let received = within(consumer.next()).await.unwrap();
    assert_eq!(received.message, message);
    received.ack();
}

async fn every_listener_of_every_process_hears_a_change(site: Site) {
    let other = site.other_process().await;
    let mut listeners = [site.conveyor.changes(), site.conveyor.changes(), other.changes()];
    let change = Change {
        workspace: Some(WorkspaceId::generate()),
    };
    // A subscription stands some time after its connection; announce until all have heard.
    for listener in &mut listeners {
        until("the change was heard", async || {
            site.conveyor.announce(&change).await.unwrap();
            let heard = tokio::time::timeout(Duration::from_millis(100), listener.next()).await;
            heard.is_ok_and(|heard| heard.unwrap() == change)
        })
        .await;
    }
}

async fn a_slow_listener_is_told_that_everything_changed(site: Site) {
    let mut slow = site.conveyor.changes();
    let mut quick = site.conveyor.changes();
    let last = Change {
        workspace: Some(WorkspaceId::generate()),
    };
    for _ in 0..1_000 {
        let change = Change {
            workspace: Some(WorkspaceId::generate()),
        };
        site.conveyor.announce(&change).await.unwrap();
    }
    until("the last change was heard", async || {
        site.conveyor.announce(&last).await.unwrap();
        let listen = async { while quick.next().await.unwrap() != last {} };
        tokio::time::timeout(Duration::from_millis(100), listen)
            .await
            .is_ok()
    })
    .await;
    assert_eq!(slow.next().await, Some(Change { workspace: None }));
}

async fn after_the_end_consumers_and_listeners_end_and_publishing_fails(site: Site) {
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(1));
    let mut listener = site.conveyor.changes();
    let waiting = tokio::spawn(async move { (consumer.next().await.is_none(), consumer) });
    let listening = tokio::spawn(async move {
        while listener.next().await.is_some() {}
        listener
    });
    site.conveyor.close().await;
    let (ended, mut consumer) = within(waiting).await.unwrap();
    assert!(ended);
    assert!(consumer.next().await.is_none());
    assert!(within(listening).await.unwrap().next().await.is_none());
    assert!(matches!(site.conveyor.state(), State::Closed));
    assert!(!site.conveyor.connected().await);
    let refused = site.conveyor.publish(Queue::Route, &message()).await;
    assert!(matches!(refused, Err(Error::Closed)));
    assert!(matches!(
        site.conveyor.announce(&Change { workspace: None }).await,
        Err(Error::Closed)
    ));
}
