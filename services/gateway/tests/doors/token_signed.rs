//! Door 4's signatures, and the handshakes and answers of the providers that sign.

use crate::token::{github_signature, id, post};
use crate::wire_http::send;
use crate::yard::{Yard, hmac_hex, source, verified_by};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::collections::HashSet;
use store::Edit;

#[tokio::test]
async fn a_signature_is_checked_over_the_raw_bytes() {
    let yard = Yard::start().await;
    yard.source(verified_by("gh", "github"), &["new-secret", "old-secret"])
        .await;
    let body = br#"{"zen": "Keep it logically awesome."}"#;
    for secret in ["new-secret", "old-secret"] {
        let signature = github_signature(secret, body);
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("X-GitHub-Event", "ping"),
            ("X-GitHub-Delivery", secret),
        ];
        let reply = post(&yard, "src_gh", &headers, body).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let event = yard.event(&id(&reply)).await;
        assert_eq!(
            (event.verified, event.event_type.as_deref()),
            (Some(true), Some("ping"))
        );
        assert_eq!(
            event.idempotency_key.as_deref(),
            Some(secret),
            "the preset's id is the key"
        );
    }
}

#[tokio::test]
async fn an_invalid_signature_is_one_401_and_kept_with_its_cause() {
    let yard = Yard::start().await;
    yard.source(verified_by("gh", "github"), &["secret"]).await;
    let wrong = github_signature("other", b"{}");
    let headers = [
        ("X-Hub-Signature-256", wrong.as_str()),
        ("Authorization", "Bearer canary-1"),
        ("X-Api-Token", "canary-2"),
    ];
    let mismatch = post(&yard, "src_gh", &headers, b"{}").await;
    let missing = post(&yard, "src_gh", &[], b"{}").await;
    assert_eq!(
        (mismatch.status, &mismatch.json()["error"]),
        (401, &json!("invalid_signature"))
    );
    assert_eq!(missing.body, mismatch.body, "outside there is one answer");
    testkit::until("both are kept", async || yard.rejections().await.len() == 2).await;
    let causes: HashSet<String> = yard
        .rejections()
        .await
        .iter()
        .map(|row| row.cause.clone())
        .collect();
    assert_eq!(
        causes,
        ["signature_mismatch", "signature_missing"]
            .map(ToOwned::to_owned)
            .into()
    );
    for row in yard.rejections().await {
        assert!(!String::from_utf8_lossy(&row.headers).contains("canary"));
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_signed_challenge_is_answered_and_is_no_event() {
    let yard = Yard::start().await;
    yard.source(verified_by("sl", "slack"), &["slack-secret"]).await;
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1aB10FEMAGAZd4FyFQ"}"#;
    let now = wire::Instant::now().unix_seconds().to_string();
    let signature = format!(
        "v0={}",
        hmac_hex("slack-secret", &[b"v0:", now.as_bytes(), b":", body])
    );
    let reply = post(
        &yard,
        "src_sl",
        &[
            ("X-Slack-Signature", &signature),
            ("X-Slack-Request-Timestamp", &now),
        ],
        body,
    )
    .await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"challenge": "3eZbrw1aB10FEMAGAZd4FyFQ"}))
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn metas_handshake_is_answered_for_the_right_token_alone() {
    let yard = Yard::start().await;
    let mut meta = source(verified_by("me", "meta"), &["app-secret"]);
    meta.verify_token = Some("right & proper".into());
    let untold = source(verified_by("un", "meta"), &["app-secret"]);
    yard.edit(vec![Edit::Source(meta), Edit::Source(untold)]).await;
    let ask = async |token: &str, shown: &str| {
        let line = format!(
            "GET /ingest/{token}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={shown}"
        );
        send(yard.address, &line, &[], b"").await
    };
    let reply = ask("src_me", "right%20%26%20proper").await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"1158201444"[..]));
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    for (token, shown) in [
        ("src_me", "wrong"),
        ("src_me", ""),
        ("src_un", ""),
        ("src_un", "wrong"),
    ] {
        let reply = ask(token, shown).await;
        assert_eq!(
            (reply.status, reply.json()["error"].clone()),
            (403, json!("forbidden"))
        );
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_provider_that_insists_on_an_answer_of_its_own_gets_it() {
    let yard = Yard::start().await;
    let key = [7_u8; 32];
    yard.source(verified_by("ad", "adyen-payments"), &[&hex::encode(key)])
        .await;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"psp::merchant:order:100:EUR:AUTHORISATION:true");
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": {
        "pspReference": "psp", "merchantAccountCode": "merchant", "merchantReference": "order",
        "amount": {"value": 100, "currency": "EUR"}, "eventCode": "AUTHORISATION", "success": "true",
        "additionalData": {"hmacSignature": signature}}}]});
    let send_it = async |body: String| {
        let headers = [("X-Webhook-Id", "k"), ("X-Request-Id", "r")];
        post(&yard, "src_ad", &headers, body.as_bytes()).await
    };
    let first = send_it(body.to_string()).await;
    assert_eq!(
        (first.status, first.body.as_slice(), first.header("x-request-id")),
        (202, &b"[accepted]"[..], Some("r")),
        "{first:?}"
    );
    assert!(first.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = send_it(format!("{body} ")).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    assert_eq!(
        (
            again.header("idempotent-replayed"),
            again.header("idempotency-mismatch")
        ),
        (Some("true"), Some("true"))
    );
    assert_eq!(yard.events().await.rows.len(), 1);
    let refused = post(&yard, "src_ad", &[], b"{}").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &json!("invalid_signature"))
    );
}
