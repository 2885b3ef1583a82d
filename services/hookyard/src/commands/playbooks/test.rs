//! `hookyard playbook test`: playbooks run against the cases beside them.

use super::check::pointed_at;
use super::definition::{self, File};
use crate::arguments;
use crate::rehearsal::{CaseFile, Difference, Played, judge, play};
use crate::screen::{BAD, BOLD, DIM, GOOD, Screen, plain, styled};
use anyhow::{Context as _, bail};
use expression::Jail;
use playbook::{Engine, Step, Version};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wire::resource::duration;

/// All files.
#[derive(Debug, Serialize)]
struct Verdicts {
    passed: bool,
    files: Vec<Verdict>,
}

/// One playbook.
#[derive(Debug, Serialize)]
struct Verdict {
    file: String,
    cases: Vec<Tried>,
}

/// One case.
#[derive(Debug, Serialize)]
struct Tried {
    name: String,
    passed: bool,
    /// How it ended.
    status: wire::RunState,
    /// By the run's own clock.
    #[serde(serialize_with = "duration::serialize")]
    took: std::time::Duration,
    differences: Vec<Difference>,
    steps: Vec<Step>,
    calls: usize,
}

pub(super) async fn run(options: arguments::Test, screen: Screen) -> anyhow::Result<ExitCode> {
    let documents = definition::given(&options.documents.openapi)?;
    let jail = Jail::new(expression::Options::default());
    let mut files = Vec::with_capacity(options.files.len());
    for path in &options.files {
        files.push(try_one(&jail, path, &documents, options.only.as_deref()).await?);
    }
    if files.iter().all(|file| file.cases.is_empty()) {
        bail!("no case has `{}` in its name", options.only.unwrap_or_default());
    }
    let passed = files.iter().flat_map(|file| &file.cases).all(|case| case.passed);
    let verdicts = Verdicts { passed, files };
    screen.show(&verdicts, |verdicts| told(verdicts, options.steps))?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn try_one(
    jail: &Jail,
    path: &Path,
    documents: &BTreeMap<String, PathBuf>,
    only: Option<&str>,
) -> anyhow::Result<Verdict> {
    let file = File::read(path)?;
    let beside = path.with_extension("test.yaml");
    let cases = File::read(&beside).context("the cases of a playbook are in a file beside it")?;
    let cases = CaseFile::parse(&cases.text).with_context(|| format!("{} cannot be used", cases.name))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut all: BTreeMap<String, PathBuf> = cases
        .openapi
        .iter()
        .map(|(uri, file)| (uri.clone(), folder.join(file)))
        .collect();
    all.extend(documents.clone());
    let engine = Engine::new(jail.clone());
    let checked = match definition::check(&engine, &file.text, &all).await? {
        Ok(checked) => checked,
        Err(issues) => {
            let shown: Vec<_> = issues
                .iter()
                .map(|issue| pointed_at(issue, &file.name, &file.text))
                .collect();
            bail!(
                "{} cannot be saved, so it cannot run\n\n{}",
                file.name,
                shown.join("\n")
            );
        }
    };
    let version = Version::new(&file.text, &checked.operations);
    let mut tried = Vec::with_capacity(cases.cases.len());
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    for case in cases.cases.iter().filter(|case| wanted(&case.name)) {
        let secrets = case.secrets.or(&cases.secrets);
        let played = play(jail, &version, case, secrets)
            .await
            .with_context(|| format!("{}: the case `{}` cannot be played", file.name, case.name))?;
        let differences = judge(case, &played);
        let Played {
            status,
            took,
            steps,
            calls,
            ..
        } = played;
        tried.push(Tried {
            name: case.name.clone(),
            passed: differences.is_empty(),
            status,
            took,
            differences,
            steps,
            calls: calls.len(),
        });
    }
    Ok(Verdict {
        file: file.name,
        cases: tried,
    })
}

fn told(verdicts: &Verdicts, with_steps: bool) -> String {
    let mut text = String::new();
    for verdict in &verdicts.files {
        let _ = writeln!(text, "{}", styled(BOLD, plain(&verdict.file)));
        for case in &verdict.cases {
            let (style, mark) = if case.passed {
                (GOOD, "pass")
            } else {
                (BAD, "FAIL")
            };
            let about = format!(
                "{} in {}, {} steps, {} calls",
                case.status,
                duration::show(case.took),
                case.steps.len(),
                case.calls
            );
            let _ = writeln!(
                text,
                "  {} {} {}",
                styled(style, mark),
                plain(&case.name),
                styled(DIM, format_args!("({about})"))
            );
            for difference in &case.differences {
                let _ = writeln!(text, "       {}", plain(&difference.to_string()));
            }
            if with_steps || !case.passed {
                text.push_str(&steps(&case.steps));
            }
        }
    }
    let all = || verdicts.files.iter().flat_map(|file| &file.cases);
    let failed = all().filter(|case| !case.passed).count();
    let sum = format!("{} of {} cases passed", all().count() - failed, all().count());
    let style = if failed == 0 { GOOD } else { BAD };
    let _ = writeln!(text, "{}", styled(style, sum));
    text
}

/// What the run did, a line each.
fn steps(steps: &[Step]) -> String {
    let mut text = String::new();
    let began = steps.iter().map(|step| step.started_at).min();
    for step in steps {
        let at = began.map_or_else(String::new, |began| duration::show(step.ended_at.since(began)));
        let status = serde_json::to_value(step.status).unwrap_or_default();
        let error = step.error.as_ref().and_then(|error| error.detail.as_deref());
        let line = format!(
            "{:>4}  {at:>8}  {} {} {}",
            step.number,
            step.pointer,
            status.as_str().unwrap_or_default(),
            error.unwrap_or_default()
        );
        let _ = writeln!(text, "       {}", styled(DIM, plain(line.trim_end())));
    }
    text
}
