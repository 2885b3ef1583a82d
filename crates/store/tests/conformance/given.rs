//! Things to put into a ledger.

use bytes::Bytes;
use hookyard_store::{
    Acceptance, Accepted, Application, Edit, Endpoint, Environment, EventType, NewAttempt, NewClaim,
    NewDelivery, NewEvent, Outcome, Playbook, QueueOptions, Route, RoutedEvent, SigningSecret, Source, Store,
    Verification, Workspace,
};
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;
use wire::circuit::Answered;
use wire::resource::{
    ApplicationSpec, DedupeSpec, EndpointSpec, EventTypeSpec, PlaybookSpec, RouteSpec, SourceSpec, Target,
};
use wire::{
    ApplicationId, AttemptId, DeliveryId, DeliveryState, EndpointId, EnvironmentId, EventId, EventState,
    EventTypeId, Instant, PlaybookId, RouteId, SourceId, WorkspaceId,
};

pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::from_stored("ws_acme")
}

/// The workspace of the tenant `slug`.
pub(crate) fn of(tenant: &str) -> WorkspaceId {
    WorkspaceId::from_stored(format!("ws_{tenant}"))
}

pub(crate) fn endpoint_id(name: &str) -> EndpointId {
    EndpointId::from_stored(format!("ep_{name}"))
}

/// An event of now.
pub(crate) fn event(body: &str) -> NewEvent {
    event_at(Instant::now(), body)
}

pub(crate) fn event_at(at: Instant, body: &str) -> NewEvent {
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
        query: None,
        remote_address: Some("192.0.2.7".to_owned()),
        headers: Bytes::from_static(br#"[["content-type","application/json"]]"#),
        content_type: Some("application/json".to_owned()),
        body: Bytes::from(body.to_owned()),
        idempotency_key: None,
        traceparent: None,
    }
}

/// A request with an idempotency key, whose fingerprint is of its body.
pub(crate) fn keyed(key: &str, body: &str) -> Acceptance {
    Acceptance {
        routed: None,
        claim: Some(NewClaim {
            scope: "so_stripe".to_owned(),
            key: key.to_owned(),
            fingerprint: Some(Sha256::digest(body).into()),
            window: Duration::from_hours(96),
        }),
        event: NewEvent {
            idempotency_key: Some(key.to_owned()),
            ..event(body)
        },
    }
}

/// A request without a key.
pub(crate) fn keyless(body: &str) -> Acceptance {
    Acceptance {
        routed: None,
        claim: None,
        event: event(body),
    }
}

/// Accepts `count` events of `at`, and returns their ids in order.
pub(crate) async fn accepted(store: &Store, count: usize, at: Instant) -> Vec<EventId> {
    let queue = store.accept_queue(QueueOptions::default()).unwrap();
    let mut ids = Vec::new();
    for index in 0..count {
        let event = event_at(at + Duration::from_millis(index as u64), "{}");
        ids.push(event.id);
        let row = Acceptance {
            routed: None,
            claim: None,
            event,
        };
        assert_eq!(queue.accept(row).await.unwrap(), Accepted::Created);
    }
    ids
}

/// A delivery that is due at `due_at`.
pub(crate) fn delivery(event: EventId, endpoint: &str, due_at: Instant) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::of(event, &endpoint_id(endpoint), 0),
        workspace_id: workspace(),
        endpoint_id: endpoint_id(endpoint),
        route_id: Some(RouteId::from_stored("rt_paid")),
        event_type: Some("payment.succeeded".to_owned()),
        state: DeliveryState::Pending,
        reason: None,
        due_at: Some(due_at),
        lease: None,
        body: None,
        replay_of: None,
        order_key: None,
    }
}

/// A delivery that the router leased to the worker that gets its reference.
pub(crate) fn leased(event: EventId, endpoint: &str, token: Uuid, until: Instant) -> NewDelivery {
    NewDelivery {
        state: DeliveryState::Delivering,
        lease: Some((token, until)),
        ..delivery(event, endpoint, until)
    }
}

/// A decision.
pub(crate) fn routed(id: EventId, deliveries: Vec<NewDelivery>) -> RoutedEvent {
    RoutedEvent {
        id,
        state: EventState::Routed,
        trace: Bytes::from_static(br#"{"routes":[]}"#),
        deliveries,
        runs: Vec::new(),
        gifts: Vec::new(),
        is_taken: false,
        at: Instant::now(),
    }
}

/// Accepts one event and routes it into `deliveries`; returns them.
pub(crate) async fn deliveries(store: &Store, make: impl Fn(EventId) -> Vec<NewDelivery>) -> Vec<DeliveryId> {
    let events = accepted(store, 1, Instant::now()).await;
    let rows = make(events[0]);
    let ids = rows.iter().map(|row| row.id).collect();
    let routing = store.routing_queue(QueueOptions::default()).unwrap();
    let answers = routing.route(vec![routed(events[0], rows)]).await.unwrap();
    assert!(matches!(answers.as_slice(), [Ok(true)]), "{answers:?}");
    ids
}

/// The outcome of attempt `number`: a success, or a failure that is tried again in a minute.
pub(crate) fn outcome(delivery: DeliveryId, lease: Uuid, number: i32, state: DeliveryState) -> Outcome {
    let at = Instant::now();
    let succeeded = state == DeliveryState::Delivered;
    Outcome {
        delivery_id: delivery,
        lease,
        state,
        reason: None,
        due_at: (state == DeliveryState::ScheduledRetry).then(|| at + Duration::from_mins(1)),
        attempt: NewAttempt {
            id: AttemptId::new(at, rand::random()),
            number,
            response_status: Some(if succeeded { 200 } else { 500 }),
            duration_ms: 12,
            error_kind: (!succeeded).then(|| "http_status".to_owned()),
            error_message: (!succeeded).then(|| "the receiver answered 500".to_owned()),
            request_headers: Bytes::from_static(b"[]"),
            response_headers: Bytes::from_static(b"[]"),
            response_body: Bytes::from_static(b"no"),
            created_at: at,
        },
        at,
        endpoint_id: endpoint_id("one"),
        order_key: None,
        is_probe: false,
        asked: None,
        counts: true,
        is_made: true,
        answered: Some(if succeeded {
            Answered::Well
        } else {
            Answered::Badly
        }),
        ceiling: 10,
        random: 0.5,
    }
}

/// The edits that make a workspace with an environment.
pub(crate) fn tenant(slug: &str) -> Vec<Edit> {
    let now = Instant::now();
    let id = WorkspaceId::from_stored(format!("ws_{slug}"));
    vec![
        Edit::Workspace(Workspace {
            spec: wire::resource::WorkspaceSpec::default(),
            id: id.clone(),
            slug: slug.to_owned(),
            name: slug.to_uppercase(),
            accepting: true,
            created_at: now,
            updated_at: now,
        }),
        Edit::Environment(Environment {
            name: None,
            id: EnvironmentId::from_stored(format!("env_{slug}")),
            workspace_id: id,
            slug: "production".to_owned(),
            is_default: true,
            created_at: now,
            updated_at: now,
        }),
    ]
}

/// A source of the tenant `slug`.
pub(crate) fn source(tenant: &str, name: &str) -> Source {
    let now = Instant::now();
    Source {
        app_secrets: hookyard_store::AppSecrets::default(),
        id: SourceId::from_stored(format!("so_{name}")),
        workspace_id: WorkspaceId::from_stored(format!("ws_{tenant}")),
        environment_id: EnvironmentId::from_stored(format!("env_{tenant}")),
        token: format!("src_{tenant}_{name}").into(),
        channel_secret_hash: Some([3; 32]),
        spec: SourceSpec {
            app: None,
            slug: name.to_owned(),
            enabled: true,
            verify: None,
            event_type: None,
            dedupe: DedupeSpec::default(),
            channel: None,
            max_body_bytes: None,
            gzip: false,
        },
        secrets: vec![secret("whsec_of_a_source")],
        verify_token: None,
        created_at: now,
        updated_at: now,
    }
}

pub(crate) fn secret(value: &str) -> SigningSecret {
    SigningSecret {
        id: "sec_1".to_owned(),
        value: value.into(),
        created_at: Instant::now(),
        expires_at: None,
    }
}

/// An endpoint of the tenant `slug`.
pub(crate) fn endpoint(tenant: &str, name: &str) -> Endpoint {
    let now = Instant::now();
    Endpoint {
        application_id: None,
        credential: None,
        client_key: None,
        id: endpoint_id(name),
        workspace_id: WorkspaceId::from_stored(format!("ws_{tenant}")),
        environment_id: EnvironmentId::from_stored(format!("env_{tenant}")),
        spec: EndpointSpec {
            slug: Some(name.to_owned()),
            ..EndpointSpec::to("https://receiver.example/hooks")
        },
        secrets: vec![secret("whsec_of_an_endpoint")],
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// A route of the tenant `slug`.
pub(crate) fn route(tenant: &str, name: &str, position: i32, to: Target) -> Route {
    let now = Instant::now();
    Route {
        subscription: None,
        id: RouteId::from_stored(format!("rt_{name}")),
        workspace_id: WorkspaceId::from_stored(format!("ws_{tenant}")),
        position,
        spec: RouteSpec {
            name: name.to_owned(),
            enabled: true,
            from: Vec::new(),
            event_types: Vec::new(),
            filter: None,
            transform: None,
            delay: Duration::ZERO,
            delivery: wire::resource::DeliverySpec::default(),
            to,
        },
        created_at: now,
        updated_at: now,
    }
}

/// The edit that makes one more environment of the tenant `slug`.
pub(crate) fn environment(tenant: &str, name: &str) -> Edit {
    let now = Instant::now();
    Edit::Environment(Environment {
        name: None,
        id: EnvironmentId::from_stored(format!("env_{name}")),
        workspace_id: of(tenant),
        slug: name.to_owned(),
        is_default: false,
        created_at: now,
        updated_at: now,
    })
}

/// An event type of the tenant `slug`, whose id is `evt_` and its name.
pub(crate) fn event_type(tenant: &str, name: &str) -> EventType {
    let now = Instant::now();
    EventType {
        id: EventTypeId::from_stored(format!("evt_{name}")),
        workspace_id: of(tenant),
        name: name.to_owned(),
        spec: EventTypeSpec::default(),
        created_at: now,
        updated_at: now,
    }
}

/// The tenant's subscription of the endpoint `to` to the event type `from`.
pub(crate) fn subscription(tenant: &str, from: &str, to: &str) -> Route {
    let name = format!("{from}_{to}");
    let event_type = EventTypeId::from_stored(format!("evt_{from}"));
    Route {
        subscription: Some((event_type, endpoint_id(to))),
        ..route(tenant, &name, 0, Target::Endpoint(endpoint_id(to)))
    }
}

/// An application of the tenant `slug`, which may have two endpoints.
pub(crate) fn application(tenant: &str, name: &str) -> Application {
    let now = Instant::now();
    Application {
        id: ApplicationId::from_stored(format!("app_{name}")),
        workspace_id: of(tenant),
        external_id: Some(name.to_owned()),
        spec: ApplicationSpec {
            name: name.to_uppercase(),
            metadata: [("plan".to_owned(), "gold".to_owned())].into(),
            max_endpoints: Some(2),
            show_event_types: true,
        },
        created_at: now,
        updated_at: now,
    }
}

/// A playbook of the tenant `slug`.
pub(crate) fn playbook(tenant: &str, name: &str, number: i32) -> Playbook {
    let now = Instant::now();
    Playbook {
        version: 1,
        operations: None,
        hook_hash: None,
        secret_hash: None,
        secrets: None,
        id: PlaybookId::from_stored(format!("pb_{name}")),
        workspace_id: WorkspaceId::from_stored(format!("ws_{tenant}")),
        number,
        spec: PlaybookSpec {
            secret_names: Vec::new(),
            concurrency: None,
            runs: wire::resource::Ending::default(),
            concurrency_key: None,
            hook: None,
            input_schema: None,
            target: wire::resource::RunTarget::default(),
            slug: name.to_owned(),
            number: None,
            enabled: true,
            definition: "{}".to_owned(),
        },
        created_at: now,
        updated_at: now,
    }
}
