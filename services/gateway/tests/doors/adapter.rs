//! Door 5 with an adapter of the operator's own: a real program at a URL, also a bad one.

use crate::wire_http::{Reply, send};
use crate::yard::{Yard, app};
use serde_json::{Value, json};
use testkit::receiver::{Receiver, Reply as Told};
use wire::resource::{Adapter, SourceSpec};

const LOOPBACK: (&str, &str) = ("egress.allow", "127.0.0.0/8");

async fn yard(adapter: &Receiver) -> Yard {
    let yard = Yard::with(&[LOOPBACK]).await;
    yard.app(external(adapter), &[]).await;
    yard
}

fn external(adapter: &Receiver) -> SourceSpec {
    app("ex", Adapter::External(format!("{}/adapter/", adapter.url())))
}

fn verifies(adapter: &Receiver) {
    adapter.answer_all_at("/adapter/verify-webhook", says(&json!({"valid": true})));
}

fn parses(adapter: &Receiver, parsed: &Value) {
    adapter.answer_all_at("/adapter/parse-inbound", says(parsed));
}

fn says(json: &Value) -> Told {
    Told::status(200)
        .header("content-type", "application/json")
        .body(json.to_string())
}

async fn post(yard: &Yard, body: &[u8]) -> Reply {
    let headers = [
        ("X-Platform-Token", "canary-token"),
        ("Authorization", "Bearer canary-bearer"),
        ("Cookie", "canary-cookie"),
        ("Content-Type", "application/x-odd"),
    ];
    send(
        yard.address,
        "POST /api/v1/webhooks/app_ex?a=1&b=%20",
        &headers,
        body,
    )
    .await
}

#[tokio::test]
async fn an_adapter_verifies_and_reads_what_it_gets_as_it_came() {
    let adapter = Receiver::start();
    verifies(&adapter);
    let said = json!({"id": "m1", "sender": {"id": "ada", "name": "Ada"}, "conversation": "c", "text": "hi",
                      "type": "sms.received", "data": {"raw": 1}});
    parses(&adapter, &json!({"messages": [said]}));
    let yard = yard(&adapter).await;
    let reply = post(&yard, b"\xff\x00body").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.json()["ids"][0].as_str().unwrap().to_owned();
    let event = yard.event(&id).await;
    assert_eq!(event.event_type.as_deref(), Some("sms.received"));
    assert_eq!((event.verified, event.verify_secret_id), (Some(true), None));
    let mut body: Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(
        body.as_object_mut().unwrap().remove("contact"),
        Some(json!("con_ada"))
    );
    assert_eq!(body, said);
    let kept = String::from_utf8_lossy(&event.headers).into_owned();
    assert!(!kept.contains("canary"), "{kept}");

    let asked = adapter.requests();
    let targets: Vec<&str> = asked.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/adapter/verify-webhook", "/adapter/parse-inbound"]);
    for request in &asked {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), Some("application/json"));
        let passed = request.json();
        assert_eq!(
            (&passed["method"], &passed["query"], &passed["body"]),
            (&json!("POST"), &json!("a=1&b=%20"), &json!("/wBib2R5"))
        );
        assert_eq!(passed["headers"]["x-platform-token"], "canary-token");
        assert_eq!(passed["headers"]["authorization"], "Bearer canary-bearer");
        assert_eq!(passed["headers"].get("cookie"), None);
    }
}

#[tokio::test]
async fn what_an_adapter_finds_invalid_is_a_401_with_its_reason_kept() {
    let adapter = Receiver::start();
    adapter.answer_all_at(
        "/adapter/verify-webhook",
        says(&json!({"valid": false, "reason": "the nonce\nis old"})),
    );
    let yard = yard(&adapter).await;
    let reply = post(&yard, b"{}").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (401, &json!("invalid_signature"))
    );
    let kept = yard.rejections().await.remove(0);
    assert_eq!(
        (kept.cause.as_str(), kept.detail.as_str()),
        ("invalid_signature", "the adapter says: the nonceis old")
    );
    assert!(!String::from_utf8_lossy(&kept.headers).contains("canary"));
    assert_eq!(adapter.requests().len(), 1, "nothing further happens");
}

#[tokio::test]
async fn an_adapters_challenge_is_echoed_and_nothing_is_accepted() {
    let adapter = Receiver::start();
    verifies(&adapter);
    let messages = json!([{"id": "m1", "sender": {"id": "ada"}}]);
    parses(
        &adapter,
        &json!({"challenge_response": "<b>42</b>", "messages": messages}),
    );
    let yard = yard(&adapter).await;
    for line in [
        "GET /api/v1/webhooks/app_ex?challenge=42",
        "POST /api/v1/webhooks/app_ex",
    ] {
        let reply = send(yard.address, line, &[], b"").await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"<b>42</b>"[..]));
        assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_get_brings_no_messages() {
    let adapter = Receiver::start();
    verifies(&adapter);
    parses(
        &adapter,
        &json!({"messages": [{"id": "m1", "sender": {"id": "ada"}}]}),
    );
    let yard = yard(&adapter).await;
    let reply = send(yard.address, "GET /api/v1/webhooks/app_ex", &[], b"").await;
    assert_eq!(reply.status, 405);
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn an_adapters_stranger_is_unknown_all_the_same() {
    let adapter = Receiver::start();
    verifies(&adapter);
    let stranger = json!({"id": "m1", "sender": {"id": "eve"}, "contact": "con_ada"});
    parses(&adapter, &json!({"messages": [stranger]}));
    let yard = yard(&adapter).await;
    let reply = post(&yard, b"{}").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (403, &json!("unknown_sender"))
    );
}

async fn fails(yard: &Yard, what: &str) {
    let reply = post(yard, b"{}").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (503, &json!("unavailable")),
        "{what}"
    );
    assert!(reply.header("retry-after").is_some(), "{what}");
    assert!(yard.events().await.rows.is_empty(), "{what}");
}

#[tokio::test]
async fn an_adapter_that_fails_or_answers_nonsense_is_a_503() {
    let adapter = Receiver::start();
    let yard = yard(&adapter).await;
    let bad = [
        ("an error", Told::status(500)),
        ("a redirect", Told::status(302).header("location", &adapter.url())),
        ("nothing", Told::status(200)),
        ("no JSON", Told::status(200).body("valid")),
        ("other JSON", says(&json!({"ok": true}))),
        ("another type", says(&json!({"valid": "true"}))),
        ("a reset", Told::reset()),
        ("no HTTP", Told::raw("nonsense")),
        ("an endless body", Told::endless_body()),
        (
            "a huge body",
            says(&json!({"valid": true, "reason": "a".repeat(1 << 20)})),
        ),
    ];
    for (what, told) in bad {
        adapter.answer_all_at("/adapter/verify-webhook", told);
        fails(&yard, what).await;
    }
    verifies(&adapter);
    for parsed in [
        json!({}),
        json!({"messages": null}),
        json!({"messages": [{"id": "m1"}]}),
        json!({"messages": [{"id": "", "sender": {"id": "ada"}}]}),
        json!({"challenge_response": ""}),
        json!({"challenge_response": "a".repeat(257)}),
        json!({"challenge_response": "a\r\nb"}),
    ] {
        parses(&adapter, &parsed);
        fails(&yard, &parsed.to_string()).await;
    }
    parses(
        &adapter,
        &json!({"messages": [{"id": "m1", "sender": {"id": "ada"}}]}),
    );
    assert_eq!(post(&yard, b"{}").await.status, 200, "it is well again");
}

#[tokio::test]
async fn an_adapter_that_is_late_is_a_503_after_five_seconds() {
    let adapter = Receiver::start();
    let yard = yard(&adapter).await;
    adapter.answer_all_at("/adapter/verify-webhook", Told::hang());
    let began = std::time::Instant::now();
    fails(&yard, "it hangs").await;
    let waited = began.elapsed().as_secs_f32();
    assert!((4.5..9.0).contains(&waited), "{waited}");
}

#[tokio::test]
async fn an_adapter_on_a_closed_network_is_not_asked() {
    let adapter = Receiver::start();
    verifies(&adapter);
    let yard = Yard::start().await;
    yard.app(external(&adapter), &[]).await;
    fails(&yard, "loopback is closed").await;
    assert!(adapter.requests().is_empty());
}
