//! How many runs of a playbook go on at the same time.

use crate::yard::Yard;
use serde_json::json;
use std::time::Duration;
use store::Control;
use testkit::receiver::Reply;
use wire::RunState;

async fn two_of_twenty_go_on_at_the_same_time(yard: Yard) {
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(20)));
    let mut playbook = yard
        .save("- a: {call: http, with: {method: post, endpoint: '{url}/', body: {n: '${ .n }'}}}\n- rest: {wait: {milliseconds: 10}}")
        .await;
    playbook.spec.concurrency = Some(2);
    yard.save_as(playbook).await;
    // One process has the file of SQLite.
    let _runners = [
        Some(yard.start()),
        (yard.store.kind() == "postgres").then(|| yard.start()),
    ];
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(yard.run(&json!({"n": n})).await);
    }
    for id in ids {
        yard.completed(id).await;
    }
    assert_eq!(yard.receiver.requests().len(), 20);
    assert!(
        yard.receiver.most_in_flight() <= 2,
        "{} at once",
        yard.receiver.most_in_flight()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_twenty_go_on_at_the_same_time_on_sqlite() {
    two_of_twenty_go_on_at_the_same_time(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_twenty_go_on_at_the_same_time_on_postgres() {
    two_of_twenty_go_on_at_the_same_time(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_turn_can_be_cancelled_and_the_next_gets_it() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([Reply::hang()]);
    let mut playbook = yard
        .save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    playbook.spec.concurrency = Some(1);
    yard.save_as(playbook).await;
    let _runner = yard.start();
    let first = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    let (second, third) = (yard.run(&json!({})).await, yard.run(&json!({})).await);
    testkit::until("they wait", async || {
        yard.read(second).await.queued && yard.read(third).await.queued
    })
    .await;
    assert_eq!(yard.read(second).await.state, RunState::Pending);
    yard.control(second, Control::Cancel).await;
    yard.in_state(second, RunState::Cancelled).await;
    assert!(yard.read(third).await.queued);
    yard.control(first, Control::Cancel).await;
    yard.completed(third).await;
}
