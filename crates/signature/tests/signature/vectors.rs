//! Vectors that the providers' own libraries made or accepted.

use std::path::Path;

use hookyard_signature::vectors::Vectors;

/// Runs every vector of the file and lists those that disagree.
fn disagreements(json: &str) -> (usize, Vec<String>) {
    let file: Vectors = serde_json::from_str(json).expect("the vectors parse");
    let bad = file.vectors.iter().filter_map(|vector| {
        vector
            .check()
            .err()
            .map(|disagreement| format!("{}: {disagreement}", vector.id))
    });
    (file.vectors.len(), bad.collect())
}

#[test]
fn every_vector_of_this_crate_agrees_in_verdict_and_reason() {
    let (_, bad) = disagreements(include_str!("../vectors.json"));
    assert!(bad.is_empty(), "these disagree:\n{}", bad.join("\n"));
}

#[test]
fn every_shared_vector_agrees_in_verdict_and_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/providers.json");
    let Ok(json) = std::fs::read_to_string(&path) else {
        eprintln!(
            "SKIPPED: {} is absent; only this crate's own vectors were run",
            path.display()
        );
        return;
    };
    let (count, bad) = disagreements(&json);
    assert!(count > 100, "the file has only {count} vectors");
    assert!(
        bad.is_empty(),
        "{} of {count} disagree:\n{}",
        bad.len(),
        bad.join("\n")
    );
}
