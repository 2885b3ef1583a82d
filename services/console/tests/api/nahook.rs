//! The shapes that Nahook's clients read: every field of theirs, of the type that they expect.

use crate::given;
use crate::yard::Yard;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// As in the crate `nahook` 0.2, `types.rs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Endpoint {
    id: String,
    url: String,
    description: Option<String>,
    is_active: bool,
    r#type: String,
    config: Value,
    secret: Option<String>,
    metadata: Option<HashMap<String, String>>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Environment {
    id: String,
    name: String,
    slug: String,
    is_default: bool,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Delivery {
    id: String,
    idempotency_key: String,
    endpoint_id: String,
    status: String,
    total_attempts: u32,
    first_attempt_at: Option<String>,
    delivered_at: Option<String>,
    next_retry_at: Option<String>,
    has_payload: bool,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Deliveries {
    deliveries: Vec<Delivery>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that it can be read is the test")]
struct DeliveryAttempt {
    id: String,
    attempt_number: u32,
    status: String,
    response_status_code: Option<u16>,
    response_time_ms: Option<u64>,
    error_message: Option<String>,
    created_at: String,
}

fn read<T: for<'de> Deserialize<'de>>(json: Value) -> T {
    let shown = json.to_string();
    serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nahooks_clients_can_read_what_they_know() {
    let yard = Yard::on_sqlite().await;
    // What the clients send.
    let body = json!({"url": "https://a.example/", "type": "webhook", "description": "a", "config": {}, "metadata": {},
        "environmentId": "env_staging"});
    let made: Endpoint = read(yard.post("endpoints", &body).await.expect(201));
    assert!(made.secret.is_some() && made.is_active && made.r#type == "webhook");
    let change = json!({"url": "https://b.example/", "description": "b", "isActive": false});
    let changed: Endpoint = read(
        yard.patch(&format!("endpoints/{}", made.id), &change)
            .await
            .expect(200),
    );
    assert!(changed.secret.is_none() && !changed.is_active);
    let _: Vec<Endpoint> = read(yard.get("endpoints").await.expect(200));
    let _: Vec<Environment> = read(yard.get("environments").await.expect(200));

    let (_, id) = given::delivered_event(&yard, b"{}").await;
    given::attempted(&yard, 500).await;
    let list: Deliveries = read(
        yard.get("endpoints/ep_billing/deliveries?limit=10&status=scheduled_retry")
            .await
            .expect(200),
    );
    assert_eq!(list.deliveries.len(), 1);
    let _: Delivery = read(
        yard.get(&format!("deliveries/{id}?include=payload"))
            .await
            .expect(200),
    );
    let attempts: Vec<DeliveryAttempt> =
        read(yard.get(&format!("deliveries/{id}/attempts")).await.expect(200));
    assert_eq!(
        (attempts[0].attempt_number, attempts[0].status.as_str()),
        (1, "failed")
    );
    let gone = yard.delete(&format!("endpoints/{}", made.id)).await;
    assert_eq!(gone.status.as_u16(), 204);
}
