//! Door 3, against Nahook's document (`seeds/nahook-ingest.md`) and its SDKs: one endpoint, and one event type.

use crate::given::{api_key, endpoint, event_type, limited, playbook, staging, subscription};
use crate::wire_http::{Reply, send};
use crate::yard::{Yard, workspace};
use serde_json::{Value, json};
use std::collections::HashSet;
use store::{ApiKey, Edit};
use wire::resource::{KeyScope, RateLimit, WorkspaceSpec};
use wire::{DeliveryState, EventState, Queue, Reference};

pub(crate) const KEY: (&str, &str) = ("Authorization", "Bearer nhk_us_shop");

pub(crate) async fn post(yard: &Yard, path: &str, body: &[u8]) -> Reply {
    post_as(yard, KEY.1, path, body).await
}

pub(crate) async fn post_as(yard: &Yard, key: &str, path: &str, body: &[u8]) -> Reply {
    let headers = [("Authorization", key), ("Content-Type", "application/json")];
    send(yard.address, &format!("POST /api/ingest/{path}"), &headers, body).await
}

pub(crate) fn is_error(reply: &Reply, status: u16, code: &str) {
    let body = reply.json();
    assert_eq!(
        (reply.status, &body["error"]["code"]),
        (status, &json!(code)),
        "{reply:?}"
    );
    assert!(body["error"]["message"].is_string(), "{reply:?}");
    assert_eq!(body["error"]["details"].is_array(), status == 400, "{reply:?}");
}

/// A workspace with the key `nhk_us_shop`, the endpoint `ep_billing`, and a subscription of it to `order.paid`.
pub(crate) async fn yard() -> Yard {
    let yard = Yard::start().await;
    yard.edit(vec![
        Edit::ApiKey(api_key("shop")),
        Edit::Endpoint(endpoint("billing")),
        Edit::EventType(event_type("order.paid")),
        Edit::Route(subscription("order.paid", "billing")),
    ])
    .await;
    yard
}

#[tokio::test]
async fn a_payload_is_sent_to_one_endpoint_and_its_repeat_echoes_the_first_delivery() {
    let yard = yard().await;
    // The seed's own example.
    let body =
        br#"{"payload": { "orderId": "ord_123", "status": "paid" }, "idempotencyKey": "order-123-paid"}"#;
    let first = post(&yard, "ep_billing", body).await;
    assert_eq!(first.status, 202, "{first:?}");
    let answer = first.json();
    assert_eq!(
        answer,
        json!({"deliveryId": answer["deliveryId"], "idempotencyKey": "order-123-paid", "status": "accepted"})
    );
    let delivery = yard.delivery(answer["deliveryId"].as_str().unwrap()).await;
    assert_eq!(delivery.endpoint_id.as_str(), "ep_billing");
    assert_eq!(
        delivery.state,
        DeliveryState::Delivering,
        "leased for whoever is told"
    );
    let event = yard.event(&delivery.event_id.to_string()).await;
    assert_eq!(
        event.body, r#"{ "orderId": "ord_123", "status": "paid" }"#,
        "byte for byte"
    );
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    assert_eq!(event.idempotency_key.as_deref(), Some("order-123-paid"));
    assert!(!String::from_utf8_lossy(&event.headers).contains("nhk_us_shop"));

    let again = post(
        &yard,
        "ep_billing",
        br#"{"payload":{"other":1},"idempotencyKey":"order-123-paid"}"#,
    )
    .await;
    assert_eq!(
        (again.status, again.json()),
        (202, answer),
        "a no-op, whatever the payload"
    );
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(yard.events().await.rows.len(), 1);
}

#[tokio::test]
async fn without_a_key_a_uuid_is_made_echoed_and_counts() {
    let yard = yard().await;
    let first = post(&yard, "ep_billing", br#"{"payload":{}}"#).await.json();
    let second = post(&yard, "ep_billing", br#"{"payload":{}}"#).await.json();
    assert_ne!(first["deliveryId"], second["deliveryId"]);
    let key = first["idempotencyKey"].as_str().unwrap();
    assert_eq!(key.parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
    let body = json!({"payload": {}, "idempotencyKey": key}).to_string();
    assert_eq!(post(&yard, "ep_billing", body.as_bytes()).await.json(), first);
}

const LISTENING: &str = "do: [{wait: {listen: {to: {one: {with: {type: order.paid}}}}}}]";

#[tokio::test]
async fn an_event_that_a_run_may_wait_for_is_left_to_the_router_as_well() {
    let yard = yard().await;
    let sent = async || {
        let answer = post(&yard, "event/order.paid", br#"{"payload":{}}"#).await.json();
        assert_eq!(answer["deliveryIds"].as_array().unwrap().len(), 1, "{answer}");
        let delivery = yard.delivery(answer["deliveryIds"][0].as_str().unwrap()).await;
        yard.event(&delivery.event_id.to_string()).await
    };
    let mut listening = playbook("listening");
    for (definition, expected) in [
        ("do: [{rest: {wait: PT1S}}]", EventState::Routed),
        (LISTENING, EventState::Accepted),
        ("do: []", EventState::Routed),
    ] {
        definition.clone_into(&mut listening.spec.definition);
        yard.edit(vec![Edit::Playbook(listening.clone())]).await;
        assert_eq!(
            sent().await.state,
            expected,
            "a run that begins now has {definition}"
        );
    }
    // One that goes on keeps to the version that it began with.
    for definition in [LISTENING, "do: [] # again"] {
        definition.clone_into(&mut listening.spec.definition);
        yard.edit(vec![Edit::Playbook(listening.clone())]).await;
        if definition == LISTENING {
            let started = send(yard.address, "POST /api/v1/hooks/hook_listening", &[], b"").await;
            assert_eq!(started.status, 201);
        }
    }
    let mut consumer = yard.conveyor.consume(Queue::Route, 10.try_into().unwrap());
    let event = sent().await;
    assert_eq!(event.state, EventState::Accepted);
    // Of the one before as well.
    let told = [consumer.next().await.unwrap(), consumer.next().await.unwrap()];
    assert_eq!(told[1].message.refs, [Reference::Event { id: event.id }]);
    let trace: Value = serde_json::from_slice(&event.trace.unwrap()).unwrap();
    assert_eq!(trace["routes"][0]["matched"], true, "its routes are decided");
}

#[tokio::test]
async fn the_worker_is_told_of_the_delivery_with_its_lease() {
    let yard = yard().await;
    let mut consumer = yard.conveyor.consume(Queue::Deliver, 10.try_into().unwrap());
    let answer = post(&yard, "ep_billing", br#"{"payload":{}}"#).await.json();
    let told = consumer.next().await.unwrap();
    let [Reference::Delivery { id, lease }] = told.message.refs[..] else {
        panic!("{:?}", told.message)
    };
    assert_eq!(answer["deliveryId"], id.to_string());
    let jobs = yard.store.leased_jobs(vec![(id, lease)]).await.unwrap();
    assert_eq!(jobs.len(), 1, "the lease is the reference's");
}

#[tokio::test]
async fn parallel_twins_get_one_delivery() {
    let yard = yard().await;
    let body = br#"{"payload":{"a":1},"idempotencyKey":"twin"}"#;
    let replies = futures_util::future::join_all((0..32).map(|_| post(&yard, "ep_billing", body))).await;
    let answers: HashSet<String> = replies.iter().map(|reply| reply.json().to_string()).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(replies.iter().all(|reply| reply.status == 202));
    assert_eq!(yard.events().await.rows.len(), 1);
    let body = br#"{"payload":{"a":1},"idempotencyKey":"twin"}"#;
    let replies =
        futures_util::future::join_all((0..32).map(|_| post(&yard, "event/order.paid", body))).await;
    let answers: HashSet<String> = replies.iter().map(|reply| reply.json().to_string()).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_disabled_endpoint_holds_what_is_sent_to_it() {
    let yard = yard().await;
    let mut disabled = endpoint("billing");
    disabled.spec.enabled = false;
    yard.edit(vec![Edit::Endpoint(disabled)]).await;
    let answer = post(&yard, "ep_billing", br#"{"payload":{}}"#).await.json();
    let delivery = yard.delivery(answer["deliveryId"].as_str().unwrap()).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 0));
}

#[tokio::test]
async fn an_event_type_fans_out_to_its_subscribers_and_a_repeat_names_the_same_deliveries() {
    let yard = yard().await;
    yard.edit(vec![
        Edit::Endpoint(endpoint("mail")),
        Edit::Route(subscription("order.paid", "mail")),
    ])
    .await;
    let body = br#"{"payload": {"id": 1}, "metadata": {"tenant": "a"}, "idempotencyKey": "k"}"#;
    let first = post(&yard, "event/order.paid", body).await;
    assert_eq!(first.status, 202, "{first:?}");
    let answer = first.json();
    assert_eq!(answer["eventTypeId"], "evt_order.paid");
    assert_eq!(answer["status"], "accepted");
    let ids = answer["deliveryIds"].as_array().unwrap();
    assert_eq!(ids.len(), 2, "{answer}");
    let mut endpoints = HashSet::new();
    for id in ids {
        let delivery = yard.delivery(id.as_str().unwrap()).await;
        assert_eq!(delivery.event_type.as_deref(), Some("order.paid"));
        endpoints.insert(delivery.endpoint_id.to_string());
        let event = yard.event(&delivery.event_id.to_string()).await;
        assert_eq!(event.body, r#"{"id": 1}"#);
        assert!(String::from_utf8_lossy(&event.headers).contains("tenant"));
        let trace: Value = serde_json::from_slice(&event.trace.unwrap()).unwrap();
        assert_eq!(trace["routes"].as_array().unwrap().len(), 2, "{trace}");
    }
    assert_eq!(
        endpoints,
        HashSet::from(["ep_billing".to_owned(), "ep_mail".to_owned()])
    );
    assert_eq!(post(&yard, "event/order.paid", body).await.json(), answer);
}

#[tokio::test]
async fn a_type_that_nobody_subscribed_to_is_registered_on_its_first_use_once() {
    let yard = yard().await;
    let path = "event/event.type.nobody.subscribed.to";
    let sends = (0..16).map(|_| post(&yard, path, br#"{"payload":{}}"#));
    let replies = futures_util::future::join_all(sends).await;
    let ids: HashSet<String> = replies
        .iter()
        .map(|reply| {
            let answer = reply.json();
            assert_eq!(
                (reply.status, &answer["deliveryIds"]),
                (202, &json!([])),
                "{reply:?}"
            );
            answer["eventTypeId"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let id = ids.into_iter().next().unwrap();
    assert!(id.starts_with("evt_"));
    let registered = yard
        .store
        .event_type(&workspace(true).id, &id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(registered.name, "event.type.nobody.subscribed.to");
}

#[tokio::test]
async fn whoever_subscribed_a_moment_ago_gets_it_though_nobody_announced_it() {
    let yard = yard().await;
    assert_eq!(
        post(&yard, "event/order.late", br#"{"payload":{}}"#).await.json()["deliveryIds"],
        json!([])
    );
    let late = vec![
        Edit::Endpoint(endpoint("late")),
        Edit::EventType(event_type("order.later")),
        Edit::Route(subscription("order.later", "late")),
    ];
    // As another console would, whose announcement is still on its way.
    yard.store.edit(late, wire::Instant::now()).await.unwrap();
    let sent = post(&yard, "ep_late", br#"{"payload":{}}"#).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let fanned = post(&yard, "event/order.later", br#"{"payload":{}}"#).await;
    assert_eq!(fanned.json()["deliveryIds"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_malformed_event_type_is_refused() {
    let yard = yard().await;
    for name in [
        "%21%21%21invalid%20event%20type%21%21%21",
        "a..b",
        ".a",
        "a.",
        "a%2Fb",
        "%00",
        "caf%C3%A9",
        "*",
        "",
        "a/b",
        "order.paid/",
        "batch/",
        &"a".repeat(129),
    ] {
        let reply = post(&yard, &format!("event/{name}"), br#"{"payload":{}}"#).await;
        is_error(&reply, 400, "invalid_event_type");
    }
}

#[tokio::test]
async fn the_key_must_be_known_enabled_and_may_send() {
    let yard = yard().await;
    let mut disabled = api_key("off");
    disabled.spec.enabled = false;
    let mut trigger = api_key("trigger");
    trigger.spec.scopes = vec![KeyScope::Trigger];
    yard.edit(vec![Edit::ApiKey(disabled), Edit::ApiKey(trigger)])
        .await;
    for path in ["ep_billing", "event/order.paid", "batch", "event/batch"] {
        for key in [
            "",
            "Bearer",
            "Bearer nhk_us_invalid_key_that_does_not_exist",
            "Basic nhk_us_shop",
        ] {
            is_error(&post_as(&yard, key, path, b"{}").await, 401, "unauthorized");
        }
        is_error(
            &post_as(&yard, "Bearer nhk_us_off", path, b"{}").await,
            403,
            "token_disabled",
        );
        is_error(
            &post_as(&yard, "Bearer nhk_us_trigger", path, b"{}").await,
            403,
            "insufficient_scope",
        );
    }
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    is_error(
        &post(&yard, "ep_billing", br#"{"payload":{}}"#).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn what_is_not_there_or_in_another_environment_is_404() {
    let yard = yard().await;
    let limited = ApiKey {
        environment_id: Some(staging().id),
        ..api_key("staging")
    };
    let mut inside = endpoint("inside");
    inside.environment_id = staging().id;
    yard.edit(vec![
        Edit::Environment(staging()),
        Edit::ApiKey(limited),
        Edit::Endpoint(inside),
        Edit::Route(subscription("order.paid", "inside")),
        Edit::RemoveEndpoint(endpoint("mail").id),
    ])
    .await;
    for id in [
        "ep_nonexistent_endpoint_xyz",
        "ep_",
        "billing",
        "ep_billing%00",
        "ep_b%C4%B1lling",
        "%2e%2e",
    ] {
        let reply = post(&yard, id, br#"{"payload":{}}"#).await;
        is_error(&reply, 404, "not_found");
    }
    let staging = "Bearer nhk_us_staging";
    is_error(
        &post_as(&yard, staging, "ep_billing", br#"{"payload":{}}"#).await,
        404,
        "not_found",
    );
    assert_eq!(
        post_as(&yard, staging, "ep_inside", br#"{"payload":{}}"#)
            .await
            .status,
        202
    );
    let fanned = post_as(&yard, staging, "event/order.paid", br#"{"payload":{}}"#)
        .await
        .json();
    let [only] = fanned["deliveryIds"].as_array().unwrap().as_slice() else {
        panic!("{fanned}")
    };
    assert_eq!(
        yard.delivery(only.as_str().unwrap()).await.endpoint_id.as_str(),
        "ep_inside"
    );
    yard.edit(vec![Edit::RemoveEndpoint(endpoint("billing").id)])
        .await;
    is_error(
        &post(&yard, "ep_billing", br#"{"payload":{}}"#).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn a_bad_field_is_a_400_with_its_path() {
    let yard = yard().await;
    for (body, path) in [
        (&b"{}"[..], "/payload"),
        (br#"{"payload":null}"#, "/payload"),
        (br#"{"payload":"text"}"#, "/payload"),
        (br#"{"payload":[1]}"#, "/payload"),
        (br#"{"payload":{},"idempotencyKey":7}"#, "/idempotencyKey"),
        (br#"{"payload":{},"payload":{}}"#, ""),
        (b"[]", ""),
        (br#"[{"a":1},"k",null,null,null]"#, ""),
        (b"{", ""),
        (b"", ""),
        (b"\xff", ""),
    ] {
        let reply = post(&yard, "ep_billing", body).await;
        is_error(&reply, 400, "invalid_body");
        assert_eq!(reply.json()["error"]["details"][0]["path"], path, "{reply:?}");
    }
    let metadata = br#"{"payload":{},"metadata":{"a":1}}"#;
    let reply = post(&yard, "event/order.paid", metadata).await;
    is_error(&reply, 400, "invalid_body");
    assert_eq!(reply.json()["error"]["details"][0]["path"], "/metadata");
    for key in ["", "a\\tb", "a\\u0000b", &"k".repeat(256)] {
        let body = format!(r#"{{"payload":{{}},"idempotencyKey":"{key}"}}"#);
        is_error(
            &post(&yard, "ep_billing", body.as_bytes()).await,
            400,
            "invalid_idempotency_key",
        );
    }
    let large = format!(r#"{{"payload":{{"a":"{}"}}}}"#, "x".repeat(1 << 20));
    is_error(
        &post(&yard, "ep_billing", large.as_bytes()).await,
        413,
        "payload_too_large",
    );
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn what_is_sent_to_an_endpoint_is_called_what_the_header_says_and_else_what_the_path_says() {
    let yard = yard().await;
    let body = br#"{"payload":{},"items":[{"endpointId":"ep_billing","payload":{}}]}"#;
    let typed = async |path: &str, event_type: &str| {
        let line = format!("POST /api/ingest/{path}");
        send(yard.address, &line, &[KEY, ("X-Event-Type", event_type)], body).await
    };
    let kind = async |id: &Value| {
        let delivery = yard.delivery(id.as_str().unwrap()).await;
        let event = yard.event(&delivery.event_id.to_string()).await;
        assert_eq!(delivery.event_type, event.event_type);
        event.event_type.unwrap()
    };
    let one = typed("ep_billing", "orders/create").await.json();
    assert_eq!(kind(&one["deliveryId"]).await, "orders/create");
    let batch = typed("batch", "orders/create").await.json();
    assert_eq!(kind(&batch["items"][0]["deliveryId"]).await, "orders/create");
    for path in ["ep_billing", "batch"] {
        is_error(&typed(path, &"t".repeat(129)).await, 400, "invalid_event_type");
    }
    let named = typed("event/order.paid", &"t".repeat(129)).await.json();
    assert_eq!(kind(&named["deliveryIds"][0]).await, "order.paid");
}

#[tokio::test]
async fn every_other_address_below_the_door_is_a_404_in_its_shape() {
    let yard = yard().await;
    for path in ["", "ep_billing/", "ep_billing/more", "batch/", "/ep_billing"] {
        is_error(&post(&yard, path, br#"{"payload":{}}"#).await, 404, "not_found");
        let asked = send(yard.address, &format!("GET /api/ingest/{path}"), &[], b"").await;
        is_error(&asked, 404, "not_found");
    }
}

#[tokio::test]
async fn only_post_is_taken() {
    let yard = yard().await;
    for path in ["ep_billing", "event/order.paid", "batch", "event/batch"] {
        let reply = send(yard.address, &format!("GET /api/ingest/{path}"), &[KEY], b"").await;
        is_error(&reply, 405, "method_not_allowed");
    }
}

#[tokio::test]
async fn the_limits_of_the_key_and_of_the_workspace_are_429_with_when_to_come_again() {
    let yard = yard().await;
    yard.edit(vec![Edit::ApiKey(limited("slow", 0.01, 1))]).await;
    let slow = "Bearer nhk_us_slow";
    assert_eq!(
        post_as(&yard, slow, "ep_billing", br#"{"payload":{}}"#)
            .await
            .status,
        202
    );
    let refused = post_as(&yard, slow, "ep_billing", br#"{"payload":{}}"#).await;
    is_error(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").is_some());

    let mut narrow = workspace(true);
    narrow.spec = WorkspaceSpec {
        rate_limit: Some(RateLimit {
            per_second: 0.01,
            burst: Some(2),
        }),
        ..WorkspaceSpec::default()
    };
    yard.edit(vec![Edit::Workspace(narrow)]).await;
    let sends = (0..5).map(|_| post(&yard, "ep_billing", br#"{"payload":{}}"#));
    let replies = futures_util::future::join_all(sends).await;
    let accepted = replies.iter().filter(|reply| reply.status == 202).count();
    assert_eq!(accepted, 2, "of all keys and doors together");
    for refused in replies.iter().filter(|reply| reply.status != 202) {
        is_error(refused, 429, "rate_limited");
    } // A batch of which nothing can be done now is to be sent again, and says when.
    let items = json!({"items": vec![json!({"endpointId": "ep_billing", "payload": {}}); 2]}).to_string();
    let batch = post(&yard, "batch", items.as_bytes()).await;
    is_error(&batch, 429, "rate_limited");
    assert!(batch.header("retry-after").is_some());
}
