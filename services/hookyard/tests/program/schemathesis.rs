//! Schemathesis, unchanged: requests made from the document, thousands of them, against the running program.

use crate::running::{Running, run, stderr, stdout};
use std::process::Command;
use testkit::python::interpreter;

/// Enough to have each parameter wrong in several ways, and all of it in half a minute.
const EXAMPLES: &str = "12";

/// What answers are held to: no 5xx, no status, content type, header or body that is not in the document.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

/// Puts the demo's names where any text would only be a 404.
fn settings(running: &Running) -> String {
    format!(
        r#"
[parameters]
workspace = "demo"
orgSlug = "demo"
channelSlug = "orders"
playbookSlug = "hello"
endpointId = "ep_demo_receiver"
appId = "app_demo"
X-Channel-Secret = "{channel}"
X-Webhook-Secret = "{playbook}"

[auth.openapi.managementToken]
bearer = "{management}"

[auth.openapi.apiKey]
bearer = "{key}"

[[operations]]
include-operation-id = ["ingestToken", "getToken", "headToken", "optionsToken"]
parameters = {{ token = "{source}" }}

[[operations]]
include-operation-id = "runHook"
parameters = {{ token = "{hook}" }}
"#,
        channel = running.demo("channelSecret"),
        playbook = running.demo("playbookSecret"),
        management = running.demo("managementToken"),
        key = running.demo("apiKey"),
        source = running.demo("sourceToken"),
        hook = running.demo("hookToken"),
    )
}

#[test]
fn no_request_made_from_the_document_gets_an_answer_that_is_not_in_it() {
    let Some(python) = interpreter("that answers are those of openapi.json, by Schemathesis") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    std::fs::write(folder.path().join("schemathesis.toml"), settings(&running)).unwrap();
    // The doors first: what is managed afterwards revokes their keys, and closes them.
    let doors = ["--include-tag", "Doors"];
    let management = [
        ["--exclude-tag", "Doors"],
        // The token of these requests would be gone, and with it everything after.
        ["--exclude-operation-id", "deleteManagementToken"],
        ["--exclude-operation-id", "applyConfiguration"],
    ];
    for selected in [doors.as_slice(), management.as_flattened()] {
        let output = run(Command::new(&python)
            .current_dir(folder.path())
            .args(["-m", "schemathesis.cli", "run"])
            .arg(format!("{}/openapi.json", running.url))
            .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS])
            // The same requests on every machine.
            .args([
                "--seed",
                "1",
                "--max-examples",
                EXAMPLES,
                "--generation-database",
                "none",
            ])
            .args(selected)
            // Hypothesis, which it stands on, calls a case flaky now and then when two threads make cases.
            .args(["--no-color", "--workers", "1"]));
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    }
}
