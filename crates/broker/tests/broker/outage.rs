//! A RabbitMQ that is not there, goes, hangs and returns. A proxy in front of the real one does it.

use crate::site::{event, message, prefetch, settings, take_all, within};
use hookyard_broker::{Conveyor, Error, State};
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::broker::TestBroker;
use testkit::proxy::Proxy;
use testkit::until;
use wire::{Change, Queue};

/// A conveyor whose connections can be cut.
async fn behind_proxy() -> (Conveyor, Proxy, TestBroker) {
    let broker = testkit::broker::rabbitmq();
    let proxy = Proxy::start(broker.address());
    let mut settings = settings(&broker, &broker.url_through(proxy.address()));
    settings.heartbeat = Duration::from_secs(1);
    settings.max_length = 100_000;
    let conveyor = Conveyor::rabbit(&settings).unwrap();
    assert!(within(conveyor.connected()).await);
    (conveyor, proxy, broker)
}

fn is_down(conveyor: &Conveyor) -> bool {
    matches!(conveyor.state(), State::Connecting { error: Some(_), .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_at_the_start_is_connected_to_when_it_comes() {
    let broker = testkit::broker::rabbitmq();
    let proxy = Proxy::start(broker.address());
    proxy.cut();
    let conveyor = Conveyor::rabbit(&settings(&broker, &broker.url_through(proxy.address()))).unwrap();
    let mut consumer = conveyor.consume(Queue::Route, prefetch(1));
    let mut changes = conveyor.changes();

    until("the first attempt failed", async || is_down(&conveyor)).await;
    let State::Connecting {
        error: Some(error), ..
    } = conveyor.state()
    else {
        panic!("connected through a cut line");
    };
    assert!(
        error.to_string().contains(&proxy.address().to_string()),
        "{error}"
    );
    let refused = conveyor.publish(Queue::Route, &message()).await;
    assert!(matches!(
        refused,
        Err(Error::Disconnected { source: Some(_), .. })
    ));
    assert!(matches!(
        conveyor.depth(Queue::Route).await,
        Err(Error::Disconnected { .. })
    ));
    assert_eq!(conveyor.counts().uncertain, 1);

    proxy.restore();
    assert!(within(conveyor.connected()).await);
    assert_eq!(within(changes.next()).await, Some(Change { workspace: None }));
    let sent = message();
    until("a message is published", async || {
        conveyor.publish(Queue::Route, &sent).await.is_ok()
    })
    .await;
    assert_eq!(within(consumer.next()).await.unwrap().message, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unacknowledged_message_comes_again_after_its_connection_is_lost() {
    let (conveyor, proxy, _broker) = behind_proxy().await;
    let mut consumer = conveyor.consume(Queue::Route, prefetch(5));
    let sent = message();
    conveyor.publish(Queue::Route, &sent).await.unwrap();
    let first = within(consumer.next()).await.unwrap();

    proxy.cut();
    until("the loss was noticed", async || is_down(&conveyor)).await;
    proxy.restore();
    let again = within(consumer.next()).await.unwrap();
    assert_eq!(again.message, sent);
    assert!(again.redelivered);
    // Of a connection that is gone: it says nothing, and harms nothing.
    first.ack();
    again.ack();
    until("the queue is empty", async || {
        matches!(conveyor.depth(Queue::Route).await, Ok(0))
    })
    .await;
    assert!(conveyor.counts().lost_connections >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_confirmed_message_is_lost_while_the_broker_goes_and_returns() {
    let (conveyor, proxy, _broker) = behind_proxy().await;
    let mut consumer = conveyor.consume(Queue::Deliver, prefetch(50));
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let conveyor = conveyor.clone();
            tokio::spawn(async move {
                let mut confirmed = BTreeSet::new();
                while confirmed.len() < 250 {
                    let message = message();
                    match conveyor.publish(Queue::Deliver, &message).await {
                        Ok(()) => drop(confirmed.insert(event(&message))),
                        // A real publisher leaves it to the sweepers.
                        Err(_uncertain) => tokio::time::sleep(Duration::from_millis(2)).await,
                    }
                }
                confirmed
            })
        })
        .collect();
    let cutting = async {
        for round in 1..=3 {
            let enough = round * 100;
            until("messages flow", async || conveyor.counts().received >= enough).await;
            proxy.cut();
            until("the loss was noticed", async || is_down(&conveyor)).await;
            proxy.restore();
        }
    };
    let sending = async {
        let mut confirmed = BTreeSet::new();
        for sender in senders {
            confirmed.extend(sender.await.unwrap());
        }
        confirmed
    };
    // Consumed meanwhile, so that the cuts meet deliveries and acknowledgements too.
    let mut taken = BTreeSet::new();
    let flow = within(async { tokio::join!(cutting, sending) });
    let mut flow = Box::pin(flow);
    let ((), confirmed) = loop {
        tokio::select! {
            ended = &mut flow => break ended,
            received = consumer.next() => {
                let received = received.unwrap();
                taken.insert(event(&received.message));
                received.ack();
            }
        }
    };
    drop(flow);
    let missing = confirmed.difference(&taken).copied().collect();
    take_all(&mut consumer, &missing).await;
    assert!(conveyor.counts().uncertain > 0, "no cut met a publish");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_hangs_is_noticed_and_replaced() {
    let (conveyor, proxy, _broker) = behind_proxy().await;
    let mut consumer = conveyor.consume(Queue::Route, prefetch(5));
    conveyor.publish(Queue::Route, &message()).await.unwrap();
    within(consumer.next()).await.unwrap().ack();

    proxy.stall();
    let uncertain = conveyor.publish(Queue::Route, &message()).await;
    assert!(
        matches!(
            uncertain,
            Err(Error::Unconfirmed { .. } | Error::Interrupted { .. } | Error::Disconnected { .. })
        ),
        "{uncertain:?}"
    );
    until("the silence was noticed", async || is_down(&conveyor)).await;
    proxy.cut();
    proxy.restore();
    assert!(within(conveyor.connected()).await);
    let sent = message();
    until("a message is published", async || {
        conveyor.publish(Queue::Route, &sent).await.is_ok()
    })
    .await;
    take_all(&mut consumer, &BTreeSet::from([event(&sent)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_never_speaks_is_given_up_and_named() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = testkit::broker::rabbitmq();
    let mut settings = settings(&broker, &broker.url_through(silent.local_addr().unwrap()));
    settings.connect_timeout = Duration::from_millis(100);
    let conveyor = Conveyor::rabbit(&settings).unwrap();
    until("it was given up", async || {
        matches!(conveyor.state(), State::Connecting { error: Some(error), .. } if matches!(*error, Error::Silent { .. }))
    })
    .await;
    conveyor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_shown() {
    let broker = testkit::broker::rabbitmq();
    let mut url: url::Url = broker.url().parse().unwrap();
    url.set_password(Some("s3cret-and-wrong")).unwrap();
    let conveyor = Conveyor::rabbit(&settings(&broker, url.as_str())).unwrap();
    until("it was refused", async || is_down(&conveyor)).await;
    let State::Connecting {
        error: Some(error), ..
    } = conveyor.state()
    else {
        panic!("connected with a wrong password");
    };
    let source = std::error::Error::source(&*error).unwrap().to_string();
    assert!(source.contains("ACCESS"), "{source}");
    assert!(!format!("{error:?} {error} {source} {conveyor:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_told_that_everything_changed_after_a_loss() {
    let (conveyor, proxy, _broker) = behind_proxy().await;
    let mut changes = conveyor.changes();
    let everything = Some(Change { workspace: None });
    // The first subscription may have come before this listener or after it.
    let _first = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
    proxy.cut();
    until("the loss was noticed", async || is_down(&conveyor)).await;
    proxy.restore();
    assert_eq!(within(changes.next()).await, everything);
}
