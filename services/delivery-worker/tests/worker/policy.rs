//! How a delivery is made: what its workspace, its endpoint and its route say of it.

use crate::yard::{EAGER, NEVER, Yard, settings, workspace};
use std::time::Duration;
use store::{Edit, Route};
use testkit::receiver::Reply;
use wire::resource::{DeliverySpec, RetrySpec, RouteSpec, StatusPattern, Target};
use wire::{DeliveryState, EndpointId, Instant, RouteId};

fn schedule(waits: &[u64]) -> DeliverySpec {
    DeliverySpec {
        retry: RetrySpec {
            schedule: Some(waits.iter().copied().map(Duration::from_millis).collect()),
            jitter: Some(0.0),
        },
        ..DeliverySpec::default()
    }
}

fn route(name: &str, to: &EndpointId, delivery: DeliverySpec) -> Route {
    let now = Instant::now();
    Route {
        subscription: None,
        id: RouteId::from_stored(format!("rt_{name}")),
        workspace_id: workspace().id,
        position: 0,
        spec: RouteSpec {
            name: name.to_owned(),
            enabled: true,
            from: Vec::new(),
            event_types: Vec::new(),
            filter: None,
            transform: None,
            delay: Duration::ZERO,
            delivery,
            to: Target::Endpoint(to.clone()),
        },
        created_at: now,
        updated_at: now,
    }
}

#[tokio::test]
async fn a_routes_schedule_is_nearer_than_its_endpoints() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    let once = route("once", &to, schedule(&[0]));
    let silent = route("silent", &to, DeliverySpec::default());
    yard.edit(vec![Edit::Route(once.clone()), Edit::Route(silent.clone())])
        .await;
    yard.receiver.answer_all(Reply::status(500));
    yard.start_worker();
    for (route, attempts) in [
        (Some(once.id), 1),
        (Some(silent.id), 3),
        (None, 3),
        // It is gone, and says nothing.
        (Some(RouteId::from_stored("rt_gone")), 3),
    ] {
        let id = yard.due_by(&to, route.clone()).await;
        let delivery = yard.comes_to(id, DeliveryState::DeadLetter).await;
        assert_eq!(delivery.attempts, attempts, "{route:?}");
        // So many failures and no success between them would open the circuit.
        for _ in 0..2 {
            yard.receiver.answer_next([Reply::status(200)]);
            let well = yard.due(&to).await;
            yard.comes_to(well, DeliveryState::Delivered).await;
        }
    }
}

#[tokio::test]
async fn a_status_that_the_workspace_has_as_final_ends_a_delivery() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver.answer_all(Reply::status(422));
    yard.start_worker();
    let before = yard.due(&to).await;
    yard.comes_to(before, DeliveryState::DeadLetter).await;

    let mut strict = workspace();
    strict.spec.delivery.final_statuses = Some(vec![StatusPattern::Class(4)]);
    yard.edit(vec![Edit::Workspace(strict)]).await;
    let id = yard.due(&to).await;
    let delivery = yard.comes_to(id, DeliveryState::Failed).await;
    assert_eq!(
        (delivery.attempts, delivery.reason.as_deref()),
        (1, Some("final_status"))
    );
    assert_eq!(delivery.due_at, None);
    let attempts = yard.attempts(id).await;
    assert_eq!(attempts[0].error_kind.as_deref(), Some("http_status"));
    let endpoint = yard.store.endpoint(&to).await.unwrap().unwrap();
    assert!(
        endpoint.spec.enabled,
        "a final status says nothing of the endpoint"
    );

    // The endpoint is nearer, and has none that are final.
    yard.with_endpoint("in", |endpoint| {
        endpoint.spec.delivery.final_statuses = Some(Vec::new());
    })
    .await;
    let lenient = yard.due(&to).await;
    yard.comes_to(lenient, DeliveryState::DeadLetter).await;
}

#[tokio::test]
async fn a_delivery_that_waits_for_its_retry_goes_by_what_holds_then() {
    let yard = Yard::embedded(settings(EAGER)).await;
    let to = yard
        .with_endpoint("in", |endpoint| {
            endpoint.spec.delivery = schedule(&[0, 1_500, 0, 0]);
        })
        .await;
    yard.receiver.answer_all(Reply::status(500));
    yard.start_worker();
    let id = yard.due(&to).await;
    yard.comes_to(id, DeliveryState::ScheduledRetry).await;
    yard.with_endpoint("in", |endpoint| endpoint.spec.delivery = schedule(&[0, 0]))
        .await;
    let delivery = yard.comes_to(id, DeliveryState::DeadLetter).await;
    assert_eq!(delivery.attempts, 2);
}

#[tokio::test]
async fn a_workspaces_timeout_ends_an_attempt_that_hangs() {
    let yard = Yard::embedded(settings(NEVER)).await;
    let mut hasty = workspace();
    hasty.spec.delivery.timeout = Some(Duration::from_millis(200));
    yard.edit(vec![Edit::Workspace(hasty)]).await;
    let to = yard.with_endpoint("in", |_| {}).await;
    yard.receiver.answer_all(Reply::hang());
    yard.start_worker();
    let id = yard.told(&to).await;
    let attempt = yard.attempted(id, 1).await.remove(0);
    assert_eq!(attempt.error_kind.as_deref(), Some("timeout"));
    assert!(attempt.duration_ms < 5_000, "{} ms", attempt.duration_ms);
}
