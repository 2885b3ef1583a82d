//! What is kept of a signature check with the event: the verdict, its reason, and which secret matched.

use crate::token::id;
use crate::wire_http::{Reply, send};
use crate::yard::{EPOCH, Yard, app, channel, hmac_hex, secrets, source, verified_by};
use serde_json::json;
use store::Edit;
use wire::resource::{Adapter, ContactPolicy, SourceSpec, VerifyMode};

/// Whether it is valid, why not, and by which secret.
type Kept = (Option<bool>, Option<String>, Option<String>);

fn valid(secret: &str) -> Kept {
    (Some(true), None, Some(secret.to_owned()))
}

fn invalid(reason: &str) -> Kept {
    (Some(false), Some(reason.to_owned()), None)
}

const UNCHECKED: Kept = (None, None, None);

async fn kept(yard: &Yard, id: &str) -> Kept {
    let event = yard.event(id).await;
    (event.verified, event.verify_reason, event.verify_secret_id)
}

/// Posts to the source `gh`, signed with `secret` as GitHub does.
async fn github(yard: &Yard, secret: Option<&str>, body: &[u8]) -> Reply {
    let signature = secret.map(|secret| format!("sha256={}", hmac_hex(secret, &[body])));
    let headers: Vec<_> = signature
        .iter()
        .map(|value| ("X-Hub-Signature-256", value.as_str()))
        .collect();
    send(yard.address, "POST /ingest/src_gh", &headers, body).await
}

fn github_in(mode: VerifyMode) -> SourceSpec {
    let mut spec = verified_by("gh", "github");
    spec.verify.as_mut().unwrap().mode = mode;
    spec
}

#[tokio::test]
async fn during_a_rotation_each_event_names_the_secret_that_its_sender_uses() {
    let yard = Yard::start().await;
    let mut row = source(github_in(VerifyMode::Enforce), &["gone", "new", "old"]);
    row.secrets[0].expires_at = Some(EPOCH);
    yard.edit(vec![Edit::Source(row)]).await;
    for (secret, named) in [("new", "secret-1"), ("old", "secret-2")] {
        let reply = github(&yard, Some(secret), secret.as_bytes()).await;
        assert_eq!(kept(&yard, &id(&reply)).await, valid(named));
    }
    assert_eq!(github(&yard, Some("gone"), b"{}").await.status, 401);
}

#[tokio::test]
async fn a_source_that_merely_records_keeps_what_was_wrong() {
    let yard = Yard::start().await;
    yard.source(github_in(VerifyMode::Record), &["secret"]).await;
    for (secret, verdict) in [
        (Some("secret"), valid("secret-0")),
        (Some("other"), invalid("signature_mismatch")),
        (None, invalid("signature_missing")),
    ] {
        let reply = github(&yard, secret, b"{}").await;
        assert_eq!(kept(&yard, &id(&reply)).await, verdict, "{secret:?}");
    }
}

#[tokio::test]
async fn where_no_signature_is_checked_nothing_is_kept_of_it() {
    let yard = Yard::start().await;
    yard.source(github_in(VerifyMode::Off), &["secret"]).await;
    yard.source(channel("shop", true), &[]).await;
    let reply = github(&yard, Some("secret"), b"{}").await;
    assert_eq!(kept(&yard, &id(&reply)).await, UNCHECKED);
    let headers = [("X-Channel-Secret", "s3cret"), ("X-Idempotency-Key", "k")];
    let reply = send(yard.address, "POST /api/channels/orgs/acme/shop", &headers, b"{}").await;
    let json = reply.json();
    let id = json["eventId"].as_str();
    assert_eq!(
        kept(&yard, id.unwrap_or_else(|| panic!("{reply:?}"))).await,
        UNCHECKED
    );
}

#[tokio::test]
async fn every_message_of_an_app_names_the_secret_of_its_request() {
    let yard = Yard::start().await;
    let mut spec = app("chat", Adapter::Custom);
    spec.app.as_mut().unwrap().contacts = ContactPolicy::Optional;
    let mut row = source(spec, &[]);
    row.app_secrets.signing = secrets(&["new", "old"]);
    yard.edit(vec![Edit::Source(row)]).await;
    for (secret, named) in [("new", "secret-0"), ("old", "secret-1")] {
        let message =
            |id: &str| json!({"id": format!("{secret}-{id}"), "sender": {"id": "ada"}, "text": "hello"});
        let body = json!({"messages": [message("1"), message("2")]}).to_string();
        let signature = hmac_hex(secret, &[body.as_bytes()]);
        let headers = [("X-Signature", signature.as_str())];
        let reply = send(
            yard.address,
            "POST /api/v1/webhooks/app_chat",
            &headers,
            body.as_bytes(),
        )
        .await;
        let json = reply.json();
        let ids = json["ids"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
        assert_eq!(ids.len(), 2);
        for id in ids {
            assert_eq!(kept(&yard, id.as_str().unwrap()).await, valid(named));
        }
    }
}
