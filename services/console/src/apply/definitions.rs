//! The definitions of a file's playbooks: checked by their engine, and what is wrong told where it stands in the file.

use super::current::Current;
use super::wanted::Wanted;
use crate::check::definition::told;
use crate::check::{Checks, Report};
use crate::{Error, Problem, yaml};
use playbook::{Issue, Place, Places};
use serde_json::Value;
use std::cell::OnceCell;

/// Checks what is new, and notes what comes of it.
pub(super) async fn check(
    checks: &Checks,
    report: &mut Report,
    current: &Current,
    wanted: &mut Wanted,
    file: &str,
) -> Result<(), Error> {
    let file = File::of(file);
    for (built, path) in wanted.playbooks.iter_mut().zip(&wanted.playbook_paths) {
        let row = &mut built.row;
        // Without either, there is a problem already.
        if row.spec.slug.is_empty() || row.spec.definition.is_empty() {
            continue;
        }
        let existing = current.playbooks.iter().find(|known| known.id == row.id);
        let issues = checks.define(row, existing).await?;
        if issues.is_empty() {
            continue;
        }
        let written = Written::of(path, &file);
        for issue in &issues {
            let Problem { path, message } = problem(issue, path, &written, &file);
            report.refuse(path, message);
        }
    }
    Ok(())
}

/// An issue of the definition of the playbook at `path`, told in the words of the file.
fn problem(issue: &Issue, path: &str, written: &Written, file: &File<'_>) -> Problem {
    let below = format!("{path}.definition{}", issue.path.replace('/', "."));
    let message = match written {
        Written::InPlace => file.at_its_line(&below, &issue.message),
        Written::Block { line } => match issue.line {
            Some(within) => format!("line {}: {}", line.saturating_add(within), issue.message),
            None => issue.message.clone(),
        },
        Written::File(name) => format!("{name}, {}", told(issue)),
        Written::Text => told(issue),
    };
    Problem::new(below, message)
}

/// Says where in a file stands what a server, which has not seen it, found wrong with the definitions of its playbooks.
pub fn locate(problems: &mut [Problem], file: &str) {
    let file = File::of(file);
    for problem in problems {
        let Some((path, _)) = problem.path.split_once(".definition") else {
            continue;
        };
        problem.message = match Written::of(path, &file) {
            Written::InPlace => file.at_its_line(&problem.path, &problem.message),
            Written::File(name) => format!("{name}, {}", problem.message),
            // The lines of the text are told already.
            Written::Block { .. } | Written::Text => continue,
        };
    }
}

/// A file of configuration. It may be large, and much in it be wrong: it is read once, when something is.
struct File<'f> {
    text: &'f str,
    document: OnceCell<Value>,
    places: OnceCell<Option<Places>>,
}

impl<'f> File<'f> {
    fn of(text: &'f str) -> Self {
        Self {
            text,
            document: OnceCell::new(),
            places: OnceCell::new(),
        }
    }

    fn document(&self) -> &Value {
        self.document
            .get_or_init(|| yaml::parse(self.text).unwrap_or_default())
    }

    fn place<'n>(&self, way: impl IntoIterator<Item = &'n str>) -> Option<Place> {
        let places = self.places.get_or_init(|| Places::read(self.text)).as_ref()?;
        Some(places.at(way))
    }

    /// Whether a literal block begins behind the key there. Where the block itself is said to be depends on what is in it.
    fn is_block(&self, found: &Place) -> bool {
        let line = self.text.lines().nth(found.line.saturating_sub(1) as usize);
        let value = line.and_then(|line| Some(line.split_once("definition")?.1.split_once(':')?.1));
        value.is_some_and(|value| value.trim_start().starts_with('|'))
    }

    /// Puts the line in front of what is wrong at a path, in a file that has lines.
    fn at_its_line(&self, path: &str, message: &str) -> String {
        let way = || {
            let (playbook, rest) = path.split_once(".definition")?;
            let names = rest.split('.').filter(|name| !name.is_empty());
            Some(
                ["playbooks", index(playbook)?, "definition"]
                    .into_iter()
                    .chain(names),
            )
        };
        let found = way()
            .filter(|_| self.text.contains('\n'))
            .and_then(|way| self.place(way));
        match found {
            Some(found) => format!("line {}, column {}: {message}", found.line, found.column),
            None => message.to_owned(),
        }
    }
}

/// How the definition of a playbook is written.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// As a part of the file.
    InPlace,
    /// As a text of which each line is one of the file, the first of them below this one.
    Block { line: u32 },
    /// In a file beside.
    File(String),
    /// As another text.
    Text,
}

impl Written {
    fn of(path: &str, file: &File<'_>) -> Self {
        let index = index(path).unwrap_or_default();
        match file.document().pointer(&format!("/playbooks/{index}/definition")) {
            Some(Value::Object(object)) => match object.get("file").and_then(Value::as_str) {
                Some(name) if object.len() == 1 => Self::File(name.to_owned()),
                _ => Self::InPlace,
            },
            _ => match file.place(["playbooks", index, "definition"]) {
                Some(found) if file.is_block(&found) => Self::Block { line: found.line },
                _ => Self::Text,
            },
        }
    }
}

/// The `3` of `playbooks[3]`.
fn index(path: &str) -> Option<&str> {
    path.strip_prefix("playbooks[")?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use playbook::Code;

    const FILE: &str = "workspace: {slug: acme}
playbooks:
  - slug: one
    definition:
      document: {name: one}
      do:
        - first: {sett: {a: 1}}
  - slug: two
    definition: |
      document: {name: two}
      do: []
  - {slug: three, definition: {file: three.yaml}}
  - {slug: four, definition: 'do: []'}
";

    fn issue(path: &str) -> Issue {
        Issue {
            code: Code::UnknownProperty,
            path: path.to_owned(),
            message: "is wrong".to_owned(),
            line: Some(2),
            column: Some(5),
        }
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands_in_the_file() {
        for (index, path, expected) in [
            (0, "/do/0/first/sett", "line 7, column 19: is wrong"),
            (0, "/do/0/first/none", "line 7, column 11: is wrong"),
            (1, "/do", "line 11: is wrong"),
            (2, "/do", "three.yaml, line 2, column 5: is wrong"),
            (3, "/do", "line 2, column 5: is wrong"),
        ] {
            let (file, playbook) = (File::of(FILE), format!("playbooks[{index}]"));
            let problem = problem(&issue(path), &playbook, &Written::of(&playbook, &file), &file);
            assert_eq!(problem.message, expected, "{index} {path}");
            assert!(
                problem
                    .path
                    .starts_with(&format!("playbooks[{index}].definition.do"))
            );
        }
    }

    #[test]
    fn what_a_server_found_is_located() {
        let mut problems = vec![
            Problem::new("playbooks[0].definition.do.0.first.sett", "is wrong"),
            Problem::new("playbooks[2].definition.do", "line 2, column 5: is wrong"),
            Problem::new("endpoints[0].url", "is wrong"),
        ];
        locate(&mut problems, FILE);
        let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        assert_eq!(
            messages,
            [
                "line 7, column 19: is wrong",
                "three.yaml, line 2, column 5: is wrong",
                "is wrong"
            ]
        );
    }
}
