//! Messages that others wrote, and how ours look to others.

use crate::drift::stranger;
use crate::site::{Site, event, message, prefetch, take_all, within};
use hookyard_broker::QueueKind;
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use std::collections::BTreeSet;
use testkit::until;
use wire::{Message, Queue};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_is_counted_and_thrown_away() {
    let site = Site::rabbit().await;
    let channel = stranger(site.broker()).await.create_channel().await.unwrap();
    let name = format!("{}hookyard.route", site.broker().namespace());
    for nonsense in [&b"\xff"[..], b"{}", br#"{"v":2,"refs":[]}"#] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("".into(), name.as_str().into(), options, nonsense, properties)
            .await
            .unwrap();
    }
    let good = message();
    until("the nonsense is there", async || {
        site.conveyor.depth(Queue::Route).await.unwrap() == 3
    })
    .await;
    site.conveyor.publish(Queue::Route, &good).await.unwrap();

    // One at a time: each must be acknowledged for the next to come.
    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(1));
    take_all(&mut consumer, &BTreeSet::from([event(&good)])).await;
    assert_eq!(site.conveyor.counts().malformed, 3);
    assert_eq!(site.conveyor.counts().received, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_carries_its_trace_where_tools_look_for_it_and_is_kept_as_its_queue_is() {
    is_seen_by_others(QueueKind::Classic, 1).await;
    is_seen_by_others(QueueKind::Quorum, 2).await;
}

async fn is_seen_by_others(queues: QueueKind, delivery_mode: u8) {
    let site = Site::with_queues(queues).await;
    let traced = Message::new(message().refs, Some(TRACEPARENT.to_owned()));
    site.conveyor.publish(Queue::Route, &traced).await.unwrap();

    let channel = stranger(site.broker()).await.create_channel().await.unwrap();
    let name = format!("{}hookyard.route", site.broker().namespace());
    let mut got = None;
    until("the message is there", async || {
        got = channel
            .basic_get(name.as_str().into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap();
        got.is_some()
    })
    .await;
    let delivery = got.unwrap().delivery;
    assert_eq!(*delivery.properties.delivery_mode(), Some(delivery_mode));
    let header = delivery
        .properties
        .headers()
        .as_ref()
        .unwrap()
        .inner()
        .get("traceparent")
        .unwrap()
        .clone();
    assert_eq!(header, AMQPValue::LongString(LongString::from(TRACEPARENT)));
    assert_eq!(delivery.data, traced.encode());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_in_the_headers_alone_is_the_messages() {
    let site = Site::rabbit().await;
    let channel = stranger(site.broker()).await.create_channel().await.unwrap();
    let name = format!("{}hookyard.route", site.broker().namespace());
    let mut headers = FieldTable::default();
    headers.insert(
        "traceparent".into(),
        AMQPValue::LongString(LongString::from(TRACEPARENT)),
    );
    let (options, properties) = (
        BasicPublishOptions::default(),
        BasicProperties::default().with_headers(headers),
    );
    let plain = message().encode();
    channel
        .basic_publish("".into(), name.as_str().into(), options, &plain, properties)
        .await
        .unwrap();

    let mut consumer = site.conveyor.consume(Queue::Route, prefetch(1));
    let received = within(consumer.next()).await.unwrap();
    assert_eq!(received.message.traceparent.as_deref(), Some(TRACEPARENT));
    received.ack();
}
