//! What a crash may cost: time, never an event.

use crate::running::Running;
use crate::senders::{event_id, post_github};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use testkit::receiver::{Receiver, Reply};
use tokio::time::Instant;

pub(crate) const SOURCE_SECRET: &str = "it is a secret to everybody";
/// The path of its door 4.
pub(crate) const SOURCE_TOKEN: &str = "src_crash_test_0001";
const ENDPOINT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Opens the management API of [`Yard`]'s workspace.
pub(crate) const TOKEN: &str = "nhm_crash_test_token_0001";

/// A workspace in a file, and the receiver that it delivers to.
pub(crate) struct Yard {
    pub(crate) receiver: Receiver,
    pub(crate) file: PathBuf,
    folder: TempDir,
    /// How many requests the receiver had taken none of.
    refused: AtomicUsize,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
        let file = folder.path().join("yard.yaml");
        let text = format!(
            "workspace: {{slug: acme}}\n\
             environments: [{{slug: production, default: true}}]\n\
             management_tokens: [{{name: test, token: {TOKEN}}}]\n\
             endpoints: [{{slug: billing, url: \"{}/hooks\", secret: {ENDPOINT_SECRET}, concurrency: 50,\n\
             \x20             retry: {{schedule: [0s{}]}}}}]\n\
             sources: [{{slug: github, token: {SOURCE_TOKEN}, verify: {{provider: github, secrets: [{SOURCE_SECRET}]}}}}]\n\
             routes: [{{name: all, from: [github], to: {{endpoint: billing}}}}]\n",
            receiver.url(),
            // More than the slowest burst can use up.
            ", 1s".repeat(40)
        );
        std::fs::write(&file, text).unwrap();
        let refused = AtomicUsize::new(0);
        Self {
            receiver,
            file,
            folder,
            refused,
        }
    }

    /// From now on the receiver takes nothing.
    pub(crate) fn refuse(&self) {
        self.receiver.answer_all(Reply::status(503));
    }

    /// From now on it does again; what it was sent so far does not count.
    pub(crate) fn take_again(&self) {
        self.refused
            .store(self.receiver.requests().len(), Ordering::SeqCst);
        self.receiver.answer_all(Reply::status(200));
    }

    /// Waits until the receiver has taken every one of these events, with its own body and a signature that an
    /// independent library verifies.
    pub(crate) async fn all_delivered(&self, accepted: &HashMap<String, usize>, patience: Duration) {
        let webhook = standardwebhooks::Webhook::new(ENDPOINT_SECRET).unwrap();
        let deadline = Instant::now() + patience;
        let mut delivered: HashMap<String, Value> = HashMap::new();
        let mut looked_at = self.refused.load(Ordering::SeqCst);
        while delivered.len() < accepted.len() {
            let requests = self.receiver.requests();
            for request in &requests[looked_at..] {
                let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| {
                    (
                        name.parse().unwrap(),
                        request.header(name).unwrap().parse().unwrap(),
                    )
                });
                webhook
                    .verify(&request.body, &headers.into_iter().collect::<::http::HeaderMap>())
                    .unwrap();
                delivered.insert(request.header("webhook-id").unwrap().to_owned(), request.json());
            }
            looked_at = requests.len();
            let missing = accepted.len() - delivered.len();
            assert!(
                Instant::now() < deadline,
                "not within {patience:?}: {missing} of {} are missing",
                accepted.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (id, number) in accepted {
            assert_eq!(delivered.get(id), Some(&json!({"number": number})), "{id}");
        }
    }
}

/// Sends the yard's events of these numbers, 32 at a time. Each must be accepted; returns their ids.
pub(crate) async fn burst(gateway: &str, numbers: Range<usize>) -> HashMap<String, usize> {
    let url = format!("{gateway}/ingest/{SOURCE_TOKEN}");
    let url = url.as_str();
    let send = async |number| {
        let body = format!("{{\"number\":{number}}}");
        let (status, answer) = post_github(url, SOURCE_SECRET, &format!("burst-{number}"), &body).await;
        assert_eq!(status, 202, "{answer}");
        (event_id(&answer), number)
    };
    stream::iter(numbers)
        .map(send)
        .buffer_unordered(32)
        .collect()
        .await
}

fn start(data: &Path, yard: &Yard) -> Running {
    Running::start_with(data, |command| {
        command.arg("--apply").arg(&yard.file);
    })
}

/// Two hundred events are accepted while the receiver takes none; then the process is killed, and the next one delivers
/// each of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_a_burst_loses_no_accepted_event() {
    let yard = Yard::new();
    let data = yard.folder.path().join("data");
    let running = start(&data, &yard);
    yard.refuse();
    let accepted = burst(&running.url, 0..200).await;
    running.kill();
    assert_eq!(accepted.len(), 200);

    yard.take_again();
    let _running = start(&data, &yard);
    yard.all_delivered(&accepted, Duration::from_mins(1)).await;
}
