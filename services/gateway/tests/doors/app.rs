//! Door 5, against ORQO's document (`seeds/orqo-webhooks.md`) and the contract's additions to it.

use crate::wire_http::{Reply, send, send_chunked};
use crate::yard::{Yard, app, contact, hmac_hex, spec, workspace};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use store::Edit;
use wire::SourceId;
use wire::resource::{Adapter, ContactPolicy, SourceSpec, ValueRule};

/// A source's app that everybody may write to.
pub(crate) fn open_to_all(slug: &str, adapter: Adapter) -> SourceSpec {
    let mut spec = app(slug, adapter);
    spec.app.as_mut().unwrap().contacts = ContactPolicy::Optional;
    spec
}

pub(crate) async fn post(yard: &Yard, app: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(
        yard.address,
        &format!("POST /api/v1/webhooks/app_{app}"),
        headers,
        body,
    )
    .await
}

/// As Slack signs: <https://docs.slack.dev/authentication/verifying-requests-from-slack/>.
pub(crate) async fn slack(yard: &Yard, secret: &str, body: &[u8]) -> Reply {
    let now = wire::Instant::now().unix_seconds().to_string();
    let signature = format!("v0={}", hmac_hex(secret, &[b"v0:", now.as_bytes(), b":", body]));
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Slack-Signature", &signature),
        ("X-Slack-Request-Timestamp", &now),
    ];
    post(yard, "sl", &headers, body).await
}

pub(crate) fn slack_message(event_id: &str, user: &str) -> Vec<u8> {
    json!({"type": "event_callback", "team_id": "T1", "event_id": event_id,
           "event": {"type": "message", "user": user, "text": "hello", "channel": "C1", "ts": "1.1"}})
    .to_string()
    .into_bytes()
}

/// As a custom app without a scheme signs.
pub(crate) async fn custom(yard: &Yard, body: &[u8]) -> Reply {
    let signature = hmac_hex("s3cret", &[body]);
    post(yard, "cu", &[("X-Signature", &signature)], body).await
}

pub(crate) fn ids(reply: &Reply) -> Vec<String> {
    let json = reply.json();
    let ids = json["ids"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn message(yard: &Yard, id: &str) -> Value {
    serde_json::from_slice(&yard.event(id).await.body).unwrap()
}

pub(crate) fn refusal(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    assert!(
        json["message"].is_string() && json.as_object().unwrap().len() == 2,
        "the shape is error and message: {json}"
    );
    (reply.status, json["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_message_that_comes_again_is_a_duplicate() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let first = slack(&yard, "secret", &slack_message("Ev1", "ada")).await;
    // Slack's retry is signed anew, and may differ in what does not matter.
    let again = slack(
        &yard,
        "secret",
        &[&slack_message("Ev1", "ada")[..], b" "].concat(),
    )
    .await;
    assert_eq!(
        (again.status, String::from_utf8(again.body.clone()).unwrap()),
        (200, r#"{"status":"accepted","note":"duplicate"}"#.to_owned())
    );
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("idempotency-mismatch"), None);
    assert_eq!(yard.events().await.rows.len(), ids(&first).len());
    let claim = yard.store.claim("so_sl", "Ev1").await.unwrap().unwrap();
    assert_eq!((claim.repeats, claim.mismatches), (1, 0));
    let window = claim.expires_at.unix_seconds() - claim.accepted_at.unix_seconds();
    assert!((96 * 3_600 - 60..=96 * 3_600 + 60).contains(&window), "{window}");
}

#[tokio::test]
async fn an_invalid_signature_is_a_401_and_kept_with_its_cause() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let body = slack_message("Ev1", "ada");
    let wrong = slack(&yard, "other", &body).await;
    assert_eq!(refusal(&wrong), (401, "invalid_signature".to_owned()));
    let missing = post(&yard, "sl", &[], &body).await;
    assert_eq!(missing.body, wrong.body, "outside there is one answer");
    testkit::until("both are kept", async || yard.rejections().await.len() == 2).await;
    let causes: HashSet<(String, wire::Door)> = yard
        .rejections()
        .await
        .into_iter()
        .map(|row| (row.cause, row.door))
        .collect();
    let both = ["signature_mismatch", "signature_missing"].map(|cause| (cause.to_owned(), wire::Door::App));
    assert_eq!(causes, both.into());
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn an_app_without_a_secret_lets_nobody_in() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &[]).await;
    let reply = slack(&yard, "", &slack_message("Ev1", "ada")).await;
    assert_eq!(refusal(&reply), (401, "invalid_signature".to_owned()));
}

#[tokio::test]
async fn an_unknown_sender_is_a_403_and_kept() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let reply = slack(&yard, "secret", &slack_message("Ev1", "mallory")).await;
    assert_eq!(refusal(&reply), (403, "unknown_sender".to_owned()));
    let kept = yard.rejections().await.remove(0);
    assert_eq!(
        (kept.cause.as_str(), kept.door),
        ("unknown_sender", wire::Door::App)
    );
    assert!(kept.detail.contains("`mallory`"), "{}", kept.detail);
    assert!(yard.events().await.rows.is_empty());
    assert!(
        yard.store.claim("so_sl", "Ev1").await.unwrap().is_none(),
        "no key is used up"
    );

    let source = SourceId::from_stored("so_sl");
    yard.edit(vec![Edit::Contact(contact("mallory", &source, "mallory"))])
        .await;
    let reply = slack(&yard, "secret", &slack_message("Ev1", "mallory")).await;
    assert_eq!(message(&yard, &ids(&reply)[0]).await["contact"], "con_mallory");
}

#[tokio::test]
async fn a_contact_is_known_at_its_own_source_alone() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    yard.app(app("other", Adapter::Slack), &["secret"]).await;
    // Of one contact the addresses are replaced, so `ada` is known at the other source now.
    let reply = slack(&yard, "secret", &slack_message("Ev1", "ada")).await;
    assert_eq!(refusal(&reply), (403, "unknown_sender".to_owned()));
}

#[tokio::test]
async fn where_contacts_are_optional_everybody_may_write() {
    let yard = Yard::start().await;
    yard.app(open_to_all("sl", Adapter::Slack), &["secret"]).await;
    let stranger = slack(&yard, "secret", &slack_message("Ev1", "mallory")).await;
    let known = slack(&yard, "secret", &slack_message("Ev2", "ada")).await;
    assert_eq!(message(&yard, &ids(&stranger)[0]).await.get("contact"), None);
    assert_eq!(message(&yard, &ids(&known)[0]).await["contact"], "con_ada");
}

async fn whatsapp(yard: &Yard, value: Value) -> Reply {
    let body = json!({"object": "whatsapp_business_account",
                      "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]})
    .to_string();
    let signature = format!("sha256={}", hmac_hex("secret", &[body.as_bytes()]));
    post(
        yard,
        "wa",
        &[("X-Hub-Signature-256", &signature)],
        body.as_bytes(),
    )
    .await
}

#[tokio::test]
async fn each_message_of_a_request_is_an_event_of_its_own() {
    let yard = Yard::start().await;
    yard.app(open_to_all("wa", Adapter::Whatsapp), &["secret"]).await;
    let text = |id: &str, from: &str| json!({"id": id, "from": from, "type": "text", "text": {"body": id}});
    let value = json!({"messages": [text("wamid.A", "1"), text("wamid.B", "2"), text("wamid.A", "1")]});
    let first = whatsapp(&yard, value).await;
    let first = ids(&first);
    assert_eq!(first.len(), 2, "one id is one message");
    assert_eq!(message(&yard, &first[0]).await["text"], "wamid.A");
    assert_eq!(message(&yard, &first[1]).await["sender"], json!({"id": "2"}));
    // What is known already and what is new, in one request.
    let mixed = whatsapp(
        &yard,
        json!({"messages": [text("wamid.B", "2"), text("wamid.C", "3")]}),
    )
    .await;
    assert_eq!(mixed.header("idempotent-replayed"), None);
    assert_eq!((ids(&mixed).len(), &ids(&mixed)[0]), (2, &first[1]));
    assert_eq!(yard.events().await.rows.len(), 3);
}

#[tokio::test]
async fn of_several_messages_those_of_contacts_are_accepted() {
    let yard = Yard::start().await;
    yard.app(app("wa", Adapter::Whatsapp), &["secret"]).await;
    let text = |id: &str, from: &str| json!({"id": id, "from": from, "type": "text", "text": {"body": id}});
    let reply = whatsapp(
        &yard,
        json!({"messages": [text("wamid.A", "mallory"), text("wamid.B", "ada")]}),
    )
    .await;
    let ids = ids(&reply);
    assert_eq!(ids.len(), 1);
    assert_eq!(message(&yard, &ids[0]).await["id"], "wamid.B");
    assert_eq!(yard.rejections().await[0].cause, "unknown_sender");
    let none = whatsapp(
        &yard,
        json!({"messages": [text("wamid.C", "eve"), text("wamid.D", "eve")]}),
    )
    .await;
    assert_eq!(refusal(&none), (403, "unknown_sender".to_owned()));
}

#[tokio::test]
async fn what_is_no_message_is_accepted_and_makes_no_event() {
    let yard = Yard::start().await;
    yard.app(app("wa", Adapter::Whatsapp), &["secret"]).await;
    let reply = whatsapp(
        &yard,
        json!({"statuses": [{"id": "wamid.A", "status": "delivered"}]}),
    )
    .await;
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (200, &br#"{"status":"accepted","ids":[]}"#[..])
    );
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn the_event_type_is_the_senders_then_the_sources_then_the_messages() {
    let yard = Yard::start().await;
    let spec = SourceSpec {
        event_type: Some(ValueRule::Body(".kind".to_owned())),
        ..app("cu", Adapter::Custom)
    };
    yard.app(spec, &["s3cret"]).await;
    let event_type = async |headers: &[(&str, &str)], body: Value| {
        let body = body.to_string();
        let signature = hmac_hex("s3cret", &[body.as_bytes()]);
        let headers = [headers, &[("X-Signature", signature.as_str())]].concat();
        let reply = post(&yard, "cu", &headers, body.as_bytes()).await;
        yard.event(&ids(&reply)[0]).await.event_type.unwrap()
    };
    let body = |id: &str, more: Value| {
        let mut body = json!({"id": id, "sender": {"id": "ada"}});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let both = json!({"kind": "ruled", "type": "own"});
    assert_eq!(
        event_type(&[("X-Event-Type", "said")], body("1", both.clone())).await,
        "said"
    );
    assert_eq!(event_type(&[], body("2", both)).await, "ruled");
    assert_eq!(event_type(&[], body("3", json!({"type": "own"}))).await, "own");
    assert_eq!(event_type(&[], body("4", json!({}))).await, "message.received");
    assert_eq!(
        event_type(&[], body("5", json!({"type": "t".repeat(129)}))).await,
        "message.received"
    );
}

#[tokio::test]
async fn a_malformed_body_is_a_400_without_issues() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["s3cret"]).await;
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"\xff",
        br#"{"id":"m1"}"#,
        br#"{"id":"","sender":{"id":"ada"}}"#,
        br#"{"id":"a\u0000b","sender":{"id":"ada"}}"#,
        br#"{"id":"m1","sender":{"id":"ada\u0000"}}"#,
        br#"{"messages":"none"}"#,
        "[".repeat(100_000).as_bytes(),
    ] {
        let reply = custom(&yard, body).await;
        assert_eq!(refusal(&reply), (400, "invalid_body".to_owned()));
    }
    let long = json!({"id": "k".repeat(256), "sender": {"id": "ada"}}).to_string();
    assert_eq!(custom(&yard, long.as_bytes()).await.status, 400);
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn thirty_two_twins_are_one_event() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["s3cret"]).await;
    let body = br#"{"id":"twin","sender":{"id":"ada"},"text":"hi"}"#;
    let twins = futures_util::future::join_all((0..32).map(|_| custom(&yard, body))).await;
    assert!(twins.iter().all(|reply| reply.status == 200), "{twins:?}");
    let (first, repeats): (Vec<&Reply>, Vec<&Reply>) =
        twins.iter().partition(|reply| reply.json().get("ids").is_some());
    assert_eq!((first.len(), repeats.len()), (1, 31));
    assert!(
        repeats
            .iter()
            .all(|reply| reply.json() == json!({"status": "accepted", "note": "duplicate"}))
    );
    let events = yard.events().await.rows;
    assert_eq!(events.len(), 1);
    assert_eq!(ids(first[0]), [events[0].id.to_string()]);
}

#[tokio::test]
async fn the_window_is_the_sources() {
    let yard = Yard::start().await;
    let mut spec = app("cu", Adapter::Custom);
    spec.dedupe.window = Duration::from_secs(1);
    yard.app(spec, &["s3cret"]).await;
    let body = br#"{"id":"m1","sender":{"id":"ada"}}"#;
    assert_eq!(ids(&custom(&yard, body).await).len(), 1);
    testkit::until("the key may be used again", async || {
        custom(&yard, body).await.json().get("ids").is_some()
    })
    .await;
    assert_eq!(yard.events().await.rows.len(), 2);
}

#[tokio::test]
async fn unknown_disabled_and_closed_are_the_same_404_to_the_byte() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let body = slack_message("Ev1", "ada");
    assert_eq!(slack(&yard, "secret", &body).await.status, 200);
    let unknown = post(&yard, "nobody", &[], &body).await;
    assert_eq!(refusal(&unknown), (404, "not_found".to_owned()));

    yard.source(spec("plain"), &[]).await;
    let plain = post(&yard, "plain", &[], &body).await;
    let disabled = SourceSpec {
        enabled: false,
        ..app("sl", Adapter::Slack)
    };
    yard.app(disabled, &["secret"]).await;
    let disabled = slack(&yard, "secret", &body).await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    let closed = slack(&yard, "secret", &body).await;
    for other in [plain, disabled, closed] {
        assert_eq!((other.status, &other.body), (unknown.status, &unknown.body));
    }
    for path in ["GET /api/v1/webhooks/app_nobody", "POST /api/v1/webhooks/%00"] {
        assert_eq!(send(yard.address, path, &[], b"").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_closed_door_is_a_404_for_replays_too() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let body = slack_message("Ev1", "ada");
    assert_eq!(slack(&yard, "secret", &body).await.status, 200);
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    assert_eq!(slack(&yard, "secret", &body).await.status, 404);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_whatever_its_length_says() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["s3cret"]).await;
    let large = vec![b'a'; 1024 * 1024 + 1];
    let counted = send_chunked(yard.address, "POST /api/v1/webhooks/app_cu", &large).await;
    assert_eq!(refusal(&counted), (413, "payload_too_large".to_owned()));
    assert_eq!(custom(&yard, &large).await.status, 413);
    assert_eq!(yard.rejections().await[0].cause, "payload_too_large");
}

#[tokio::test]
async fn other_methods_are_refused() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    for line in [
        "GET /api/v1/webhooks/app_sl",
        "PUT /api/v1/webhooks/app_sl",
        "DELETE /api/v1/webhooks/app_sl",
    ] {
        let reply = send(yard.address, line, &[], b"").await;
        assert_eq!(refusal(&reply), (405, "method_not_allowed".to_owned()), "{line}");
        assert_eq!(reply.header("allow"), Some("POST"));
    }
    yard.app(app("wa", Adapter::Whatsapp), &["secret"]).await;
    for method in ["HEAD", "OPTIONS", "PUT"] {
        let line = format!("{method} /api/v1/webhooks/app_wa");
        let reply = send(yard.address, &line, &[], b"").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, POST")));
    }
    yard.app(
        app("own", Adapter::External("https://adapter.example/".to_owned())),
        &[],
    )
    .await;
    let reply = send(yard.address, "PUT /api/v1/webhooks/app_own", &[], b"").await;
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, Some("GET, HEAD, OPTIONS, POST")),
        "and nobody asked the adapter"
    );
}
