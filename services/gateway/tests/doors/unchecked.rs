//! Sources with `mode: off`: nothing is verified, and all else that is known of the sender holds.

use crate::wire_http::{Reply, send};
use crate::yard::{Yard, verified_by};
use serde_json::json;
use wire::resource::{SourceSpec, VerifyMode};

fn unchecked(slug: &str, provider: &str) -> SourceSpec {
    let mut spec = verified_by(slug, provider);
    spec.verify.as_mut().unwrap().mode = VerifyMode::Off;
    spec
}

async fn post(yard: &Yard, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(yard.address, &format!("POST /ingest/{token}"), headers, body).await
}

async fn recorded(yard: &Yard, reply: &Reply) -> store::Event {
    let answer = reply.json();
    yard.event(answer["data"]["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn the_senders_secret_is_not_kept_and_its_events_have_their_names() {
    let yard = Yard::start().await;
    yard.source(unchecked("gl", "gitlab-token"), &[]).await;
    let headers = [
        ("X-Gitlab-Token", "canary"),
        ("X-Gitlab-Event", "push"),
        ("X-Gitlab-Event-UUID", "uuid-1"),
    ];
    let reply = post(&yard, "src_gl", &headers, b"{}").await;
    let event = recorded(&yard, &reply).await;
    assert_eq!(event.verified, None);
    let kept = String::from_utf8(event.headers.to_vec()).unwrap();
    assert!(
        kept.contains("x-gitlab-event") && !kept.contains("canary"),
        "{kept}"
    );
    assert_eq!(
        (event.event_type.as_deref(), event.idempotency_key.as_deref()),
        (Some("push"), Some("uuid-1"))
    );
    let again = post(&yard, "src_gl", &headers, b"{}").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_sender_that_insists_on_an_answer_of_its_own_gets_it() {
    let yard = Yard::start().await;
    yard.source(unchecked("ad", "adyen-payments"), &[]).await;
    let reply = post(&yard, "src_ad", &[], b"{}").await;
    assert_eq!((reply.status, reply.body.as_slice()), (202, &b"[accepted]"[..]));
}

#[tokio::test]
async fn a_handshake_without_a_signature_is_answered() {
    let yard = Yard::start().await;
    yard.source(unchecked("box", "dropbox"), &[]).await;
    let reply = send(yard.address, "GET /ingest/src_box?challenge=abc", &[], b"").await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"abc"[..]));
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_handshake_that_has_to_be_signed_is_an_event_as_any_other() {
    let yard = Yard::start().await;
    yard.source(unchecked("sl", "slack"), &["secret"]).await;
    let body = json!({"type": "url_verification", "challenge": "canary"}).to_string();
    let reply = post(&yard, "src_sl", &[], body.as_bytes()).await;
    assert_eq!(reply.status, 202);
    assert_eq!(recorded(&yard, &reply).await.verified, None);
}
