//! Playbook runners as processes of their own: what a killed one had is finished by the other, and nothing is done twice.

use crate::crash::TOKEN;
use crate::running::http;
use crate::services::{Deployment, Service};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use testkit::broker as test_broker;
use testkit::receiver::{Receiver, Reply};

const RUNS: usize = 16;

/// Its steps, each of which happens once.
const STEPS: [&str; 5] = ["begin", "one", "tell", "two", "last"];

struct Yard {
    receiver: Receiver,
    console: Service,
    _others: Vec<Service>,
    runners: Vec<Service>,
    _deployment: Deployment,
}

impl Yard {
    /// A console, a router and two runners.
    async fn start() -> Self {
        let broker = test_broker::rabbitmq();
        let deployment = Deployment::new(broker.clone(), broker.url().to_owned());
        let receiver = Receiver::start();
        receiver.answer_all(Reply::status(200).after(Duration::from_millis(150)));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yard.yaml");
        let url = receiver.url();
        let text = format!(
            "workspace: {{slug: acme}}
environments: [{{slug: production, default: true}}]
management_tokens: [{{name: test, token: {TOKEN}}}]
playbooks:
  - slug: orders
    definition:
      document: {{dsl: '1.0.3', namespace: acme, name: orders, version: '1.0.0'}}
      do:
        - begin: {{set: {{n: '${{ .n }}'}}}}
        - one: {{call: http, with: {{method: post, endpoint: '{url}/one', body: {{n: '${{ .n }}'}}}}}}
        - tell: {{emit: {{event: {{with: {{type: order.told, source: /orders, data: {{n: 1}}}}}}}}}}
        - two: {{call: http, with: {{method: post, endpoint: '{url}/two', body: {{n: 2}}}}}}
        - last: {{set: {{done: true}}}}
"
        );
        std::fs::write(&file, text).unwrap();
        deployment.apply(&file);
        let mut services: Vec<Service> = [
            "hookyard-console",
            "hookyard-router",
            "hookyard-playbook-runner",
            "hookyard-playbook-runner",
        ]
        .iter()
        .map(|role| deployment.start(role))
        .collect();
        for service in &mut services {
            service.ready().await;
        }
        let runners = services.split_off(2);
        let console = services.remove(0);
        Self {
            receiver,
            console,
            _others: services,
            runners,
            _deployment: deployment,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/management/v1/workspaces/acme{path}", self.console.url())
    }

    async fn get(&self, path: &str) -> Value {
        let answer = http()
            .get(self.url(path))
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    async fn start_runs(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for n in 0..RUNS {
            let started = http()
                .post(self.url("/playbooks/orders/runs"))
                .bearer_auth(TOKEN)
                .json(&json!({"input": {"n": n}}))
                .send()
                .await
                .unwrap();
            assert_eq!(started.status(), 201);
            let started: Value = started.json().await.unwrap();
            ids.push(started["id"].as_str().unwrap().to_owned());
        }
        ids
    }

    /// Every run completes in time, with each of its steps once, and under each key one body was sent.
    async fn all_completed(&self, ids: &[String], within: Duration) {
        let deadline = Instant::now() + within;
        for id in ids {
            loop {
                let run = self.get(&format!("/runs/{id}")).await;
                if run["status"] == "completed" {
                    break;
                }
                assert!(Instant::now() < deadline, "not within {within:?}: {run}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let steps = self.get(&format!("/runs/{id}/steps")).await;
            let steps = steps["steps"].as_array().unwrap();
            let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
            assert_eq!(names, STEPS, "{id}");
        }
        let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
        for request in self.receiver.requests() {
            let key = request.header("idempotency-key").unwrap().to_owned();
            let first = bodies.entry(key).or_insert_with(|| request.body.clone());
            assert_eq!(*first, request.body);
        }
        assert_eq!(bodies.len(), 2 * ids.len(), "a key for each call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_runner_had_is_finished_by_the_other() {
    let mut yard = Yard::start().await;
    let ids = yard.start_runs().await;
    yard.receiver.received(RUNS / 2).await;
    yard.runners.remove(0).signal(Signal::SIGKILL);
    // Fifteen seconds of silence, and then as long as a busy machine takes; the benchmark has the figure.
    yard.all_completed(&ids, Duration::from_mins(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_runner_that_ends_in_order_had_is_finished_by_the_other_at_once() {
    let mut yard = Yard::start().await;
    let ids = yard.start_runs().await;
    yard.receiver.received(RUNS / 2).await;
    let mut ending = yard.runners.remove(0);
    ending.signal(Signal::SIGTERM);
    yard.all_completed(&ids, Duration::from_secs(10)).await;
    assert_eq!(ending.ended().code(), Some(0), "{}", ending.log());
    assert_eq!(yard.receiver.requests().len(), 2 * RUNS, "no call was given up");
}
