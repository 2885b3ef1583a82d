//! How many runs of a playbook go on at the same time.

use crate::yard::Yard;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Control, Run};
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

/// A playbook that lets one run of each customer go on at a time.
async fn one_of_each_customer(yard: &Yard, key: &str) {
    let mut playbook = yard
        .save("- a: {call: http, with: {method: post, endpoint: '{url}/', body: {n: '${ .n }'}}}")
        .await;
    playbook.spec.concurrency = Some(1);
    playbook.spec.concurrency_key = Some(key.to_owned());
    yard.save_as(playbook).await;
}

async fn each_key_has_a_line_of_its_own(yard: Yard) {
    yard.receiver.answer_next([Reply::hang()]);
    one_of_each_customer(&yard, ".customer").await;
    let _runner = yard.start();
    let first = yard.run(&json!({"customer": "ada", "n": 1})).await;
    yard.receiver.received(1).await;
    let second = yard.run(&json!({"customer": "ada", "n": 2})).await;
    testkit::until("it waits", async || yard.read(second).await.queued).await;
    // Beside both of them.
    let other = yard.run(&json!({"customer": 7, "n": 3})).await;
    yard.completed(other).await;
    assert!(yard.read(second).await.queued);
    assert_eq!(yard.receiver.requests().len(), 2);
    yard.control(first, Control::Cancel).await;
    yard.completed(second).await;
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM runs WHERE slot_key = 'ada'"),
        2
    );
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM runs WHERE slot_key = '7'"),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_a_line_of_its_own_on_sqlite() {
    each_key_has_a_line_of_its_own(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_a_line_of_its_own_on_postgres() {
    each_key_has_a_line_of_its_own(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_plain_value_faults_the_run_which_can_be_retried() {
    let yard = Yard::embedded().await;
    one_of_each_customer(&yard, ".customer").await;
    let _runner = yard.start();
    let input = json!({"customer": {"id": 7}, "n": 1});
    let run = yard.run(&input).await;
    let error = |run: Run| serde_json::from_str::<Value>(&run.error.unwrap()).unwrap();
    let said = error(yard.in_state(run, RunState::Faulted).await);
    assert_eq!(
        (&said["instance"], &said["status"]),
        (&json!("/concurrencyKey"), &json!(400))
    );
    assert!(said["detail"].as_str().unwrap().contains("an object"), "{said}");

    one_of_each_customer(&yard, ".customer.id.name").await;
    let failed = yard.run(&input).await;
    let said = error(yard.in_state(failed, RunState::Faulted).await);
    assert!(
        said["detail"].as_str().unwrap().contains("the expression failed"),
        "{said}"
    );
    // A neighbour does not notice.
    one_of_each_customer(&yard, ".customer.id").await;
    let neighbour = yard.run(&input).await;
    yard.completed(neighbour).await;
    assert!(yard.steps(run).await.is_empty());
    yard.retry(run, false).await;
    yard.completed(run).await;
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM runs WHERE slot_key = '7'"),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_run_over_keeps_its_key() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([Reply::hang(), Reply::hang()]);
    one_of_each_customer(&yard, ".customer").await;
    let runner = yard.start();
    let first = yard.run(&json!({"customer": "ada", "n": 1})).await;
    yard.receiver.received(1).await;
    let second = yard.run(&json!({"customer": "ada", "n": 2})).await;
    testkit::until("it waits", async || yard.read(second).await.queued).await;
    runner.kill();
    // By this one they would not be in one line.
    one_of_each_customer(&yard, ".n").await;
    let _runner = yard.start();
    yard.receiver.received(2).await;
    assert!(yard.read(second).await.queued);
    yard.control(first, Control::Cancel).await;
    yard.completed(second).await;
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM runs WHERE slot_key = 'ada'"),
        2
    );
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
