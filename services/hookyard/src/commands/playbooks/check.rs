//! `hookyard playbook check`: what is wrong with files, pointed at.

use super::definition::{self, File};
use crate::arguments;
use crate::screen::{BAD, BOLD, DIM, GOOD, Screen, plain, styled};
use expression::Jail;
use playbook::{Engine, Issue, Outline};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// The longest line of a source that is shown whole.
const LONGEST_LINE: usize = 160;

/// All files.
#[derive(Debug, Serialize)]
struct Verdicts {
    valid: bool,
    files: Vec<Verdict>,
}

/// One file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    file: String,
    valid: bool,
    issues: Vec<Issue>,
    /// None of a file that is not valid.
    outline: Option<Summary>,
    #[serde(skip)]
    text: String,
}

/// What a definition is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    name: String,
    version: String,
    tasks: usize,
    secrets: Vec<String>,
    listens_to: Vec<String>,
}

impl From<Outline> for Summary {
    fn from(outline: Outline) -> Self {
        Self {
            name: outline.name,
            version: outline.version,
            tasks: outline.tasks,
            secrets: outline.secrets,
            listens_to: outline.listens_to,
        }
    }
}

pub(super) async fn run(options: arguments::Check, screen: Screen) -> anyhow::Result<ExitCode> {
    let documents = definition::given(&options.documents.openapi)?;
    let engine = Engine::new(Jail::new(expression::Options::default()));
    let mut files = Vec::with_capacity(options.files.len());
    for path in &options.files {
        let File { name, text } = File::read(path)?;
        let (outline, issues) = match definition::check(&engine, &text, &documents).await? {
            Ok(checked) => (Some(checked.outline.into()), Vec::new()),
            Err(issues) => (None, issues),
        };
        files.push(Verdict {
            file: name,
            valid: issues.is_empty(),
            issues,
            outline,
            text,
        });
    }
    let verdicts = Verdicts {
        valid: files.iter().all(|file| file.valid),
        files,
    };
    screen.show(&verdicts, told)?;
    Ok(if verdicts.valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(verdicts: &Verdicts) -> String {
    let mut text = String::new();
    for verdict in &verdicts.files {
        for issue in &verdict.issues {
            text.push_str(&pointed_at(issue, &verdict.file, &verdict.text));
            text.push('\n');
        }
        let _ = match (&verdict.outline, verdict.issues.len()) {
            (Some(outline), _) => writeln!(
                text,
                "{}: {} {}, {}",
                plain(&verdict.file),
                styled(GOOD, "valid:"),
                plain(&outline.name),
                counted(outline.tasks, "task")
            ),
            (None, count) => writeln!(
                text,
                "{}: {}",
                plain(&verdict.file),
                styled(BAD, counted(count, "issue"))
            ),
        };
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// An issue with the line that it is about, and a mark below the place.
pub(super) fn pointed_at(issue: &Issue, file: &str, source: &str) -> String {
    let place = issue.line.zip(issue.column);
    let at = place.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
    let code = serde_json::to_value(issue.code).unwrap_or_default();
    let mut text = format!(
        "{} {} {}\n",
        styled(BOLD, format_args!("{}{at}:", plain(file))),
        styled(BAD, code.as_str().unwrap_or_default()),
        plain(&issue.message)
    );
    let pointer = if issue.path.is_empty() { "/" } else { &issue.path };
    if let Some((number, column)) = place
        && let Some(line) = source.lines().nth(number.saturating_sub(1) as usize)
    {
        let (line, mark) = window(line, column.saturating_sub(1) as usize);
        let margin = " ".repeat(number.to_string().len());
        let _ = writeln!(
            text,
            " {} {}",
            styled(DIM, format_args!("{number} |")),
            plain(&line)
        );
        let _ = writeln!(
            text,
            " {} {}{}",
            styled(DIM, format_args!("{margin} |")),
            " ".repeat(mark),
            styled(BAD, "^")
        );
    }
    let _ = writeln!(text, "   {}", styled(DIM, format_args!("at {}", plain(pointer))));
    text
}

/// The part of a line around a character, and which one of it that is. Tabs are one wide, as the mark below must be.
fn window(line: &str, column: usize) -> (String, usize) {
    let letters: Vec<char> = line
        .chars()
        .map(|letter| if letter == '\t' { ' ' } else { letter })
        .collect();
    let from = if letters.len() > LONGEST_LINE {
        column.saturating_sub(LONGEST_LINE / 2)
    } else {
        0
    };
    let part = letters.iter().skip(from).take(LONGEST_LINE).collect();
    (part, column.saturating_sub(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use playbook::Code;

    #[test]
    fn an_issue_points_at_its_character() {
        let issue = Issue {
            code: Code::UnknownProperty,
            path: "/do/0/a/sett".to_owned(),
            message: "there is no `sett`; did you mean `set`?".to_owned(),
            line: Some(2),
            column: Some(9),
        };
        let shown = anstream::adapter::strip_str(&pointed_at(&issue, "a.yaml", "do:\n  - a: {sett: {}}\n"))
            .to_string();
        assert_eq!(
            shown,
            "a.yaml:2:9: unknown_property there is no `sett`; did you mean `set`?\n 2 |   - a: {sett: {}}\n   |         ^\n   at /do/0/a/sett\n"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let line = format!("{}x{}", "a".repeat(1000), "b".repeat(1000));
        let (part, mark) = window(&line, 1000);
        assert_eq!(
            (part.chars().count(), part.chars().nth(mark)),
            (LONGEST_LINE, Some('x'))
        );
        assert_eq!(window("\ta", 1), (" a".to_owned(), 1));
        assert_eq!(window("", 7), (String::new(), 7));
    }
}
