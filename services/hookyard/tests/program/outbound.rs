//! What receivers get, captured from the running program, verifies with implementations that are not ours: the crate and
//! the Python package `standardwebhooks`, and, for `v1a`, which neither knows, with `ring`.

use crate::running::{Running, http, untold};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, signature};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::io::Write as _;
use std::process::Stdio;
use tempfile::TempDir;
use testkit::receiver::{Receiver, Request};
use testkit::until;

const TOKEN: &str = "nhm_outbound_test_0001";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STRANGER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A body, its type, and whether it is text: the libraries take nothing else.
const BODIES: [(&[u8], &str, bool); 5] = [
    (
        b"plain text, with \xc3\xa4 and \xf0\x9f\x90\xb4\r\n",
        "text/plain",
        true,
    ),
    (
        b"{\"id\": 7,\n  \"id\": 8.50, \"\\u00e4\": null}\n",
        "application/json",
        true,
    ),
    (
        b"text\0with\x01control\x7fcharacters",
        "application/octet-stream",
        true,
    ),
    (b"\x89PNG\r\n\x1a\n\0\xff\xfe\xc3(", "image/png", false),
    (b"", "application/json", true),
];

/// A yard that sends whatever comes to a receiver.
struct Outbound {
    running: Running,
    receiver: Receiver,
    _folder: TempDir,
}

impl Outbound {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start();
        let yard = format!(
            "workspace: {{slug: acme}}\n\
             environments: [{{slug: production, default: true}}]\n\
             management_tokens: [{{name: test, token: {TOKEN}}}]\n\
             endpoints: [{{slug: billing, url: \"{}/hooks\", secret: {SECRET}}}]\n\
             sources: [{{slug: shop, token: src_outbound_test_0001}}]\n\
             routes: [{{name: all, to: {{endpoint: billing}}}}]\n",
            receiver.url()
        );
        let file = folder.path().join("yard.yaml");
        std::fs::write(&file, yard).unwrap();
        let running = Running::start_with(&folder.path().join("data"), |command| {
            command.arg("--apply").arg(file);
        });
        Self {
            running,
            receiver,
            _folder: folder,
        }
    }

    /// Sends a body through the door, and waits for its delivery.
    async fn deliver(&self, body: &'static [u8], content_type: &str) -> Request {
        let before = self.receiver.requests().len();
        let answer = http()
            .post(format!("{}/ingest/src_outbound_test_0001", self.running.url))
            .header("Content-Type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        self.receiver.received(before + 1).await.swap_remove(before)
    }

    async fn manage(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/management/v1/workspaces/acme/{path}", self.running.url);
        let answer = http()
            .post(url)
            .bearer_auth(TOKEN)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Rotates the endpoint's secret; returns the new one.
    async fn rotate(&self, body: Value) -> String {
        let rotated = self.manage("endpoints/billing/rotate-secret", body).await;
        rotated["secret"].as_str().unwrap().to_owned()
    }

    /// Rotates the endpoint's secret to a new key pair; returns the public half that the endpoint shows.
    async fn rotate_to_pair(&self, overlap: &str) -> String {
        let body = json!({"overlap": overlap, "signing": "v1a"});
        let rotated = self.manage("endpoints/billing/rotate-secret", body).await;
        assert_eq!(
            (rotated.get("secret"), &rotated["signing"]),
            (None, &json!("v1a"))
        );
        let shown = self.running.get("acme", TOKEN, "/endpoints/billing").await;
        assert_eq!(shown["publicKey"], rotated["publicKey"]);
        shown["publicKey"].as_str().unwrap().to_owned()
    }
}

/// Whether the crate finds it authentic.
fn verifies(request: &Request, secret: &str) -> bool {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.as_slice().try_into().unwrap()))
        .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
        .into_iter()
        .collect();
    Webhook::new(secret)
        .unwrap()
        .verify(&request.body, &headers)
        .is_ok()
}

/// As the specification says it, for bodies that the libraries do not take.
fn verifies_by_hand(request: &Request, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    signatures(request, "v1").iter().any(|signature| {
        let signature = STANDARD.decode(signature).unwrap();
        hmac::verify(&key, &signed(request), &signature).is_ok()
    })
}

/// Whether a `v1a` signature is of this key.
fn verifies_with_key(request: &Request, public_key: &str) -> bool {
    let key = STANDARD
        .decode(public_key.strip_prefix("whpk_").unwrap())
        .unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
    signatures(request, "v1a").iter().any(|signature| {
        let signature = STANDARD.decode(signature).unwrap();
        key.verify(&signed(request), &signature).is_ok()
    })
}

/// What a signature is over.
fn signed(request: &Request) -> Vec<u8> {
    let header = |name| request.header(name).unwrap();
    let head = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    [head.as_bytes(), &request.body].concat()
}

/// The signatures of one version, in base64.
fn signatures(request: &Request, version: &str) -> Vec<String> {
    let all = request.header("webhook-signature").unwrap().split(' ');
    let of_version = all.filter_map(|one| one.split_once(',').filter(|(of, _)| *of == version));
    of_version.map(|(_, signature)| signature.to_owned()).collect()
}

/// What the Python package says of each delivery; nothing where there is no Python.
fn python_says(deliveries: &[(&Request, &str)]) -> Option<Vec<String>> {
    let python = testkit::python::interpreter("deliveries against the Python package standardwebhooks")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/verify_deliveries.py");
    let lines: String = deliveries
        .iter()
        .map(|(request, secret)| {
            let headers: serde_json::Map<String, Value> = request
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into()))
                .collect();
            let body = STANDARD.encode(&request.body);
            json!({"secret": secret, "headers": headers, "body": body}).to_string() + "\n"
        })
        .collect();
    let mut child = untold(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads a line, then writes one: a few lines fit into the pipes.
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    Some(said.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn bodies_of_every_kind_verify_with_the_reference_libraries() {
    let outbound = Outbound::start();
    let mut deliveries = Vec::new();
    for (body, content_type, is_text) in BODIES {
        let request = outbound.deliver(body, content_type).await;
        assert_eq!(request.body, body);
        assert_eq!(signatures(&request, "v1").len(), 1);
        assert!(verifies_by_hand(&request, SECRET) && !verifies_by_hand(&request, STRANGER));
        assert_eq!(verifies(&request, SECRET), is_text, "{content_type}");
        assert!(!verifies(&request, STRANGER));
        deliveries.push((request, is_text));
    }
    let of_each = |secret| deliveries.iter().map(move |(request, _)| (request, secret));
    let asked: Vec<_> = of_each(SECRET).chain(of_each(STRANGER)).collect();
    let Some(said) = python_says(&asked) else { return };
    let expected = deliveries
        .iter()
        .map(|(_, is_text)| if *is_text { "valid" } else { "valid by hand" })
        .chain(deliveries.iter().map(|_| "invalid: No matching signature found"));
    assert_eq!(said, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn both_secrets_verify_while_they_overlap_and_then_the_new_one_alone() {
    let outbound = Outbound::start();
    let second = outbound.rotate(json!({"overlap": "1h"})).await;
    let during = outbound.deliver(b"{}", "application/json").await;
    assert_eq!(signatures(&during, "v1").len(), 2);
    assert!(verifies(&during, SECRET) && verifies(&during, &second));

    // An overlap that ends by itself, with the endpoint remembered as it was.
    let third = outbound.rotate(json!({"overlap": "1s"})).await;
    let mut after = during.clone();
    until("the new secret signs alone", async || {
        after = outbound.deliver(b"{}", "application/json").await;
        signatures(&after, "v1").len() == 1
    })
    .await;
    assert!(verifies(&after, &third) && !verifies(&after, &second) && !verifies(&after, SECRET));

    let at_once = outbound.rotate(json!({"overlap": "0s"})).await;
    let last = outbound.deliver(b"{}", "application/json").await;
    assert!(verifies(&last, &at_once) && !verifies(&last, &third));

    let asked = [
        (&during, SECRET),
        (&during, second.as_str()),
        (&during, STRANGER),
        (&after, SECRET),
        (&after, &third),
        (&last, &third),
        (&last, &at_once),
    ];
    let Some(said) = python_says(&asked) else { return };
    let valid: Vec<bool> = said.iter().map(|line| line == "valid").collect();
    assert_eq!(valid, [true, true, false, false, true, false, true], "{said:?}");
}

#[tokio::test]
async fn key_pairs_sign_on_request_beside_secrets_and_beside_each_other() {
    let outbound = Outbound::start();
    let first = outbound.rotate_to_pair("1h").await;
    for (body, content_type, _) in BODIES {
        let request = outbound.deliver(body, content_type).await;
        assert!(verifies_with_key(&request, &first), "{content_type}");
        assert!(verifies_by_hand(&request, SECRET), "{content_type}");
    }
    let second = outbound.rotate_to_pair("1h").await;
    let during = outbound.deliver(b"{}", "application/json").await;
    assert!(verifies_with_key(&during, &first) && verifies_with_key(&during, &second));
    assert!(
        verifies(&during, SECRET),
        "the library skips the versions that it does not know"
    );

    let third = outbound.rotate_to_pair("0s").await;
    let alone = outbound.deliver(b"{}", "application/json").await;
    assert!(verifies_with_key(&alone, &third) && !verifies_with_key(&alone, &second));
    assert_eq!(alone.header("webhook-signature").unwrap().matches(',').count(), 1);

    let back = outbound.rotate(json!({"overlap": "1h", "signing": "v1"})).await;
    let both = outbound.deliver(b"{}", "application/json").await;
    assert!(verifies(&both, &back) && verifies_with_key(&both, &third));

    let asked = [(&during, SECRET), (&alone, SECRET), (&both, back.as_str())];
    let Some(said) = python_says(&asked) else { return };
    assert_eq!(said, ["valid", "invalid: No matching signature found", "valid"]);
}
