//! Door 5, platform by platform: what Slack, WhatsApp and Telegram do in their own way, and what custom apps may.

use crate::app::{custom, ids, message, open_to_all, post, refusal, slack, slack_message};
use crate::wire_http::send;
use crate::yard::{Yard, app, contact, hmac_hex, source};
use serde_json::{Value, json};
use store::Edit;
use wire::SourceId;
use wire::resource::Adapter;

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
    let plain = get("?hub.challenge=7&hub.verify_token=verify-me").await;
    assert_eq!((plain.status, plain.body.as_slice()), (200, &b"7"[..]));
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
