//! `integration_test.rs` of the crate: sending, and what is refused.

use crate::running::{DISABLED_KEY, ENDPOINT, KEY, Running, WORKSPACE, refused, unique, until};
use nahook::NahookClient;
use nahook::types::{
    CreateEventTypeOptions, CreateSubscriptionOptions, GetDeliveryOptions, PayloadEnvelope, SendBatchItem,
    SendOptions, TriggerBatchItem, TriggerOptions,
};
use serde_json::{Value, json};

const EVENT_TYPE: &str = "payment.succeeded";

fn client(running: &Running, key: &str) -> NahookClient {
    NahookClient::builder(key).base_url(&running.url).build().unwrap()
}

fn sent(payload: Value, key: Option<&str>) -> SendOptions {
    SendOptions {
        payload,
        idempotency_key: key.map(str::to_owned),
    }
}

fn triggered(payload: Value) -> TriggerOptions {
    TriggerOptions {
        payload,
        metadata: None,
    }
}

/// Registers the event type, and subscribes the endpoint to it.
async fn subscribe(running: &Running) -> String {
    let mgmt = running.management();
    let options = CreateEventTypeOptions {
        name: EVENT_TYPE.to_owned(),
        description: None,
    };
    let created = mgmt.event_types().create(WORKSPACE, options).await.unwrap();
    let options = CreateSubscriptionOptions {
        event_type_ids: vec![created.id.clone()],
    };
    mgmt.subscriptions()
        .create(WORKSPACE, ENDPOINT, options)
        .await
        .unwrap();
    created.id
}

/// Waits until a delivery has come, and returns what it carried.
async fn delivered(running: &Running, id: &str) -> Value {
    let mgmt = running.management();
    let options = || {
        Some(GetDeliveryOptions {
            include_payload: true,
        })
    };
    let delivery = until(&format!("{id} is delivered"), async || {
        let delivery = mgmt.deliveries().get(WORKSPACE, id, options()).await.unwrap();
        (delivery.status == "delivered").then_some(delivery)
    })
    .await;
    match delivery.payload {
        Some(PayloadEnvelope::Available { data, .. }) => data,
        other => panic!("no payload: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_accepted_and_delivered() {
    let running = Running::start();
    let client = client(&running, KEY);
    let payload = json!({"test": "send_happy_path", "nested": {"a": [1, null, "ü"]}});
    let result = client.send(ENDPOINT, sent(payload.clone(), None)).await.unwrap();
    assert_eq!(result.status, "accepted");
    assert!(result.delivery_id.starts_with("del_"));
    assert_eq!(delivered(&running, &result.delivery_id).await, payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_delivery_and_two_are_two() {
    let running = Running::start();
    let client = client(&running, KEY);
    let (key, other) = (unique(), unique());
    let first = client
        .send(ENDPOINT, sent(json!({"n": 1}), Some(&key)))
        .await
        .unwrap();
    let again = client
        .send(ENDPOINT, sent(json!({"n": 1}), Some(&key)))
        .await
        .unwrap();
    assert_eq!(first.idempotency_key, key);
    assert_eq!(
        (again.delivery_id, again.idempotency_key),
        (first.delivery_id.clone(), key)
    );
    let second = client
        .send(ENDPOINT, sent(json!({"n": 2}), Some(&other)))
        .await
        .unwrap();
    assert_ne!(second.delivery_id, first.delivery_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_goes_to_whoever_subscribed() {
    let running = Running::start();
    let client = client(&running, KEY);
    let event_type = subscribe(&running).await;
    let payload = json!({"test": "trigger_fan_out"});
    // What was subscribed counts within a second.
    let result = until("the subscription counts", async || {
        let result = client
            .trigger(EVENT_TYPE, triggered(payload.clone()))
            .await
            .unwrap();
        assert_eq!(
            (result.status.as_str(), &result.event_type_id),
            ("accepted", &event_type)
        );
        (!result.delivery_ids.is_empty()).then_some(result)
    })
    .await;
    assert_eq!(result.delivery_ids.len(), 1);
    assert_eq!(delivered(&running, &result.delivery_ids[0]).await, payload);

    let nobody = client
        .trigger("event.type.nobody.subscribed.to", triggered(json!({})))
        .await
        .unwrap();
    assert!(nobody.delivery_ids.is_empty() && nobody.event_type_id.starts_with("evt_"));
    // It is registered by now, and stays what it is.
    let mgmt = running.management();
    let known = mgmt
        .event_types()
        .get(WORKSPACE, &nobody.event_type_id)
        .await
        .unwrap();
    assert_eq!(known.name, "event.type.nobody.subscribed.to");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_say_what_became_of_each_item() {
    let running = Running::start();
    let client = client(&running, KEY);
    let item = |endpoint: &str, n: u32| SendBatchItem {
        endpoint_id: endpoint.to_owned(),
        payload: json!({"n": n}),
        idempotency_key: Some(unique()),
    };
    let result = client
        .send_batch(vec![item(ENDPOINT, 1), item(ENDPOINT, 2)])
        .await
        .unwrap();
    assert_eq!(result.items.len(), 2);
    for (index, item) in (0..).zip(&result.items) {
        assert_eq!((item.index, item.status.as_deref()), (index, Some("accepted")));
        assert!(item.delivery_id.as_ref().unwrap().starts_with("del_"));
    }
    let result = client
        .send_batch(vec![item("ep_nobody", 1), item(ENDPOINT, 2)])
        .await
        .unwrap();
    assert_eq!(result.items[0].error.as_ref().unwrap().code, "not_found");
    assert_eq!(result.items[1].status.as_deref(), Some("accepted"));

    subscribe(&running).await;
    let item = |n: u32| TriggerBatchItem {
        event_type: EVENT_TYPE.to_owned(),
        payload: json!({"n": n}),
        metadata: None,
    };
    let result = client.trigger_batch(vec![item(1), item(2)]).await.unwrap();
    assert_eq!(result.items.len(), 2);
    for item in &result.items {
        assert_eq!(item.status.as_deref(), Some("accepted"));
        assert!(item.event_type_id.as_ref().unwrap().starts_with("evt_"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_accepted_is_refused_in_the_words_of_the_contract() {
    let running = Running::start();
    let allowed = client(&running, KEY);
    let stranger = client(&running, "nhk_us_invalid_key_that_does_not_exist");
    let disabled = client(&running, DISABLED_KEY);
    let code = |(status, code): (u16, String)| format!("{status} {code}");
    let refusal = refused(stranger.send(ENDPOINT, sent(json!({}), None)).await);
    assert_eq!(code(refusal), "401 unauthorized");
    let refusal = refused(disabled.send(ENDPOINT, sent(json!({}), None)).await);
    assert_eq!(code(refusal), "403 token_disabled");
    let refusal = refused(
        allowed
            .send("ep_nonexistent_endpoint_xyz", sent(json!({}), None))
            .await,
    );
    assert_eq!(code(refusal), "404 not_found");
    let refusal = refused(
        allowed
            .trigger("!!!invalid event type!!!", triggered(json!({})))
            .await,
    );
    assert_eq!(code(refusal), "400 invalid_event_type");
}
