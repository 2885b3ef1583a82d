//! The same promises with every role in processes of its own.

use crate::crash::{SOURCE_SECRET, SOURCE_TOKEN, TOKEN, Yard, burst};
use crate::running::{hookyard, http, run, stderr, stdout};
use crate::services::{Deployment, Service};
use broker::{Conveyor, RabbitSettings};
use nix::sys::signal::Signal;
use std::time::Duration;
use testkit::proxy::Proxy;
use testkit::{broker as test_broker, until};
use wire::Queue;

fn url_of(services: &[Service], role: &str) -> String {
    services
        .iter()
        .find(|service| service.role == role)
        .unwrap()
        .url()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_each_role_deliver_an_event_and_end_in_order() {
    let broker = test_broker::rabbitmq();
    let deployment = Deployment::new(broker.clone(), broker.url().to_owned());
    let yard = Yard::new();
    deployment.apply(&yard.file);
    let mut services = deployment.start_all(2).await;
    let accepted = burst(&url_of(&services, "hookyard-gateway"), 0..20).await;
    yard.all_delivered(&accepted, Duration::from_mins(1)).await;

    let mut events = hookyard();
    events
        .env("HOOKYARD_URL", url_of(&services, "hookyard-console"))
        .env("HOOKYARD_TOKEN", TOKEN)
        .env("HOOKYARD_WORKSPACE", "acme")
        .args(["events", "--limit", "100"]);
    until("the management API shows all as routed", async || {
        stdout(&run(&mut events)).matches(" routed ").count() == 20
    })
    .await;
    let management = url_of(&services, "hookyard-console");
    let mut send = hookyard();
    send.env("HOOKYARD_URL", &management)
        .env("HOOKYARD_GATEWAY", url_of(&services, "hookyard-gateway"))
        .env("HOOKYARD_TOKEN", TOKEN)
        .env("HOOKYARD_WORKSPACE", "acme")
        .args(["send", "github", "--as", "github", "--secret", SOURCE_SECRET]);
    let door = run(&mut send);
    assert_eq!(door.status.code(), Some(0), "{}{}", stdout(&door), stderr(&door));
    until(
        "the console shows what waits, for alarms and scaling",
        async || {
            let metrics = reqwest::get(format!("{management}/metrics"))
                .await
                .unwrap()
                .text()
                .await
                .unwrap();
            let gauges = [
                "hookyard_queue_depth{",
                "hookyard_queue_oldest_age_seconds{",
                "hookyard_dlq_size",
                "hookyard_breaker_open",
                "hookyard_db_pool_connections{",
            ];
            gauges.iter().all(|gauge| metrics.contains(gauge))
        },
    )
    .await;
    let doctor = run(deployment.told(&mut hookyard()).arg("doctor"));
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));

    for service in &services {
        service.signal(Signal::SIGTERM);
    }
    for service in &mut services {
        assert_eq!(
            service.ended().code(),
            Some(0),
            "{}: {}",
            service.role,
            service.log()
        );
    }
}

/// The burst, then `kill -9` of everything and a broker that has forgotten everything: what was accepted is delivered
/// by the next processes.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_everything_and_an_emptied_broker_lose_no_accepted_event() {
    let broker = test_broker::rabbitmq();
    let deployment = Deployment::new(broker.clone(), broker.url().to_owned());
    let yard = Yard::new();
    deployment.apply(&yard.file);
    let services = deployment.start_all(1).await;
    yard.refuse();
    let accepted = burst(&url_of(&services, "hookyard-gateway"), 0..200).await;
    assert_eq!(accepted.len(), 200);
    // Dropping is `SIGKILL`.
    drop(services);
    empty(&deployment).await;

    yard.take_again();
    let _services = deployment.start_all(1).await;
    yard.all_delivered(&accepted, Duration::from_mins(2)).await;
}

async fn empty(deployment: &Deployment) {
    let conveyor = Conveyor::rabbit(&RabbitSettings {
        namespace: deployment.broker.namespace().to_owned(),
        queue_expiry: Some(Duration::from_mins(10)),
        ..RabbitSettings::new(deployment.broker.url().to_owned())
    })
    .unwrap();
    assert!(conveyor.connected().await);
    for queue in Queue::ALL {
        conveyor.purge(queue).await.unwrap();
    }
    conveyor.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_notice_nothing_of_a_broker_that_is_gone_and_all_is_delivered_after_its_return() {
    let broker = test_broker::rabbitmq();
    let proxy = Proxy::start(broker.address());
    let deployment = Deployment::new(broker.clone(), broker.url_through(proxy.address()));
    let yard = Yard::new();
    deployment.apply(&yard.file);
    let services = deployment.start_all(1).await;
    let gateway = url_of(&services, "hookyard-gateway");

    let mut accepted = burst(&gateway, 0..300).await;
    proxy.cut();
    accepted.extend(burst(&gateway, 300..1_000).await);
    assert_eq!(accepted.len(), 1_000, "every request was accepted");
    proxy.restore();
    yard.all_delivered(&accepted, Duration::from_mins(2)).await;

    let health = services[0].health();
    until("the gateway is on the conveyor again", async || {
        let pages = http()
            .get(format!("{health}/readyz?verbose"))
            .send()
            .await
            .unwrap();
        !pages.text().await.unwrap().contains("\"ok\":false")
    })
    .await;
}

/// The kill switch of contract.md: `accepting: false` over the management API closes the workspace's doors on every gateway,
/// and opens them again.
#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_closes_every_gateway() {
    let broker = test_broker::rabbitmq();
    let deployment = Deployment::new(broker.clone(), broker.url().to_owned());
    let yard = Yard::new();
    deployment.apply(&yard.file);
    let services = deployment.start_all(2).await;
    let workspace = format!(
        "{}/management/v1/workspaces/acme",
        url_of(&services, "hookyard-console")
    );
    let gateways: Vec<String> = services
        .iter()
        .filter(|service| service.role == "hookyard-gateway")
        .map(Service::url)
        .collect();
    assert_eq!(gateways.len(), 2);
    // Both know the source before it is closed.
    for gateway in &gateways {
        assert_eq!(burst(gateway, 0..1).await.len(), 1);
    }
    // Without a signature an open door says 401.
    for (accepting, status) in [(false, 404), (true, 401)] {
        let switched = http()
            .patch(&workspace)
            .bearer_auth(TOKEN)
            .json(&serde_json::json!({"accepting": accepting}))
            .send()
            .await
            .unwrap();
        assert_eq!(switched.status(), 200);
        for gateway in &gateways {
            let door = format!("{gateway}/ingest/{SOURCE_TOKEN}");
            until("the gateway knows", async || {
                let answer = http().post(&door).body("{}").send().await.unwrap();
                answer.status() == status
            })
            .await;
        }
    }
}
