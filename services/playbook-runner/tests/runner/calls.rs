//! Calls: what is sent, what is taken, and what nobody must see.

use crate::yard::{Yard, playbook};
use serde_json::{Value, json};
use std::time::Duration;
use store::Playbook;
use testkit::receiver::Reply;
use wire::RunState;

const CANARY: &str = "canary-7f3a91";

fn with_secrets(yard: &Yard, tasks: &str) -> Playbook {
    let secrets = json!({"token": CANARY, "nested": {"key": format!("{CANARY}-2")}}).to_string();
    Playbook {
        secrets: Some(secrets.into()),
        ..playbook(&yard.definition(tasks))
    }
}

async fn secrets_are_sent_and_kept_nowhere(yard: Yard) {
    // The answer does not repeat them; what a receiver says is data.
    yard.receiver
        .answer_next([Reply::status(200), Reply::status(500).body("no")]);
    let tasks = r"
- tell:
    call: http
    with:
      method: post
      endpoint:
        uri: '{url}/in'
        authentication: {bearer: {token: '${ $secrets.token }'}}
      headers: {x-api: '${ $secrets.nested.key }'}
      query: {k: '${ $secrets.token }'}
      body: {inner: ['${ $secrets.nested.key }']}
      output: response
- fail:
    call: http
    with: {method: post, endpoint: '{url}/fail', body: {t: '${ $secrets.token }'}}
";
    yard.save_as(with_secrets(&yard, tasks)).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    let run = yard.in_state(id, RunState::Faulted).await;
    let requests = yard.receiver.requests();
    assert_eq!(
        requests[0].header("authorization"),
        Some(format!("Bearer {CANARY}").as_str())
    );
    assert_eq!(requests[0].header("x-api"), Some(format!("{CANARY}-2").as_str()));
    assert_eq!(requests[0].target, format!("/in?k={CANARY}"));
    assert_eq!(requests[0].json(), json!({"inner": [format!("{CANARY}-2")]}));
    assert_eq!(requests[1].json(), json!({"t": CANARY}));
    assert!(run.error.unwrap().contains("500"));
    assert_eq!(yard.steps(id).await.len(), 2);
    assert!(yard.holds("/do/0/tell"), "what is looked through is the ledger");
    assert!(!yard.holds(CANARY), "a secret is in the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sent_and_kept_nowhere_on_sqlite() {
    secrets_are_sent_and_kept_nowhere(Yard::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sent_and_kept_nowhere_on_postgres() {
    secrets_are_sent_and_kept_nowhere(Yard::distributed().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_secret_is_gone_fails_and_can_be_retried() {
    let yard = Yard::embedded().await;
    let tasks =
        "- a: {call: http, with: {method: post, endpoint: '{url}/', body: {t: '${ $secrets.token }'}}}";
    yard.receiver.answer_next([Reply::status(503)]);
    let playbook = yard.save_as(with_secrets(&yard, tasks)).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Faulted).await;
    yard.save_as(Playbook {
        secrets: None,
        ..playbook
    })
    .await;
    yard.retry(id, false).await;
    testkit::until("it says so", async || {
        yard.read(id)
            .await
            .error
            .is_some_and(|error| error.contains("has no secret `/token`"))
    })
    .await;
    yard.save_as(with_secrets(&yard, tasks)).await;
    yard.retry(id, false).await;
    yard.completed(id).await;
    assert_eq!(yard.receiver.requests()[1].json(), json!({"t": CANARY}));
}

const NESTED: &str =
    "{call: http, with: {method: post, endpoint: '{url}/', body: {t: '${ $secrets.nested.key }'}}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_not_there_when_the_run_began_is_there_when_it_is_retried() {
    let yard = Yard::embedded().await;
    let tasks = format!("- a: {NESTED}");
    yard.save(&tasks).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.in_state(id, RunState::Faulted).await;
    yard.save_as(with_secrets(&yard, &tasks)).await;
    yard.retry(id, false).await;
    yard.completed(id).await;
    let sent = yard.receiver.requests()[0].json();
    assert_eq!(sent, json!({"t": format!("{CANARY}-2")}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_set_during_a_call_is_there_for_the_next() {
    let yard = Yard::embedded().await;
    // Longer than what was read of a playbook counts.
    yard.receiver
        .answer_next([Reply::status(200).after(Duration::from_millis(1_500))]);
    let tasks =
        format!("- first: {{call: http, with: {{method: get, endpoint: '{{url}}/'}}}}\n- a: {NESTED}");
    yard.save(&tasks).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    yard.receiver.received(1).await;
    yard.save_as(with_secrets(&yard, &tasks)).await;
    yard.completed(id).await;
    let sent = yard.receiver.requests()[1].json();
    assert_eq!(sent, json!({"t": format!("{CANARY}-2")}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_100_mib_is_cut_off_and_is_an_error() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_next([
        Reply::status(200)
            .header("content-type", "application/json")
            .body(vec![b'7'; 100 << 20]),
        Reply::status(200)
            .header("content-type", "text/plain")
            .body(vec![b'7'; 600 << 10]),
    ]);
    yard.save(
        "- careful:\n    try:\n      - big: {call: http, with: {method: get, endpoint: '{url}/'}}\n\
         \x20   catch: {as: error, do: [{caught: {set: {detail: '${ $error.detail }'}}}]}\n\
         - fits: {call: http, with: {method: get, endpoint: '{url}/'}, output: {as: '${ {length: length} }'}}",
    )
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    assert_eq!(yard.completed(id).await, json!({"length": 600 << 10}));
    let steps = yard.steps(id).await;
    let caught = steps.iter().find(|step| step.name == "caught").unwrap();
    let output: Value = serde_json::from_slice(caught.output.as_ref().unwrap()).unwrap();
    assert!(
        output["detail"]
            .as_str()
            .unwrap()
            .contains("more than 1048576 bytes"),
        "{output}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_within_are_refused_unless_the_operator_opened_them() {
    let yard = Yard::embedded().await;
    yard.save("- a: {call: http, with: {method: get, endpoint: 'http://169.254.169.254/latest'}}")
        .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    let run = yard.in_state(id, RunState::Faulted).await;
    assert!(run.error.unwrap().contains("egress.allow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_of_branches_call_no_more_than_some_at_once() {
    let yard = Yard::embedded().await;
    yard.receiver
        .answer_all(Reply::status(200).after(Duration::from_millis(300)));
    let calls: Vec<String> = (0..30)
        .map(|number| format!("{{c{number}: {{call: http, with: {{method: get, endpoint: '{{url}}/'}}}}}}"))
        .collect();
    let branch = |name: &str| format!("{{{name}: {{fork: {{branches: [{}]}}}}}}", calls.join(", "));
    let tasks = format!(
        "- all: {{fork: {{branches: [{}, {}]}}}}\n- last: {{set: {{done: true}}}}",
        branch("one"),
        branch("two")
    );
    yard.save(&tasks).await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    assert_eq!(yard.completed(id).await, json!({"done": true}));
    assert_eq!(yard.receiver.requests().len(), 60);
    let most = yard.receiver.most_in_flight();
    assert!((2..=32).contains(&most), "{most} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_make_room_at_once() {
    let yard = Yard::embedded().await;
    yard.receiver.answer_all(Reply::hang());
    yard.receiver.answer_all_at("/last", Reply::status(200));
    let calls: Vec<String> = (0..32)
        .map(|number| format!("{{c{number}: {{call: http, with: {{method: get, endpoint: '{{url}}/'}}}}}}"))
        .collect();
    yard.save(&format!(
        "- careful:\n    try: [{{all: {{fork: {{branches: [{}]}}, timeout: {{after: {{milliseconds: 500}}}}}}}}]\n\
         \x20   catch: {{do: [{{last: {{call: http, with: {{method: get, endpoint: '{{url}}/last'}}}}}}, {{note: {{set: {{done: true}}}}}}]}}",
        calls.join(", ")
    ))
    .await;
    let _runner = yard.start();
    let id = yard.run(&json!({})).await;
    assert_eq!(yard.completed(id).await, json!({"done": true}));
}
