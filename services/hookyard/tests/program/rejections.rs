//! Rejections let in by hand, test events, and an app's doorkeeper, with all roles at work.

use crate::running::{Running, http, run, stderr, stdout};
use crate::senders::{github_signature, post_github};
use serde_json::{Value, json};
use std::process::Output;
use testkit::until;

const TOKEN: &str = "nhm_rejections_test_0001";

fn yard(secret: &str) -> String {
    format!(
        r#"
workspace: {{slug: acme, name: Acme}}
environments: [{{slug: production, default: true}}]
management_tokens: [{{name: test, token: {TOKEN}}}]
contacts: [{{name: Ada, addresses: [{{source: support, id: ada}}]}}]
endpoints: [{{slug: billing, url: "https://billing.example.com/hooks", enabled: false}}]
sources:
  - {{slug: gh, token: src_gh, verify: {{provider: github, secrets: [{secret}]}}}}
  - {{slug: support, token: src_support, app: {{id: app_support, adapter: custom, signing_secret: s3cret, doorkeeper: triage}}}}
routes: [{{name: orders, from: [support], event_types: [order.placed], to: {{endpoint: billing}}}}]
playbooks:
  - slug: triage
    definition: {{document: {{dsl: 1.0.0, namespace: test, name: triage, version: 1.0.0}}, do: [{{keep: {{set: {{seen: true}}}}}}]}}
"#
    )
}

struct Acme {
    running: Running,
    folder: tempfile::TempDir,
}

impl Acme {
    fn start(secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yard.yaml");
        std::fs::write(&file, yard(secret)).unwrap();
        let running = Running::start_with(&folder.path().join("data"), |command| {
            command.arg("--apply").arg(&file);
        });
        Self { running, folder }
    }

    fn said(&self, arguments: &[&str]) -> Output {
        run(self.running.command("acme", TOKEN).args(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.said(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.running.get("acme", TOKEN, path).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/management/v1/workspaces/acme{path}", self.running.url);
        let request = http().post(url).bearer_auth(TOKEN).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The rejections, once there are any.
    async fn rejections(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        until("a rejection is kept", async || {
            let list = self.get("/rejections").await;
            rows.clone_from(list["rejections"].as_array().unwrap());
            !rows.is_empty()
        })
        .await;
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_let_in_from_the_command_line() {
    let acme = Acme::start("wrong");
    let url = format!("{}/ingest/src_gh", acme.running.url);
    let (status, _) = post_github(&url, "right", "d-1", r#"{"ref":"main"}"#).await;
    assert_eq!(status, 401);
    let row = acme.rejections().await.remove(0);
    let id = row["id"].as_str().unwrap();
    assert_eq!(
        (&row["acceptable"], &row["door"], &row["source"]),
        (&json!(true), &json!("token"), &json!("gh"))
    );

    let listed = stdout(&acme.said(&["rejections"]));
    assert!(
        listed.contains(id) && listed.contains("signature_mismatch"),
        "{listed}"
    );
    let none = stdout(&acme.said(&["rejections", "list", "--source", "support"]));
    assert!(none.contains("no rejections"), "{none}");
    assert_eq!(
        acme.json(&["rejections", "--cause", "signature_mismatch"])["rejections"][0]["id"],
        id
    );
    let shown = stdout(&acme.said(&["rejections", "show", id]));
    for part in ["signature_mismatch", r#"{"ref":"main"}"#, "rejections accept"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }

    let refused = acme.said(&["rejections", "accept", id]);
    assert_eq!(refused.status.code(), Some(1));
    let why = stderr(&refused);
    assert!(
        why.contains("invalid_signature") && why.contains("signature_mismatch"),
        "{why}"
    );

    std::fs::write(acme.folder.path().join("yard.yaml"), yard("right")).unwrap();
    let file = acme.folder.path().join("yard.yaml");
    let applied = acme.said(&["apply", "--file", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", stderr(&applied));
    let accepted = acme.json(&["rejections", "accept", id]);
    assert_eq!(accepted["status"], "queued");
    let event = accepted["eventId"].as_str().unwrap();
    let recorded = acme.get(&format!("/events/{event}")).await;
    assert_eq!(
        (&recorded["type"], &recorded["verified"], &recorded["body"]),
        (&json!("push"), &json!(true), &json!(r#"{"ref":"main"}"#))
    );
    assert_eq!(acme.json(&["rejections", "show", id])["eventId"], event);
    let again = acme.said(&["rejections", "accept", id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains(event), "{}", stderr(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_goes_through_the_real_door() {
    let acme = Acme::start("s3cret");
    let order = json!({"eventType": "push", "key": "test-1", "body": {"ref": "main"}});
    let relayed = acme.post("/sources/gh/test", &order).await;
    assert_eq!(relayed["status"], 202, "{relayed}");
    let answer: Value = serde_json::from_str(relayed["body"].as_str().unwrap()).unwrap();
    let event = acme
        .get(&format!("/events/{}", answer["data"]["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&event["type"], &event["verified"], &event["idempotencyKey"]),
        (&json!("push"), &json!(true), &json!("test-1"))
    );
    let app = acme.post("/sources/support/test", &json!({})).await;
    assert_eq!(app["status"], 401, "nothing signs for a custom app: {app}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_message_that_no_route_takes_starts_its_doorkeeper() {
    let acme = Acme::start("s3cret");
    let send = async |body: Value| {
        let body = body.to_string();
        let signature = github_signature("s3cret", &body).replace("sha256=", "");
        let url = format!("{}/api/v1/webhooks/app_support", acme.running.url);
        let request = http().post(url).header("X-Signature", signature).body(body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["ids"][0]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    let taken = send(json!({"id": "m1", "sender": {"id": "ada"}, "type": "order.placed"})).await;
    let missed = send(json!({"id": "m2", "sender": {"id": "ada"}, "text": "help"})).await;
    let trace = async |event: &str| {
        let mut trace = Value::Null;
        until("it is routed", async || {
            trace = acme.get(&format!("/events/{event}/trace")).await;
            trace["routes"]
                .as_array()
                .is_some_and(|routes| !routes.is_empty())
        })
        .await;
        trace
    };
    let taken = trace(&taken).await;
    assert_eq!(
        (&taken["routes"][0]["matched"], taken.get("doorkeeper")),
        (&json!(true), None)
    );
    let kept = trace(&missed).await;
    assert_eq!(kept["routes"][0]["matched"], false);
    let run_id = kept["doorkeeper"]["runId"]
        .as_str()
        .unwrap_or_else(|| panic!("{kept}"));
    let started = acme.get(&format!("/runs/{run_id}")).await;
    assert_eq!(
        (
            &started["playbook"],
            &started["trigger"],
            &started["input"]["text"]
        ),
        (&json!("triage"), &json!("app"), &json!("help"))
    );
    let story = stdout(&acme.said(&["events", "show", &missed]));
    assert!(story.contains("doorkeeper") && story.contains(run_id), "{story}");
}
