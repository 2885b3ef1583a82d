//! What the console asks of a gateway: to send a test event to a door, and to let a rejection in. What stands for the
//! gateway here only answers; the two together are tried where all roles are.

use crate::given;
use crate::yard::{Yard, workspace};
use serde_json::{Value, json};
use testkit::receiver::{Receiver, Reply, Request};
use wire::{EventId, Instant};

async fn yard(gateway: &Receiver) -> Yard {
    Yard::with_gateway(&gateway.url()).await
}

fn says(status: u16, body: &Value) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .body(body.to_string())
}

async fn accept(yard: &Yard, id: &str) -> crate::yard::Answer {
    yard.post(&format!("rejections/{id}/accept"), &json!({})).await
}

#[tokio::test]
async fn a_rejection_is_let_in_by_the_gateway_with_a_ticket() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    let id = given::rejected_whole(&yard).await;
    let view = yard.get(&format!("rejections/{id}")).await.expect(200);
    assert_eq!(
        (&view["acceptable"], &view["eventId"]),
        (&json!(true), &Value::Null)
    );
    assert!(!view.to_string().contains("canary"), "{view}");

    let event = EventId::generate();
    let accepted = json!({"eventId": event.to_string(), "status": "queued"});
    gateway.answer_all(says(200, &accepted));
    assert_eq!(accept(&yard, &id.to_string()).await.expect(200), accepted);
    let asked = gateway.requests().remove(0);
    let errand = format!("POST /internal/rejections/{id}/accept");
    assert_eq!(format!("{} {}", asked.method, asked.target), errand);
    let ticket = asked
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    assert!(yard.store.is_ticket(&ticket.into(), &errand, Instant::now()));

    // As the gateway notes it.
    yard.store.accept_rejection(id, event).await.unwrap();
    let view = yard.get(&format!("rejections/{id}")).await.expect(200);
    assert_eq!(
        (&view["acceptable"], &view["eventId"]),
        (&json!(false), &json!(event.to_string()))
    );
    accept(&yard, &id.to_string()).await.refused(409, "invalid_state");
    assert_eq!(
        gateway.requests().len(),
        1,
        "what is known here is not asked there"
    );
}

#[tokio::test]
async fn what_cannot_be_let_in_says_why() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    let shown_only = given::rejected(&yard, Instant::now()).await;
    accept(&yard, &shown_only.to_string())
        .await
        .refused(409, "invalid_state");
    for missing in ["rej_00000000000000000000000000", "nonsense", "%00"] {
        accept(&yard, missing).await.refused(404, "not_found");
    }
    assert!(gateway.requests().is_empty());

    let id = given::rejected_whole(&yard).await.to_string();
    let still =
        json!({"error": "invalid_signature", "message": "check the secret", "reason": "signature_mismatch"});
    gateway.answer_all(says(422, &still));
    let error = &accept(&yard, &id).await.expect(422)["error"];
    assert_eq!(
        (&error["code"], &error["reason"]),
        (&json!("invalid_signature"), &json!("signature_mismatch"))
    );
    assert!(error["message"].as_str().unwrap().contains("check the secret"));
    gateway.answer_all(says(
        409,
        &json!({"error": "not_acceptable", "message": "its source is gone"}),
    ));
    accept(&yard, &id).await.refused(409, "invalid_state");
    for broken in [
        Reply::status(404),
        Reply::status(500),
        Reply::status(302).header("location", &gateway.url()),
        Reply::status(200).body("nonsense"),
        Reply::status(422).body("nonsense"),
        Reply::reset(),
    ] {
        gateway.answer_all(broken);
        accept(&yard, &id).await.refused(503, "unavailable");
    }
}

#[tokio::test]
async fn without_a_gateway_it_is_a_503() {
    let gateway = Receiver::start();
    let url = gateway.url();
    drop(gateway);
    let yard = Yard::with_gateway(&url).await;
    let id = given::rejected_whole(&yard).await;
    accept(&yard, &id.to_string()).await.refused(503, "unavailable");
    yard.post("sources/stripe/test", &json!({}))
        .await
        .refused(503, "unavailable");
}

#[tokio::test]
async fn another_workspaces_rejection_does_not_exist() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    let id = given::rejected_whole(&yard).await;
    let other = yard
        .send(
            "POST",
            &format!("/management/v1/workspaces/{}/rejections/{id}/accept", workspace()),
            &[("Authorization", "Bearer nhm_wrong")],
            "",
        )
        .await;
    other.refused(401, "unauthorized");
    assert!(gateway.requests().is_empty());
}

/// What the door got.
async fn sent(gateway: &Receiver) -> Request {
    gateway.received(1).await.pop().unwrap()
}

#[tokio::test]
async fn a_test_event_goes_to_the_door_and_its_answer_is_relayed() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    let answer = json!({"data": {"id": "msg_1", "status": "queued"}});
    gateway.answer_all(says(202, &answer));
    let order =
        json!({"body": {"n": 1}, "eventType": "order.paid", "key": "k-1", "headers": {"X-Kind": "test"}});
    let relayed = yard.post("sources/stripe/test", &order).await.expect(200);
    assert_eq!(
        (&relayed["status"], &relayed["bodyEncoding"]),
        (&json!(202), &Value::Null)
    );
    assert_eq!(relayed["body"].as_str(), Some(answer.to_string().as_str()));
    assert!(
        relayed["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["content-type", "application/json"]))
    );
    let request = sent(&gateway).await;
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/ingest/src_stripe")
    );
    assert_eq!(request.body, br#"{"n":1}"#);
    for (name, value) in [
        ("x-event-type", "order.paid"),
        ("idempotency-key", "k-1"),
        ("x-kind", "test"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(
        request.header("authorization"),
        None,
        "a door is asked as anybody asks"
    );
}

#[tokio::test]
async fn a_test_event_is_signed_with_the_sources_secret() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    for (provider, secret) in [
        ("github", "s3cret"),
        ("stripe", "whsec_s3cret"),
        ("slack", "s3cret"),
        ("shopify", "s3cret"),
        ("standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ] {
        let source =
            json!({"slug": format!("a-{provider}"), "verify": {"provider": provider, "secrets": [secret]}});
        yard.post("sources", &source).await.expect(201);
        let before = gateway.requests().len();
        let path = format!("sources/a-{provider}/test");
        yard.post(&path, &json!({})).await.expect(200);
        let request = gateway.received(before + 1).await.pop().unwrap();
        let headers: Vec<(&str, &[u8])> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let signed = signature::Request {
            method: &request.method,
            url: "http://yard/ingest",
            headers: &headers,
            body: &request.body,
        };
        let secrets = [signature::Secret::new("only", secret)];
        let credentials = signature::Credentials {
            secrets: &secrets,
            ..signature::Credentials::default()
        };
        let profile = signature::Profile::builtin(provider).unwrap();
        let verdict = profile.verify(&signed, &credentials, Instant::now().unix_seconds());
        assert!(verdict.is_valid(), "{provider}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_test_event_of_an_app_goes_to_its_door() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    let app = json!({"id": "app_support", "adapter": "slack", "signingSecret": "s3cret"});
    yard.post("sources", &json!({"slug": "support", "app": app}))
        .await
        .expect(201);
    yard.post("sources/support/test", &json!({})).await.expect(200);
    let request = sent(&gateway).await;
    assert_eq!(request.target, "/api/v1/webhooks/app_support");
    assert!(request.header("x-slack-signature").unwrap().starts_with("v0="));
    assert_eq!(request.json()["type"], "event_callback");
}

#[tokio::test]
async fn a_test_event_that_is_no_request_is_refused() {
    let gateway = Receiver::start();
    let yard = yard(&gateway).await;
    for (order, path) in [
        (json!({"headers": {"Host": "elsewhere"}}), "headers.Host"),
        (json!({"headers": {"a b": "c"}}), "headers.a b"),
        (json!({"headers": {"X-A": "b\r\nc: d"}}), "headers.X-A"),
        (json!({"headers": {"X-A": 1}}), "headers.X-A"),
        (json!({"headers": []}), "headers"),
        (json!({"other": 1}), "other"),
        (json!({"key": 1}), "key"),
    ] {
        let details = yard
            .post("sources/stripe/test", &order)
            .await
            .refused(400, "invalid_request");
        assert!(details[0].starts_with(&format!("{path}: ")), "{details:?}");
    }
    yard.post("sources/nobody/test", &json!({}))
        .await
        .refused(404, "not_found");
    assert!(gateway.requests().is_empty());
}
