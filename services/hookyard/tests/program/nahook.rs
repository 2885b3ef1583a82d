//! Nahook's own Python package, unchanged. (Its Rust crate is in `compat/nahook`: it needs OpenSSL's headers.)

use crate::running::{Running, run, stderr, stdout};
use crate::senders::{event_id, push};
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::python::interpreter;

/// Runs a script of ours beside the demo.
fn agrees(python: PathBuf, running: &Running, script: &str, further: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/program")
        .join(script);
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(script)
        .args([&running.url, &running.demo("managementToken"), "demo"])
        .args(further);
    let output = run(&mut command);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[tokio::test]
async fn nahooks_python_package_manages_a_workspace() {
    let Some(python) = interpreter("that Nahook's Python package manages a workspace") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    for id in ["d-1", "d-2", "d-3"] {
        let (status, answer) = push(&running, id).await;
        assert_eq!(status, 202, "{answer}");
        running.delivery(&event_id(&answer), "delivered").await;
    }
    agrees(python, &running, "nahook_management.py", &[]);
}

#[test]
fn nahooks_python_package_sends() {
    let Some(python) = interpreter("that Nahook's Python package sends") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    let further = [running.demo("apiKey"), "ep_demo_receiver".to_owned()];
    let further: Vec<&str> = further.iter().map(String::as_str).collect();
    agrees(python, &running, "nahook_ingest.py", &further);
}
