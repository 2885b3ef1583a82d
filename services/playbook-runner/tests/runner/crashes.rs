//! Runners that die: no finished step is done again, and no step is left out.

use crate::yard::Yard;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use testkit::receiver::Reply;
use testkit::until;

const TASKS: &str = r"
- begin: {set: {n: 0}}
- one: {call: http, with: {method: post, endpoint: '{url}/one', body: {n: 1}}}
- tell: {emit: {event: {with: {type: order.told, source: /orders, data: {n: 3}}}}}
- both:
    fork:
      branches:
        - two: {call: http, with: {method: post, endpoint: '{url}/two', body: {n: 2}}}
        - three: {call: http, with: {method: post, endpoint: '{url}/three', body: {n: 3}}}
- rest: {wait: {milliseconds: 30}}
- four: {call: http, with: {method: post, endpoint: '{url}/four', body: {n: 4}}}
- last: {set: {done: true}}
";

/// The steps, without those that contain others.
const STEPS: [&str; 9] = [
    "begin", "one", "tell", "two", "three", "both", "rest", "four", "last",
];

/// Kills the runner after each commit, and in each call.
async fn a_runner_that_dies_at_any_point_leaves_the_run_to_the_next(yard: Yard) {
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(15)));
    yard.save(TASKS).await;
    for point in 0..14 {
        let id = yard.record(&json!({"point": point})).await;
        let runner = yard.start();
        if point < 8 {
            until("the point is reached", async || {
                yard.revision(id) >= point || yard.read(id).await.state.is_final()
            })
            .await;
        } else {
            // Some milliseconds on its way: in a call, between two, or before a commit.
            until("it was taken", async || yard.read(id).await.started_at.is_some()).await;
            tokio::time::sleep(Duration::from_millis(u64::try_from(point - 7).unwrap() * 9)).await;
        }
        runner.kill();
        yard.forget_the_dead().await;
        let next = yard.start();
        assert_eq!(yard.completed(id).await, json!({"done": true}), "point {point}");
        let mut counts: HashMap<String, usize> = HashMap::new();
        for step in yard.steps(id).await {
            *counts.entry(step.name).or_default() += 1;
        }
        for name in STEPS {
            assert_eq!(counts.get(name), Some(&1), "{name} at point {point}: {counts:?}");
        }
        next.kill();
        yard.forget_the_dead().await;
    }
    yard.assert_one_body_for_each_key();
    assert_eq!(
        yard.number("SELECT count(*) AS value FROM events WHERE event_type = 'order.told'"),
        14
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_dies_at_any_point_leaves_the_run_to_the_next_on_sqlite() {
    a_runner_that_dies_at_any_point_leaves_the_run_to_the_next(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_dies_at_any_point_leaves_the_run_to_the_next_on_postgres() {
    a_runner_that_dies_at_any_point_leaves_the_run_to_the_next(Yard::distributed().await).await;
}

/// Two runners at once, one of which dies in the middle of many runs.
#[tokio::test(flavor = "multi_thread")]
async fn many_runs_survive_the_death_of_one_of_two_runners() {
    let yard = Yard::distributed().await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(20)));
    yard.save(TASKS).await;
    let dies = yard.start();
    until("it is known", async || {
        yard.number("SELECT count(*) AS value FROM workers") == 1
    })
    .await;
    let _lives = yard.start();
    until("both are", async || {
        yard.number("SELECT count(*) AS value FROM workers") == 2
    })
    .await;
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(yard.run(&json!({"n": n})).await);
    }
    yard.receiver.received(20).await;
    dies.kill();
    // As 15 s of silence would, without having taken what the living one has.
    yard.silence_all_but_the_latest();
    for id in ids {
        assert_eq!(yard.completed(id).await, json!({"done": true}));
        let steps = yard.steps(id).await;
        assert_eq!(
            steps.len(),
            STEPS.len(),
            "{:?}",
            steps.iter().map(|step| &step.name).collect::<Vec<_>>()
        );
    }
    yard.assert_one_body_for_each_key();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_ledger_that_is_no_runs_fault_ends_none() {
    let yard = Yard::distributed().await;
    // Once, in a way that nobody knows: as a server does that has no file descriptors left.
    yard.execute(
        "CREATE SEQUENCE failures;
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('failures') = 1 THEN RAISE EXCEPTION 'could not open file: Too many open files'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fail_once BEFORE UPDATE ON runs FOR EACH ROW WHEN (NEW.revision > OLD.revision)
            EXECUTE FUNCTION fail_once()",
    );
    yard.save("- a: {set: {n: 1}}").await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    assert_eq!(yard.completed(id).await, json!({"n": 1}));
    assert!(yard.number("SELECT last_value AS value FROM failures") > 1);
}
