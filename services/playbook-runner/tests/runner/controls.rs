//! What operators do to runs.

use crate::yard::{Yard, workspace};
use serde_json::json;
use std::time::{Duration, Instant};
use store::{Control, Controlled, Edit, RunsOf};
use testkit::receiver::Reply;
use testkit::until;
use wire::RunState;
use wire::resource::Ending;

const ONE_CALL: &str = "- ask: {call: http, with: {method: post, endpoint: '{url}/', body: {n: 1}}}\n- last: {set: {done: true}}";

async fn a_call_is_given_up_when_its_run_is_cancelled(yard: Yard) {
    yard.receiver.answer_all(Reply::hang());
    yard.save(ONE_CALL).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    let began = Instant::now();
    assert_eq!(yard.control(id, Control::Cancel).await, Controlled::Wished);
    yard.in_state(id, RunState::Cancelled).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let steps = yard.steps(id).await;
    assert_eq!(steps[0].status, wire::StepState::Cancelled);
    assert_eq!(
        yard.control(id, Control::Cancel).await,
        Controlled::Refused(RunState::Cancelled)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_given_up_when_its_run_is_cancelled_on_sqlite() {
    a_call_is_given_up_when_its_run_is_cancelled(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_given_up_when_its_run_is_cancelled_on_postgres() {
    a_call_is_given_up_when_its_run_is_cancelled(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_finishes_its_call_and_goes_on_when_it_is_resumed() {
    let yard = Yard::embedded().await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(1_500)));
    yard.save(ONE_CALL).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    yard.control(id, Control::Pause).await;
    yard.in_state(id, RunState::Paused).await;
    until("the call's step is over", async || yard.read(id).await.steps == 1).await;
    assert_eq!(yard.read(id).await.state, RunState::Paused);
    assert_eq!(
        yard.control(id, Control::Pause).await,
        Controlled::Refused(RunState::Paused)
    );
    yard.control(id, Control::Resume).await;
    yard.completed(id).await;
    assert_eq!(yard.receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_not_begun_can_be_held_and_cancelled() {
    let yard = Yard::embedded().await;
    yard.save(ONE_CALL).await;
    let (held, ended) = (yard.record(&json!({})).await, yard.record(&json!({})).await);
    yard.control(held, Control::Pause).await;
    yard.control(ended, Control::Cancel).await;
    let _runner = yard.start();
    yard.in_state(held, RunState::Paused).await;
    yard.in_state(ended, RunState::Cancelled).await;
    assert!(yard.receiver.requests().is_empty());
    yard.control(held, Control::Resume).await;
    yard.completed(held).await;
}

async fn a_faulted_run_is_retried_from_its_failed_step(yard: Yard) {
    yard.receiver
        .answer_next([Reply::status(503), Reply::status(503)]);
    yard.save(&format!("- first: {{set: {{n: 1}}}}\n{ONE_CALL}"))
        .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    let run = yard.in_state(id, RunState::Faulted).await;
    assert!(run.error.unwrap().contains("503"));
    yard.retry(id, false).await;
    until("it failed again", async || yard.receiver.requests().len() == 2).await;
    until("it is faulted again", async || yard.read(id).await.steps == 3).await;
    yard.in_state(id, RunState::Faulted).await;
    yard.retry(id, true).await;
    yard.completed(id).await;
    let requests = yard.receiver.requests();
    let keys: Vec<_> = requests
        .iter()
        .map(|request| request.header("idempotency-key").unwrap())
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
    let steps = yard.steps(id).await;
    assert_eq!(
        steps.iter().filter(|step| step.name == "first").count(),
        1,
        "what was finished is not done again"
    );
    assert_eq!(yard.read(id).await.error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulted_run_is_retried_from_its_failed_step_on_sqlite() {
    a_faulted_run_is_retried_from_its_failed_step(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulted_run_is_retried_from_its_failed_step_on_postgres() {
    a_faulted_run_is_retried_from_its_failed_step(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_runs_is_cancelled_by_the_kill_switch() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_all(Reply::hang());
    yard.save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let _runner = yard.start();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(yard.run(&json!({})).await);
    }
    yard.receiver.received(5).await;
    let workspace = workspace().id;
    let cancelled = yard
        .store
        .cancel_runs(RunsOf::Workspace(workspace), None, 100, wire::Instant::now())
        .await
        .unwrap();
    assert_eq!(cancelled.len(), 5);
    for id in ids {
        yard.in_state(id, RunState::Cancelled).await;
    }
}

/// Switches the workspace off, or on again, in the ledger alone: nobody is told.
async fn switch_workspace(yard: &Yard, accepting: bool) {
    let mut row = workspace();
    row.accepting = accepting;
    row.spec.runs = if accepting { Ending::Drain } else { Ending::Cancel };
    yard.store
        .edit(vec![Edit::Workspace(row)], wire::Instant::now())
        .await
        .unwrap();
}

async fn a_run_that_is_made_while_the_kill_switch_is_on_ends(yard: Yard) {
    let playbook = yard
        .save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let _runner = yard.start();
    switch_workspace(&yard, false).await;
    // As a door makes it that asked before the switch, and records after everybody was told.
    let late = yard.run(&json!({})).await;
    yard.in_state(late, RunState::Cancelled).await;
    switch_workspace(&yard, true).await;
    let mut off = playbook.clone();
    (off.spec.enabled, off.spec.runs) = (false, Ending::Cancel);
    yard.save_as(off).await;
    let late = yard.run(&json!({})).await;
    yard.in_state(late, RunState::Cancelled).await;
    assert!(yard.receiver.requests().is_empty());
    yard.save_as(playbook).await;
    let wanted = yard.run(&json!({})).await;
    yard.completed(wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_made_while_the_kill_switch_is_on_ends_on_sqlite() {
    a_run_that_is_made_while_the_kill_switch_is_on_ends(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_made_while_the_kill_switch_is_on_ends_on_postgres() {
    a_run_that_is_made_while_the_kill_switch_is_on_ends(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_run_over_ends_it_when_the_kill_switch_is_on() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([Reply::hang()]);
    yard.save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    runner.kill();
    switch_workspace(&yard, false).await;
    let _other = yard.start();
    yard.in_state(id, RunState::Cancelled).await;
    assert_eq!(yard.receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulted_run_is_not_retried_while_the_kill_switch_is_on() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([Reply::status(500)]);
    yard.save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Faulted).await;
    switch_workspace(&yard, false).await;
    yard.retry(id, false).await;
    assert_eq!(yard.read(id).await.state, RunState::Faulted);
    switch_workspace(&yard, true).await;
    yard.retry(id, false).await;
    yard.completed(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_fails_again_leaves_nothing_that_waits() {
    let yard = Yard::embedded().await;
    yard.save(
        "- both: {fork: {branches: [{ask: {listen: {to: {one: {with: {type: order.paid}}}}}}, {check: {set: '${ error(\"no\") }'}}]}}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Faulted).await;
    let steps = yard.steps(id).await.len();
    yard.retry(id, false).await;
    until("it failed again", async || yard.steps(id).await.len() > steps).await;
    yard.in_state(id, RunState::Faulted).await;
    let of_type = (yard.read(id).await.workspace_id, "order.paid".to_owned());
    assert_eq!(yard.store.wait_shapes(vec![of_type]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_made_while_its_playbook_is_removed_ends() {
    let yard = Yard::embedded().await;
    let playbook = yard
        .save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let late = yard.record(&json!({})).await;
    let edit = Edit::RemovePlaybook(playbook.id);
    yard.store.edit(vec![edit], wire::Instant::now()).await.unwrap();
    let _runner = yard.start();
    yard.in_state(late, RunState::Cancelled).await;
    assert!(yard.receiver.requests().is_empty());
}

async fn a_run_that_waits_for_an_event_when_the_kill_switch_ends_it_is_given_none(yard: Yard) {
    yard.save("- hear: {listen: {to: {one: {with: {type: order.paid}}}}}")
        .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Waiting).await;
    yard.parked().await;
    assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 1);
    switch_workspace(&yard, false).await;
    let of = RunsOf::Workspace(workspace().id);
    let told = yard.store.cancel_runs(of, None, 100, wire::Instant::now()).await;
    assert_eq!(told.unwrap(), [id]);
    yard.tell(id).await;
    yard.in_state(id, RunState::Cancelled).await;
    assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_an_event_when_the_kill_switch_ends_it_is_given_none_on_sqlite() {
    a_run_that_waits_for_an_event_when_the_kill_switch_ends_it_is_given_none(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_an_event_when_the_kill_switch_ends_it_is_given_none_on_postgres() {
    a_run_that_waits_for_an_event_when_the_kill_switch_ends_it_is_given_none(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_run_over_ends_it_when_its_playbook_was_removed() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([Reply::hang()]);
    let playbook = yard
        .save("- a: {call: http, with: {method: get, endpoint: '{url}/'}}")
        .await;
    let runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    runner.kill();
    // Whoever was to tell it to end was lost.
    let edit = Edit::RemovePlaybook(playbook.id);
    yard.store.edit(vec![edit], wire::Instant::now()).await.unwrap();
    let _other = yard.start();
    yard.in_state(id, RunState::Cancelled).await;
    assert_eq!(yard.receiver.requests().len(), 1);
}
