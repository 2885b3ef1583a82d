//! Handshakes are counted, and the secrets that come with some wait for an operator.

use crate::wire_http::{Reply, send};
use crate::yard::{Yard, source, verified_by};
use secrecy::ExposeSecret;
use store::{Edit, Handshakes};
use wire::SourceId;

async fn post(yard: &Yard, token: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let line = format!("POST /ingest/{token}");
    send(yard.address, &line, headers, body.as_bytes()).await
}

async fn known(yard: &Yard, slug: &str) -> Option<Handshakes> {
    let id = SourceId::from_stored(format!("so_{slug}"));
    yard.store.handshakes(&id).await.unwrap()
}

#[tokio::test]
async fn a_flood_of_handshakes_is_counted_to_the_last() {
    let yard = Yard::start().await;
    yard.edit(vec![Edit::Source(source(
        verified_by("box", "dropbox"),
        &["secret"],
    ))])
    .await;
    for _ in 0..40 {
        let line = "GET /ingest/src_box?challenge=abc";
        assert_eq!(send(yard.address, line, &[], b"").await.status, 200);
    }
    testkit::until("all are counted", async || {
        known(&yard, "box")
            .await
            .is_some_and(|known| known.answered == 40)
    })
    .await;
    let known = known(&yard, "box").await.unwrap();
    assert!(known.captured.is_none());
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_secret_that_a_sender_hands_over_is_kept_before_the_answer() {
    let yard = Yard::start().await;
    let asana = source(verified_by("asana", "asana"), &[]);
    yard.edit(vec![Edit::Source(asana)]).await;
    let hand_over = async |secret: &str| post(&yard, "src_asana", &[("X-Hook-Secret", secret)], "{}").await;
    let reply = hand_over("first-secret").await;
    assert_eq!(
        (reply.status, reply.header("x-hook-secret")),
        (200, Some("first-secret"))
    );
    let captured = known(&yard, "asana").await.unwrap().captured.unwrap();
    assert_eq!(captured.secret.expose_secret(), "first-secret");
    assert_eq!(captured.remote_address.as_deref(), Some("127.0.0.1"));

    // The same again is the sender's retry; another one so soon would be a flood's.
    assert_eq!(hand_over("first-secret").await.status, 200);
    let reply = hand_over("second-secret").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    testkit::until("a new secret takes its place", async || {
        hand_over("second-secret").await.status == 200
    })
    .await;
    let captured = known(&yard, "asana").await.unwrap().captured.unwrap();
    assert_eq!(captured.secret.expose_secret(), "second-secret");
}

#[tokio::test]
async fn a_secret_that_the_source_knows_waits_for_nobody() {
    let yard = Yard::start().await;
    let notion = source(verified_by("notion", "notion"), &["secret_known"]);
    yard.edit(vec![Edit::Source(notion)]).await;
    let body = r#"{"verification_token":"secret_known"}"#;
    assert_eq!(post(&yard, "src_notion", &[], body).await.status, 200);
    testkit::until("it is counted", async || known(&yard, "notion").await.is_some()).await;
    assert!(known(&yard, "notion").await.unwrap().captured.is_none());
}

#[tokio::test]
async fn an_intent_to_receive_is_answered_where_it_is_signed_right_and_refused_where_not() {
    let yard = Yard::start().await;
    yard.edit(vec![Edit::Source(source(
        verified_by("xero", "xero"),
        &["xero-key"],
    ))])
    .await;
    let body = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#;
    let right = ("x-xero-signature", "tLm9ka/XQyvHySA0OzOTW5+CZY1uJm058kZFXiiMUag=");
    let reply = post(&yard, "src_xero", &[right], body).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b""[..]));
    let wrong = ("x-xero-signature", "TLm9ka/XQyvHySA0OzOTW5+CZY1uJm058kZFXiiMUag=");
    assert_eq!(post(&yard, "src_xero", &[wrong], body).await.status, 401);
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn what_is_refused_is_no_handshake() {
    let yard = Yard::start().await;
    yard.edit(vec![
        Edit::Source(source(verified_by("me", "meta"), &["secret"])),
        Edit::Source(source(verified_by("box", "dropbox"), &["secret"])),
    ])
    .await;
    let line = "GET /ingest/src_me?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong";
    assert_eq!(send(yard.address, line, &[], b"").await.status, 403);
    // Counted after it, and written with it.
    let line = "GET /ingest/src_box?challenge=abc";
    assert_eq!(send(yard.address, line, &[], b"").await.status, 200);
    testkit::until("the other is counted", async || {
        known(&yard, "box").await.is_some()
    })
    .await;
    assert!(known(&yard, "me").await.is_none());
}
