//! Playbooks that run, seen and steered from the command line, with all roles at work.

use crate::running::{Running, http, run, stderr, stdout};
use serde_json::{Value, json};
use std::process::Output;
use testkit::receiver::{Receiver, Reply};
use testkit::until;

const TOKEN: &str = "nhm_runs_test_0001";
const KEY: &str = "nhk_runs_test_0001";

fn yard(receiver: &str) -> String {
    format!(
        r"
workspace: {{slug: acme, name: Acme}}
environments: [{{slug: production, default: true}}]
management_tokens: [{{name: test, token: {TOKEN}}}]
api_keys: [{{name: test, token: {KEY}, scopes: [ingest, trigger]}}]
event_types: [{{name: order.packed}}]
playbooks:
  - slug: ship
    secrets: {{shop: {{key: s3cret-canary}}}}
    definition:
      document: {{dsl: 1.0.3, namespace: acme, name: ship, version: 1.0.0}}
      use: {{secrets: [shop]}}
      do:
        - reserve:
            call: http
            with:
              method: post
              endpoint: '{receiver}/reserve'
              headers: {{x-key: '${{ $secrets.shop.key }}'}}
              body: {{order: '${{ .order }}'}}
            output: {{as: '$input + {{place: .place}}'}}
        - breathe: {{wait: PT0.2S}}
        - packed:
            listen:
              to:
                one:
                  with: {{type: order.packed}}
                  correlate: {{order: {{from: .data.order, expect: '${{ .order }}'}}}}
            output: {{as: '$input + {{boxes: .[0].boxes}}'}}
        - tell:
            emit: {{event: {{with: {{type: order.shipped, data: {{order: '${{ .order }}'}}}}}}}}
            output: {{as: $input}}
  - slug: fragile
    definition:
      document: {{dsl: 1.0.3, namespace: acme, name: fragile, version: 1.0.0}}
      do:
        - before: {{set: {{n: 1}}}}
        - ask: {{call: http, with: {{method: post, endpoint: '{receiver}/fragile', body: {{n: '${{ .n }}'}}}}}}
"
    )
}

struct Acme {
    running: Running,
    receiver: Receiver,
    _folder: tempfile::TempDir,
}

impl Acme {
    fn start() -> Self {
        let receiver = Receiver::start();
        receiver.answer_all_at(
            "/reserve",
            Reply::status(200)
                .header("content-type", "application/json")
                .body(r#"{"place":7}"#),
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yard.yaml");
        std::fs::write(&file, yard(&receiver.url())).unwrap();
        let running = Running::start_with(&folder.path().join("data"), |command| {
            command.arg("--apply").arg(&file);
        });
        Self {
            running,
            receiver,
            _folder: folder,
        }
    }

    fn said(&self, arguments: &[&str]) -> Output {
        run(self.running.command("acme", TOKEN).args(arguments))
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.said(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Waits until a run is so far.
    async fn is(&self, id: &str, status: &str) -> Value {
        let mut run = Value::Null;
        until(&format!("{id} is {status}"), async || {
            run = self.running.get("acme", TOKEN, &format!("/runs/{id}")).await;
            run["status"] == status
        })
        .await;
        run
    }

    fn started(&self, playbook: &str, input: &str) -> String {
        let run = self.json(&["playbook", "start", playbook, "-d", input]);
        run["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_watched_held_and_told_of_an_event() {
    let acme = Acme::start();
    let listed = acme.text(&["playbook", "list"]);
    assert!(listed.contains("ship") && listed.contains("fragile"), "{listed}");
    let versions = acme.json(&["playbook", "versions", "ship"]);
    assert_eq!(versions["versions"][0]["version"], 1);
    assert!(
        acme.text(&["playbook", "versions", "ship", "1"])
            .contains("order.packed")
    );

    let id = acme.started("ship", r#"{"order":"o-1"}"#);
    acme.is(&id, "waiting").await;
    let told = acme.text(&["runs", "pause", &id]);
    assert!(told.contains("is told to stand still"), "{told}");
    acme.is(&id, "paused").await;
    acme.text(&["runs", "resume", &id]);
    // It has reserved and breathed, and listens.
    until("it listens", async || {
        let run = acme.running.get("acme", TOKEN, &format!("/runs/{id}")).await;
        run["status"] == "waiting" && run["steps"] == 2
    })
    .await;

    for order in ["o-2", "o-1"] {
        let sent = http()
            .post(format!("{}/api/ingest/event/order.packed", acme.running.url))
            .bearer_auth(KEY)
            .json(&json!({"payload": {"order": order, "boxes": 2}}))
            .send()
            .await
            .unwrap();
        assert!(sent.status().is_success(), "{}", sent.status());
    }
    let run = acme.is(&id, "completed").await;
    assert_eq!(
        (&run["steps"], &run["output"]),
        (&json!(4), &json!({"order": "o-1", "place": 7, "boxes": 2}))
    );

    let shown = acme.text(&["runs", "show", &id]);
    for part in [
        "call reserve",
        "wait breathe",
        "listen packed",
        "emit tell",
        "completed in",
        "ship v1, by manual",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let story = acme.json(&["runs", "show", &id]);
    let names: Vec<&str> = story["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["reserve", "breathe", "packed", "tell"]);
    assert!(!story.to_string().contains("s3cret-canary") && !acme.running.log().contains("s3cret-canary"));
    assert!(acme.text(&["runs", "--status", "completed"]).contains(&id));
    assert!(
        acme.text(&["runs", "list", "--playbook", "fragile"])
            .contains("no runs")
    );
    let refused = acme.said(&["runs", "pause", &id]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("run_ended"), "{}", stderr(&refused));

    // The call came once, with its key, its run and its secret.
    let reserved: Vec<_> = acme.receiver.requests();
    assert_eq!(reserved.len(), 1);
    assert_eq!(reserved[0].header("x-key"), Some("s3cret-canary"));
    assert_eq!(reserved[0].header("x-hookyard-run"), Some(id.as_str()));
    assert!(reserved[0].header("idempotency-key").is_some());
    // What it emitted is an event of the workspace.
    let events = acme.json(&["events", "--type", "order.shipped"]);
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_faulted_is_retried_and_one_that_goes_on_is_cancelled() {
    let acme = Acme::start();
    acme.receiver.answer_all_at("/fragile", Reply::status(500));
    let watched = acme.said(&["playbook", "start", "fragile", "--watch"]);
    assert_eq!(watched.status.code(), Some(1), "{}", stderr(&watched));
    let said = stdout(&watched);
    for part in [
        "set before",
        "call ask",
        "communication at /do/1/ask",
        "faulted in",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let page = acme.json(&["runs", "--status", "faulted"]);
    let id = page["runs"][0]["id"].as_str().unwrap().to_owned();

    acme.receiver.answer_all_at(
        "/fragile",
        Reply::status(200)
            .header("content-type", "application/json")
            .body(r#"{"ok":true}"#),
    );
    acme.text(&["runs", "retry", &id]);
    let run = acme.is(&id, "completed").await;
    assert_eq!(run["output"], json!({"ok": true}));
    let keys: Vec<_> = acme
        .receiver
        .requests()
        .iter()
        .map(|request| request.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");

    let id = acme.started("ship", r#"{"order":"o-3"}"#);
    acme.is(&id, "waiting").await;
    acme.text(&["runs", "cancel", &id]);
    acme.is(&id, "cancelled").await;
}
