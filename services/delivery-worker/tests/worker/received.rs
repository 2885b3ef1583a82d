//! What a receiver gets.

use crate::yard::{EAGER, NEVER, SECRET, Yard, event, secret, settings};
use http::HeaderMap;
use standardwebhooks::Webhook;
use store::{NewDelivery, SigningSecret};
use testkit::receiver::Request;
use wire::resource::AuthSpec;
use wire::{DeliveryId, DeliveryState, EventId, Instant};

/// The headers of a request as an independent implementation of Standard Webhooks takes them.
fn headers(request: &Request) -> HeaderMap {
    let pairs = request.headers.iter();
    pairs
        .map(|(name, value)| (name.parse().unwrap(), value.as_slice().try_into().unwrap()))
        .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
        .into_iter()
        .collect()
}

#[tokio::test]
async fn the_exact_bytes_come_signed_and_with_every_header_of_the_contract() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.start_worker();
    let body = b"{\"id\": 7,\n \"id\": 8}";
    let sent = event(body);
    let event_id = sent.id;
    let lease = uuid::Uuid::new_v4();
    let id = yard.route(&to, Some(lease), sent).await;
    yard.tell(vec![wire::Reference::Delivery { id, lease }]).await;

    let request = yard.receiver.received(1).await.remove(0);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/in")
    );
    assert_eq!(request.body, body);
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("webhook-id", &event_id.to_string()),
        ("x-hookyard-delivery", &id.to_string()),
        ("x-hookyard-attempt", "1"),
        ("x-hookyard-event-type", "payment.succeeded"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("user-agent", concat!("hookyard/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    let independent = Webhook::new(SECRET).unwrap();
    independent.verify(&request.body, &headers(&request)).unwrap();
    let other = Webhook::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    assert!(other.verify(&request.body, &headers(&request)).is_err());

    let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(delivery.attempts, 1);
    assert!(delivery.delivered_at.is_some());
    let attempts = yard.attempts(id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].response_status), (1, Some(200)));
    assert_eq!(attempts[0].error_kind, None);
    let kept = String::from_utf8(attempts[0].request_headers.clone()).unwrap();
    assert!(kept.contains(&event_id.to_string()), "{kept}");
    assert!(kept.contains(r#"["webhook-signature","[redacted]"]"#), "{kept}");
}

#[tokio::test]
async fn an_endpoint_that_asks_for_a_credential_gets_it_and_no_record_has_it() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let basic = yard
        .with_endpoint("basic", |endpoint| {
            let username = "Aladdin".to_owned();
            endpoint.spec.auth = Some(AuthSpec::Basic { username });
            endpoint.credential = Some("open sesame".into());
        })
        .await;
    let header = yard
        .with_endpoint("header", |endpoint| {
            let name = "X-Acme".to_owned();
            endpoint.spec.auth = Some(AuthSpec::Header { name });
            endpoint.credential = Some("hunter2".into());
        })
        .await;
    yard.start_worker();
    for (to, name, value) in [
        (basic, "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (header, "x-acme", "hunter2"),
    ] {
        let id = yard.told(&to).await;
        let attempt = yard.attempted(id, 1).await.remove(0);
        let requests = yard.receiver.requests();
        let request = requests.last().unwrap();
        assert_eq!(request.header(name), Some(value));
        let kept = String::from_utf8(attempt.request_headers).unwrap();
        assert!(kept.contains(&format!(r#"["{name}","[redacted]"]"#)), "{kept}");
        assert!(!kept.contains(value), "{kept}");
    }
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_verify_and_an_expired_one_does_not() {
    let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let expired = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    let yard = Yard::embedded(settings(NEVER)).await;
    let now = Instant::now();
    let until = |expires_at, of: SigningSecret| SigningSecret {
        expires_at: Some(expires_at),
        ..of
    };
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.secrets.push(until(
                now + std::time::Duration::from_hours(1),
                secret("old", old),
            ));
            endpoint.secrets.push(until(now, secret("expired", expired)));
        })
        .await;
    yard.start_worker();
    yard.told(&to).await;
    let request = yard.receiver.received(1).await.remove(0);
    for (value, verifies) in [(SECRET, true), (old, true), (expired, false)] {
        let verified = Webhook::new(value)
            .unwrap()
            .verify(&request.body, &headers(&request));
        assert_eq!(verified.is_ok(), verifies, "{value}");
    }
}

#[tokio::test]
async fn a_transform_comes_as_json_and_custom_headers_come_along() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| {
            let headers = &mut endpoint.spec.headers;
            headers.insert("X-Team".to_owned(), "pay".to_owned());
            headers.insert("Authorization".to_owned(), "Bearer hunter2".to_owned());
        })
        .await;
    let first = yard.due(&to).await;
    let delivery = yard.delivery(first).await;
    let replay = DeliveryId::of(delivery.event_id, &to, 1);
    let row = NewDelivery {
        id: replay,
        workspace_id: delivery.workspace_id,
        endpoint_id: to.clone(),
        route_id: None,
        event_type: None,
        state: DeliveryState::Pending,
        reason: None,
        due_at: Some(Instant::now()),
        lease: None,
        body: Some(bytes::Bytes::from_static(br#"{"twice":14}"#)),
        replay_of: Some(first),
        order_key: None,
    };
    let added = yard
        .store
        .add_deliveries(delivery.event_id, vec![row], Instant::now());
    added.await.unwrap();
    yard.start_worker();
    let requests = yard.receiver.received(2).await;
    let transformed = requests
        .iter()
        .find(|request| request.header("x-hookyard-delivery") == Some(&replay.to_string()))
        .unwrap();
    assert_eq!(transformed.body, br#"{"twice":14}"#);
    assert_eq!(transformed.header("content-type"), Some("application/json"));
    assert_eq!(transformed.header("x-hookyard-event-type"), None);
    assert_eq!(transformed.header("x-team"), Some("pay"));
    assert_eq!(transformed.header("authorization"), Some("Bearer hunter2"));
    let ids: Vec<_> = requests
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    assert_eq!(ids[0], ids[1], "a replay has the event's id");
    ids[0].unwrap().parse::<EventId>().unwrap();

    yard.comes_to(replay, DeliveryState::Delivered).await;
    let kept = String::from_utf8(yard.attempts(replay).await[0].request_headers.clone()).unwrap();
    assert!(
        kept.contains(r#"["X-Team","pay"]"#) && !kept.contains("hunter2"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_secret_that_cannot_sign_sends_nothing_and_says_so() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.secrets = vec![secret("bad", "whsec_short")];
        })
        .await;
    yard.start_worker();
    let id = yard.told(&to).await;
    let attempt = yard.attempted(id, 1).await.remove(0);
    assert_eq!(attempt.error_kind.as_deref(), Some("blocked"));
    assert!(attempt.error_message.unwrap().contains("not a signing secret"));
    assert_eq!(yard.delivery(id).await.state, DeliveryState::ScheduledRetry);
    assert!(yard.receiver.requests().is_empty());
}
