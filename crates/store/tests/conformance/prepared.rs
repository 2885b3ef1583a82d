//! The hot statements are planned once per connection and not at every call.

use crate::given::{deliveries, delivery, keyed, outcome, routed};
use crate::on_both;
use crate::recorder::Recorder;
use crate::yard::{Yard, connect};
use hookyard_store::QueueOptions;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryState, EventId, Instant};

on_both! {
    async fn hot_statements_are_prepared_once(yard: &Yard) {
        let recorder = Recorder::start(yard.database.url());
        let store = connect(&yard.url()).await;
        let accepting = store.accept_queue(QueueOptions::default()).unwrap();
        let routing = store.routing_queue(QueueOptions::default()).unwrap();
        let recording = store.outcome_queue(QueueOptions::default()).unwrap();
        let now = Instant::now();
        for number in 0..5 {
            let row = keyed(&number.to_string(), "{}");
            let id = row.event.id;
            accepting.accept(row.clone()).await.unwrap();
            accepting.accept(keyed(&number.to_string(), "{}")).await.unwrap();
            let mut decided = keyed(&format!("decided {number}"), "{}");
            decided.routed = Some(routed(decided.event.id, vec![]));
            accepting.accept(decided).await.unwrap();
            let made = delivery(id, "one", now);
            let delivery = made.id;
            routing.route(vec![routed(id, vec![made]), routed(EventId::generate(), vec![])]).await.unwrap();
            let token = Uuid::new_v4();
            store.lease_due(now, 10, (token, Duration::from_secs(30)), vec![]).await.unwrap();
            recording.record(outcome(delivery, token, 1, DeliveryState::Delivered)).await.unwrap();
            store.reap(now, Duration::ZERO, 10).await.unwrap();
        }
        let record = recorder.take();
        let mut often: HashMap<&str, usize> = HashMap::new();
        for sql in &record.prepared {
            *often.entry(sql).or_default() += 1;
        }
        for (what, beginning) in [
            ("claims", "INSERT INTO"),
            ("claims", "UPDATE"),
            ("events", "INSERT INTO"),
            ("events", "UPDATE"),
            ("deliveries", "INSERT INTO"),
            ("deliveries", "UPDATE"),
            ("attempts", "INSERT INTO"),
        ] {
            let quoted = [format!("{beginning} {what} "), format!("{beginning} `{what}` ")];
            let found: Vec<_> = often.iter().filter(|(sql, _)| quoted.iter().any(|quoted| sql.contains(quoted.as_str()))).collect();
            assert!(!found.is_empty(), "{beginning} {what} is not prepared: {often:#?}");
            for (sql, times) in found {
                assert_eq!(*times, 1, "prepared again and again: {sql}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_batch_is_one_statement_whatever_its_size() {
    let yard = Yard::on_postgres().await;
    let recorder = Recorder::start(yard.database.url());
    let store = connect(&yard.url()).await;
    let rows = 100;
    let ids = deliveries(&store, |event| {
        (0..rows)
            .map(|number| delivery(event, &format!("e{number}"), Instant::now()))
            .collect()
    })
    .await;
    assert_eq!(ids.len(), rows);
    let inserts = recorder
        .take()
        .run
        .iter()
        .filter(|statement| statement.sql.contains("INSERT INTO deliveries"))
        .count();
    assert_eq!(inserts, 1);
}
