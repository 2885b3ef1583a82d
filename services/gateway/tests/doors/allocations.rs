//! What each event allocates on the thread that answers its request, as checked numbers.

use crate::yard::{EPOCH, Yard, hmac_hex, verified_by, workspace};
use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Bytes;
use std::collections::{BTreeMap, HashMap};
use store::{Event, Route, RoutingTable};
use testkit::allocations::check;
use wire::resource::{RouteSpec, Target};
use wire::{EndpointId, EventId, EventState, Message, Reference, RouteId, SourceId};

/// The doors' own work at door 4: finding the source, checking the signature, handing the event over and answering. What
/// the ledger's thread does is the ledger's.
#[test]
fn an_accepted_event_allocates_what_is_written_down() {
    // Not of one thread: the process's own tasks must not run on this one while it counts.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let body = vec![b'x'; 500];
    let signature = format!("sha256={}", hmac_hex("s", &[&body]));
    let (yard, service) = runtime.block_on(async {
        let yard = Yard::start().await;
        yard.source(verified_by("hub", "github"), &["s"]).await;
        let app = App::new().configure(|config| yard.gateway.configure(config));
        (yard, init_service(app).await)
    });
    let mut number = 0;
    let request = || {
        number += 1;
        TestRequest::post()
            .uri("/ingest/src_hub")
            .insert_header(("content-type", "application/json"))
            .insert_header(("x-github-event", "push"))
            .insert_header(("x-github-delivery", format!("delivery-{number}")))
            .insert_header(("x-hub-signature-256", signature.as_str()))
            .set_payload(body.clone())
            .to_request()
    };
    check("gateway: verify and accept an event", request, |request| {
        let answer = runtime.block_on(call_service(&service, request));
        assert_eq!(answer.status(), 202);
    });
    drop(yard);
}

#[test]
fn the_reference_of_an_event_allocates_what_is_written_down() {
    let id = EventId::new(EPOCH, 1);
    let message = || {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
        Message::new(vec![Reference::Event { id }], Some(traceparent))
    };
    check("wire: encode a reference", message, |message| message.encode());
}

/// Of a hundred routes one takes the event, as in a workspace that has many sources.
#[test]
fn the_decision_over_a_hundred_routes_allocates_what_is_written_down() {
    let routes = (0..100).map(|place| {
        let spec = RouteSpec {
            name: format!("route {place}"),
            enabled: true,
            from: vec![SourceId::from_stored(format!("so_{place}"))],
            event_types: vec!["payment.*".parse().unwrap()],
            filter: None,
            transform: None,
            delay: std::time::Duration::ZERO,
            delivery: wire::resource::DeliverySpec::default(),
            to: Target::Endpoint(EndpointId::from_stored(format!("ep_{place}"))),
        };
        Route {
            subscription: None,
            id: RouteId::from_stored(format!("rt_{place}")),
            workspace_id: workspace(true).id,
            position: place,
            spec,
            created_at: EPOCH,
            updated_at: EPOCH,
        }
    });
    let table = RoutingTable {
        doorkeepers: HashMap::new(),
        sources: HashMap::new(),
        environments: HashMap::new(),
        first_wait: std::time::Duration::ZERO,
        first_waits: HashMap::new(),
        routes: routes.collect(),
        endpoints: (0..100)
            .map(|place| (EndpointId::from_stored(format!("ep_{place}")), true))
            .collect(),
        playbooks: HashMap::new(),
        orders: HashMap::new(),
    };
    let event = event();
    let moment = routing::Moment {
        now: EPOCH,
        lease: uuid::Uuid::from_u128(7),
        lease_until: EPOCH + std::time::Duration::from_secs(20),
    };
    check(
        "routing: decide over 100 routes",
        || (),
        |()| {
            let matches = routing::decide::matching(&event, &table, &BTreeMap::new());
            let heard = routing::Heard::default();
            let decided = routing::decide::decide(&event, &table, matches, &BTreeMap::new(), heard, moment);
            assert_eq!(decided.deliveries.len(), 1);
            decided
        },
    );
}

fn event() -> Event {
    Event {
        id: EventId::new(EPOCH, 1),
        workspace_id: workspace(true).id,
        source_id: Some(SourceId::from_stored("so_50")),
        event_type: Some("payment.succeeded".to_owned()),
        state: EventState::Accepted,
        verified: Some(true),
        received_at: EPOCH,
        method: "POST".to_owned(),
        query: None,
        remote_address: None,
        headers: Bytes::from_static(b"[]"),
        content_type: Some("application/json".to_owned()),
        body: Bytes::from_static(b"{}"),
        idempotency_key: None,
        traceparent: None,
        failures: 0,
        trace: None,
        verify_reason: None,
        verify_secret_id: None,
    }
}
