//! Queues that others made, changed or deleted.

use crate::site::{Site, event, message, prefetch, settings, take_all, within};
use hookyard_broker::{Conveyor, Error, State};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use std::collections::BTreeSet;
use testkit::broker::TestBroker;
use testkit::until;
use wire::Queue;

/// Somebody else at the same broker.
pub(crate) async fn stranger(broker: &TestBroker) -> Connection {
    Connection::connect(broker.url(), ConnectionProperties::default())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_properties_is_named_with_the_way_out_and_waited_for() {
    let broker = testkit::broker::rabbitmq();
    let connection = stranger(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    let name = format!("{}hookyard.deliver", broker.namespace());
    let (options, arguments) = (QueueDeclareOptions::durable(), FieldTable::default());
    channel
        .queue_declare(name.as_str().into(), options, arguments)
        .await
        .unwrap();

    let conveyor = Conveyor::rabbit(&settings(&broker, broker.url())).unwrap();
    let mut consumer = conveyor.consume(Queue::Deliver, prefetch(1));
    until("the drift was noticed", async || {
        matches!(conveyor.state(), State::Connecting { error: Some(error), .. } if matches!(*error, Error::Drift { .. }))
    })
    .await;
    let refused = conveyor.publish(Queue::Route, &message()).await.unwrap_err();
    let State::Connecting {
        error: Some(error), ..
    } = conveyor.state()
    else {
        panic!("connected in spite of drift");
    };
    let text = error.to_string();
    assert!(
        text.contains(&format!("rabbitmqctl delete_queue {name}")),
        "{text}"
    );
    let why = std::error::Error::source(&*error).unwrap().to_string();
    assert!(why.contains("inequivalent arg"), "{why}");
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains(&name), "{source}");

    // The way out.
    channel
        .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    assert!(within(conveyor.connected()).await);
    let sent = message();
    until("a message is published", async || {
        conveyor.publish(Queue::Deliver, &sent).await.is_ok()
    })
    .await;
    take_all(&mut consumer, &BTreeSet::from([event(&sent)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_deleted_queue_comes_back_and_the_queue_is_declared_anew() {
    let site = Site::rabbit().await;
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(5));
    let first = message();
    site.conveyor.publish(Queue::Route, &first).await.unwrap();
    take_all(&mut consumer, &BTreeSet::from([event(&first)])).await;

    let broker = site.broker();
    let channel = stranger(broker).await.create_channel().await.unwrap();
    let name = format!("{}hookyard.run", broker.namespace());
    channel
        .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let returned = site.conveyor.publish(Queue::Run, &message()).await.unwrap_err();
    assert!(
        matches!(&returned, Error::Returned { queue } if **queue == *name),
        "{returned}"
    );
    assert_eq!(site.conveyor.counts().returned, 1);
    until("the queue is back", async || {
        site.conveyor.publish(Queue::Run, &message()).await.is_ok()
    })
    .await;

    // Under a consumer's feet.
    let name = format!("{}hookyard.route", broker.namespace());
    channel
        .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let second = message();
    until("the queue is back", async || {
        site.conveyor.publish(Queue::Route, &second).await.is_ok()
    })
    .await;
    take_all(&mut consumer, &BTreeSet::from([event(&second)])).await;
}
