//! Door 5, against ORQO's document (`seeds/orqo-webhooks.md`) and the contract's additions to it.

use crate::wire_http::{Reply, send, send_chunked};
use crate::yard::{Yard, app, contact, hmac_hex, source, spec, workspace};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use store::Edit;
use wire::SourceId;
use wire::resource::{Adapter, ContactPolicy, SourceSpec, ValueRule};

/// A source's app that everybody may write to.
fn open_to_all(slug: &str, adapter: Adapter) -> SourceSpec {
    let mut spec = app(slug, adapter);
    spec.app.as_mut().unwrap().contacts = ContactPolicy::Optional;
    spec
}

async fn post(yard: &Yard, app: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(
        yard.address,
        &format!("POST /api/v1/webhooks/app_{app}"),
        headers,
        body,
    )
    .await
}

/// As Slack signs: <https://docs.slack.dev/authentication/verifying-requests-from-slack/>.
async fn slack(yard: &Yard, secret: &str, body: &[u8]) -> Reply {
    let now = wire::Instant::now().unix_seconds().to_string();
    let signature = format!("v0={}", hmac_hex(secret, &[b"v0:", now.as_bytes(), b":", body]));
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Slack-Signature", &signature),
        ("X-Slack-Request-Timestamp", &now),
    ];
    post(yard, "sl", &headers, body).await
}

fn slack_message(event_id: &str, user: &str) -> Vec<u8> {
    json!({"type": "event_callback", "team_id": "T1", "event_id": event_id,
           "event": {"type": "message", "user": user, "text": "hello", "channel": "C1", "ts": "1.1"}})
    .to_string()
    .into_bytes()
}

/// As a custom app without a scheme signs.
async fn custom(yard: &Yard, body: &[u8]) -> Reply {
    let signature = hmac_hex("s3cret", &[body]);
    post(yard, "cu", &[("X-Signature", &signature)], body).await
}

fn ids(reply: &Reply) -> Vec<String> {
    let json = reply.json();
    let ids = json["ids"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn message(yard: &Yard, id: &str) -> Value {
    serde_json::from_slice(&yard.event(id).await.body).unwrap()
}

fn refusal(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    assert!(
        json["message"].is_string() && json.as_object().unwrap().len() == 2,
        "the shape is error and message: {json}"
    );
    (reply.status, json["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_message_of_slacks_becomes_an_event() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["old", "new"]).await;
    let body = slack_message("Ev1", "ada");
    let reply = slack(&yard, "new", &body).await;
    let id = ids(&reply).remove(0);
    assert_eq!(
        (reply.status, String::from_utf8(reply.body.clone()).unwrap()),
        (200, format!(r#"{{"status":"accepted","ids":["{id}"]}}"#))
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.header("x-request-id").is_some() && reply.header("idempotent-replayed").is_none());
    let event = yard.event(&id).await;
    assert_eq!(event.event_type.as_deref(), Some("message.received"));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert_eq!(event.idempotency_key.as_deref(), Some("Ev1"));
    assert_eq!((event.verified, event.method.as_str()), (Some(true), "POST"));
    assert_eq!(event.source_id, Some(SourceId::from_stored("so_sl")));
    assert_eq!(
        message(&yard, &id).await,
        json!({"id": "Ev1", "sender": {"id": "ada"}, "contact": "con_ada", "conversation": "C1", "text": "hello",
               "type": "message", "data": serde_json::from_slice::<Value>(&body).unwrap()})
    );
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
async fn slacks_challenge_is_answered_only_when_it_is_signed() {
    let yard = Yard::start().await;
    yard.app(app("sl", Adapter::Slack), &["secret"]).await;
    let body = br#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aB10FEMAGAZd4FyFQ"}"#;
    let answer = slack(&yard, "secret", body).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"challenge": "3eZbrw1aB10FEMAGAZd4FyFQ"}))
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        refusal(&slack(&yard, "other", body).await),
        (401, "invalid_signature".to_owned())
    );
    assert!(yard.events().await.rows.is_empty());
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

#[tokio::test]
async fn whatsapps_challenge_wants_the_right_token() {
    let yard = Yard::start().await;
    yard.app(app("wa", Adapter::Whatsapp), &["secret"]).await;
    let get = async |query: &str| {
        let line = format!("GET /api/v1/webhooks/app_wa{query}");
        send(yard.address, &line, &[], b"").await
    };
    let right = get("?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-me").await;
    assert_eq!((right.status, right.body.as_slice()), (200, &b"1158201444"[..]));
    assert_eq!(right.header("content-type"), Some("text/plain"));
    assert_eq!(right.header("x-content-type-options"), Some("nosniff"));
    for query in [
        "",
        "?hub.mode=subscribe&hub.challenge=1",
        "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong",
        "?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=verify-me",
        "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify-me&hub.verify_token=verify-me",
    ] {
        assert_eq!(get(query).await.status, 403, "{query}");
    }
    let long = format!(
        "?hub.mode=subscribe&hub.verify_token=verify-me&hub.challenge={}",
        "a".repeat(257)
    );
    assert_eq!(get(&long).await.status, 400);
    assert!(yard.events().await.rows.is_empty());
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
async fn telegrams_secret_token_is_compared_and_never_kept() {
    let yard = Yard::start().await;
    yard.app(open_to_all("tg", Adapter::Telegram), &["canary-token"])
        .await;
    let body =
        br#"{"update_id":10000,"message":{"message_id":1,"from":{"id":7},"chat":{"id":8},"text":"/start"}}"#;
    let reply = post(
        &yard,
        "tg",
        &[("X-Telegram-Bot-Api-Secret-Token", "canary-token")],
        body,
    )
    .await;
    let id = ids(&reply).remove(0);
    let event = yard.event(&id).await;
    assert_eq!(event.idempotency_key.as_deref(), Some("10000"));
    assert!(!String::from_utf8_lossy(&event.headers).contains("canary"));
    let said = message(&yard, &id).await;
    assert_eq!(
        (&said["text"], &said["conversation"]),
        (&json!("/start"), &json!("8"))
    );
    let wrong = post(
        &yard,
        "tg",
        &[("X-Telegram-Bot-Api-Secret-Token", "canary-2")],
        body,
    )
    .await;
    assert_eq!(refusal(&wrong), (401, "invalid_signature".to_owned()));
    let kept = yard.rejections().await.remove(0);
    assert!(!String::from_utf8_lossy(&kept.headers).contains("canary"));
}

#[tokio::test]
async fn a_custom_app_signs_its_body_unless_it_has_a_scheme() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["s3cret"]).await;
    let body = br#"{"id":"m1","sender":{"id":"ada"},"text":"hi","type":"note.added"}"#;
    let reply = custom(&yard, body).await;
    let event = yard.event(&ids(&reply)[0]).await;
    assert_eq!(
        event.event_type.as_deref(),
        Some("note.added"),
        "it is written for us, so its type counts"
    );
    assert_eq!(
        refusal(&post(&yard, "cu", &[("X-Signature", "00")], body).await),
        (401, "invalid_signature".to_owned())
    );

    let mut spec = app("cu", Adapter::Custom);
    spec.app.as_mut().unwrap().scheme =
        Some(json!({"algorithm": "token", "signature": {"from": "header:X-Pass"}}));
    yard.app(spec, &["s3cret"]).await;
    let reply = post(&yard, "cu", &[("X-Pass", "s3cret")], br#"{"messages":[]}"#).await;
    assert_eq!(ids(&reply), Vec::<String>::new());
    assert_eq!(custom(&yard, body).await.status, 401);
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

#[tokio::test]
async fn a_custom_scheme_may_shake_hands_by_head_and_options() {
    let yard = Yard::start().await;
    let mut spec = app("cu", Adapter::Custom);
    spec.app.as_mut().unwrap().scheme = Some(json!({
        "algorithm": "token",
        "signature": {"from": "header:X-Pass"},
        "handshake": [
            {"method": "HEAD", "respond": {"status": 200}},
            {"method": "OPTIONS", "respond": {"headers": {"WebHook-Allowed-Origin": "yard"}}},
        ],
    }));
    yard.app(spec, &["s3cret"]).await;
    let ask = async |method: &str| {
        let line = format!("{method} /api/v1/webhooks/app_cu");
        send(yard.address, &line, &[], b"").await
    };
    assert_eq!(ask("HEAD").await.status, 200);
    let preflight = ask("OPTIONS").await;
    assert_eq!(
        (preflight.status, preflight.header("webhook-allowed-origin")),
        (200, Some("yard"))
    );
    let other = ask("GET").await;
    assert_eq!(
        (other.status, other.header("allow")),
        (405, Some("HEAD, OPTIONS, POST"))
    );
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn two_doors_of_one_source_check_by_their_own_secrets() {
    let yard = Yard::start().await;
    let mut both = crate::yard::verified_by("gh", "github");
    both.app = app("gh", Adapter::Custom).app;
    let mut source = source(both, &["door-4"]);
    source.app_secrets.signing = crate::yard::secrets(&["door-5"]);
    let contact = contact("ada", &source.id, "ada");
    yard.edit(vec![Edit::Source(source), Edit::Contact(contact)])
        .await;
    let body = br#"{"id":"m1","sender":{"id":"ada"}}"#;
    let at_five = |secret: &str| {
        let signature = hmac_hex(secret, &[body]);
        let yard = &yard;
        async move {
            post(yard, "gh", &[("X-Signature", &signature)], body)
                .await
                .status
        }
    };
    assert_eq!((at_five("door-5").await, at_five("door-4").await), (200, 401));
    let signature = format!("sha256={}", hmac_hex("door-4", &[body]));
    let at_four = send(
        yard.address,
        "POST /ingest/src_gh",
        &[("X-Hub-Signature-256", &signature)],
        body,
    )
    .await;
    assert_eq!(at_four.status, 202);
}
