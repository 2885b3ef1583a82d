//! A playbook's document, checked by its engine in the jail: expressions in it are a stranger's.

use super::Checks;
use super::documents;
use crate::Error;
use playbook::{CheckError, Code, Issue, Operations, Outline, StepError, Version, place};
use std::fmt::Write as _;
use store::{Playbook, PlaybookVersion};

/// A longer text is no definition whatever it is called, and would only keep a thread busy.
const LONGEST: usize = 256 << 10;

/// A document that can be kept.
#[derive(Debug)]
pub(crate) struct Definition {
    /// What it is.
    pub(crate) outline: Outline,
    /// What it calls, as JSON.
    pub(crate) operations: String,
}

impl Checks {
    /// Checks a document, and fetches what it calls. With `slug`, it must be named so. All that is wrong with it is told
    /// at once.
    pub(crate) async fn definition(
        &self,
        text: &str,
        slug: Option<&str>,
    ) -> Result<Result<Definition, Vec<Issue>>, Error> {
        let checked = async {
            let needed = self.engine.needs(text).await?;
            let documents = documents::fetch(&self.egress, needed).await;
            self.engine.check(text, documents).await
        };
        let misnamed = slug.and_then(|slug| misnamed(text, slug));
        match (checked.await, misnamed) {
            (Ok(checked), None) => Ok(Ok(Definition {
                outline: checked.outline,
                operations: json(&checked.operations),
            })),
            (Ok(_), Some(misnamed)) => Ok(Err(vec![misnamed])),
            (Err(CheckError::Unsound(mut issues)), misnamed) => {
                issues.extend(misnamed);
                issues.sort_by_key(|issue| (issue.line, issue.column));
                Ok(Err(issues))
            }
            (Err(CheckError::Step(error)), _) => Err(failed(error)),
        }
    }

    /// Checks the definition of a playbook that is about to be saved over `existing`, and notes what comes of it. One
    /// that stays, under the name that stays, is not checked again: what it calls is pinned.
    pub(crate) async fn define(
        &self,
        row: &mut Playbook,
        existing: Option<&Playbook>,
    ) -> Result<Vec<Issue>, Error> {
        let is_known = |existing: &&Playbook| {
            existing.spec.definition == row.spec.definition && existing.spec.slug == row.spec.slug
        };
        if let Some(existing) = existing.filter(is_known) {
            row.spec.input_schema.clone_from(&existing.spec.input_schema);
            row.spec.secret_names.clone_from(&existing.spec.secret_names);
            return Ok(Vec::new());
        }
        match self
            .definition(&row.spec.definition, Some(&row.spec.slug))
            .await?
        {
            Ok(definition) => {
                row.spec.input_schema = definition.outline.input_schema;
                row.spec.secret_names = definition.outline.secrets;
                row.operations = Some(definition.operations);
                Ok(Vec::new())
            }
            Err(issues) => Ok(issues),
        }
    }

    /// What a version is that was saved; of one that an earlier release let through, what is wrong with it.
    pub(crate) async fn outline(
        &self,
        version: &PlaybookVersion,
    ) -> Result<Result<Outline, Vec<Issue>>, Error> {
        let operations: Operations = serde_json::from_str(&version.operations)
            .map_err(|error| failed(StepError::Broken(error.to_string())))?;
        let version = Version::new(&version.definition, &operations);
        match self.engine.outline(&version).await {
            Ok(outline) => Ok(Ok(outline)),
            Err(CheckError::Unsound(issues)) => Ok(Err(issues)),
            Err(CheckError::Step(error)) => Err(failed(error)),
        }
    }
}

fn failed(error: StepError) -> Error {
    match error {
        StepError::Unavailable(error) => Error::Jail(error),
        other => Error::Engine(other.into()),
    }
}

fn json(operations: &Operations) -> String {
    serde_json::to_string(operations)
        .expect("operations are plain data with text keys, which has a JSON form")
}

/// A name that is not the playbook's; whether there is one at all is the engine's to say.
fn misnamed(text: &str, slug: &str) -> Option<Issue> {
    if text.len() > LONGEST {
        return None;
    }
    let found = place(text, ["document", "name"])?;
    let name = found.value.as_str().filter(|_| found.found == 2)?;
    (name != slug).then(|| Issue {
        code: Code::InvalidValue,
        path: "/document/name".to_owned(),
        message: format!("must be the playbook's slug, `{slug}`"),
        line: Some(found.value_line),
        column: Some(found.value_column),
    })
}

/// An issue as a line for people: `line 3, column 5: …`.
pub(crate) fn told(issue: &Issue) -> String {
    let mut line = String::new();
    if let (Some(at), Some(column)) = (issue.line, issue.column) {
        let _ = write!(line, "line {at}, column {column}: ");
    }
    line + &issue.message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_the_slug_is_told_with_its_place() {
        let issue = misnamed("document:\n  name: other\n", "greet").unwrap();
        assert_eq!(
            (issue.path.as_str(), issue.line, issue.column),
            ("/document/name", Some(2), Some(9))
        );
        assert_eq!(
            told(&issue),
            "line 2, column 9: must be the playbook's slug, `greet`"
        );
        for other in [
            "document: {name: greet}",
            "document: {}",
            "document: {name: 7}",
            "a: [",
        ] {
            assert_eq!(misnamed(other, "greet"), None, "{other}");
        }
    }
}
