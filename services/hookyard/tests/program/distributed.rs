//! The same promises with every role in processes of its own.

use crate::crash::{SOURCE_SECRET, SOURCE_TOKEN, TOKEN, Yard, burst};
use crate::running::{hookyard, http, run, stderr, stdout};
use crate::services::{Deployment, Service};
use broker::{Conveyor, RabbitSettings};
use nix::sys::signal::Signal;
use std::path::Path;
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

/// What each role shows at `/metrics` once events went through all of them.
const SHOWN: [(&str, &[&str]); 5] = [
    (
        "hookyard-gateway",
        &[
            "http_server_request_body_size_bytes_count{http_request_method=\"POST\"",
            "hookyard_ingest_events_total{outcome=\"accepted\",reason=\"\",source_kind=\"github\",surface=\"token\"",
            "hookyard_signature_verifications_total{profile=\"github\",reason=\"valid\"",
            "hookyard_batch_rows_count{statement=\"accept\"",
            "messaging_client_operation_duration_seconds_count{messaging_destination_name=\"hookyard.route\"",
        ],
    ),
    (
        "hookyard-router",
        &[
            "hookyard_batch_rows_count{statement=\"routing\"",
            "messaging_client_operation_duration_seconds_count{messaging_destination_name=\"hookyard.deliver\"",
            "messaging_client_operation_duration_seconds_count{messaging_destination_name=\"hookyard.run\"",
        ],
    ),
    (
        "hookyard-delivery-worker",
        &[
            "hookyard_batch_rows_count{statement=\"outcomes\"",
            "hookyard_delivery_attempts_total{class=\"2xx\",outcome=\"success\"",
            "hookyard_delivery_outcomes_total{class=\"2xx\",outcome=\"delivered\"",
        ],
    ),
    (
        "hookyard-playbook-runner",
        &[
            "hookyard_batch_rows_count{statement=\"runs\"",
            "hookyard_run_duration_seconds_count{playbook=\"note\",status=\"completed\"",
            "hookyard_run_steps_total{kind=\"set\",playbook=\"note\",status=\"completed\"",
            "hookyard_run_active{playbook=\"note\"",
        ],
    ),
    (
        "hookyard-console",
        // Alarms and scaling go by these.
        &[
            "hookyard_queue_depth{queue=\"hookyard.route\"",
            "hookyard_queue_oldest_age_seconds{",
            "hookyard_outbox_unpublished{queue=\"hookyard.route\"",
            "hookyard_outbox_unpublished{queue=\"hookyard.deliver\"",
            "hookyard_outbox_unpublished{queue=\"hookyard.run\"",
            "hookyard_replay_progress ",
            "hookyard_dlq_size{",
            "hookyard_breaker_open{",
            "hookyard_db_pool_connections{",
        ],
    ),
];

/// What all processes of a role show.
async fn metrics_of(services: &[Service], role: &str) -> String {
    let mut shown = String::new();
    for service in services.iter().filter(|service| service.role == role) {
        let page = http().get(format!("{}/metrics", service.health())).send().await;
        shown.push_str(&page.unwrap().text().await.unwrap());
    }
    shown
}

/// Has every event of the yard start a run as well.
fn start_runs(yard: &Path) {
    let text = std::fs::read_to_string(yard).unwrap();
    let routes = "to: {endpoint: billing}}]\n";
    assert!(text.ends_with(routes), "{text}");
    let text = text.replace(
        routes,
        "to: {endpoint: billing}}, {name: runs, from: [github], to: {playbook: note}}]\n\
         playbooks:\n\
         \x20 - slug: note\n\
         \x20   definition:\n\
         \x20     document: {dsl: 1.0.3, namespace: acme, name: note, version: 1.0.0}\n\
         \x20     do: [{note: {set: {noted: true}}}]\n",
    );
    std::fs::write(yard, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_each_role_deliver_an_event_and_end_in_order() {
    let broker = test_broker::rabbitmq();
    let deployment = Deployment::new(broker.clone(), broker.url().to_owned());
    let yard = Yard::new();
    start_runs(&yard.file);
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
    let mut send = hookyard();
    send.env("HOOKYARD_URL", url_of(&services, "hookyard-console"))
        .env("HOOKYARD_GATEWAY", url_of(&services, "hookyard-gateway"))
        .env("HOOKYARD_TOKEN", TOKEN)
        .env("HOOKYARD_WORKSPACE", "acme")
        .args(["send", "github", "--as", "github", "--secret", SOURCE_SECRET]);
    let door = run(&mut send);
    assert_eq!(door.status.code(), Some(0), "{}{}", stdout(&door), stderr(&door));
    for (role, expected) in SHOWN {
        until(&format!("{role} shows {expected:?}"), async || {
            let shown = metrics_of(&services, role).await;
            expected.iter().all(|part| shown.contains(part))
        })
        .await;
    }
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
