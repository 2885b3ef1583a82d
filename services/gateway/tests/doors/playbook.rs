//! Door 2, against RakerOne's document (`seeds/rakerone-playbook-trigger.md`): 200, 201, 400, 401, 404, 409, 413, 422.

use crate::given::{playbook, project, template};
use crate::wire_http::{Reply, send};
use crate::yard::{Yard, workspace};
use serde_json::{Value, json};
use std::collections::HashSet;
use store::Edit;
use wire::{Queue, Reference, Trigger};

const GOOD: [(&str, &str); 2] = [("X-Webhook-Secret", "s3cret"), ("X-Idempotency-Key", "k1")];

async fn post(yard: &Yard, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let line = format!("POST /api/webhooks/orgs/{path}");
    send(yard.address, &line, headers, body).await
}

async fn trigger(yard: &Yard, key: &str, body: &Value) -> Reply {
    let headers = [("X-Webhook-Secret", "s3cret"), ("X-Idempotency-Key", key)];
    post(
        yard,
        "acme/playbooks/onboarding",
        &headers,
        body.to_string().as_bytes(),
    )
    .await
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
    yard.edit(vec![Edit::Playbook(playbook("onboarding"))]).await;
    yard
}

#[tokio::test]
async fn a_run_is_created_and_its_repeat_is_the_same_run_with_the_first_timestamp() {
    let yard = yard().await;
    let first = post(&yard, "acme/playbooks/onboarding", &GOOD, br#"{ "user": "ada" }"#).await;
    assert_eq!(first.status, 201, "{first:?}");
    let answer = first.json();
    assert_eq!(
        answer,
        json!({"runId": answer["runId"], "status": "created",
            "message": "Playbook run successfully triggered", "timestamp": answer["timestamp"]})
    );
    let run = yard.run(answer["runId"].as_str().unwrap()).await;
    assert_eq!(run.trigger, Trigger::Webhook);
    assert_eq!(run.input, br#"{ "user": "ada" }"#, "as it was sent");

    let again = post(&yard, "acme/playbooks/onboarding", &GOOD, br#"{ "user": "ada" }"#).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["runId"], answer["runId"]);
    assert_eq!(again.json()["status"], "replayed");
    assert_eq!(again.json()["timestamp"], answer["timestamp"]);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn the_runner_is_told_at_once_and_the_event_says_who_asked() {
    let yard = yard().await;
    let mut consumer = yard.conveyor.consume(Queue::Run, 10.try_into().unwrap());
    let answer = trigger(&yard, "k1", &json!({})).await.json();
    let told = consumer.next().await.unwrap();
    let [Reference::Run { id }] = told.message.refs[..] else {
        panic!("{:?}", told.message)
    };
    assert_eq!(answer["runId"], id.to_string());
    let run = yard.run(&id.to_string()).await;
    let event = yard.event(&run.event_id.unwrap().to_string()).await;
    let trace: Value = serde_json::from_slice(&event.trace.unwrap()).unwrap();
    assert_eq!(
        trace["direct"],
        json!({"playbookId": "pb_onboarding", "runId": answer["runId"]})
    );
    let headers = String::from_utf8(event.headers.to_vec()).unwrap();
    assert!(!headers.contains("s3cret"), "{headers}");
}

#[tokio::test]
async fn an_empty_body_is_an_empty_input() {
    let yard = yard().await;
    let reply = post(&yard, "acme/playbooks/onboarding", &GOOD, b"").await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(
        yard.run(reply.json()["runId"].as_str().unwrap()).await.input,
        b"{}"
    );
}

#[tokio::test]
async fn parallel_twins_get_one_run() {
    let yard = yard().await;
    let body = json!({"a": 1});
    let twins = (0..32).map(|_| trigger(&yard, "twin", &body));
    let replies = futures_util::future::join_all(twins).await;
    let ids: HashSet<String> = replies
        .iter()
        .map(|reply| reply.json()["runId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1);
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201)));
}

#[tokio::test]
async fn a_key_used_with_another_body_or_target_is_a_conflict() {
    let yard = yard().await;
    yard.edit(vec![Edit::Project(project("website", true))]).await;
    assert_eq!(trigger(&yard, "k", &json!({"a": 1})).await.status, 201);
    is_error(
        &trigger(&yard, "k", &json!({"a": 2})).await,
        409,
        "idempotency_conflict",
    );
    is_error(
        &trigger(&yard, "k", &json!({"a": 1, "project": "website"})).await,
        409,
        "idempotency_conflict",
    );
    // The same body, and another target because the playbook's own is another one now.
    let mut moved = playbook("onboarding");
    moved.spec.target.project = Some(project("website", true).id);
    yard.edit(vec![Edit::Playbook(moved)]).await;
    is_error(
        &trigger(&yard, "k", &json!({"a": 1})).await,
        409,
        "idempotency_conflict",
    );
}

#[tokio::test]
async fn the_secret_is_required_and_compared() {
    let yard = yard().await;
    for headers in [
        &[("X-Idempotency-Key", "k")][..],
        &[("X-Webhook-Secret", "wrong"), ("X-Idempotency-Key", "k")],
        &[("X-Webhook-Secret", ""), ("X-Idempotency-Key", "k")],
        &[
            ("X-Webhook-Secret", "s3cret"),
            ("X-Webhook-Secret", "s3cret"),
            ("X-Idempotency-Key", "k"),
        ],
    ] {
        let reply = post(&yard, "acme/playbooks/onboarding", headers, b"{}").await;
        is_error(&reply, 401, "invalid_webhook_secret");
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn unknown_disabled_and_closed_are_the_same_404() {
    let yard = yard().await;
    let mut disabled = playbook("paused");
    (disabled.number, disabled.spec.enabled) = (43, false);
    let mut without = playbook("internal");
    (without.number, without.secret_hash) = (44, None);
    yard.edit(vec![Edit::Playbook(disabled), Edit::Playbook(without)])
        .await;
    let mut bodies = HashSet::new();
    for path in [
        "acme/playbooks/nothing",
        "nobody/playbooks/onboarding",
        "acme/playbooks/paused",
        "acme/playbooks/internal",
        "acme/playbooks/%00",
        "acme/playbooks/onb%D0%BEarding",
        "acme%2Fplaybooks/playbooks/onboarding",
    ] {
        let reply = post(&yard, path, &GOOD, b"{}").await;
        is_error(&reply, 404, "not_found");
        bodies.insert(reply.body);
    }
    assert_eq!(trigger(&yard, "k1", &json!({})).await.status, 201);
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    let closed = trigger(&yard, "k1", &json!({})).await;
    is_error(&closed, 404, "not_found");
    bodies.insert(closed.body);
    assert_eq!(bodies.len(), 1, "to the byte, for replays too");
}

#[tokio::test]
async fn a_bad_body_or_key_is_a_400_that_says_what_is_wrong() {
    let yard = yard().await;
    for body in [
        &b"{"[..],
        b"[]",
        b"\"a\"",
        b"null",
        b"7",
        b"{}{}",
        b"\xff",
        b" ",
        b"{\"project\":7}",
    ] {
        let reply = post(&yard, "acme/playbooks/onboarding", &GOOD, body).await;
        is_error(&reply, 400, "invalid_body");
        assert!(reply.json()["issues"][0]["message"].is_string(), "{reply:?}");
    }
    let twice = br#"{"project":"a","project":"b"}"#;
    is_error(
        &post(&yard, "acme/playbooks/onboarding", &GOOD, twice).await,
        400,
        "invalid_body",
    );
    let secret = ("X-Webhook-Secret", "s3cret");
    let keyless = post(&yard, "acme/playbooks/onboarding", &[secret], b"{}").await;
    is_error(&keyless, 400, "missing_idempotency_key");
    for key in ["", "a\tb", &"k".repeat(256)] {
        let headers = [secret, ("X-Idempotency-Key", key)];
        let reply = post(&yard, "acme/playbooks/onboarding", &headers, b"{}").await;
        is_error(&reply, 400, "invalid_idempotency_key");
    }
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let reply = post(&yard, "acme/playbooks/onboarding", &GOOD, large.as_bytes()).await;
    is_error(&reply, 413, "payload_too_large");
    assert_eq!(
        trigger(&yard, "k1", &json!({})).await.status,
        201,
        "nothing used up the key"
    );
}

#[tokio::test]
async fn the_target_is_the_requests_else_the_playbooks_and_its_template_fills_the_input_in() {
    let yard = yard().await;
    let mut targeted = playbook("onboarding");
    targeted.spec.target.project = Some(project("website", true).id);
    targeted.spec.target.template = Some(template("default", &json!({})).id);
    yard.edit(vec![
        Edit::Project(project("website", true)),
        Edit::Project(project("shop", true)),
        Edit::Template(template("default", &json!({"tier": "gold", "user": "nobody"}))),
        Edit::Template(template("trial", &json!({"tier": "trial"}))),
        Edit::Playbook(targeted),
    ])
    .await;
    let own = trigger(&yard, "own", &json!({"user": "ada"})).await.json();
    let run = yard.run(own["runId"].as_str().unwrap()).await;
    assert_eq!(
        (run.project.as_deref(), run.template.as_deref()),
        (Some("website"), Some("default"))
    );
    let input: Value = serde_json::from_slice(&run.input).unwrap();
    assert_eq!(input, json!({"tier": "gold", "user": "ada"}));

    let asked = json!({"project": "prj_shop", "template": "trial"});
    let asked = trigger(&yard, "asked", &asked).await.json();
    let run = yard.run(asked["runId"].as_str().unwrap()).await;
    assert_eq!(
        (run.project.as_deref(), run.template.as_deref()),
        (Some("shop"), Some("trial"))
    );
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_422_and_a_disabled_project_closes_its_playbook() {
    let yard = yard().await;
    yard.edit(vec![Edit::Project(project("old", false))]).await;
    for (body, code) in [
        (json!({"project": "nowhere"}), "project_not_found"),
        (json!({"project": "old"}), "project_not_found"),
        (json!({"project": ""}), "project_not_found"),
        (json!({"project": "a\u{0}b"}), "project_not_found"),
        (json!({"template": "nothing"}), "template_not_found"),
    ] {
        is_error(&trigger(&yard, "k", &body).await, 422, code);
    }
    let mut targeted = playbook("onboarding");
    targeted.spec.target.project = Some(project("old", false).id);
    yard.edit(vec![Edit::Playbook(targeted)]).await;
    is_error(&trigger(&yard, "k", &json!({})).await, 404, "not_found");
    let wrong = [("X-Webhook-Secret", "guessed"), ("X-Idempotency-Key", "k")];
    let guess = async || post(&yard, "acme/playbooks/onboarding", &wrong, b"{}").await;
    is_error(&guess().await, 404, "not_found");
    yard.edit(vec![Edit::Project(project("old", true))]).await;
    is_error(&guess().await, 401, "invalid_webhook_secret");
    assert_eq!(trigger(&yard, "k", &json!({})).await.status, 201);
}

#[tokio::test]
async fn what_a_template_fills_in_leaves_the_rest_as_it_was_sent() {
    let yard = yard().await;
    yard.edit(vec![Edit::Template(template(
        "default",
        &json!({"tier": "gold", "n": 1}),
    ))])
    .await;
    let mut targeted = playbook("onboarding");
    targeted.spec.target.template = Some(template("default", &json!({})).id);
    yard.edit(vec![Edit::Playbook(targeted)]).await;
    for (number, (sent, kept)) in [
        (
            r#"{ "id": 12345678901234567890123, "x": 1.50 } "#,
            r#"{ "id": 12345678901234567890123, "x": 1.50 ,"n":1,"tier":"gold"}"#,
        ),
        (
            r#"{"n":1e400,"s":"\ud800"}"#,
            r#"{"n":1e400,"s":"\ud800","tier":"gold"}"#,
        ),
        (r#"{"tier":"own","n":0}"#, r#"{"tier":"own","n":0}"#),
        ("{ }", r#"{ "n":1,"tier":"gold"}"#),
        ("", r#"{"n":1,"tier":"gold"}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let key = number.to_string();
        let headers = [
            ("X-Webhook-Secret", "s3cret"),
            ("X-Idempotency-Key", key.as_str()),
        ];
        let reply = post(&yard, "acme/playbooks/onboarding", &headers, sent.as_bytes()).await;
        assert_eq!(reply.status, 201, "{sent}: {reply:?}");
        let run = yard.run(reply.json()["runId"].as_str().unwrap()).await;
        assert_eq!(String::from_utf8(run.input.clone()).unwrap(), kept);
    }
}

#[tokio::test]
async fn a_replay_stays_one_when_the_playbook_asks_for_more_since() {
    let yard = yard().await;
    let first = trigger(&yard, "k", &json!({"a": 1})).await;
    assert_eq!(first.status, 201);
    let mut strict = playbook("onboarding");
    strict.spec.input_schema = Some(json!({"type": "object", "required": ["email"]}));
    yard.edit(vec![Edit::Playbook(strict)]).await;
    let again = trigger(&yard, "k", &json!({"a": 1})).await;
    assert_eq!(
        (again.status, &again.json()["runId"]),
        (200, &first.json()["runId"]),
        "{again:?}"
    );
    is_error(
        &trigger(&yard, "k", &json!({"a": 2})).await,
        409,
        "idempotency_conflict",
    );
    is_error(
        &trigger(&yard, "other", &json!({"a": 1})).await,
        422,
        "invalid_input",
    );
}

#[tokio::test]
async fn an_input_that_the_playbook_does_not_take_is_a_422_with_where_and_why() {
    let yard = yard().await;
    let mut strict = playbook("onboarding");
    strict.spec.input_schema = Some(json!({"type": "object", "required": ["email"],
        "properties": {"email": {"type": "string"}, "seats": {"type": "integer", "minimum": 1}}}));
    yard.edit(vec![Edit::Playbook(strict)]).await;
    let refused = trigger(&yard, "k", &json!({"seats": 0})).await;
    is_error(&refused, 422, "invalid_input");
    let issues = refused.json()["issues"].clone();
    let paths: HashSet<&str> = issues
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| issue["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, HashSet::from(["", "/seats"]), "{issues}");
    let taken = trigger(&yard, "k", &json!({"seats": 3, "email": "ada@example.com"})).await;
    assert_eq!(taken.status, 201, "{taken:?}");
}

#[tokio::test]
async fn an_input_has_at_most_256_kib_with_what_the_template_fills_in() {
    let yard = yard().await;
    let full = "x".repeat((256 << 10) - r#"{"tier":"gold","user":""}"#.len());
    yard.edit(vec![Edit::Template(template(
        "default",
        &json!({"tier": "gold"}),
    ))])
    .await;
    let asked = |user: &str| json!({"user": user});
    assert_eq!(
        trigger(&yard, "alone", &asked(&format!("{full}x"))).await.status,
        201
    );
    let mut targeted = playbook("onboarding");
    targeted.spec.target.template = Some(template("default", &json!({})).id);
    yard.edit(vec![Edit::Playbook(targeted)]).await;
    assert_eq!(trigger(&yard, "largest", &asked(&full)).await.status, 201);
    let refused = trigger(&yard, "over", &asked(&format!("{full}x"))).await;
    is_error(&refused, 422, "invalid_input");
    let issue = &refused.json()["issues"][0];
    let said = issue["message"].as_str().unwrap();
    assert!(said.contains("262145") && said.contains("262144"), "{issue}");
}

#[tokio::test]
async fn the_event_is_called_what_the_header_says() {
    let yard = yard().await;
    let typed = async |event_type: &str| {
        let headers = [GOOD[0], GOOD[1], ("X-Event-Type", event_type)];
        post(&yard, "acme/playbooks/onboarding", &headers, b"").await
    };
    is_error(&typed(&"t".repeat(129)).await, 400, "invalid_event_type");
    let started = typed("user.invited").await.json();
    let run = yard.run(started["runId"].as_str().unwrap()).await;
    let event = yard.event(&run.event_id.unwrap().to_string()).await;
    assert_eq!(event.event_type.as_deref(), Some("user.invited"));
}

#[tokio::test]
async fn only_post_is_taken() {
    let yard = yard().await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let line = format!("{method} /api/webhooks/orgs/acme/playbooks/onboarding");
        let reply = send(yard.address, &line, &GOOD, b"").await;
        is_error(&reply, 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some("POST"));
    }
}
