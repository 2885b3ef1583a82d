//! The document of the API: the file is what the program says, the server serves it, and every error code is explained.

use crate::running::{Running, hookyard, http, run, stdout};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the program says of itself.
pub(crate) fn document() -> Value {
    let output = run(hookyard().arg("openapi"));
    assert!(output.status.success());
    serde_json::from_str(&stdout(&output)).unwrap()
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

#[test]
fn the_file_is_what_the_program_says() {
    let said = stdout(&run(hookyard().arg("openapi")));
    assert!(
        said == read("docs/openapi.json"),
        "docs/openapi.json is stale: run `cargo xtask openapi`"
    );
}

#[test]
fn the_document_is_sound() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} stands there twice");
            let tag = operation["tags"][0].as_str().unwrap();
            assert!(
                tags.contains(tag),
                "{id} is in the group {tag}, which there is not"
            );
            for parameter in path.split('{').skip(1) {
                let name = parameter.split('}').next().unwrap();
                let parameters = operation["parameters"].as_array().unwrap();
                let of_path = parameters
                    .iter()
                    .filter(|one| one["in"] == "path" && one["name"] == name);
                assert_eq!(of_path.count(), 1, "{id}: {name}");
            }
        }
    }
    references(&document, &mut |reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    });
}

fn references(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                visit(reference);
            }
            fields.values().for_each(|field| references(field, visit));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| references(entry, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn the_server_has_the_document_and_a_page_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder.path().join("data"));
    let get = async |path: &str| {
        let answer = http().get(format!("{}{path}", running.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, served) = get("/openapi.json").await;
    assert_eq!(
        (kind.as_str(), served),
        ("application/json", read("docs/openapi.json"))
    );
    let (kind, page) = get("/docs").await;
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(page.contains("/api/v1/trigger") && page.contains("openapi.json"));
    assert!(get("/").await.1.contains("href=\"docs\""));
}

/// Every refusal of the document.
fn refusals(document: &Value) -> BTreeSet<(u16, String)> {
    let shared = document["components"]["responses"].as_object().unwrap();
    let named = shared.keys().flat_map(|name| {
        let mut parts = name.split('.').skip(1);
        let status: u16 = parts.next().unwrap().parse().unwrap();
        parts.map(move |code| (status, code.to_owned()))
    });
    // Every address refuses the methods that it does not take.
    named.chain([(405, "method_not_allowed".to_owned())]).collect()
}

#[test]
fn every_error_code_is_explained_with_its_status_its_cause_and_the_way_out() {
    let page = read("docs/errors.md");
    let mut explained = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [code, statuses, cause, way_out] = cells.as_slice() else {
            panic!("not four cells: {line}");
        };
        assert!(!cause.is_empty() && !way_out.is_empty(), "{line}");
        for status in statuses.split(", ") {
            let code = code.trim_matches('`').to_owned();
            assert!(
                explained.insert((status.parse::<u16>().unwrap(), code)),
                "twice: {line}"
            );
        }
    }
    assert_eq!(explained, refusals(&document()));
}
