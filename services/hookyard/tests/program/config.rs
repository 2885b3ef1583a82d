//! The settings in force: shown, checked and described without a server.

use crate::running::{hookyard, run, stderr, stdout};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What must never be printed.
const SECRET: &str = "hunter2";

fn config(arguments: &[&str]) -> Command {
    let mut command = hookyard();
    command.arg("config").args(arguments);
    command
}

fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

/// Runs a command whose settings are full of secrets, and sees to it that it prints none.
fn without_secrets(command: &mut Command) -> Output {
    let output = run(command);
    for printed in [stdout(&output), stderr(&output)] {
        assert!(!printed.contains(SECRET), "{printed}");
    }
    output
}

/// Every layer says something, and each secret comes from somewhere else.
fn with_all_layers(folder: &TempDir, arguments: &[&str]) -> Command {
    let keys = written(folder, "keys", &format!("new:{SECRET}\nold:{SECRET}\n"));
    let token = written(folder, "token", SECRET);
    let text = format!(
        "[gateway]\nworkers = 3\nlisten = \"127.0.0.1:1\"\n[console]\noperator_token_file = \"{}\"\n\
         [broker]\nurl = \"amqp://yard:{SECRET}@mq/yard\"\n",
        token.display()
    );
    let file = written(folder, "yard.toml", &text);
    let mut command = config(arguments);
    command
        .arg("--config")
        .arg(file)
        .env("HOOKYARD__GATEWAY__LISTEN", "127.0.0.1:2")
        .env("HOOKYARD__DELIVERY__SLOTS", "12")
        .env(
            "HOOKYARD__DATABASE__URL",
            format!("postgres://yard:{SECRET}@db/yard"),
        )
        .env("HOOKYARD__SECRETS__MASTER_KEYS_FILE", keys);
    command
}

#[test]
fn every_setting_is_shown_with_the_layer_that_won_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let output = without_secrets(&mut with_all_layers(&folder, &["show", "--origin", "--json"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = json_of(&output);
    let shown = shown["settings"].as_array().unwrap();
    let setting = |key: &str| shown.iter().find(|setting| setting["key"] == key).unwrap();
    let file = folder.path().join("yard.toml");
    let file = file.to_str().unwrap();
    for (key, value, origin) in [
        ("gateway.body_limit", json!("1MiB"), "built-in default"),
        ("gateway.workers", json!(3), file),
        (
            "gateway.listen",
            json!("127.0.0.1:2"),
            "HOOKYARD__GATEWAY__LISTEN",
        ),
        ("delivery.slots", json!(12), "HOOKYARD__DELIVERY__SLOTS"),
        ("broker.url", json!("[secret]"), file),
        ("console.operator_token", json!("[secret]"), file),
        ("database.url", json!("[secret]"), "HOOKYARD__DATABASE__URL"),
        (
            "secrets.master_keys",
            json!(["[secret]", "[secret]"]),
            "HOOKYARD__SECRETS__MASTER_KEYS_FILE",
        ),
    ] {
        assert_eq!(
            setting(key),
            &json!({"key": key, "value": value, "origin": origin})
        );
    }

    let text = stdout(&without_secrets(&mut with_all_layers(&folder, &["show"])));
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap();
    assert_eq!(line("delivery.slots").split_whitespace().last(), Some("12"));
    assert!(!text.contains("HOOKYARD__"), "{text}");
    let text = stdout(&without_secrets(&mut with_all_layers(
        &folder,
        &["show", "--origin"],
    )));
    assert!(text.contains("HOOKYARD__DELIVERY__SLOTS"), "{text}");
}

#[test]
fn every_key_of_the_defaults_is_shown_and_described() {
    let shown = json_of(&run(&mut config(&["show", "--json"])));
    let schema = json_of(&run(&mut config(&["schema"])));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let defaults = include_str!("../../../../config/default.toml");
    let keys = defaults
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(" = "));
    let settings = shown["settings"].as_array().unwrap();
    assert_eq!(settings.len(), keys.count());
    for setting in settings {
        let (section, name) = setting["key"].as_str().unwrap().split_once('.').unwrap();
        let described = &schema["properties"][section]["properties"][name];
        assert!(described["description"].is_string(), "{setting}: {described}");
        assert_eq!(schema["properties"][section]["additionalProperties"], false);
    }
}

#[test]
fn a_check_says_ok_where_a_service_would_start() {
    let key = stdout(&run(hookyard().args(["keys", "generate"])));
    let good = |arguments: &[&str]| {
        let mut command = config(arguments);
        command
            .env("HOOKYARD__DATABASE__URL", "postgres://yard:hunter2@nowhere/yard")
            .env("HOOKYARD__SECRETS__MASTER_KEYS", key.trim());
        without_secrets(&mut command)
    };
    let output = good(&["check"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "ok\n")
    );
    assert_eq!(
        json_of(&good(&["check", "--json"])),
        json!({"ok": true, "problems": []})
    );
}

#[test]
fn a_check_names_everything_that_is_wrong_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        &folder,
        "yard.toml",
        "[gateway]\nlistne = \"127.0.0.1:1\"\n[log]\nformat = \"xml\"\n[secrets]\nmaster_keys = [\"hunter2\"]\n",
    );
    let wrong = |arguments: &[&str]| {
        let mut command = config(arguments);
        command
            .arg("--config")
            .arg(&file)
            .env("HOOKYARD__ROUTER__SWEEP_AFTER", "soon")
            .env("HOOKYARD__BROKER__URL", "ftp://yard:hunter2@mq");
        without_secrets(&mut command)
    };
    let output = wrong(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let checked = json_of(&output);
    assert_eq!(checked["ok"], false);
    let problems = checked["problems"].as_array().unwrap();
    let keys: Vec<&str> = problems
        .iter()
        .map(|problem| problem["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "gateway.listne",
            "broker.url",
            "log.format",
            "router.sweep_after",
            "database.url",
            "secrets.master_keys",
        ]
    );
    assert_eq!(problems[0]["wayOut"], "did you mean `gateway.listen`?");
    assert_eq!(problems[3]["origin"], "HOOKYARD__ROUTER__SWEEP_AFTER");

    let output = wrong(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    for words in [
        "problem  router.sweep_after (from HOOKYARD__ROUTER__SWEEP_AFTER): `soon` is not a duration",
        "→ did you mean `gateway.listen`?",
        "`hookyard keys generate` makes one",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    // What is refused cannot be shown.
    let output = wrong(&["show"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("the settings are refused"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    for arguments in [&["check"][..], &["show"]] {
        let output = run(config(arguments).args(["--config", "/nowhere/yard.toml"]));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("/nowhere/yard.toml"), "{said}");
        assert!(!said.contains("database.url"), "{said}");
    }
}
