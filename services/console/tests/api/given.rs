//! What the other services would have recorded.

use crate::yard::{Yard, workspace};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use store::{
    Acceptance, Accepted, Job, NewAttempt, NewClaim, NewDelivery, NewEvent, NewRejection, NewRun, Outcome,
    QueueOptions, RejectedRequest, RoutedEvent, Verification,
};
use wire::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, EventState, Instant, PlaybookId, RejectionId,
    RouteId, RunId, SourceId,
};

/// A request as the gateway records it.
pub(crate) fn event(at: Instant, body: &[u8]) -> NewEvent {
    NewEvent {
        id: EventId::new(at, rand::random()),
        workspace_id: workspace(),
        source_id: Some(SourceId::from_stored("so_stripe")),
        event_type: Some("payment.succeeded".to_owned()),
        verified: Some(Verification::Valid {
            secret_id: Some("sec_one".to_owned()),
        }),
        received_at: at,
        method: "POST".to_owned(),
        query: Some("a=1".to_owned()),
        remote_address: Some("192.0.2.7".to_owned()),
        headers: Bytes::from_static(br#"[["content-type","application/json"],["x-a","1"],["x-a","2"]]"#),
        content_type: Some("application/json".to_owned()),
        body: Bytes::copy_from_slice(body),
        idempotency_key: None,
        traceparent: None,
    }
}

/// Accepts an event with this body, and with this key if any.
pub(crate) async fn accepted(yard: &Yard, key: Option<&str>, body: &[u8]) -> EventId {
    accepted_in(yard, "so_stripe", key, body).await
}

/// Accepts an event with this key of this scope.
pub(crate) async fn claimed(yard: &Yard, scope: &str, key: &str) -> EventId {
    accepted_in(yard, scope, Some(key), b"{}").await
}

async fn accepted_in(yard: &Yard, scope: &str, key: Option<&str>, body: &[u8]) -> EventId {
    let event = NewEvent {
        idempotency_key: key.map(str::to_owned),
        ..event(Instant::now(), body)
    };
    let id = event.id;
    let claim = key.map(|key| NewClaim {
        scope: scope.to_owned(),
        key: key.to_owned(),
        fingerprint: Some([0xab; 32]),
        window: Duration::from_hours(96),
    });
    let queue = yard.store.accept_queue(QueueOptions::default()).unwrap();
    let accepted = queue
        .accept(Acceptance {
            routed: None,
            claim,
            event,
        })
        .await
        .unwrap();
    assert_eq!(accepted, Accepted::Created);
    id
}

/// A delivery of an event to `ep_billing`.
pub(crate) fn delivery(event: EventId) -> NewDelivery {
    let endpoint_id = EndpointId::from_stored("ep_billing");
    NewDelivery {
        id: DeliveryId::of(event, &endpoint_id, 0),
        workspace_id: workspace(),
        endpoint_id,
        route_id: Some(RouteId::from_stored("rt_paid")),
        event_type: Some("payment.succeeded".to_owned()),
        state: DeliveryState::Pending,
        reason: None,
        due_at: Some(Instant::now()),
        lease: None,
        body: None,
        replay_of: None,
        order_key: None,
    }
}

/// Routes an event into these deliveries, and into a run of `playbook` if any.
pub(crate) async fn routed(
    yard: &Yard,
    id: EventId,
    deliveries: Vec<NewDelivery>,
    playbook: Option<&PlaybookId>,
) {
    let runs = playbook.map(|playbook_id| NewRun {
        project: None,
        template: None,
        generation: 0,
        trigger: wire::Trigger::Route,
        id: RunId::of(id, playbook_id, 0),
        workspace_id: workspace(),
        playbook_id: playbook_id.clone(),
        route_id: Some(RouteId::from_stored("rt_welcome")),
        input: Bytes::from_static(br#"{"id":1.0}"#),
    });
    let routed = RoutedEvent {
        id,
        state: EventState::Routed,
gifts: Vec::new(),
        is_taken: false,
        trace: json!({"eventId": id, "routes": [{"routeId": "rt_paid", "name": "paid", "matched": true,
            "reason": "every clause holds", "clause": "all", "value": null, "target": {"endpoint": "ep_billing"}}]})
        .to_string()
        .into(),
        deliveries,
        runs: runs.into_iter().collect(),
        at: Instant::now(),
    };
    let queue = yard.store.routing_queue(QueueOptions::default()).unwrap();
    let answers = queue.route(vec![routed]).await.unwrap();
    assert!(matches!(answers.as_slice(), [Ok(true)]), "{answers:?}");
}

/// An accepted event with one delivery to `ep_billing`.
pub(crate) async fn delivered_event(yard: &Yard, body: &[u8]) -> (EventId, DeliveryId) {
    let event = accepted(yard, None, body).await;
    let delivery = delivery(event);
    let id = delivery.id;
    routed(yard, event, vec![delivery], None).await;
    (event, id)
}

/// An event whose sender named `ep_billing` itself.
pub(crate) async fn named(yard: &Yard, body: &[u8]) -> (EventId, DeliveryId) {
    let event = accepted(yard, None, body).await;
    let delivery = NewDelivery {
        route_id: None,
        ..delivery(event)
    };
    let id = delivery.id;
    let direct = json!({"endpointId": "ep_billing", "deliveryId": id});
    let routed = RoutedEvent {
        id: event,
        state: EventState::Routed,
        trace: json!({"eventId": event, "routes": [], "direct": direct})
            .to_string()
            .into(),
        deliveries: vec![delivery],
        runs: Vec::new(),
        gifts: Vec::new(),
        is_taken: false,
        at: Instant::now(),
    };
    let queue = yard.store.routing_queue(QueueOptions::default()).unwrap();
    queue.route(vec![routed]).await.unwrap();
    (event, id)
}

/// Leases what is due and records that the receiver answered this status.
pub(crate) async fn attempted(yard: &Yard, status: i32) -> DeliveryId {
    let state = if status < 300 {
        DeliveryState::Delivered
    } else {
        DeliveryState::ScheduledRetry
    };
    recorded(yard, Some(status), state).await
}

/// Leases what is due and records that nobody answered.
pub(crate) async fn unanswered(yard: &Yard) -> DeliveryId {
    recorded(yard, None, DeliveryState::ScheduledRetry).await
}

/// Leases what is due and records that the receiver answered 500, after which the delivery is in this state for good.
pub(crate) async fn ended(yard: &Yard, state: DeliveryState) -> DeliveryId {
    recorded(yard, Some(500), state).await
}

async fn recorded(yard: &Yard, status: Option<i32>, state: DeliveryState) -> DeliveryId {
    let lease = uuid::Uuid::new_v4();
    let now = Instant::now();
    let jobs = yard
        .store
        .lease_due(now, 1, (lease, Duration::from_mins(1)), Vec::new())
        .await
        .unwrap();
    let job = jobs.jobs.first().expect("a delivery is due");
    let mut outcome = outcome(job, lease, state, now);
    outcome.attempt.response_status = status;
    match (status, &mut outcome.attempt.error_message) {
        (Some(status), Some(message)) => *message = format!("the receiver answered {status}"),
        (Some(_), None) => {}
        (None, _) => {
            outcome.attempt.error_kind = Some("connect".to_owned());
            outcome.attempt.response_headers = Bytes::from_static(b"[]");
            outcome.attempt.response_body = Bytes::new();
        }
    }
    let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
    assert!(queue.record(outcome).await.unwrap().moved);
    job.delivery_id
}

/// What came of an attempt of this job: a success, or a failure that is tried again in an hour.
pub(crate) fn outcome(job: &Job, lease: uuid::Uuid, state: DeliveryState, now: Instant) -> Outcome {
    let succeeded = state == DeliveryState::Delivered;
    Outcome {
        delivery_id: job.delivery_id,
        lease,
        state,
        reason: None,
        due_at: (!state.is_final()).then(|| now + Duration::from_hours(1)),
        attempt: NewAttempt {
            id: AttemptId::new(now, rand::random()),
            number: job.number(),
            response_status: Some(if succeeded { 200 } else { 500 }),
            duration_ms: 12,
            error_kind: (!succeeded).then(|| "http_status".to_owned()),
            error_message: (!succeeded).then(|| "the receiver answered 500".to_owned()),
            request_headers: Bytes::from_static(br#"[["webhook-id","msg_1"]]"#),
            response_headers: Bytes::from_static(br#"[["server","x"]]"#),
            response_body: Bytes::from_static(b"\xffno"),
            created_at: now,
        },
        at: now,
        endpoint_id: job.endpoint_id.clone(),
        is_probe: false,
        counts: true,
        is_made: true,
        answered: None,
        asked: None,
        order_key: None,
        ceiling: 10,
        random: 0.5,
    }
}

/// A request that the gateway refused.
pub(crate) async fn rejected(yard: &Yard, at: Instant) -> RejectionId {
    refused(yard, at, None).await
}

/// The same, kept whole.
pub(crate) async fn rejected_whole(yard: &Yard) -> RejectionId {
    let request = RejectedRequest {
        method: "POST".to_owned(),
        target: "/ingest/src_stripe".to_owned(),
        headers: vec![("stripe-signature".to_owned(), b"canary".to_vec())],
        body: Bytes::from_static(b"{}"),
        remote_address: None,
    };
    refused(yard, Instant::now(), Some(request)).await
}

async fn refused(yard: &Yard, at: Instant, request: Option<RejectedRequest>) -> RejectionId {
    let id = RejectionId::new(at, rand::random());
    let rejection = NewRejection {
        door: wire::Door::Token,
        request,
        id,
        workspace_id: workspace(),
        source_id: Some(SourceId::from_stored("so_stripe")),
        cause: "signature_mismatch".to_owned(),
        detail: "no secret made this signature".to_owned(),
        received_at: at,
        method: "POST".to_owned(),
        query: None,
        remote_address: Some("192.0.2.7".to_owned()),
        headers: Bytes::from_static(br#"[["x-hub-signature-256","(redacted)"]]"#),
        body_preview: Bytes::from_static(b"{}"),
    };
    yard.store.reject(rejection).await.unwrap();
    id
}
