//! The daily partitions of Postgres.

use crate::given::{accepted, keyless};
use crate::yard::Yard;
use hookyard_store::Accepted;
use std::time::Duration;
use wire::Instant;

const DAY: Duration = Duration::from_hours(24);

/// `20261121`.
fn date(at: Instant) -> String {
    at.to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(8)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_and_twice_is_harmless() {
    let yard = Yard::on_postgres().await;
    let now = Instant::now();
    let count = "SELECT count(*) AS value FROM pg_inherits WHERE inhparent = 'events'::regclass";
    assert_eq!(yard.number(count), 9, "yesterday, today and the next seven days");
    assert!(yard.store.make_partitions(now, 7).await.unwrap().is_empty());
    let made = yard.store.make_partitions(now, 9).await.unwrap();
    let expected: Vec<String> = ["events", "attempts"]
        .iter()
        .flat_map(|table| [8, 9].map(|days| format!("{table}_{}", date(now + DAY * days))))
        .collect();
    assert_eq!(made, expected);
    assert!(yard.store.make_partitions(now, 9).await.unwrap().is_empty());
    accepted(&yard.store, 1, now + DAY * 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_may_make_them_at_once() {
    let yard = Yard::on_postgres().await;
    let then = Instant::now() + DAY * 100;
    let mut processes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = yard.another_process().await;
        processes.spawn(async move { store.make_partitions(then, 3).await.unwrap() });
    }
    processes.join_all().await;
    for table in ["events", "attempts"] {
        let made = format!("SELECT count(*) AS value FROM pg_inherits WHERE inhparent = '{table}'::regclass");
        assert_eq!(yard.number(&made), 9 + 5);
    }
    accepted(&yard.store, 1, then).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_them_waits_for_no_writer_and_no_reader_and_they_wait_for_nobody() {
    let yard = Yard::on_postgres().await;
    let mut reader = yard.raw();
    reader.execute("BEGIN; SELECT count(*) FROM events, attempts");
    let mut writer = yard.raw();
    writer.execute(
        "BEGIN; INSERT INTO claims (scope, key_hash, key, event_id, accepted_at, expires_at) \
         VALUES ('', '', '', gen_random_uuid(), now(), now()); UPDATE events SET failures = 0; UPDATE attempts SET number = 0",
    );
    let made = yard
        .store
        .make_partitions(Instant::now() + DAY * 50, 0)
        .await
        .unwrap();
    assert_eq!(made.len(), 4);
    let answer = yard.accept_queue().accept(keyless("{}")).await;
    assert_eq!(answer.unwrap(), Accepted::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_there_is_nothing_to_make() {
    let yard = Yard::on_sqlite().await;
    assert!(
        yard.store
            .make_partitions(Instant::now(), 7)
            .await
            .unwrap()
            .is_empty()
    );
}
