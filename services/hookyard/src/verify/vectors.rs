//! `--vectors`: a file of requests with the verdicts that they must get.

use crate::screen::{BAD, GOOD, Screen, plain, styled};
use anyhow::Context as _;
use serde::Serialize;
use signature::vectors::Vectors;
use std::fmt::Write as _;
use std::path::Path;

/// What `--vectors --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    vectors: usize,
    disagreements: Vec<Disagreement>,
}

#[derive(Debug, Serialize)]
struct Disagreement {
    id: String,
    expected: String,
    got: String,
}

/// Runs them all, and prints those that disagree; whether none does.
pub(super) fn run(path: &Path, screen: Screen) -> anyhow::Result<bool> {
    let json = super::read(path)?;
    let file: Vectors = serde_json::from_slice(&json)
        .with_context(|| format!("{} is not a file of vectors", path.display()))?;
    let disagreements = file.vectors.iter().filter_map(|vector| {
        let found = vector.check().err()?;
        Some(Disagreement {
            id: vector.id.clone(),
            expected: found.expected,
            got: found.got,
        })
    });
    let report = Report {
        vectors: file.vectors.len(),
        disagreements: disagreements.collect(),
    };
    screen.show(&report, text)?;
    Ok(report.disagreements.is_empty())
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for Disagreement { id, expected, got } in &report.disagreements {
        let _ = writeln!(
            text,
            "{}: expected {}, got {}",
            plain(id),
            plain(expected),
            plain(got)
        );
    }
    let agree = report.vectors.saturating_sub(report.disagreements.len());
    let style = if agree == report.vectors { GOOD } else { BAD };
    text.push_str(&styled(
        style,
        format_args!("{agree} of {} vectors agree", report.vectors),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SCREEN, file};
    use super::*;

    #[test]
    fn vectors_that_disagree_are_listed_by_their_ids() {
        let vector = |id: &str, expect: &str| {
            format!(
                r#"{{"id":"{id}","kind":"inbound","provider":"gitlab-token","secrets":["a"],"method":"POST","url":"",
                    "headers":[["X-Gitlab-Token","a"]],"body_b64":"","now":0,"expect":"{expect}"}}"#
            )
        };
        let good = file(&format!(r#"{{"vectors":[{}]}}"#, vector("one", "valid")));
        assert!(run(good.path(), SCREEN).expect("vectors"));
        let bad = file(&format!(
            r#"{{"vectors":[{},{}]}}"#,
            vector("one", "valid"),
            vector("two", "invalid")
        ));
        assert!(!run(bad.path(), SCREEN).expect("vectors"));
        let report = Report {
            vectors: 2,
            disagreements: vec![Disagreement {
                id: "two".into(),
                expected: "a".into(),
                got: "b\u{1b}".into(),
            }],
        };
        let text = text(&report);
        assert!(
            text.starts_with("two: expected a, got b\u{fffd}\n") && text.contains("1 of 2 vectors agree"),
            "{text}"
        );
        run(Path::new("/nowhere"), SCREEN).expect_err("no such file");
    }
}
