//! Operators who change the same thing at once: what the one did is neither undone nor brought back by the other.

use crate::on_both;
use crate::yard::{Yard, definition};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const PETS: &str = r#"{"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": {"/pets/{id}": {"get":
    {"operationId": "getPet", "parameters": [{"name": "id", "in": "path", "required": true}]}}}}"#;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of one document, which nobody gets until it is opened: saving a playbook that calls it is between reading and
/// writing for as long as the test likes.
struct Gate {
    address: SocketAddr,
    asked: Arc<tokio::sync::Notify>,
    is_open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            is_open: Arc::default(),
        };
        let (asked, is_open) = (Arc::clone(&gate.asked), Arc::clone(&gate.is_open));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, asked, is_open) = (stream.unwrap(), Arc::clone(&asked), Arc::clone(&is_open));
                std::thread::spawn(move || answer(stream, &asked, &is_open));
            }
        });
        gate
    }

    fn open(&self) {
        *self.is_open.0.lock().unwrap() = true;
        self.is_open.1.notify_all();
    }

    /// A playbook that calls what is behind it.
    fn definition(&self) -> String {
        let uri = format!("http://{}/openapi.json", self.address);
        format!(
            "document: {{dsl: 1.0.3, namespace: acme, name: pet, version: 1.0.0}}\ndo:\n  - pet:\n      call: openapi\n      \
             with: {{document: {{endpoint: '{uri}'}}, operationId: getPet, parameters: {{id: '${{ .id }}'}}}}\n"
        )
    }
}

fn answer(mut stream: TcpStream, asked: &tokio::sync::Notify, (is_open, opened): &(Mutex<bool>, Condvar)) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    asked.notify_one();
    let guard = is_open.lock().unwrap();
    let (_guard, waited) = opened
        .wait_timeout_while(guard, PATIENCE, |is_open| !*is_open)
        .unwrap();
    assert!(!waited.timed_out(), "the gate was never opened");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        PETS.len()
    );
    // Whoever asked may be gone.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(PETS.as_bytes()));
}

/// A yard with the playbook `pet`, and the definition that takes its time.
async fn pet() -> (Yard, Gate) {
    let yard = Yard::near().await;
    let body = json!({"slug": "pet", "definition": definition("pet")});
    yard.post("playbooks", &body).await.expect(201);
    (yard, Gate::start())
}

async fn asked(gate: &Gate) {
    tokio::time::timeout(PATIENCE, gate.asked.notified())
        .await
        .expect("the document is fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_while_it_is_changed_does_not_come_back() {
    let (yard, gate) = pet().await;
    let body = json!({"definition": gate.definition()});
    let change = yard.patch("playbooks/pet", &body);
    let remove = async {
        asked(&gate).await;
        assert_eq!(yard.delete("playbooks/pet").await.status.as_u16(), 204);
        gate.open();
    };
    let (changed, ()) = tokio::join!(change, remove);
    changed.refused(404, "not_found");
    yard.get("playbooks/pet").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_two_has_the_changes_of_both() {
    let (yard, gate) = pet().await;
    let body = json!({"definition": gate.definition()});
    let slow = yard.patch("playbooks/pet", &body);
    let fast = async {
        asked(&gate).await;
        let changed = yard
            .patch("playbooks/pet", &json!({"concurrency": 7}))
            .await
            .expect(200);
        assert_eq!(changed["version"], json!(1));
        gate.open();
    };
    let (slow, ()) = tokio::join!(slow, fast);
    let slow = slow.expect(200);
    assert_eq!((&slow["concurrency"], &slow["version"]), (&json!(7), &json!(2)));
    assert_eq!(
        yard.get("playbooks/pet").await.expect(200)["concurrency"],
        json!(7)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_read_before_somebody_changed_the_same_is_refused() {
    let (yard, gate) = pet().await;
    let file = format!(
        "workspace: {{slug: acme, name: Acme Inc.}}\nplaybooks:\n  - {{slug: pet, definition: {}}}\n",
        json!(gate.definition())
    );
    let apply = yard.apply("", &file);
    let change = async {
        asked(&gate).await;
        yard.patch("playbooks/pet", &json!({"concurrency": 7}))
            .await
            .expect(200);
        gate.open();
    };
    let (applied, ()) = tokio::join!(apply, change);
    applied.refused(409, "conflict");
    assert_eq!(yard.get("playbooks/pet").await.expect(200)["version"], json!(1));
    yard.apply("", &file).await.expect(200);
    assert_eq!(
        yard.get("playbooks/pet").await.expect(200)["concurrency"],
        Value::Null
    );
}

on_both! {
    async fn playbooks_that_are_made_at_once_have_numbers_of_their_own(yard: &Yard) {
        let make = |one: u32| async move {
            let slug = format!("pet-{one}");
            let body = json!({"slug": slug, "definition": definition(&slug)});
            yard.post("playbooks", &body).await.expect(201)["number"].as_i64().unwrap()
        };
        let mut numbers = futures_util::future::join_all((1..=8).map(make)).await;
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);

        // Who names a number, or takes a slug, is told so.
        for (body, what) in [
            (json!({"slug": "pet-9", "number": 8, "definition": definition("pet-9")}), "the number"),
            (json!({"slug": "pet-8", "definition": definition("pet-8")}), "the slug"),
        ] {
            let error = yard.post("playbooks", &body).await.expect(409);
            assert_eq!(error["error"]["message"], format!("{what} is taken by another thing"));
        }
    }

    async fn changes_of_different_fields_at_once_are_all_kept(yard: &Yard) {
        let route = json!({"name": "paid", "to": {"endpoint": "billing"}});
        yard.post("routes", &route).await.expect(201);
        let changes = [
            ("endpoints/billing", json!({"concurrency": 7})), ("endpoints/billing", json!({"headers": {"X-Team": "pay"}})),
            ("endpoints/billing", json!({"timeout": "9s"})), ("sources/stripe", json!({"maxBodyBytes": 1_000})),
            ("sources/stripe", json!({"gzip": true})), ("sources/stripe", json!({"enabled": false})),
            ("routes/paid", json!({"filter": ".a"})), ("routes/paid", json!({"enabled": false})), ("routes/paid", json!({"delay": "9s"})),
        ];
        let patches = changes.iter().map(|(path, body)| yard.patch(path, body));
        for changed in futures_util::future::join_all(patches).await {
            changed.expect(200);
        }
        for (path, body) in &changes {
            let shown = yard.get(path).await.expect(200);
            for (field, value) in body.as_object().unwrap() {
                assert_eq!(shown[field], *value, "{path}: {field}");
            }
        }
    }
}
