//! What was refused, and letting it in by hand once the reason is mended.

use crate::wire_http::{Reply, send};
use crate::yard::{Yard, app, contact, hmac_hex, source, spec, verified_by, workspace};
use serde_json::json;
use store::{Edit, Rejection};
use wire::resource::{Adapter, SourceSpec};
use wire::{Instant, SourceId};

/// As GitHub sends, signed with a secret that the source may not have.
async fn github(yard: &Yard, secret: &str, id: Option<&str>, body: &[u8]) -> Reply {
    let signature = format!("sha256={}", hmac_hex(secret, &[body]));
    let mut headers = vec![
        ("X-Hub-Signature-256", signature.as_str()),
        ("X-GitHub-Event", "push"),
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer canary"),
    ];
    headers.extend(id.map(|id| ("X-GitHub-Delivery", id)));
    send(yard.address, "POST /ingest/src_gh?a=1", &headers, body).await
}

/// The source `gh`, which knows these secrets.
async fn knows(yard: &Yard, secrets: &[&str]) {
    let row = source(verified_by("gh", "github"), secrets);
    yard.edit(vec![Edit::Source(row)]).await;
}

/// As the console asks.
async fn accept(yard: &Yard, rejection: &Rejection) -> Reply {
    let errand = format!("POST /internal/rejections/{}/accept", rejection.id);
    let ticket = yard.store.ticket(&errand, Instant::now()).unwrap();
    let bearer = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&ticket));
    send(yard.address, &errand, &[("Authorization", &bearer)], b"").await
}

async fn reread(yard: &Yard, row: &Rejection) -> Rejection {
    let found = yard.store.rejection(&workspace(true).id, row.id).await;
    found.unwrap().unwrap()
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_request_is_let_in_once_its_secret_is_mended() {
    let yard = Yard::start().await;
    knows(&yard, &["wrong"]).await;
    let body = br#"{"ref": "refs/heads/main"}"#;
    assert_eq!(github(&yard, "right", Some("d-1"), body).await.status, 401);
    let row = yard.rejections().await.remove(0);
    assert!(row.is_whole && row.event_id.is_none());

    let still = accept(&yard, &row).await;
    assert_eq!(code(&still), (422, "invalid_signature".to_owned()));
    assert_eq!(still.json()["reason"], "signature_mismatch");
    assert_eq!(yard.rejections().await.len(), 1, "asking again is no rejection");

    knows(&yard, &["right"]).await;
    let accepted = accept(&yard, &row).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    let id = accepted.json()["eventId"].as_str().unwrap().to_owned();
    assert_eq!(accepted.json(), json!({"eventId": id, "status": "queued"}));
    let event = yard.event(&id).await;
    assert_eq!(
        (event.body.as_ref(), event.event_type.as_deref(), event.verified),
        (&body[..], Some("push"), Some(true))
    );
    assert_eq!(
        (
            event.idempotency_key.as_deref(),
            event.query.as_deref(),
            event.remote_address.as_deref()
        ),
        (Some("d-1"), Some("a=1"), Some("127.0.0.1"))
    );
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert!(!String::from_utf8_lossy(&event.headers).contains("canary"));
    let row = reread(&yard, &row).await;
    assert_eq!((row.event_id, row.is_whole), (Some(event.id), false));

    assert_eq!(
        code(&accept(&yard, &row).await),
        (409, "not_acceptable".to_owned()),
        "it was accepted already"
    );
    let retried = github(&yard, "right", Some("d-1"), body).await;
    assert_eq!(
        retried.json()["data"]["id"],
        id,
        "the provider's retry is a duplicate"
    );
}

#[tokio::test]
async fn what_its_sender_has_sent_again_meanwhile_is_a_duplicate() {
    let yard = Yard::start().await;
    knows(&yard, &["wrong"]).await;
    assert_eq!(github(&yard, "right", Some("d-1"), b"{}").await.status, 401);
    let row = yard.rejections().await.remove(0);
    knows(&yard, &["right"]).await;
    let retried = github(&yard, "right", Some("d-1"), b"{}").await;
    let accepted = accept(&yard, &row).await;
    assert_eq!(
        accepted.json(),
        json!({"eventId": retried.json()["data"]["id"], "status": "duplicate"})
    );
    assert_eq!(yard.events().await.rows.len(), 1);
}

#[tokio::test]
async fn a_request_without_a_key_is_let_in_once() {
    let yard = Yard::start().await;
    knows(&yard, &["wrong"]).await;
    github(&yard, "right", None, b"{}").await;
    let row = yard.rejections().await.remove(0);
    knows(&yard, &["right"]).await;
    let twins = futures_util::future::join_all((0..8).map(|_| accept(&yard, &row))).await;
    for twin in &twins {
        assert!(matches!(twin.status, 200 | 409), "{twin:?}");
    }
    let events = yard.events().await.rows;
    assert_eq!(events.len(), 1);
    let ids: Vec<_> = twins.iter().filter(|twin| twin.status == 200).collect();
    assert!(
        ids.iter()
            .all(|twin| twin.json()["eventId"] == events[0].id.to_string())
    );
}

#[tokio::test]
async fn a_signature_is_checked_by_the_clock_of_its_arrival() {
    let yard = Yard::start().await;
    let stripe = |secret: &str| Edit::Source(source(verified_by("st", "stripe"), &[secret]));
    yard.edit(vec![stripe("wrong")]).await;
    let sign = |at: i64| {
        let signed = hmac_hex("right", &[format!("{at}.").as_bytes(), b"{}"]);
        format!("t={at},v1={signed}")
    };
    // Fresh when it came; nothing would be by now if the row were older.
    let now = Instant::now().unix_seconds();
    let post = async |signature: &str| {
        let headers = [("Stripe-Signature", signature)];
        send(yard.address, "POST /ingest/src_st", &headers, b"{}").await
    };
    assert_eq!(post(&sign(now)).await.status, 401);
    assert_eq!(post(&sign(now - 3_600)).await.status, 401);
    testkit::until("both are kept", async || yard.rejections().await.len() == 2).await;
    yard.edit(vec![stripe("right")]).await;
    for row in yard.rejections().await {
        let reply = accept(&yard, &row).await;
        match row.cause.as_str() {
            "signature_mismatch" => assert_eq!(reply.status, 200, "{reply:?}"),
            "timestamp_out_of_tolerance" => assert_eq!(reply.json()["reason"], row.cause),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn an_old_request_is_judged_by_its_own_time() {
    let yard = Yard::start().await;
    yard.edit(vec![Edit::Source(source(
        verified_by("st", "stripe"),
        &["right"],
    ))])
    .await;
    // As it lies in the ledger a day later.
    let day = std::time::Duration::from_hours(24);
    let arrived = Instant::now() - day;
    let at = arrived.unix_seconds();
    let signed = hmac_hex("right", &[format!("{at}.").as_bytes(), b"{}"]);
    let rejection = store::NewRejection {
        id: wire::RejectionId::new(arrived, rand::random()),
        workspace_id: workspace(true).id,
        source_id: Some(SourceId::from_stored("so_st")),
        cause: "signature_mismatch".to_owned(),
        detail: String::new(),
        received_at: arrived,
        method: "POST".to_owned(),
        query: None,
        remote_address: None,
        headers: "[]".into(),
        body_preview: "{}".into(),
        door: wire::Door::Token,
        request: Some(store::RejectedRequest {
            method: "POST".to_owned(),
            target: "/ingest/src_of_then".to_owned(),
            headers: vec![(
                "stripe-signature".to_owned(),
                format!("t={at},v1={signed}").into_bytes(),
            )],
            body: "{}".into(),
            remote_address: None,
        }),
    };
    yard.store.reject(rejection).await.unwrap();
    let row = yard.rejections().await.remove(0);
    let reply = accept(&yard, &row).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let event = yard.event(reply.json()["eventId"].as_str().unwrap()).await;
    assert!(event.received_at > arrived + day - std::time::Duration::from_mins(1));
}

#[tokio::test]
async fn a_stranger_is_let_in_once_he_is_a_contact() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["s3cret"]).await;
    let body = br#"{"messages":[{"id":"m1","sender":{"id":"eve"},"text":"hi"}]}"#;
    let signature = hmac_hex("s3cret", &[body]);
    let line = "POST /api/v1/webhooks/app_cu";
    let refused = send(yard.address, line, &[("X-Signature", &signature)], body).await;
    assert_eq!(code(&refused), (403, "unknown_sender".to_owned()));
    let row = yard.rejections().await.remove(0);
    let still = accept(&yard, &row).await;
    assert_eq!(code(&still), (422, "unknown_sender".to_owned()));
    assert_eq!(still.json()["reason"], "unknown_sender");
    let eve = contact("eve", &SourceId::from_stored("so_cu"), "eve");
    yard.edit(vec![Edit::Contact(eve)]).await;
    let reply = accept(&yard, &row).await;
    assert_eq!(reply.json()["status"], "queued", "{reply:?}");
    let event = yard.event(reply.json()["eventId"].as_str().unwrap()).await;
    assert_eq!(event.idempotency_key.as_deref(), Some("m1"));
    assert!(String::from_utf8_lossy(&event.body).contains("con_eve"));
    let rows = yard.rejections().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
}

#[tokio::test]
async fn what_brings_nothing_cannot_be_let_in() {
    let yard = Yard::start().await;
    yard.app(app("cu", Adapter::Custom), &["wrong"]).await;
    let body = br#"{"messages":[]}"#;
    let signature = hmac_hex("right", &[body]);
    let line = "POST /api/v1/webhooks/app_cu";
    send(yard.address, line, &[("X-Signature", &signature)], body).await;
    let row = yard.rejections().await.remove(0);
    yard.app(app("cu", Adapter::Custom), &["right"]).await;
    assert_eq!(
        code(&accept(&yard, &row).await),
        (409, "not_acceptable".to_owned())
    );
    // Its app is gone since.
    yard.edit(vec![Edit::Source(source(spec("cu"), &[]))]).await;
    assert_eq!(accept(&yard, &row).await.status, 422);
}

#[tokio::test]
async fn only_what_another_verdict_could_let_in_is_kept_whole() {
    let yard = Yard::start().await;
    knows(&yard, &["secret"]).await;
    let largest = vec![b'a'; 256 * 1024];
    for (body, is_whole) in [(&largest[..], true), (&[&largest[..], b"a"].concat(), false)] {
        github(&yard, "other", None, body).await;
        testkit::until("it is kept", async || {
            let rows = yard.rejections().await;
            rows.iter().any(|row| row.is_whole == is_whole)
        })
        .await;
    }
    let large = yard
        .rejections()
        .await
        .into_iter()
        .find(|row| !row.is_whole)
        .unwrap();
    assert_eq!(large.body_preview.len(), 4_096);
    assert_eq!(
        code(&accept(&yard, &large).await),
        (409, "not_acceptable".to_owned())
    );

    let channel = crate::yard::channel("ch", true);
    yard.source(channel, &[]).await;
    send(yard.address, "POST /api/channels/orgs/acme/ch", &[], b"{}").await;
    testkit::until("it is kept", async || yard.rejections().await.len() == 3).await;
    let row = yard.rejections().await.remove(0);
    assert_eq!((row.cause.as_str(), row.is_whole), ("unauthorized", false));
    assert_eq!(row.door, wire::Door::Channel);
}

#[tokio::test]
async fn a_source_that_is_closed_lets_nothing_in() {
    let yard = Yard::start().await;
    knows(&yard, &["wrong"]).await;
    github(&yard, "right", None, b"{}").await;
    let row = yard.rejections().await.remove(0);
    let shut = SourceSpec {
        enabled: false,
        ..verified_by("gh", "github")
    };
    yard.edit(vec![Edit::Source(source(shut, &["right"]))]).await;
    assert_eq!(accept(&yard, &row).await.status, 409);
    knows(&yard, &["right"]).await;
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    assert_eq!(accept(&yard, &row).await.status, 409);
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn without_a_ticket_nothing_is_there() {
    let yard = Yard::start().await;
    knows(&yard, &["wrong"]).await;
    github(&yard, "right", None, b"{}").await;
    let row = yard.rejections().await.remove(0);
    knows(&yard, &["right"]).await;
    let errand = format!("POST /internal/rejections/{}/accept", row.id);
    let other = yard
        .store
        .ticket("POST /internal/rejections/other/accept", Instant::now());
    let other = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&other.unwrap()));
    let nowhere = send(yard.address, "POST /nowhere", &[], b"").await;
    for headers in [
        &[][..],
        &[("Authorization", "Bearer AAAA")],
        &[("Authorization", &other)],
        &[("Authorization", "nothing")],
    ] {
        let reply = send(yard.address, &errand, headers, b"").await;
        assert_eq!((reply.status, &reply.body), (404, &nowhere.body));
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_flood_says_how_much_of_it_was_not_kept() {
    let yard = Yard::start().await;
    knows(&yard, &["secret"]).await;
    // A minute may end in between; then there are fewer in each.
    for _ in 0..420 {
        assert_eq!(github(&yard, "other", None, b"{}").await.status, 401);
    }
    testkit::until("a sampled one is kept", async || {
        let rows = yard.rejections().await;
        rows.iter().any(|row| {
            row.detail
                .contains("99 more of this minute at this source were not kept")
        })
    })
    .await;
}
