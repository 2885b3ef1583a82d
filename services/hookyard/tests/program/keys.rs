//! A master key's life: made, replaced by another, and retired.

use crate::running::{hookyard, run, stderr, stdout};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const YARD: &str = "\
workspace: {slug: acme}
environments: [{slug: production, default: true}]
endpoints: [{slug: billing, url: \"https://billing.example.com/hooks\"}]
sources: [{slug: shop, verify: {provider: github}}, {slug: open}]
";

/// A command over a ledger in a file, with these master keys.
fn over(ledger: &Path, keys: &[&str]) -> Command {
    let mut command = hookyard();
    command
        .env("HOOKYARD__DATABASE__URL", format!("sqlite:{}", ledger.display()))
        .env("HOOKYARD__BROKER__URL", "in-process")
        .env("HOOKYARD__SECRETS__MASTER_KEYS", keys.join(","));
    command
}

fn key(id: &str) -> String {
    let key = stdout(&run(hookyard().args(["keys", "generate", "--id", id])));
    key.trim().to_owned()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[test]
fn an_old_key_is_retired_once_everything_is_sealed_under_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.db");
    let yard = folder.path().join("yard.yaml");
    std::fs::write(&yard, YARD).unwrap();
    let (old, new) = (key("old"), key("new"));
    for arguments in [&["migrate"][..], &["apply", "-f", yard.to_str().unwrap()]] {
        let output = run(over(&ledger, &[&old]).args(arguments));
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let both: &[&str] = &[&new, &old];
    let status = |keys: &[&str]| run(over(&ledger, keys).args(["keys", "status", "--json"]));
    assert_eq!(
        json_of(&status(both))["keys"],
        json!([{"id": "new", "values": 0, "standing": "seals"}, {"id": "old", "values": 2, "standing": "opens"}])
    );
    let shown = stdout(&run(over(&ledger, both).args(["keys", "status"])));
    assert!(shown.contains("new  0        seals what is new\n"), "{shown}");
    let doctor = stdout(&run(over(&ledger, both).arg("doctor")));
    assert!(
        doctor.contains("`old` still holds 2 secrets") && doctor.contains("keys reseal"),
        "{doctor}"
    );
    // A key taken out too early is noticed.
    let early = status(&[&new]);
    assert_eq!(early.status.code(), Some(1));
    assert_eq!(json_of(&early)["keys"][1]["standing"], "missing");
    let failed = run(over(&ledger, &[&new]).args(["keys", "reseal", "--json"]));
    assert_eq!(
        (failed.status.code(), &json_of(&failed)["failed"]),
        (Some(1), &json!(2))
    );

    let resealed = run(over(&ledger, both).args(["keys", "reseal"]));
    let text = stdout(&resealed);
    assert!(resealed.status.success(), "{text}");
    for line in ["2 secrets were sealed anew", "holds nothing: it can be taken out"] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let again = run(over(&ledger, both).args(["keys", "reseal", "--json"]));
    assert_eq!(json_of(&again)["resealed"], 0);
    let alone = status(&[&new]);
    assert!(alone.status.success());
    assert_eq!(
        json_of(&alone)["keys"],
        json!([{"id": "new", "values": 2, "standing": "seals"}])
    );
    let doctor = run(over(&ledger, &[&new]).arg("doctor"));
    assert!(doctor.status.success(), "{}", stdout(&doctor));
}

#[test]
fn keys_that_are_not_set_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(over(&folder.path().join("ledger.db"), &[]).args(["keys", "reseal"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("hookyard keys generate"),
        "{}",
        stderr(&output)
    );
}
