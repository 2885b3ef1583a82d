//! Runs that never end, beside one that does.

use crate::running::{Running, http};
use serde_json::{Value, json};
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
  - slug: quick
    definition:
      document: {dsl: 1.0.3, namespace: acme, name: quick, version: 1.0.0}
      do: [{say: {set: {said: '${ .word }'}}}]
";

/// Three times as many as there is room for.
const ENDLESS: usize = 12;

async fn post(running: &Running, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/management/v1/workspaces/acme/{path}", running.url);
    let request = http().post(url).bearer_auth(TOKEN).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_never_end_keep_no_other_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yard.yaml");
    std::fs::write(&file, YARD).unwrap();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(&file);
        command.env("HOOKYARD__PLAYBOOK__SLOTS", (ENDLESS / 3).to_string());
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
    let mut endless = Vec::new();
    for _ in 0..ENDLESS {
        endless.push(start("endless", json!({})).await);
    }
    let shown = async |id: &str| running.get("acme", TOKEN, &format!("/runs/{id}")).await;
    // Its program is known for what it is from now on.
    until("one was stopped", async || {
        shown(&endless[0]).await["status"] == "faulted"
    })
    .await;
    let error = shown(&endless[0]).await["error"].clone();
    assert_eq!(error["instance"], "/do/0/spin", "{error}");

    let quick = start("quick", json!({"word": "hello"})).await;
    until("the quick one completed", async || {
        shown(&quick).await["status"] == "completed"
    })
    .await;
    let mut left = 0;
    for id in &endless {
        let status = shown(id).await["status"].clone();
        left += usize::from(status != "faulted");
    }
    assert!(
        left >= ENDLESS / 2,
        "it waited until all but {left} of the others had ended"
    );

    // They can still be got rid of, and are no trouble then.
    for id in &endless {
        let (status, answer) = post(&running, &format!("runs/{id}/cancel"), json!({})).await;
        assert!(status == 202 || status == 409, "{status} {answer}");
    }
    for id in &endless {
        let ended = async || {
            let status = shown(id).await["status"].clone();
            status == "cancelled" || status == "faulted"
        };
        until("it ended", ended).await;
    }
}
