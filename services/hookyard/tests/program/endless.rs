//! Runs that never end, beside one that does.

use crate::running::{Running, http};
use serde_json::{Value, json};
use std::collections::HashSet;
use testkit::receiver::{Receiver, Reply};
use testkit::until;

const TOKEN: &str = "nhm_endless_test_0001";

const YARD: &str = "
workspace: {slug: acme, name: Acme}
environments: [{slug: production, default: true}]
management_tokens: [{name: test, token: nhm_endless_test_0001}]
playbooks:
  - slug: endless
    definition:
      document: {dsl: 1.0.3, namespace: acme, name: endless, version: 1.0.0}
      do: [{spin: {set: {x: '${ def f: f; f }'}}}]
  - slug: caller
    definition:
      document: {dsl: 1.0.3, namespace: acme, name: caller, version: 1.0.0}
      do: [{ask: {call: http, with: {method: post, endpoint: '{receiver}/caller'}}}, {spin: {set: {x: '${ def f: f; f }'}}}]
  - slug: patient
    definition:
      document: {dsl: 1.0.3, namespace: acme, name: patient, version: 1.0.0}
      do: [{ask: {call: http, with: {method: post, endpoint: '{receiver}/patient'}}}]
";

/// Runs that there is room for.
const SLOTS: usize = 8;

/// Runs that never end.
const ENDLESS: usize = 3 * SLOTS;

/// Runs that wait for an answer meanwhile.
const PATIENT: usize = SLOTS / 2 + 1;

async fn post(running: &Running, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/management/v1/workspaces/acme/{path}", running.url);
    let request = http().post(url).bearer_auth(TOKEN).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_never_end_keep_no_other_from_its_end() {
    beside_runs_of("endless", "/do/0/spin").await;
}

/// With the answer of a call in its hands a run cannot be let go of: it would make the call again.
#[tokio::test(flavor = "multi_thread")]
async fn nor_do_those_that_never_end_after_a_call() {
    let receiver = beside_runs_of("caller", "/do/1/spin").await;
    let calls = receiver.requests();
    let calls: Vec<_> = calls.iter().filter(|call| call.target == "/caller").collect();
    let keys: HashSet<_> = calls.iter().map(|call| call.header("idempotency-key")).collect();
    assert!(!calls.is_empty());
    assert_eq!(keys.len(), calls.len(), "a call was made again");
}

async fn beside_runs_of(playbook: &str, culprit: &str) -> Receiver {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yard.yaml");
    let receiver = Receiver::start();
    receiver.answer_all_at("/patient", Reply::hang());
    std::fs::write(&file, YARD.replace("{receiver}", &receiver.url())).unwrap();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(&file);
        command.env("HOOKYARD__PLAYBOOK__SLOTS", SLOTS.to_string());
    });
    let start = async |playbook: &str, input: Value| {
        let (status, run) = post(
            &running,
            &format!("playbooks/{playbook}/runs"),
            json!({"input": input}),
        )
        .await;
        assert_eq!(status, 201, "{run}");
        run["id"].as_str().unwrap().to_owned()
    };
    let mut runs = Vec::new();
    for _ in 0..ENDLESS {
        runs.push(start(playbook, json!({})).await);
    }
    let shown = async |id: &str| running.get("acme", TOKEN, &format!("/runs/{id}")).await;
    // Its program is known for what it is from now on.
    until("one was stopped", async || {
        shown(&runs[0]).await["status"] == "faulted"
    })
    .await;
    let error = shown(&runs[0]).await["error"].clone();
    assert_eq!(error["instance"], culprit, "{error}");

    for _ in 0..PATIENT {
        runs.push(start("patient", json!({})).await);
    }
    until("those that wait for an answer are all under way", async || {
        let asked = receiver.requests();
        asked.iter().filter(|call| call.target == "/patient").count() == PATIENT
    })
    .await;
    let mut left = 0;
    for id in &runs[..ENDLESS] {
        let status = shown(id).await["status"].clone();
        left += usize::from(status != "faulted");
    }
    assert!(
        left > ENDLESS - PATIENT,
        "they waited until all but {left} of the others had ended"
    );

    // They can still be got rid of, and are no trouble then.
    for id in &runs {
        let (status, answer) = post(&running, &format!("runs/{id}/cancel"), json!({})).await;
        assert!(status == 202 || status == 409, "{status} {answer}");
    }
    for id in &runs {
        let ended = async || {
            let status = shown(id).await["status"].clone();
            status == "cancelled" || status == "faulted"
        };
        until("it ended", ended).await;
    }
    receiver
}
