//! Nahook's own Python package, unchanged. (The Rust crate is in `compat/nahook`: it needs OpenSSL's headers.)

use crate::running::{Running, run, stderr, stdout};
use crate::senders::{event_id, push};
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn nahooks_python_package_manages_a_workspace() {
    let Some(python) = testkit::python::interpreter("the management API with Nahook's Python package") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    for id in ["d-1", "d-2", "d-3"] {
        let (status, answer) = push(&running, id).await;
        assert_eq!(status, 202, "{answer}");
        running.delivery(&event_id(&answer), "delivered").await;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/nahook_management.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .args([running.url.as_str(), &running.demo("managementToken"), "demo"]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}
