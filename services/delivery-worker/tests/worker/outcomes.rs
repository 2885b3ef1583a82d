//! What follows an attempt.

use crate::yard::{EAGER, NEVER, Yard, settings};
use std::time::Duration;
use store::Edit;
use testkit::receiver::Reply;
use wire::{DeliveryState, Instant};

#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_on_the_schedule_until_it_succeeds() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver
        .answer_next([Reply::status(500).body("not yet"), Reply::reset()]);
    yard.start_worker();
    let id = yard.told(&to).await;
    let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(delivery.attempts, 3);

    let requests = yard.receiver.requests();
    let numbers: Vec<_> = requests
        .iter()
        .map(|request| request.header("x-hookyard-attempt").unwrap())
        .collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    let same = |name: &str| {
        requests
            .iter()
            .all(|request| request.header(name) == requests[0].header(name))
    };
    assert!(same("webhook-id") && same("x-hookyard-delivery"));
    let attempts = yard.attempts(id).await;
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            (
                attempt.number,
                attempt.response_status,
                attempt.error_kind.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(500), Some("http_status")),
            (2, None, Some("reset")),
            (3, Some(200), None)
        ]
    );
    assert_eq!(attempts[0].response_body, b"not yet");
}

#[tokio::test]
async fn a_schedule_that_is_used_up_leaves_a_dead_letter_that_a_retry_by_hand_revives() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver.answer_all(Reply::status(500));
    yard.start_worker();
    let id = yard.told(&to).await;
    let delivery = yard.comes_to(id, DeliveryState::DeadLetter).await;
    assert_eq!((delivery.attempts, delivery.due_at), (3, None));
    assert_eq!(yard.receiver.requests().len(), 3);

    yard.receiver.answer_all(Reply::status(204));
    let revived = yard
        .store
        .on_record(vec![])
        .retry_delivery(&delivery.workspace_id, id, Instant::now());
    assert!(revived.await.unwrap());
    let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
    assert_eq!(delivery.attempts, 4);
    assert_eq!(
        yard.receiver.requests()[3].header("x-hookyard-attempt"),
        Some("4")
    );
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let yesterday = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases = [
        ("429", "120", Duration::from_mins(2)),
        ("503", "99999999", Duration::from_hours(1)),
        ("503", "soon", Duration::from_millis(20)),
        ("503", yesterday, Duration::from_millis(20)),
        ("500", "120", Duration::from_millis(20)),
    ];
    yard.start_worker();
    for (number, (status, asked, wait)) in cases.into_iter().enumerate() {
        // One each: together they would fail too often for their circuit.
        let to = yard.with_endpoint(&format!("in{number}"), |_| {}).await;
        let reply = Reply::status(status.parse().unwrap()).header("Retry-After", asked);
        yard.receiver.answer_all(reply);
        let id = yard.told(&to).await;
        let attempt = yard.attempted(id, 1).await.remove(0);
        let delivery = yard.delivery(id).await;
        if wait >= Duration::from_mins(1) {
            let ended =
                attempt.created_at + Duration::from_millis(u64::try_from(attempt.duration_ms).unwrap());
            let waits = delivery.due_at.unwrap().since(ended);
            assert!(waits >= wait, "{status} {asked}: {waits:?}");
            assert!(
                waits < wait + Duration::from_mins(1),
                "{status} {asked}: {waits:?}"
            );
        } else {
            // Ignored, so the schedule is soon over.
            yard.comes_to(id, DeliveryState::DeadLetter).await;
        }
    }
}

#[tokio::test]
async fn a_410_ends_the_delivery_and_disables_the_endpoint_which_then_holds() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver.answer_all(Reply::status(410));
    yard.start_worker();
    let mut changes = yard.conveyor.changes();
    let id = yard.told(&to).await;
    let delivery = yard.comes_to(id, DeliveryState::Failed).await;
    assert_eq!(delivery.reason.as_deref(), Some("gone"));
    assert_eq!(delivery.attempts, 1);
    let change = tokio::time::timeout(testkit::DEADLINE, changes.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(change.workspace, Some(delivery.workspace_id));
    let mut endpoint = yard.store.endpoint(&to).await.unwrap().unwrap();
    assert!(!endpoint.spec.enabled);
    assert_eq!(endpoint.secrets.len(), 1, "nothing else about it changed");

    yard.receiver.answer_all(Reply::status(200));
    let held = [yard.told(&to).await, yard.due(&to).await];
    for id in held {
        let delivery = yard.comes_to(id, DeliveryState::Pending).await;
        assert_eq!(delivery.attempts, 0);
    }
    endpoint.spec.enabled = true;
    yard.edit(vec![Edit::Endpoint(endpoint)]).await;
    for id in held {
        let delivery = yard.comes_to(id, DeliveryState::Delivered).await;
        assert_eq!(delivery.attempts, 1);
    }
    assert_eq!(yard.receiver.requests().len(), 3);
}

#[tokio::test]
async fn a_deleted_endpoint_gets_nothing_and_its_deliveries_end() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    let reference = yard.leased(&to).await;
    let due = yard.due(&to).await;
    yard.edit(vec![Edit::RemoveEndpoint(to)]).await;
    let told = crate::yard::id_of(&reference);
    yard.tell(vec![reference]).await;
    yard.start_worker();
    for id in [told, due] {
        let delivery = yard.comes_to(id, DeliveryState::Failed).await;
        assert_eq!(delivery.reason.as_deref(), Some("endpoint_deleted"));
        assert_eq!((delivery.attempts, delivery.first_attempt_at), (0, None));
        assert!(yard.attempts(id).await.is_empty(), "nothing was tried");
    }
    assert!(yard.receiver.requests().is_empty());
}

#[tokio::test]
async fn bad_receivers_fail_with_the_kind_of_their_failure() {
    let yard = Yard::embedded(settings(NEVER)).await;
    yard.start_worker();
    yard.receiver.answer_all_at("/reset", Reply::reset());
    yard.receiver
        .answer_all_at("/nonsense", Reply::raw("nonsense\r\n\r\n"));
    yard.receiver.answer_all_at("/hang", Reply::hang());
    yard.receiver
        .answer_all_at("/moved", Reply::status(302).header("Location", "/in"));
    yard.receiver.answer_all_at("/endless", Reply::endless_body());
    for (name, state, kind) in [
        ("reset", DeliveryState::ScheduledRetry, Some("reset")),
        ("nonsense", DeliveryState::ScheduledRetry, Some("protocol")),
        ("hang", DeliveryState::ScheduledRetry, Some("timeout")),
        ("moved", DeliveryState::ScheduledRetry, Some("http_status")),
        ("endless", DeliveryState::Delivered, None),
        ("forbidden", DeliveryState::ScheduledRetry, Some("blocked")),
        ("nobody", DeliveryState::ScheduledRetry, Some("connect")),
    ] {
        let to = yard
            .with_endpoint(name, |endpoint| {
                endpoint.spec.delivery.timeout = Some(Duration::from_millis(300));
                match name {
                    "forbidden" => endpoint.spec.url = "http://169.254.169.254/".to_owned(),
                    // A port that nothing listens on: bound and released.
                    "nobody" => endpoint.spec.url = format!("http://{}/", free_address()),
                    _ => {}
                }
            })
            .await;
        let id = yard.told(&to).await;
        let attempt = yard.attempted(id, 1).await.remove(0);
        assert_eq!(attempt.error_kind.as_deref(), kind, "{name}");
        assert_eq!(attempt.error_message.is_some(), kind.is_some(), "{name}");
        // Its next attempt may have begun by now.
        yard.comes_to(id, state).await;
    }
    assert_eq!(yard.requests_at("in"), 0, "a redirect is not followed");
}

fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
