//! Door 7, against ORQO's document (`seeds/orqo-webhooks.md`) and contract.md: an API key starts a playbook by number, slug
//! or id.

use crate::given::{api_key, limited, playbook};
use crate::wire_http::{Reply, send};
use crate::yard::{Yard, workspace};
use serde_json::{Value, json};
use std::collections::HashSet;
use store::Edit;
use wire::Trigger;
use wire::resource::KeyScope;

async fn post(yard: &Yard, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(yard.address, "POST /api/v1/trigger", headers, body).await
}

async fn trigger(yard: &Yard, body: &Value) -> Reply {
    let key = [("Authorization", "Bearer nhk_us_ops")];
    post(yard, &key, body.to_string().as_bytes()).await
}

fn is_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (status, &json!(code)),
        "{reply:?}"
    );
    assert!(reply.json()["message"].is_string(), "{reply:?}");
}

async fn yard() -> Yard {
    let yard = Yard::start().await;
    yard.edit(vec![
        Edit::ApiKey(api_key("ops")),
        Edit::Playbook(playbook("triage")),
    ])
    .await;
    yard
}

#[tokio::test]
async fn a_playbook_is_named_by_its_number_its_slug_or_its_id() {
    let yard = yard().await;
    for name in [json!(42), json!("triage"), json!("pb_triage")] {
        let reply = trigger(&yard, &json!({"workflow_id": name, "input": "a text"})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let answer = reply.json();
        assert_eq!(
            answer,
            json!({"workflow_run_id": answer["workflow_run_id"], "status": "started"})
        );
        let run = yard.run(answer["workflow_run_id"].as_str().unwrap()).await;
        assert_eq!(
            (run.trigger, run.input.as_slice()),
            (Trigger::Api, &b"\"a text\""[..])
        );
    }
    let without = trigger(&yard, &json!({"workflow_id": 42})).await.json();
    let run = yard.run(without["workflow_run_id"].as_str().unwrap()).await;
    assert_eq!(run.input, b"{}");
}

#[tokio::test]
async fn an_input_that_is_null_stays_null() {
    let yard = yard().await;
    let reply = trigger(&yard, &json!({"workflow_id": 42, "input": null})).await;
    let run = yard.run(reply.json()["workflow_run_id"].as_str().unwrap()).await;
    assert_eq!(run.input, b"null");
}

#[tokio::test]
async fn the_input_reaches_the_run_byte_for_byte() {
    let yard = yard().await;
    let body = br#"{"input": { "a" :1.50, "a": 2, "big":12345678901234567890123 } ,"workflow_id":42}"#;
    let reply = post(&yard, &[("Authorization", "Bearer nhk_us_ops")], body).await;
    let run = yard.run(reply.json()["workflow_run_id"].as_str().unwrap()).await;
    assert_eq!(
        run.input,
        br#"{ "a" :1.50, "a": 2, "big":12345678901234567890123 }"#
    );
}

#[tokio::test]
async fn a_replay_answers_200_with_the_first_ids() {
    let yard = yard().await;
    let headers = [("Authorization", "Bearer nhk_us_ops"), ("Idempotency-Key", "k")];
    let body = br#"{"workflow_id":42,"input":1}"#;
    let replies = futures_util::future::join_all((0..32).map(|_| post(&yard, &headers, body))).await;
    let ids: HashSet<_> = replies.iter().map(|reply| reply.json().to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    let again = post(&yard, &headers, body).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (200, Some("true"))
    );
    let other = post(&yard, &headers, br#"{"workflow_id":42,"input":2}"#).await;
    is_error(&other, 409, "idempotency_conflict");
}

#[tokio::test]
async fn the_key_must_be_known_enabled_and_may_trigger() {
    let yard = yard().await;
    let mut disabled = api_key("off");
    disabled.spec.enabled = false;
    let mut ingest = api_key("ingest");
    ingest.spec.scopes = vec![KeyScope::Ingest];
    yard.edit(vec![Edit::ApiKey(disabled), Edit::ApiKey(ingest)])
        .await;
    let body = br#"{"workflow_id":42}"#;
    for value in [
        "",
        "Bearer",
        "Bearer nhk_us_nobody",
        "nhk_us_ops",
        "Basic nhk_us_ops",
        "Bearer nhm_us_ops",
    ] {
        let reply = post(&yard, &[("Authorization", value)], body).await;
        is_error(&reply, 401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    is_error(&post(&yard, &[], body).await, 401, "unauthorized");
    let off = post(&yard, &[("Authorization", "Bearer nhk_us_off")], body).await;
    is_error(&off, 403, "token_disabled");
    let weak = post(&yard, &[("Authorization", "Bearer nhk_us_ingest")], body).await;
    is_error(&weak, 403, "insufficient_scope");
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    is_error(
        &trigger(&yard, &json!({"workflow_id": 42})).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn a_body_that_names_no_playbook_is_a_400_and_one_that_names_an_unknown_one_a_404() {
    let yard = yard().await;
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"[42]",
        b"[42,{}]",
        b"7",
        b"{}",
        b"{\"workflow_id\":null}",
        b"{\"workflow_id\":true}",
        b"{\"workflow_id\":\"\"}",
        b"{\"workflow_id\":4.2}",
        b"{\"workflow_id\":[42]}",
        b"{\"workflow_id\":42,\"workflow_id\":42}",
    ] {
        let reply = post(&yard, &[("Authorization", "Bearer nhk_us_ops")], body).await;
        is_error(&reply, 400, "invalid_body");
    }
    let mut disabled = playbook("paused");
    (disabled.number, disabled.spec.enabled) = (7, false);
    yard.edit(vec![Edit::Playbook(disabled)]).await;
    for name in [
        json!(1),
        json!(-1),
        json!(99_999_999_999_i64),
        json!("nothing"),
        json!("a\u{0}"),
        json!(7),
    ] {
        is_error(
            &trigger(&yard, &json!({"workflow_id": name})).await,
            404,
            "not_found",
        );
    }
    let mut strict = playbook("triage");
    strict.spec.input_schema = Some(json!({"type": "object"}));
    yard.edit(vec![Edit::Playbook(strict)]).await;
    let refused = trigger(&yard, &json!({"workflow_id": 42, "input": []})).await;
    is_error(&refused, 422, "invalid_input");
}

#[tokio::test]
async fn an_input_has_at_most_256_kib_whatever_is_around_it() {
    let yard = yard().await;
    let of = |bytes: usize| json!({"workflow_id": 42, "input": "x".repeat(bytes - 2)});
    assert_eq!(trigger(&yard, &of(256 << 10)).await.status, 201);
    is_error(&trigger(&yard, &of((256 << 10) + 1)).await, 422, "invalid_input");
}

#[tokio::test]
async fn the_event_is_called_what_the_header_says() {
    let yard = yard().await;
    let typed = async |event_type: &str| {
        let headers = [
            ("Authorization", "Bearer nhk_us_ops"),
            ("X-Event-Type", event_type),
        ];
        post(&yard, &headers, br#"{"workflow_id":42}"#).await
    };
    let started = typed("order.paid").await.json();
    let run = yard.run(started["workflow_run_id"].as_str().unwrap()).await;
    let event = yard.event(&run.event_id.unwrap().to_string()).await;
    assert_eq!(event.event_type.as_deref(), Some("order.paid"));
    is_error(&typed("").await, 400, "invalid_event_type");
}

#[tokio::test]
async fn a_limited_key_is_told_how_much_is_left_and_when_to_come_again() {
    let yard = yard().await;
    yard.edit(vec![Edit::ApiKey(limited("slow", 0.01, 2))]).await;
    let slow = [("Authorization", "Bearer nhk_us_slow")];
    let body = br#"{"workflow_id":42}"#;
    let first = post(&yard, &slow, body).await;
    assert_eq!(
        (first.status, first.header("ratelimit")),
        (201, Some("\"key\";r=1;t=0"))
    );
    assert_eq!(first.header("ratelimit-policy"), Some("\"key\";q=2;w=200"));
    assert_eq!(post(&yard, &slow, body).await.status, 201);
    let refused = post(&yard, &slow, body).await;
    is_error(&refused, 429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((90..=100).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"key\";r=0;t="));
    assert_eq!(
        trigger(&yard, &json!({"workflow_id": 42})).await.status,
        201,
        "another key's limit is its own"
    );
}
