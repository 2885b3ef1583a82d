//! The curl lines of `docs/doors.md`, pasted as a reader pastes them.

use crate::running::{Running, run, stderr, stdout};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// The first shell block of a page.
fn lines_of(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, rest) = text.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn paste(folder: &Path, lines: &str) -> Vec<Value> {
    let mut shell = Command::new("sh");
    shell.args(["-euc", lines]).current_dir(folder);
    let output = run(&mut shell);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test]
async fn the_lines_of_the_page_open_every_door() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("hookyard-data"));
    let lines = lines_of("docs/doors.md").replace("http://127.0.0.1:8080", &running.url);
    let answers = paste(folder.path(), &lines);
    let statuses: Vec<&Value> = answers
        .iter()
        .map(|answer| answer.get("status").unwrap_or_else(|| &answer["data"]["status"]))
        .collect();
    assert_eq!(
        json!(statuses),
        json!([
            "accepted", "created", "accepted", "accepted", null, null, "queued", "accepted", "started",
            "started"
        ]),
        "{answers:#?}"
    );
    assert_eq!(answers[4]["items"][1]["error"]["code"], "not_found");
    // Each id is one that the management API knows.
    let event = running
        .get_demo(&format!("/events/{}", id(&answers[0]["eventId"])))
        .await;
    assert_eq!(event["source"], "orders");
    let run = running
        .get_demo(&format!("/runs/{}", id(&answers[1]["runId"])))
        .await;
    assert_eq!(
        (&run["playbook"], &run["trigger"]),
        (&json!("hello"), &json!("webhook"))
    );
    let delivery = format!("/deliveries/{}", id(&answers[2]["deliveryId"]));
    testkit::until("what was sent is delivered", async || {
        running.get_demo(&delivery).await["status"] == "delivered"
    })
    .await;
    for started in &answers[8..] {
        let run = running
            .get_demo(&format!("/runs/{}", id(&started["workflow_run_id"])))
            .await;
        assert_eq!(run["input"]["name"], "Ada");
    }

    let again = paste(folder.path(), &lines);
    for (index, field) in [(0, "eventId"), (1, "runId"), (2, "deliveryId")] {
        assert_eq!(
            again[index][field], answers[index][field],
            "the same key, the same effect"
        );
    }
    assert_eq!(again[1]["status"], "replayed");
    assert_eq!(again[7], json!({"status": "accepted", "note": "duplicate"}));
}

fn id(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no id"))
}
