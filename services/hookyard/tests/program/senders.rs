//! Senders that owe nothing to this product's own code: signatures by the `hmac` crate, verification by `standardwebhooks`.

use crate::running::{Running, http};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::fmt::Write as _;

/// A push to the main branch, as short as the demo's route takes it.
pub(crate) const PUSH: &str = r#"{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"pusher":{"name":"mona"},"head_commit":{"message":"Fix"}}"#;

/// `sha256=…` over the body.
pub(crate) fn github_signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .fold("sha256=".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// Posts a GitHub event to a door; returns the status and the answer.
pub(crate) async fn post_github(url: &str, secret: &str, id: &str, body: &str) -> (u16, Value) {
    let answer = http()
        .post(url)
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", id)
        .header("X-Hub-Signature-256", github_signature(secret, body))
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// Pushes to the demo's source; returns the status and the answer.
pub(crate) async fn push(running: &Running, id: &str) -> (u16, Value) {
    let url = format!("{}/ingest/{}", running.url, running.demo("sourceToken"));
    post_github(&url, &running.demo("sourceSecret"), id, PUSH).await
}

/// The id in a door 4 answer.
pub(crate) fn event_id(answer: &Value) -> String {
    answer["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {answer}"))
        .to_owned()
}
