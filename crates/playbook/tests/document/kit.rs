//! The documents to read, and the official schema.

use crate::reading::{self, Outcome};
use hookyard_playbook::{Code, openapi_document};
use std::fs;
use std::path::{Path, PathBuf};

/// A document, and where it is from.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The folder of the conformance kit; none when it is not there, which is said aloud.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ctk");
    if !folder.is_dir() {
        eprintln!(
            "SKIPPED: the conformance kit is not at {}; only the documents of this crate are read",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

/// The official schema.
pub(crate) fn schema(folder: &Path) -> jsonschema::Validator {
    let text = fs::read_to_string(folder.join("schema/workflow.yaml")).unwrap();
    let schema = openapi_document(&text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// The document of this crate that has most of the profile in it.
pub(crate) fn everything() -> String {
    let everything = own().into_iter().find(|sample| sample.name == "everything.yaml");
    everything.unwrap().text
}

/// The documents of this crate.
pub(crate) fn own() -> Vec<Sample> {
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/document/samples"),
        "yaml",
    )
}

/// The documents of the specification's examples.
pub(crate) fn examples(folder: &Path) -> Vec<Sample> {
    files(&folder.join("examples"), "yaml")
}

/// The documents of the kit's scenarios.
pub(crate) fn scenarios(folder: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    for feature in files(&folder.join("features"), "feature") {
        let mut parts = feature.text.split("Given a workflow with definition:");
        parts.next();
        for (index, part) in parts.enumerate() {
            let text = part.split("\"\"\"").nth(1).unwrap().trim_start_matches("yaml\n");
            samples.push(Sample {
                name: format!("{} {index}", feature.name),
                text: outdented(text),
            });
        }
    }
    samples
}

fn outdented(text: &str) -> String {
    text.lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn files(folder: &Path, extension: &str) -> Vec<Sample> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|own| own == extension));
    paths.sort();
    let samples = paths.into_iter().map(|path| Sample {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(path).unwrap(),
    });
    samples.collect()
}

#[test]
fn every_scenario_of_the_kit_is_read() {
    let Some(folder) = folder() else { return };
    let scenarios = scenarios(&folder);
    assert_eq!(scenarios.len(), 21);
    for Sample { name, text } in &scenarios {
        let outcome = reading::check(text);
        assert!(matches!(outcome, Outcome::Read(..)), "{name}: {outcome:#?}");
    }
}

#[test]
fn every_example_is_read_or_refused_as_unsupported() {
    let Some(folder) = folder() else { return };
    let mut read = 0;
    for Sample { name, text } in &examples(&folder) {
        match reading::check(text) {
            Outcome::Read(..) => read += 1,
            Outcome::Refused(issues) => {
                let unsupported = issues.iter().filter(|issue| issue.code == Code::Unsupported);
                assert_eq!(unsupported.count(), issues.len(), "{name}: {issues:#?}");
            }
        }
    }
    assert!(read >= 30, "only {read} were read");
}

#[test]
fn every_document_of_this_crate_is_read() {
    for Sample { name, text } in &own() {
        let outcome = reading::check(text);
        assert!(matches!(outcome, Outcome::Read(..)), "{name}: {outcome:#?}");
    }
}
