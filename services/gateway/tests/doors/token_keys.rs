//! Door 4's idempotency keys: where they are found, what is a duplicate, and when a body is its own key.

use crate::token::{id, post};
use crate::yard::{Yard, spec};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use wire::resource::{DedupeSpec, SourceSpec};

#[tokio::test]
async fn a_repeated_key_is_a_duplicate_under_each_of_the_four_headers() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    for name in ["X-Webhook-Id", "X-Event-Id", "Idempotency-Key", "X-Request-Id"] {
        let key = format!("key-{name}");
        let first = post(&yard, "src_shop", &[(name, &key)], b"{}").await;
        let again = post(&yard, "src_shop", &[(name, &key)], b"{}").await;
        assert_eq!(again.status, 202);
        assert_eq!(
            again.json(),
            json!({"data": {"id": id(&first), "status": "accepted", "note": "duplicate"}})
        );
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("idempotency-mismatch"), None);
        assert_eq!(first.header("idempotent-replayed"), None);
    }
    assert_eq!(yard.events().await.rows.len(), 4);
}

#[tokio::test]
async fn a_repeated_key_with_another_body_is_a_duplicate_that_says_so() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let first = post(&yard, "src_shop", &[("X-Webhook-Id", "k")], b"one").await;
    let other = post(&yard, "src_shop", &[("X-Webhook-Id", "k")], b"two").await;
    assert_eq!((other.status, id(&other)), (202, id(&first)));
    assert_eq!(other.header("idempotency-mismatch"), Some("true"));
    let claim = yard.store.claim("so_shop", "k").await.unwrap().unwrap();
    assert_eq!((claim.repeats, claim.mismatches), (1, 1));
}

#[tokio::test]
async fn the_first_of_the_headers_is_the_key() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let all = [
        ("X-Request-Id", "d"),
        ("Idempotency-Key", "c"),
        ("X-Event-Id", "b"),
        ("X-Webhook-Id", "a"),
    ];
    let reply = post(&yard, "src_shop", &all, b"{}").await;
    assert_eq!(
        yard.event(&id(&reply)).await.idempotency_key.as_deref(),
        Some("a")
    );
}

#[tokio::test]
async fn a_source_can_name_its_own_key_and_switch_request_ids_off() {
    let yard = Yard::start().await;
    let dedupe = DedupeSpec {
        body: Some(".id".to_owned()),
        request_id: false,
        ..DedupeSpec::default()
    };
    yard.source(
        SourceSpec {
            dedupe,
            ..spec("shop")
        },
        &[],
    )
    .await;
    let first = post(&yard, "src_shop", &[], br#"{"id": "evt_1"}"#).await;
    let again = post(&yard, "src_shop", &[], br#"{"id": "evt_1", "n": 2}"#).await;
    assert_eq!(id(&first), id(&again));
    let one = post(&yard, "src_shop", &[("X-Request-Id", "r")], b"{}").await;
    let two = post(&yard, "src_shop", &[("X-Request-Id", "r")], b"{}").await;
    assert_ne!(id(&one), id(&two));
}

#[tokio::test]
async fn a_body_can_be_its_own_key_where_there_is_no_other() {
    let yard = Yard::start().await;
    let deduping = |slug, same_body| SourceSpec {
        dedupe: DedupeSpec {
            same_body: Some(same_body),
            ..DedupeSpec::default()
        },
        ..spec(slug)
    };
    yard.source(deduping("shop", Duration::from_hours(1)), &[]).await;
    yard.source(deduping("brief", Duration::from_millis(1)), &[])
        .await;
    yard.source(spec("plain"), &[]).await;
    let first = post(&yard, "src_shop", &[], b"{}").await;
    let again = post(&yard, "src_shop", &[], b"{}").await;
    assert_eq!(id(&first), id(&again));
    assert_eq!(again.json()["data"]["note"], "duplicate");
    // Another body, another key, and another source's.
    for (source, headers, body) in [
        ("src_shop", &[][..], &b"{ }"[..]),
        ("src_shop", &[("X-Webhook-Id", "a")], b"{}"),
        ("src_plain", &[], b"{}"),
        ("src_plain", &[], b"{}"),
    ] {
        let reply = post(&yard, source, headers, body).await;
        assert_eq!(reply.json()["data"]["status"], "queued", "{source} {headers:?}");
    }
    // Its own window counts, and not that of keys.
    let first = post(&yard, "src_brief", &[], b"{}").await;
    testkit::until("the body is new again", async || {
        id(&post(&yard, "src_brief", &[], b"{}").await) != id(&first)
    })
    .await;
}

#[tokio::test]
async fn a_key_is_1_to_255_bytes_without_control_characters_sent_once() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let long = "k".repeat(256);
    for headers in [
        &[("X-Webhook-Id", "")][..],
        &[("X-Webhook-Id", &long)],
        &[("X-Webhook-Id", "a\tb")],
        &[("X-Webhook-Id", "a"), ("x-webhook-id", "a")],
    ] {
        let reply = post(&yard, "src_shop", headers, b"{}").await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (400, &json!("invalid_idempotency_key"))
        );
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn parallel_twins_are_one_event() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let twins = futures_util::future::join_all(
        (0..64).map(|_| post(&yard, "src_shop", &[("X-Webhook-Id", "twin")], b"{}")),
    )
    .await;
    assert!(twins.iter().all(|reply| reply.status == 202));
    assert_eq!(twins.iter().map(id).collect::<HashSet<_>>().len(), 1);
    assert_eq!(
        twins
            .iter()
            .filter(|reply| reply.json()["data"]["status"] == "queued")
            .count(),
        1
    );
    assert_eq!(yard.events().await.rows.len(), 1);
}
