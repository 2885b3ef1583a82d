//! Door 3's batches, against the `nahook` SDKs: 1 to 20 items, each with its own outcome, 207 when some failed.

use crate::given::{endpoint, limited, subscription};
use crate::send::{is_error, post, post_as, yard};
use serde_json::{Value, json};
use store::Edit;

async fn batch(yard: &crate::yard::Yard, path: &str, items: Value) -> crate::wire_http::Reply {
    post(yard, path, json!({"items": items}).to_string().as_bytes()).await
}

#[tokio::test]
async fn every_item_of_a_batch_is_a_delivery_of_its_own() {
    let yard = yard().await;
    let items = json!([
        {"endpointId": "ep_billing", "payload": {"n": 1}, "idempotencyKey": "one"},
        {"endpointId": "ep_billing", "payload": {"n": 2}},
        {"endpointId": "ep_billing", "payload": {"n": 3}, "idempotencyKey": "one"},
    ]);
    let reply = batch(&yard, "batch", items).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let answer = reply.json();
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index);
        assert_eq!(item["status"], "accepted");
        assert!(item["deliveryId"].as_str().unwrap().starts_with("del_"));
        assert!(item.get("error").is_none());
    }
    assert_eq!(
        items[0]["deliveryId"], items[2]["deliveryId"],
        "one key, one delivery"
    );
    assert_eq!(yard.events().await.rows.len(), 2);
}

#[tokio::test]
async fn a_batch_is_a_replay_when_every_item_is_one() {
    let yard = yard().await;
    let item = |key: &str| json!({"endpointId": "ep_billing", "eventType": "order.paid", "payload": {}, "idempotencyKey": key});
    for path in ["batch", "event/batch"] {
        let known = json!([item("one"), item("two")]);
        let first = batch(&yard, path, known.clone()).await;
        assert_eq!((first.status, first.header("idempotent-replayed")), (202, None));
        let again = batch(&yard, path, known).await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (202, Some("true"))
        );
        assert_eq!(again.json(), first.json());
        let some = batch(&yard, path, json!([item("one"), item("three")])).await;
        assert_eq!((some.status, some.header("idempotent-replayed")), (202, None));
        let broken = batch(&yard, path, json!([item("one"), {}])).await;
        assert_eq!((broken.status, broken.header("idempotent-replayed")), (207, None));
    }
}

#[tokio::test]
async fn a_batch_of_types_fans_each_out() {
    let yard = yard().await;
    yard.edit(vec![
        Edit::Endpoint(endpoint("mail")),
        Edit::Route(subscription("order.paid", "mail")),
    ])
    .await;
    let items = json!([
        {"eventType": "order.paid", "payload": {"n": 1}, "metadata": {"a": "b"}},
        {"eventType": "order.unknown", "payload": {"n": 2}},
    ]);
    let reply = batch(&yard, "event/batch", items).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["items"][0]["deliveryIds"].as_array().unwrap().len(), 2);
    assert_eq!(answer["items"][0]["eventTypeId"], "evt_order.paid");
    assert_eq!(answer["items"][1]["deliveryIds"], json!([]));
}

#[tokio::test]
async fn when_some_items_fail_the_answer_is_207_and_says_which() {
    let yard = yard().await;
    let items = json!([
        {"endpointId": "ep_billing", "payload": {"n": 1}},
        {"endpointId": "ep_none", "payload": {}},
        {"endpointId": "ep_billing"},
        {"payload": {}},
        {"endpointId": 7, "payload": {}},
        {"endpointId": "ep_billing", "payload": {}, "idempotencyKey": ""},
        "no object",
        {"endpointId": "ep_billing", "payload": {"a": "x".repeat(1 << 20)}},
    ]);
    let reply = batch(&yard, "batch", items).await;
    assert_eq!(reply.status, 207, "{reply:?}");
    let answer = reply.json();
    let code = |index: usize| answer["items"][index]["error"]["code"].as_str().unwrap_or("-");
    let codes: Vec<&str> = (0..8).map(code).collect();
    assert_eq!(
        codes,
        [
            "-",
            "not_found",
            "invalid_body",
            "invalid_body",
            "invalid_body",
            "invalid_idempotency_key",
            "invalid_body",
            "payload_too_large"
        ]
    );
    for index in 1..8 {
        let error = &answer["items"][index]["error"];
        assert!(error["message"].is_string(), "{error}");
        assert_eq!(answer["items"][index]["index"], index);
    }
    assert_eq!(yard.events().await.rows.len(), 1);
    let types = batch(&yard, "event/batch", json!([{"eventType": "a b", "payload": {}}])).await;
    assert_eq!(types.status, 207);
    assert_eq!(types.json()["items"][0]["error"]["code"], "invalid_event_type");
}

#[tokio::test]
async fn a_batch_has_1_to_20_items() {
    let yard = yard().await;
    for path in ["batch", "event/batch"] {
        is_error(&batch(&yard, path, json!([])).await, 400, "invalid_body");
        is_error(&batch(&yard, path, json!({})).await, 400, "invalid_body");
        is_error(&batch(&yard, path, json!(null)).await, 400, "invalid_body");
        is_error(&post(&yard, path, b"{}").await, 400, "invalid_body");
        is_error(&post(&yard, path, b"").await, 400, "invalid_body");
        let item = json!({"endpointId": "ep_billing", "eventType": "order.paid", "payload": {}});
        let many: Vec<&Value> = std::iter::repeat_n(&item, 21).collect();
        is_error(&batch(&yard, path, json!(many)).await, 400, "invalid_body");
        assert_eq!(batch(&yard, path, json!(&many[..20])).await.status, 202);
    }
}

#[tokio::test]
async fn every_item_counts_against_the_keys_limit() {
    let yard = yard().await;
    yard.edit(vec![Edit::ApiKey(limited("slow", 0.01, 3))]).await;
    let item = json!({"endpointId": "ep_billing", "payload": {}});
    let body = json!({"items": [&item, &item, &item]}).to_string();
    let first = post_as(&yard, "Bearer nhk_us_slow", "batch", body.as_bytes()).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert!(first.header("ratelimit").unwrap().starts_with("\"key\";r=0;t="));
    let second = post_as(&yard, "Bearer nhk_us_slow", "batch", body.as_bytes()).await;
    is_error(&second, 429, "rate_limited");
}

#[tokio::test]
async fn a_batch_of_more_than_a_burst_is_one_burst() {
    let yard = yard().await;
    yard.edit(vec![
        Edit::ApiKey(limited("slow", 0.01, 3)),
        Edit::ApiKey(limited("one", 0.01, 1)),
    ])
    .await;
    let item = json!({"endpointId": "ep_billing", "payload": {}});
    let body = json!({"items": vec![&item; 20]}).to_string();
    for key in ["slow", "one"] {
        let key = format!("Bearer nhk_us_{key}");
        let first = post_as(&yard, &key, "batch", body.as_bytes()).await;
        assert_eq!(first.status, 202, "{first:?}");
        let second = post_as(&yard, &key, "batch", body.as_bytes()).await;
        is_error(&second, 429, "rate_limited");
    }
}
