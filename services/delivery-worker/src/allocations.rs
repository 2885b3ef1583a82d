//! What each delivery allocates, as checked numbers.

use crate::message::{Own, compose};
use crate::outcome::Begun;
use crate::recipients::Recipient;
use crate::worker::Leased;
use bytes::Bytes;
use egress::{Answer, HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::Duration;
use store::{Endpoint, Job, SigningSecret};
use testkit::allocations::check;
use uuid::Uuid;
use wire::resource::{DeliveryPolicy, DeliverySpec, EndpointSpec};
use wire::{DeliveryId, EndpointId, EnvironmentId, EventId, Instant, WorkspaceId};

const AT: Instant = Instant::from_unix_micros(1_800_000_000_123_456);

fn job() -> Job {
    Job {
        delivery_id: DeliveryId::new(AT, 1),
        lease: Some(Uuid::from_u128(1)),
        lease_until: None,
        attempts: 0,
        workspace_id: WorkspaceId::from_stored("ws_acme"),
        event_id: EventId::new(AT, 2),
        endpoint_id: EndpointId::from_stored("ep_one"),
        event_type: Some("payment.succeeded".to_owned()),
        due_at: Some(AT),
        transformed: None,
        body: Bytes::from(vec![b'x'; 500]),
        content_type: Some("application/json".to_owned()),
        traceparent: None,
        received_at: AT,
        order_key: None,
        route_id: None,
    }
}

fn recipient() -> Recipient {
    let endpoint = Endpoint {
        application_id: None,
        credential: None,
        client_key: None,
        id: EndpointId::from_stored("ep_one"),
        workspace_id: WorkspaceId::from_stored("ws_one"),
        environment_id: EnvironmentId::from_stored("env_one"),
        spec: EndpointSpec::to("https://hooks.example.com/in"),
        secrets: vec![SigningSecret {
            id: "one".to_owned(),
            value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            created_at: AT,
            expires_at: None,
        }],
        created_at: AT,
        updated_at: AT,
        deleted_at: None,
    };
    Recipient::of(endpoint, DeliverySpec::default(), AT)
}

#[test]
fn signing_and_writing_a_delivery_allocates_what_is_written_down() {
    let recipient = recipient();
    let keys = recipient.keys_at(AT).unwrap();
    let own = Own {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        user_agent: "hookyard/1.2.3",
        token: None,
    };
    check("delivery-worker: sign and write a delivery", job, |job| {
        compose(job, &recipient, &keys, AT, own)
    });
}

#[test]
fn an_outcome_allocates_what_is_written_down() {
    let leased = Leased {
        job: job(),
        until: AT + Duration::from_secs(20),
        is_swept: false,
        is_probe: false,
    };
    let begun = Begun::of(&leased, Uuid::from_u128(1), 10, AT);
    let policy = DeliveryPolicy::default();
    let answered = || {
        let headers = [
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("date", "now"),
        ];
        let headers = headers
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let answer = Answer {
            status: StatusCode::OK,
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::from_static(b"{}"),
            body_truncated: false,
            elapsed: Duration::from_millis(3),
        };
        (answer, Bytes::from_static(b"[]"))
    };
    check("delivery-worker: an outcome", answered, |(answer, sent)| {
        begun.sent(Ok(answer), sent, &policy, AT)
    });
}
