//! Door 6, against ORQO's document (`seeds/orqo-webhooks.md`): the token is all that is asked for.

use crate::given::playbook;
use crate::wire_http::{Reply, send};
use crate::yard::{Yard, workspace};
use serde_json::json;
use std::collections::HashSet;
use store::Edit;
use wire::Trigger;

async fn post(yard: &Yard, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(
        yard.address,
        &format!("POST /api/v1/hooks/{token}"),
        headers,
        body,
    )
    .await
}

fn is_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (status, &json!(code)),
        "{reply:?}"
    );
}

async fn yard() -> Yard {
    let yard = Yard::start().await;
    yard.edit(vec![Edit::Playbook(playbook("deploy"))]).await;
    yard
}

#[tokio::test]
async fn a_run_is_started_with_the_body_as_its_input() {
    let yard = yard().await;
    // The seed's own example.
    let body = br#"{"event": "push", "branch": "main"}"#;
    let reply = post(
        &yard,
        "hook_deploy",
        &[("Content-Type", "application/json")],
        body,
    )
    .await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let answer = reply.json();
    assert_eq!(
        answer,
        json!({"workflow_run_id": answer["workflow_run_id"], "status": "started"})
    );
    let run = yard.run(answer["workflow_run_id"].as_str().unwrap()).await;
    assert_eq!((run.trigger, run.input.as_slice()), (Trigger::Hook, &body[..]));
    let keyless = post(&yard, "hook_deploy", &[], body).await;
    assert_ne!(
        keyless.json(),
        answer,
        "without a key every request is a run of its own"
    );
}

#[tokio::test]
async fn a_key_makes_a_repeat_the_first_answer() {
    let yard = yard().await;
    let key = [("Idempotency-Key", "k1")];
    let first = post(&yard, "hook_deploy", &key, b"{}").await;
    let again = post(&yard, "hook_deploy", &key, b"{}").await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json());
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    is_error(
        &post(&yard, "hook_deploy", &key, b"{ }").await,
        409,
        "idempotency_conflict",
    );
    let twins = (0..32).map(|_| post(&yard, "hook_deploy", &[("Idempotency-Key", "twin")], b"[1]"));
    let replies = futures_util::future::join_all(twins).await;
    let ids: HashSet<_> = replies.iter().map(|reply| reply.json().to_string()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_unknown_token_is_404_and_a_disabled_trigger_409() {
    let yard = yard().await;
    for token in [
        "hook_none",
        "hook_deploy%00",
        "hook_dep1oy",
        "%2e%2e",
        "hook_deploy%2Fa",
    ] {
        is_error(&post(&yard, token, &[], b"{}").await, 404, "not_found");
    }
    let mut disabled = playbook("deploy");
    disabled.spec.hook.as_mut().unwrap().enabled = false;
    yard.edit(vec![Edit::Playbook(disabled)]).await;
    is_error(
        &post(&yard, "hook_deploy", &[], b"{}").await,
        409,
        "trigger_disabled",
    );
    let mut disabled = playbook("deploy");
    disabled.spec.enabled = false;
    yard.edit(vec![Edit::Playbook(disabled)]).await;
    is_error(
        &post(&yard, "hook_deploy", &[], b"{}").await,
        409,
        "trigger_disabled",
    );
    yard.edit(vec![
        Edit::Playbook(playbook("deploy")),
        Edit::Workspace(workspace(false)),
    ])
    .await;
    is_error(&post(&yard, "hook_deploy", &[], b"{}").await, 404, "not_found");
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn the_event_is_called_what_the_header_says() {
    let yard = yard().await;
    let reply = post(&yard, "hook_deploy", &[("X-Event-Type", "push")], b"{}").await;
    let run = yard.run(reply.json()["workflow_run_id"].as_str().unwrap()).await;
    let event = yard.event(&run.event_id.unwrap().to_string()).await;
    assert_eq!(event.event_type.as_deref(), Some("push"));
    let refused = post(&yard, "hook_deploy", &[("X-Event-Type", "a\tb")], b"{}").await;
    is_error(&refused, 400, "invalid_event_type");
}

#[tokio::test]
async fn an_input_has_at_most_256_kib() {
    let yard = yard().await;
    let of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let largest = post(&yard, "hook_deploy", &[], of(256 << 10).as_bytes()).await;
    assert_eq!(largest.status, 201, "{largest:?}");
    let refused = post(&yard, "hook_deploy", &[], of((256 << 10) + 1).as_bytes()).await;
    is_error(&refused, 422, "invalid_input");
    let said = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("262145") && said.contains("262144"), "{said}");
}

#[tokio::test]
async fn a_bad_body_key_or_input_is_refused() {
    let yard = yard().await;
    let mut strict = playbook("deploy");
    strict.spec.input_schema = Some(json!({"required": ["branch"]}));
    yard.edit(vec![Edit::Playbook(strict)]).await;
    for body in [&b"{"[..], b"branch=main", b"\xff\xfe"] {
        let reply = post(&yard, "hook_deploy", &[], body).await;
        is_error(&reply, 400, "invalid_body");
        assert_eq!(
            reply.json().get("issues"),
            None,
            "doors 1 and 2 alone have issues"
        );
    }
    for key in ["", "a\tb", &"k".repeat(256)] {
        let reply = post(
            &yard,
            "hook_deploy",
            &[("Idempotency-Key", key)],
            b"{\"branch\":1}",
        )
        .await;
        is_error(&reply, 400, "invalid_idempotency_key");
    }
    is_error(
        &post(&yard, "hook_deploy", &[], b"{}").await,
        422,
        "invalid_input",
    );
    let reply = post(&yard, "hook_deploy", &[], b"").await;
    is_error(&reply, 422, "invalid_input");
    let said = reply.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("branch"), "{said}");
    assert_eq!(reply.json().get("issues"), None);
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    is_error(
        &post(&yard, "hook_deploy", &[], large.as_bytes()).await,
        413,
        "payload_too_large",
    );
    let reply = send(yard.address, "GET /api/v1/hooks/hook_deploy", &[], b"").await;
    is_error(&reply, 405, "method_not_allowed");
}
