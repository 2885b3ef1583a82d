//! `hookyard config check`: everything that is wrong with the settings, at once and before a service is started.

use crate::screen::{BAD, DIM, GOOD, Screen, plain, styled};
use boot::{Error, Sources, UnknownKey, report};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What is to be done about a value that is not understood.
const DOCUMENTED: &str = "config/default.toml says what it takes";

/// What is wrong, as it is shown.
#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    /// `section.key`; none if a whole file or variable cannot be read.
    key: Option<String>,
    /// The file or variable that has it, where it is known.
    origin: Option<String>,
    cause: String,
    way_out: String,
}

pub(super) fn run(config: Option<&Path>, screen: Screen) -> anyhow::Result<ExitCode> {
    let problems: Vec<Problem> = Sources::from_process(config)
        .problems()
        .into_iter()
        .flat_map(problems_of)
        .collect();
    let checked = Checked {
        ok: problems.is_empty(),
        problems,
    };
    screen.show(&checked, Checked::text)?;
    Ok(if checked.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn problems_of(error: Error) -> Vec<Problem> {
    let problem = |key: Option<String>, origin, cause: String, way_out: &str| Problem {
        key,
        origin,
        cause,
        way_out: way_out.to_owned(),
    };
    vec![match error {
        Error::UnknownKeys(keys) => return keys.into_iter().map(unknown).collect(),
        Error::Setting { key, origin, reason } => problem(Some(key), Some(origin), reason, DOCUMENTED),
        Error::Missing { key, way_out } => {
            problem(Some(key.to_owned()), None, "is not set".to_owned(), way_out)
        }
        Error::MasterKeys(error) => problem(
            Some("secrets.master_keys".to_owned()),
            None,
            report(&error),
            "correct them where they are set: HOOKYARD__SECRETS__MASTER_KEYS, its …_FILE, or the settings file",
        ),
        Error::ReadFile { .. } => problem(
            None,
            None,
            report(&error),
            "is it there, and may this user read it?",
        ),
        Error::ParseFile { .. } => problem(None, None, report(&error), "correct the file"),
        other => problem(None, None, report(&other), "correct its value"),
    }]
}

fn unknown(UnknownKey { key, origin, nearest }: UnknownKey) -> Problem {
    Problem {
        key: Some(key),
        origin: Some(origin),
        cause: "is no setting".to_owned(),
        way_out: nearest.map_or_else(
            || "config/default.toml lists all there are".to_owned(),
            |nearest| format!("did you mean `{nearest}`?"),
        ),
    }
}

impl Checked {
    fn text(&self) -> String {
        if self.ok {
            return styled(GOOD, "ok");
        }
        let mut text = String::new();
        for problem in &self.problems {
            let line = problem.line();
            let _ = writeln!(text, "{}  {}", styled(BAD, "problem"), plain(&line));
            let way_out = format!("→ {}", problem.way_out);
            let _ = writeln!(text, "{:9}{}", "", styled(DIM, plain(&way_out)));
        }
        text
    }
}

impl Problem {
    fn line(&self) -> String {
        let Self {
            key, origin, cause, ..
        } = self;
        match (key, origin) {
            (Some(key), Some(origin)) => format!("{key} (from {origin}): {cause}"),
            (Some(key), None) => format!("{key}: {cause}"),
            (None, _) => cause.clone(),
        }
    }
}
