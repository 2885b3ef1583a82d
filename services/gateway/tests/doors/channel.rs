//! Door 1, against RakerOne's document (`seeds/rakerone-channel-ingest.md`): 200, 400, 401, 404, 409, 413.

use crate::given::playbook;
use crate::wire_http::{Reply, send};
use crate::yard::{Yard, channel, route, source, spec};
use serde_json::json;
use std::collections::HashSet;
use store::{Edit, Playbook};
use wire::EventTypePattern;

const GOOD: [(&str, &str); 2] = [("X-Channel-Secret", "s3cret"), ("X-Idempotency-Key", "k1")];

async fn post(yard: &Yard, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(
        yard.address,
        &format!("POST /api/channels/orgs/{path}"),
        headers,
        body,
    )
    .await
}

fn is_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (status, &json!(code)),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_delivery_is_accepted_and_its_repeat_is_the_first_answer_replayed() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    let first = post(&yard, "acme/orders", &GOOD, br#"{"event":"user.signup"}"#).await;
    assert_eq!(first.status, 202, "{first:?}");
    let answer = first.json();
    assert_eq!(
        answer,
        json!({"eventId": answer["eventId"], "status": "accepted", "timestamp": answer["timestamp"]})
    );
    assert!(answer["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        yard.event(answer["eventId"].as_str().unwrap()).await.body,
        r#"{"event":"user.signup"}"#
    );

    let again = post(&yard, "acme/orders", &GOOD, br#"{"event":"user.signup"}"#).await;
    let mut replayed = answer.clone();
    replayed["status"] = json!("replayed");
    assert_eq!((again.status, again.json()), (200, replayed));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_key_used_with_another_body_is_a_conflict() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    assert_eq!(post(&yard, "acme/orders", &GOOD, b"{}").await.status, 202);
    is_error(
        &post(&yard, "acme/orders", &GOOD, b"{ }").await,
        409,
        "idempotency_conflict",
    );
    assert_eq!(yard.events().await.rows.len(), 1);
}

#[tokio::test]
async fn the_secret_is_required_and_compared() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    for headers in [
        &[("X-Idempotency-Key", "k")][..],
        &[("X-Channel-Secret", "wrong"), ("X-Idempotency-Key", "k")],
        &[("X-Channel-Secret", ""), ("X-Idempotency-Key", "k")],
        &[
            ("X-Channel-Secret", "s3cret"),
            ("X-Channel-Secret", "s3cret"),
            ("X-Idempotency-Key", "k"),
        ],
    ] {
        is_error(
            &post(&yard, "acme/orders", headers, b"{}").await,
            401,
            "unauthorized",
        );
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn an_unknown_org_an_unknown_channel_and_a_source_without_a_channel_are_404() {
    let yard = Yard::start().await;
    yard.source(spec("plain"), &[]).await;
    for path in [
        "nobody/orders",
        "acme/nothing",
        "acme/plain",
        "acme/",
        "acme/a%2Fb",
        "%00/x",
    ] {
        is_error(&post(&yard, path, &GOOD, b"{}").await, 404, "not_found");
    }
}

#[tokio::test]
async fn a_missing_key_a_bad_key_and_a_bad_body_are_400() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    is_error(
        &post(&yard, "acme/orders", &GOOD[..1], b"{}").await,
        400,
        "missing_idempotency_key",
    );
    let empty = [GOOD[0], ("X-Idempotency-Key", "")];
    is_error(
        &post(&yard, "acme/orders", &empty, b"{}").await,
        400,
        "invalid_idempotency_key",
    );
    let deep = "[".repeat(129) + &"]".repeat(129);
    for bad in [&b""[..], b"{", b"nope", b"\xff", b"{}{}", deep.as_bytes()] {
        let reply = post(&yard, "acme/orders", &GOOD, bad).await;
        is_error(&reply, 400, "invalid_body");
        assert_eq!(reply.json()["issues"][0]["path"], json!(""));
        assert!(!reply.json()["issues"][0]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        post(&yard, "acme/orders", &GOOD, br#"{"a":1e400,"a":"\ud800"}"#)
            .await
            .status,
        202,
        "no key was used up"
    );
}

#[tokio::test]
async fn a_channel_can_refuse_direct_ingest() {
    let yard = Yard::start().await;
    yard.source(channel("orders", false), &[]).await;
    is_error(
        &post(&yard, "acme/orders", &GOOD, b"{}").await,
        400,
        "direct_ingest_disabled",
    );
    is_error(&post(&yard, "acme/orders", &[], b"{}").await, 401, "unauthorized");
}

#[tokio::test]
async fn what_nothing_can_match_is_skipped_and_uses_up_no_key() {
    let yard = Yard::start().await;
    let source = source(channel("orders", true), &[]);
    yard.edit(vec![Edit::Source(source.clone())]).await;
    let skipped = post(&yard, "acme/orders", &GOOD, b"{}").await;
    assert_eq!(
        (skipped.status, skipped.json()),
        (200, json!({"status": "skipped", "reason": "no_routes"}))
    );

    let mut paid = route("paid", vec![source.id.clone()], true);
    paid.spec.event_types = vec!["payment.*".parse::<EventTypePattern>().unwrap()];
    yard.edit(vec![Edit::Route(paid.clone())]).await;
    let other = [GOOD[0], GOOD[1], ("X-Event-Type", "order.created")];
    testkit::until("the new route is known", async || {
        let matching = [
            GOOD[0],
            ("X-Idempotency-Key", "k2"),
            ("X-Event-Type", "payment.made"),
        ];
        [200, 202].contains(&post(&yard, "acme/orders", &matching, b"{}").await.status)
            && yard.events().await.rows.len() == 1
    })
    .await;
    assert_eq!(
        post(&yard, "acme/orders", &other, b"{}").await.json()["reason"],
        json!("no_routes")
    );

    paid.spec.enabled = false;
    paid.spec.event_types.clear();
    yard.edit(vec![Edit::Route(paid)]).await;
    testkit::until("the route is paused", async || {
        post(&yard, "acme/orders", &GOOD, b"{}").await.json()
            == json!({"status": "skipped", "reason": "paused"})
    })
    .await;
    let replayed = post(
        &yard,
        "acme/orders",
        &[GOOD[0], ("X-Idempotency-Key", "k2")],
        b"{}",
    )
    .await;
    assert_eq!(
        replayed.json()["status"],
        json!("replayed"),
        "what was accepted before is still a replay"
    );
    assert_eq!(yard.events().await.rows.len(), 1);
}

#[tokio::test]
async fn what_a_run_may_wait_for_is_not_skipped() {
    let yard = Yard::start().await;
    let mut listening = playbook("listening");
    listening.spec.definition = "do: [{wait: {listen: {to: {one: {with: {type: order.paid}}}}}}]".to_owned();
    let other = Playbook {
        number: 43,
        ..playbook("other")
    };
    yard.edit(vec![
        Edit::Source(source(channel("orders", true), &[])),
        Edit::Playbook(listening),
        Edit::Playbook(other),
    ])
    .await;
    let start = async |token: &str| {
        let line = format!("POST /api/v1/hooks/{token}");
        assert_eq!(send(yard.address, &line, &[], b"").await.status, 201);
    };
    let typed = [GOOD[0], GOOD[1], ("X-Event-Type", "order.paid")];
    let skipped = json!({"status": "skipped", "reason": "no_routes"});
    assert_eq!(post(&yard, "acme/orders", &typed, b"{}").await.json(), skipped);
    start("hook_other").await;
    assert_eq!(post(&yard, "acme/orders", &typed, b"{}").await.json(), skipped);
    start("hook_listening").await;
    let untyped = post(&yard, "acme/orders", &GOOD, b"{}").await;
    assert_eq!(untyped.json(), skipped, "a run waits for a type");
    let awaited = post(&yard, "acme/orders", &typed, b"{}").await;
    assert_eq!(
        (awaited.status, &awaited.json()["status"]),
        (202, &json!("accepted"))
    );
}

#[tokio::test]
async fn a_body_over_1_mib_is_413() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    let body = format!("\"{}\"", "a".repeat(1024 * 1024 - 2));
    assert_eq!(
        post(&yard, "acme/orders", &GOOD, body.as_bytes()).await.status,
        202
    );
    is_error(
        &post(&yard, "acme/orders", &GOOD, format!("{body} ").as_bytes()).await,
        413,
        "payload_too_large",
    );
}

#[tokio::test]
async fn parallel_twins_carry_one_id() {
    let yard = Yard::start().await;
    yard.source(channel("orders", true), &[]).await;
    let twins =
        futures_util::future::join_all((0..32).map(|_| post(&yard, "acme/orders", &GOOD, b"{}"))).await;
    let ids: HashSet<String> = twins
        .iter()
        .map(|reply| reply.json()["eventId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(twins.iter().filter(|reply| reply.status == 202).count(), 1);
    assert_eq!(twins.iter().filter(|reply| reply.status == 200).count(), 31);
}
