//! The commands: what they print, and what they exit with.

use crate::running::{Running, hookyard, run, stderr, stdout};
use crate::senders::{event_id, github_signature, push};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use testkit::receiver::{Receiver, Reply};
use testkit::until;

const YARD: &str = "\
workspace: {slug: acme, name: Acme}
environments: [{slug: production, default: true}]
management_tokens: [{name: test, token: nhm_commands_test_0001}]
endpoints: [{slug: billing, url: \"https://billing.example.com/hooks\", timeout: 15s}]
sources: [{slug: shop, token: src_commands_test_0001}]
routes: [{name: all, from: [shop], filter: \".total > 10\", to: {endpoint: billing}}]
";
const TOKEN: &str = "nhm_commands_test_0001";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn json_of(command: &mut Command) -> Value {
    let output = run(command);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A ledger in a file, as a service would be told of it.
fn on_a_ledger(command: &mut Command, ledger: &Path, key: &str) {
    command
        .env("HOOKYARD__DATABASE__URL", format!("sqlite:{}", ledger.display()))
        .env("HOOKYARD__BROKER__URL", "in-process")
        .env("HOOKYARD__SECRETS__MASTER_KEYS", key);
}

fn generated_key() -> String {
    stdout(&run(hookyard().args(["keys", "generate"])))
        .trim()
        .to_owned()
}

#[test]
fn what_cannot_be_understood_exits_with_2_and_what_fails_with_1() {
    for (arguments, code) in [
        (&["no-such-command"][..], 2),
        (&["send"], 2),
        (&["events", "--limit", "0"], 2),
        (&["dev", "--listen", "nowhere"], 2),
        (&["events"], 1),
        (&["replay", "msg_1", "--mode", "as-delivered"], 1),
        (&["replay", "msg_1", "--mode", "as_delivered"], 1),
        (&["replay", "msg_1", "--mode", "as delivered"], 2),
        (&["apply", "-f", "/no/such/file.yaml"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = run(hookyard().args(arguments));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let message = stderr(&run(hookyard().args(["events"])));
    assert!(
        message.contains("--url") && message.contains("HOOKYARD_URL"),
        "{message}"
    );
    let message = stderr(&run(hookyard().args(["events", "--json"])));
    assert!(serde_json::from_str::<Value>(&message).unwrap()["error"]["message"].is_string());
}

#[test]
fn settings_with_a_mistake_are_refused_before_anything_is_started() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut command = hookyard();
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .env("HOOKYARD__GATEWAY__LISTN", "x");
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("gateway.listen"), "{}", stderr(&output));
    assert!(!data.join("ledger.db").exists());
}

#[test]
fn a_server_that_is_not_there_or_is_something_else_is_named() {
    let ask = |url: &str| {
        let mut command = hookyard();
        command
            .env("HOOKYARD_URL", url)
            .env("HOOKYARD_TOKEN", "nhm_x")
            .env("HOOKYARD_WORKSPACE", "acme");
        run(command.arg("events"))
    };
    let gone = Receiver::start().url();
    let output = ask(&gone);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("{gone} cannot be reached")),
        "{}",
        stderr(&output)
    );

    let other = Receiver::start();
    other.answer_all(Reply::status(200).body("<html>hello"));
    let output = ask(&other.url());
    assert!(
        stderr(&output).contains("not the management API"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_tail_goes_on_when_the_ledger_was_away_for_a_moment() {
    let page = |events: Value| {
        let page = json!({"events": events, "deliveries": [], "nextCursor": null});
        Reply::status(200).body(page.to_string())
    };
    let refused = json!({"error": {"code": "unavailable", "message": "send it again in a moment"}});
    let server = Receiver::start();
    server.answer_all(page(json!([
        {"id": "msg_1", "source": "shop", "type": null, "status": "routed", "verified": null, "receivedAt": ""},
    ])));
    server.answer_next([
        // Both lists, once, so that it begins.
        page(json!([])),
        page(json!([])),
        // What the management API says, and what a proxy in front of it does.
        Reply::status(503).body(refused.to_string()),
        Reply::status(502).body("<html>"),
    ]);
    let url = server.url();
    let tail = hookyard()
        .args([
            "tail", "--json", "--every", "100ms", "--url", &url, "--token", TOKEN,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut tail = tail.unwrap();
    let line = BufReader::new(tail.stdout.take().unwrap()).lines().next();
    tail.kill().unwrap();
    tail.wait().unwrap();
    let line: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
    assert_eq!(line["event"]["id"], "msg_1");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for (shell, words) in [
        ("bash", "_hookyard()"),
        ("zsh", "#compdef hookyard"),
        ("fish", "complete -c hookyard"),
    ] {
        let output = run(hookyard().args(["completions", shell]));
        assert!(output.status.success());
        assert!(stdout(&output).contains(words), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let script = format!(
        "{} completions bash | head -1 && exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_hookyard")
    );
    let output = run(Command::new("bash").args(["-c", &script]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_signature_is_checked_without_a_server() {
    let folder = folder();
    let signature = github_signature("s3cret", "{}");
    let request = format!("POST /in HTTP/1.1\r\nHost: yard\r\nX-Hub-Signature-256: {signature}\r\n\r\n{{}}");
    let request = written(&folder, "request", &request);
    for (secret, code, word) in [("s3cret", 0, "valid"), ("other", 1, "signature_mismatch")] {
        let mut command = hookyard();
        let output = run(command
            .args(["verify", "--provider", "github", "--secret", secret, "--request"])
            .arg(&request));
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stdout(&output).contains(word), "{}", stdout(&output));
    }
}

#[test]
fn the_first_workspace_is_applied_straight_into_a_ledger() {
    let folder = folder();
    let (ledger, key) = (folder.path().join("ledger.db"), generated_key());
    let yard = written(&folder, "yard.yaml", YARD);
    let command = |arguments: &[&str]| {
        let mut command = hookyard();
        on_a_ledger(&mut command, &ledger, &key);
        command.args(arguments);
        command
    };
    let output = run(command(&["apply", "-f"]).arg(&yard));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("hookyard migrate"),
        "{}",
        stderr(&output)
    );

    let migrated = json_of(&mut command(&["migrate", "--json"]));
    assert!(!migrated["migrations"].as_array().unwrap().is_empty());
    assert_eq!(
        json_of(&mut command(&["migrate", "--json"]))["migrations"],
        json!([])
    );

    let preview = json_of(command(&["apply", "--dry-run", "--json", "-f"]).arg(&yard));
    let applied = json_of(command(&["apply", "--json", "-f"]).arg(&yard));
    assert_eq!(
        (&preview["dryRun"], &applied["dryRun"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        preview["changes"].as_array().unwrap().len(),
        applied["changes"].as_array().unwrap().len()
    );
    let secret = &applied["generated"][0];
    assert_eq!(
        (&secret["kind"], &secret["name"]),
        (&json!("endpoint"), &json!("billing"))
    );
    assert!(secret["value"].as_str().unwrap().starts_with("whsec_"));
    let again = json_of(command(&["apply", "--json", "-f"]).arg(&yard));
    assert_eq!((&again["changes"], &again["generated"]), (&json!([]), &json!([])));
    assert_eq!(again["dryRun"], false);
    let again = json_of(command(&["apply", "--dry-run", "--json", "-f"]).arg(&yard));
    assert_eq!(again["dryRun"], true);

    let doctor = run(&mut command(&["doctor"]));
    assert_eq!(doctor.status.code(), Some(0), "{}", stdout(&doctor));
    let mut wrong_key = hookyard();
    on_a_ledger(&mut wrong_key, &ledger, &generated_key().replacen(':', "2:", 1));
    let doctor = run(wrong_key.arg("doctor"));
    assert_eq!(doctor.status.code(), Some(1));
    assert!(
        stdout(&doctor).contains("problem  secrets"),
        "{}",
        stdout(&doctor)
    );
}

#[test]
fn the_doctor_says_what_is_missing_and_what_to_do() {
    let doctor = run(hookyard()
        .arg("doctor")
        .env("HOOKYARD__BROKER__URL", "in-process"));
    assert_eq!(doctor.status.code(), Some(1));
    let text = stdout(&doctor);
    for expected in [
        "database.url is not set",
        "hookyard keys generate",
        "hookyard dev",
        "ok       jq",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}

#[test]
fn a_file_with_mistakes_is_refused_whole_and_keeps_dev_from_starting() {
    let folder = folder();
    let bad = written(
        &folder,
        "bad.yaml",
        "workspace: {slug: acme, nme: Acme}\n\
         endpoints: [{slug: billing, url: \"https://billing.example.com/\", secret: \"${NO_SUCH_VARIABLE_HERE}\"}]\n\
         routes: [{name: all, from: [nobody], filter: \".a >\", to: {endpoint: billing}}]\n",
    );
    let data = folder.path().join("data");
    let output = run(hookyard()
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .arg("--apply")
        .arg(&bad));
    assert_eq!(output.status.code(), Some(1));
    let complaints = stderr(&output);
    for path in [
        "workspace.nme: ",
        "endpoints[0].secret: ",
        "routes[0].from[0]: ",
        "routes[0].filter: ",
    ] {
        assert!(
            complaints.lines().any(|line| line.starts_with(path)),
            "no {path} in {complaints}"
        );
    }
    // Nothing was applied, so the next start is still the first.
    let running = Running::start(&data);
    assert!(running.banner["demo"].is_object());
}

#[tokio::test]
async fn a_running_platform_takes_a_change_at_once() {
    let folder = folder();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", YARD));
    });
    let changed = YARD
        .replace("15s", "20s")
        .replace("routes: [{name: all", "routes: [{name: big");
    let yard = written(&folder, "yard.yaml", &changed);
    // The workspace to ask for is in the file.
    let apply = |more: &[&str]| {
        let mut command = hookyard();
        command
            .env("HOOKYARD_URL", &running.url)
            .env("HOOKYARD_TOKEN", TOKEN)
            .args(["apply", "-f"])
            .arg(&yard)
            .args(more);
        run(&mut command)
    };
    let preview = stdout(&apply(&["--dry-run", "--prune"]));
    for line in [
        "~ endpoint billing: timeout 15s → 20s",
        "+ route big",
        "- route all",
    ] {
        assert!(preview.contains(line), "no {line} in {preview}");
    }
    assert_eq!(
        running
            .get("acme", TOKEN, "/routes")
            .await
            .as_array()
            .unwrap()
            .len(),
        1,
        "nothing was done"
    );
    let done = apply(&["--prune"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(running.get("acme", TOKEN, "/routes").await[0]["name"], "big");

    written(
        &folder,
        "yard.yaml",
        &changed.replace("{slug: acme", "{slug: acme, accepting: false"),
    );
    assert!(apply(&[]).status.success());
    let mut door = hookyard();
    door.args(["send", &format!("{}/ingest/src_commands_test_0001", running.url)]);
    until("the kill switch acts", async || {
        run(&mut door).status.code() == Some(1)
    })
    .await;
}

#[tokio::test]
async fn a_workspace_gets_another_slug_from_the_file_that_pins_its_id() {
    let folder = folder();
    let pinned = YARD.replace("{slug: acme,", "{slug: acme, id: ws_acme,");
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", &pinned));
    });
    let renamed = written(
        &folder,
        "yard.yaml",
        &pinned.replace("slug: acme", "slug: zenith"),
    );
    let applied = run(hookyard()
        .args(["apply", "--url", &running.url, "--token", TOKEN, "-f"])
        .arg(renamed));
    assert_eq!(applied.status.code(), Some(0), "{}", stderr(&applied));
    let workspace = running.get("zenith", TOKEN, "").await;
    assert_eq!(workspace["id"], "ws_acme");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_file_is_said_at_once_whoever_finds_it() {
    const UNSET: &str = "HOOKYARD_TEST_NOBODY_SETS_THIS is not set";
    let folder = folder();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", YARD));
    });
    let changed = YARD
        .replace("15s", "20s")
        .replace("name: Acme", "name: \"${HOOKYARD_TEST_NOBODY_SETS_THIS}\"");
    let complaints = |text: &str, token: &str| {
        let refused = run(hookyard()
            .args(["apply", "--url", &running.url, "--token", token, "-f"])
            .arg(written(&folder, "changed.yaml", text)));
        assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));
        stderr(&refused)
    };
    let misspelt = complaints(&changed.replace("timeout:", "time_out:"), TOKEN);
    assert!(
        misspelt.contains(UNSET) && misspelt.contains("time_out"),
        "{misspelt}"
    );
    // What cannot be an id is told as that, and not looked for.
    let no_id = complaints(&changed.replace("{slug: acme,", "{slug: acme, id: acme,"), TOKEN);
    assert!(no_id.contains("workspace.id: "), "{no_id}");
    let sound = complaints(&changed, TOKEN);
    assert!(sound.contains(UNSET), "{sound}");
    let stranger = complaints(&changed, "nhm_nobody_has_this_token");
    for part in [UNSET, "could not be checked", "HTTP 401"] {
        assert!(stranger.contains(part), "no {part} in {stranger}");
    }
    let endpoints = running.get("acme", TOKEN, "/endpoints").await;
    assert_eq!(endpoints[0]["timeout"], "15s", "nothing was done: {endpoints}");
}

#[tokio::test]
async fn the_doctor_asks_a_platform_that_runs() {
    let folder = folder();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", YARD));
    });
    let ask = |url: &str, token: &str| run(hookyard().args(["doctor", "--url", url, "--token", token]));
    let well = ask(&running.url, TOKEN);
    assert_eq!(well.status.code(), Some(0), "{}", stdout(&well));
    for line in ["ok       readiness     ready", "opens the workspace acme"] {
        assert!(stdout(&well).contains(line), "no {line} in {}", stdout(&well));
    }
    let stranger = ask(&running.url, "nhm_nobody_has_this_token");
    assert_eq!(stranger.status.code(), Some(1));
    assert!(
        stdout(&stranger).contains("problem  token"),
        "{}",
        stdout(&stranger)
    );
    let nowhere = ask("http://127.0.0.1:1", TOKEN);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stdout(&nowhere).contains("--url"), "{}", stdout(&nowhere));
}

#[tokio::test]
async fn a_token_says_which_workspace_is_meant() {
    let folder = folder();
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", YARD));
    });
    let command = || {
        let mut command = hookyard();
        command
            .args(["endpoints", "list", "--json"])
            .args(["--url", &running.url, "--token", TOKEN]);
        command
    };
    assert_eq!(json_of(&mut command())[0]["slug"], "billing");
    let named = json_of(command().env("HOOKYARD_WORKSPACE", "acme"));
    assert_eq!(named[0]["slug"], "billing");
    let other = run(command().args(["--workspace", "other"]));
    assert!(stderr(&other).contains("unauthorized"), "{}", stderr(&other));

    let told = &running.get("-", TOKEN, "/audit").await["audit"];
    assert_eq!(told[0]["action"], "management_token.create");
    assert_eq!(
        told[0]["actor"],
        json!({"kind": "command", "id": null, "name": "hookyard dev"})
    );
}

#[tokio::test]
async fn every_sender_is_believed_by_a_source_of_its_provider() {
    let folder = folder();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let providers = ["github", "stripe", "slack", "shopify", "standard-webhooks"];
    let sources: Vec<_> = providers
        .iter()
        .map(|name| format!("  - {{slug: {name}, verify: {{provider: {name}, secrets: [{secret}]}}}}\n"))
        .collect();
    let yard = format!(
        "workspace: {{slug: acme}}\nenvironments: [{{slug: production, default: true}}]\n\
         management_tokens: [{{name: test, token: {TOKEN}}}]\nsources:\n{}",
        sources.concat()
    );
    let running = Running::start_with(&folder.path().join("data"), |command| {
        command.arg("--apply").arg(written(&folder, "yard.yaml", &yard));
    });
    for name in providers {
        let mut command = running.command("acme", TOKEN);
        let answer = json_of(command.args([
            "send", name, "--as", name, "--secret", secret, "--type", "made.up", "--json",
        ]));
        assert_eq!(answer["status"], 202, "{name}: {answer}");
        let wrong = secret.replace('M', "N");
        let refused = run(running
            .command("acme", TOKEN)
            .args(["send", name, "--as", name, "--secret", &wrong]));
        assert_eq!(refused.status.code(), Some(1));
        assert!(stdout(&refused).contains("401"), "{name}: {}", stdout(&refused));
    }
    let events = running.get("acme", TOKEN, "/events").await;
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), providers.len());
    assert!(
        events
            .iter()
            .all(|event| event["type"] == "made.up" && event["verified"] == true),
        "{events:?}"
    );

    let secret_alone = run(running
        .command("acme", TOKEN)
        .args(["send", "github", "--secret", secret]));
    assert!(
        stderr(&secret_alone).contains("--as"),
        "{}",
        stderr(&secret_alone)
    );
}

#[tokio::test]
async fn what_happened_is_listed_shown_replayed_and_followed() {
    let folder = folder();
    let running = Running::start(&folder.path().join("data"));
    let mut tail = running.demo_command();
    let tail = tail
        .args(["tail", "--json", "--every", "100ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut tail = tail.unwrap();
    let mut followed = BufReader::new(tail.stdout.take().unwrap()).lines();

    let (_, answer) = push(&running, "d-1").await;
    let id = event_id(&answer);
    let delivery = running.delivery(&id, "delivered").await;
    let delivery = delivery["id"].as_str().unwrap();

    // What came before the first look is not told, so it is sent until something is.
    let reader = std::thread::spawn(move || followed.next());
    let mut number = 1;
    until("the tail says something", async || {
        number += 1;
        push(&running, &format!("d-{number}")).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        reader.is_finished()
    })
    .await;
    let line: Value = serde_json::from_str(&reader.join().unwrap().unwrap().unwrap()).unwrap();
    assert!(
        line["event"]["id"].is_string() || line["delivery"]["id"].is_string(),
        "{line}"
    );
    tail.kill().unwrap();
    tail.wait().unwrap();

    let said = |arguments: &[&str]| {
        let output = run(running.demo_command().args(arguments));
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(said(&["events", "--limit", "100"]).contains(&id));
    assert!(said(&["events", "--limit", "1"]).contains("--cursor "));
    assert!(said(&["events", "--status", "quarantined"]).contains("no events"));
    let story = said(&["events", "show", &id]);
    for part in ["verified with sec_", "pushes to main", delivery, "attempt 1  200"] {
        assert!(story.contains(part), "no {part} in {story}");
    }
    assert!(said(&["events", "show", &id, "--payload"]).contains("refs/heads/main"));
    assert!(said(&["deliveries", "--event", &id]).contains(delivery));
    assert!(said(&["deliveries", "show", delivery]).contains("{\"received\":true}"));
    assert!(said(&["rejections"]).contains("no rejections"));

    let replayed: Value = serde_json::from_str(&said(&["replay", &id, "--json"])).unwrap();
    let replay = replayed["deliveries"][0]["id"].as_str().unwrap().to_owned();
    assert_ne!(replay, delivery);
    until("the replay is delivered", async || {
        said(&["deliveries", "show", &replay]).contains("delivered")
    })
    .await;
    said(&["retry", &replay]);
    until("the retry is made", async || {
        said(&["deliveries", "show", &replay]).contains("attempt 2  200")
    })
    .await;

    for (arguments, words) in [
        (
            &["events", "show", "msg_00000000000000000000000001"][..],
            "no such event",
        ),
        (&["retry", "nonsense"], "no such delivery"),
        (&["replay", "ep_1"], "neither an event"),
    ] {
        let output = run(running.demo_command().args(arguments));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            stderr(&output).contains(words),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let output = run(running.command("demo", "nhm_wrong").arg("events"));
    assert!(stderr(&output).contains("unauthorized"), "{}", stderr(&output));
}
