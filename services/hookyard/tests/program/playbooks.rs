//! Playbooks without a server: what `check` points at, what `test` finds, and that all there is to read about them is true.

use crate::openapi::repository;
use crate::running::{hookyard, run, stderr, stdout};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

const PETS: &str = r#"{"openapi": "3.1.0", "servers": [{"url": "https://pets.example/v1"}], "paths": {"/pets/{id}": {"get":
    {"operationId": "getPet", "parameters": [{"name": "id", "in": "path", "required": true}]}}}}"#;

fn playbook(arguments: &[&str], files: &[&Path]) -> Output {
    run(hookyard().arg("playbook").args(arguments).args(files))
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("docs/playbooks")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_string_lossy().ends_with(".test.yaml"));
    files.sort();
    files
}

#[test]
fn every_example_passes_its_cases() {
    let files = examples();
    assert_eq!(files.len(), 8, "{files:?}");
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let checked = playbook(&["check"], &files);
    assert!(
        checked.status.success(),
        "{}{}",
        stdout(&checked),
        stderr(&checked)
    );
    let tested = playbook(&["test", "--json"], &files);
    let said = stdout(&tested);
    assert!(tested.status.success(), "{said}{}", stderr(&tested));
    let verdicts: Value = serde_json::from_str(&said).unwrap();
    for file in verdicts["files"].as_array().unwrap() {
        let cases = file["cases"].as_array().unwrap();
        assert!(cases.len() >= 2, "{} has too few cases", file["file"]);
    }
    // The page names each of them.
    let page = std::fs::read_to_string(repository().join("docs/playbooks.md")).unwrap();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("(playbooks/{name})")), "{name}");
    }
}

/// The blocks of a page that begin with this line, without their fences.
fn blocks(page: &str, fence: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n") + "\n");
        }
    }
    found
}

#[test]
fn every_snippet_of_the_page_can_be_saved_and_every_case_passes() {
    let page = std::fs::read_to_string(repository().join("docs/playbooks.md")).unwrap();
    let folder = folder(&[("pets.json", PETS)]);
    let snippets: Vec<_> = [blocks(&page, "```yaml"), blocks(&page, "```yaml openapi")].concat();
    assert!(snippets.len() > 12, "{}", snippets.len());
    for (number, snippet) in snippets.iter().enumerate() {
        let text = if snippet.starts_with("- ") {
            let tasks = snippet.replace('\n', "\n  ");
            format!(
                "document: {{dsl: 1.0.3, namespace: demo, name: snippet, version: 1.0.0}}\nuse: {{secrets: [crm]}}\ndo:\n  {tasks}\n"
            )
        } else {
            snippet.clone()
        };
        let file = folder.path().join(format!("snippet-{number}.yaml"));
        std::fs::write(&file, text).unwrap();
        let pets = format!(
            "--openapi=https://pets.example/openapi.json={}",
            folder.path().join("pets.json").display()
        );
        let checked = playbook(&["check", &pets], &[&file]);
        assert!(
            checked.status.success(),
            "{snippet}\n{}{}",
            stdout(&checked),
            stderr(&checked)
        );
    }
    let hello = folder.path().join("hello.yaml");
    std::fs::write(&hello, &blocks(&page, "```yaml")[0]).unwrap();
    let cases = blocks(&page, "```yaml test");
    assert_eq!(cases.len(), 2);
    for cases in cases {
        std::fs::write(hello.with_extension("test.yaml"), &cases).unwrap();
        let tested = playbook(&["test"], &[&hello]);
        assert!(
            tested.status.success(),
            "{cases}\n{}{}",
            stdout(&tested),
            stderr(&tested)
        );
    }
    // What the page shows of a mistake is what is said.
    let mistaken = blocks(&page, "```yaml")[0].replace("      set:", "      sett:");
    std::fs::write(&hello, mistaken).unwrap();
    let checked = run(hookyard()
        .args(["playbook", "check", "hello.yaml"])
        .current_dir(folder.path()));
    let shown = blocks(&page, "```")
        .into_iter()
        .find(|block| block.starts_with("hello.yaml:"))
        .unwrap();
    assert!(stdout(&checked).starts_with(&shown), "{}", stdout(&checked));
}

const BROKEN: &str = "document: {dsl: 1.0.3, namespace: demo, name: broken, version: 1.0.0}
do:
  - one: {set: {a: '${ .b + }'}}
  - two: {listen: {to: {one: {with: {source: shop}}}}}
  - two: {set: {a: 1}}
";

#[test]
fn check_points_at_every_mistake() {
    let folder = folder(&[
        ("broken.yaml", BROKEN),
        (
            "fine.yaml",
            &BROKEN
                .replace(".b + ", ".b")
                .replace("with: {source", "with: {type: x, source")
                .replace("two: {set", "three: {set"),
        ),
    ]);
    let (broken, fine) = (folder.path().join("broken.yaml"), folder.path().join("fine.yaml"));
    let checked = playbook(&["check"], &[&fine, &broken]);
    assert_eq!(checked.status.code(), Some(1));
    let said = stdout(&checked);
    assert!(!said.contains('\u{1b}'), "colour is for terminals alone");
    assert!(said.contains("fine.yaml: valid: broken, 3 tasks"), "{said}");
    for part in [
        "broken.yaml:3:20: invalid_expression",
        " 3 |   - one: {set: {a: '${ .b + }'}}\n   |                    ^\n",
        "broken.yaml:4:37: unsupported",
        "duplicate_name",
        "broken.yaml: 3 issues",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let checked = playbook(&["check", "--json"], &[&broken]);
    let verdicts: Value = serde_json::from_str(&stdout(&checked)).unwrap();
    assert_eq!(
        (&verdicts["valid"], checked.status.code()),
        (&json!(false), Some(1))
    );
    let issue = &verdicts["files"][0]["issues"][0];
    assert_eq!(
        (&issue["code"], &issue["path"], &issue["line"]),
        (&json!("invalid_expression"), &json!("/do/0/one/set/a"), &json!(3))
    );
    let missing = playbook(&["check"], &[Path::new("none.yaml")]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("none.yaml cannot be read"),
        "{}",
        stderr(&missing)
    );
    assert_eq!(run(hookyard().args(["playbook", "check"])).status.code(), Some(2));
}

#[test]
fn check_reads_standard_input() {
    let mut child = hookyard()
        .args(["playbook", "check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a: [").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("standard input:1:"),
        "{}",
        stdout(&output)
    );
}

const ASK: &str = "document: {dsl: 1.0.3, namespace: demo, name: ask, version: 1.0.0}
do:
  - ask: {call: http, with: {method: get, endpoint: 'https://api.example/{id}'}}
";

#[test]
fn a_case_that_fails_says_what_is_different() {
    let cases = "cases:
  - name: as it is
    input: {id: a}
    calls: [{task: ask, answers: [{body: {n: 1}, after: 2s}]}]
    expect: {output: {n: 1}, took: 2s, steps: [ask]}
  - name: another output
    input: {id: a}
    calls: [{task: ask, answers: [{body: {n: 1, m: [1, 2]}}]}]
    expect: {output: {n: 2, m: [1]}, calls: [{url: 'https://api.example/b'}, {}]}
  - name: a call that nobody answers
    input: {id: a}
    calls: [{url: 'https://other.example/*', answers: [{}]}]
  - name: an error that nobody expects
    input: {id: a}
    calls: [{task: ask, answers: [{status: 500}]}]
";
    let folder = folder(&[("ask.yaml", ASK), ("ask.test.yaml", cases)]);
    let file = folder.path().join("ask.yaml");
    let tested = playbook(&["test"], &[&file]);
    assert_eq!(tested.status.code(), Some(1));
    let said = stdout(&tested);
    for part in [
        "pass as it is (completed in 2s, 1 steps, 1 calls)",
        "output.n: expected 2, got 1",
        "output.m[1]: expected nothing, got 2",
        "calls[0].url: expected \"https://api.example/b\", got \"https://api.example/a\"",
        "calls[1]: expected {}, got nothing",
        "nobody says what GET https://api.example/a answers, which /do/0/ask calls",
        "status: expected \"completed\", got \"faulted\" (communication at /do/0/ask:",
        "1 of 4 cases passed",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let tested = playbook(&["test", "--json", "--only", "output"], &[&file]);
    let verdicts: Value = serde_json::from_str(&stdout(&tested)).unwrap();
    let cases = verdicts["files"][0]["cases"].as_array().unwrap();
    assert_eq!(
        (cases.len(), &cases[0]["passed"], &verdicts["passed"]),
        (1, &json!(false), &json!(false))
    );
    assert_eq!(
        cases[0]["differences"][0],
        json!({"path": "output.m[1]", "expected": null, "actual": 2})
    );
    let none = playbook(&["test", "--only", "nothing"], &[&file]);
    assert!(
        stderr(&none).contains("no case has `nothing` in its name"),
        "{}",
        stderr(&none)
    );
}

#[test]
fn a_rehearsal_has_the_project_and_the_patience_of_a_run() {
    let text = "document: {dsl: 1.0.3, namespace: demo, name: patient, version: 1.0.0}
do:
  - ask:
      call: http
      with: {method: get, endpoint: 'https://api.example/'}
      output: {as: '$context.project'}
";
    let cases = "cases:
  - name: a project is an object
    project: website
    calls: [{task: ask, answers: [{}]}]
    expect: {output: {id: prj_00000000000000000000000001, slug: website, name: null, enabled: true}}
  - name: a project has a name
    project: {slug: website, name: Web}
    calls: [{task: ask, answers: [{}]}]
    expect: {output: {id: prj_00000000000000000000000001, slug: website, name: Web, enabled: true}}
  - name: no call takes longer than a runner waits
    calls: [{task: ask, answers: [{after: 45s}]}]
    expect: {error: {type: communication, status: 504}, took: 30s}
";
    let folder = folder(&[("patient.yaml", text), ("patient.test.yaml", cases)]);
    let tested = playbook(&["test"], &[&folder.path().join("patient.yaml")]);
    assert!(tested.status.success(), "{}{}", stdout(&tested), stderr(&tested));
}

#[test]
fn files_that_cannot_be_used_say_why() {
    for (cases, expected) in [
        (None, "the cases of a playbook are in a file beside it"),
        (Some("cases: []"), "there is no case in it"),
        (Some("cases: [{name: a, inputs: {}}]"), "inputs"),
        (
            Some("cases: [{name: a, calls: [{answers: [{}]}]}]"),
            "case `a`: a call needs `task` or `url`",
        ),
        (
            Some("cases: [{name: a, calls: [{task: b, answers: []}]}]"),
            "a call has no `answers`",
        ),
        (
            Some("cases: [{name: a, calls: [{task: b, answers: [{status: 200, fail: dns}]}]}]"),
            "either `status` or `fail`",
        ),
        (
            Some("cases: [{name: a, events: [{type: b, after: soon}]}]"),
            "soon",
        ),
    ] {
        let folder = folder(&[("ask.yaml", ASK)]);
        if let Some(cases) = cases {
            std::fs::write(folder.path().join("ask.test.yaml"), cases).unwrap();
        }
        let tested = playbook(&["test"], &[&folder.path().join("ask.yaml")]);
        assert_eq!(tested.status.code(), Some(1));
        assert!(
            stderr(&tested).contains(expected),
            "{expected}\n{}",
            stderr(&tested)
        );
    }
    let folder = folder(&[
        ("broken.yaml", BROKEN),
        ("broken.test.yaml", "cases: [{name: a}]"),
    ]);
    let tested = playbook(&["test"], &[&folder.path().join("broken.yaml")]);
    assert!(
        stderr(&tested).contains("cannot be saved, so it cannot run"),
        "{}",
        stderr(&tested)
    );
}

#[test]
fn secrets_are_where_they_are_sent_and_nowhere_else() {
    let text = "document: {dsl: 1.0.3, namespace: demo, name: sealed, version: 1.0.0}
use: {secrets: [shop]}
do:
  - ask:
      call: http
      with: {method: post, endpoint: 'https://api.example/', headers: {x-key: '${ $secrets.shop.key }'}, body: {key: '${ $secrets.shop.key }'}, output: response}
";
    let cases = "cases:
  - name: filled in when it is sent
    secrets: {shop: {key: canary}}
    calls: [{task: ask, answers: [{body: {}}]}]
    expect: {calls: [{headers: {x-key: canary}, body: {key: canary}}]}
  - name: not there
    secrets: {}
    calls: [{task: ask, answers: [{body: {}}]}]
    expect: {status: faulted, calls: []}
";
    let folder = folder(&[("sealed.yaml", text), ("sealed.test.yaml", cases)]);
    let tested = playbook(&["test", "--json"], &[&folder.path().join("sealed.yaml")]);
    let said = stdout(&tested);
    assert!(tested.status.success(), "{said}{}", stderr(&tested));
    assert!(!said.contains("canary"), "{said}");
}
