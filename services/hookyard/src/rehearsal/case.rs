//! What a file of cases says.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use wire::resource::duration;
use wire::{Instant, RunState};

/// When a case begins unless it says so: the start of a year is easy to count from.
const BEGINNING: Instant = Instant::from_unix_micros(1_767_225_600_000_000);

/// A file of cases, `approval.test.yaml` for `approval.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    /// OpenAPI documents that the playbook calls, by their addresses: files beside this one.
    #[serde(default)]
    pub(crate) openapi: BTreeMap<String, PathBuf>,
    /// What each case has unless it says otherwise.
    #[serde(default)]
    pub(crate) secrets: Secrets,
    /// In turn.
    pub(crate) cases: Vec<Case>,
}

/// What `$secrets` is made of. They are the case's own, and still nothing to show in a message about something else.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secrets(Option<Value>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets(redacted)")
    }
}

impl Secrets {
    /// These, or those of the file.
    pub(crate) fn or(&self, others: &Self) -> Value {
        let chosen = self.0.as_ref().or(others.0.as_ref());
        chosen
            .cloned()
            .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }
}

/// One run, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: String,
    /// Left out: an empty object, as at the doors.
    #[serde(default = "nothing")]
    pub(crate) input: Value,
    /// What `$context.project` is made of.
    #[serde(default)]
    pub(crate) project: Option<Project>,
    /// Instead of the file's.
    #[serde(default)]
    pub(crate) secrets: Secrets,
    /// When it begins.
    #[serde(default = "beginning")]
    pub(crate) now: Instant,
    /// How calls are answered: the first that fits.
    #[serde(default)]
    pub(crate) calls: Vec<Mock>,
    /// What comes in.
    #[serde(default)]
    pub(crate) events: Vec<Incoming>,
    /// What operators do.
    #[serde(default)]
    pub(crate) operator: Vec<Wish>,
    /// What must come of it.
    #[serde(default)]
    pub(crate) expect: Expected,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

const fn beginning() -> Instant {
    BEGINNING
}

/// A project that the run is targeted at.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a project is its slug, or `{slug: …, name: …}`")]
pub(crate) enum Project {
    /// Without a name.
    Slug(String),
    /// With one.
    Named(NamedProject),
}

/// A project with a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedProject {
    /// Unique in its workspace.
    pub(crate) slug: String,
    /// For people.
    pub(crate) name: String,
}

/// How some calls are answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mock {
    /// Those of this task: its JSON pointer, or its name.
    #[serde(default)]
    pub(crate) task: Option<String>,
    /// Those with this method.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// Those to this URL, with its query if that is written; a `*` at the end stands for anything.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// One after the other; the last one again and again.
    pub(crate) answers: Vec<Answer>,
}

/// How one call is answered: a status, or a failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// 200 unless it is said.
    #[serde(default)]
    pub(crate) status: Option<u16>,
    /// `content-type: application/json` unless it is said.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// A text as it is, everything else as JSON.
    #[serde(default)]
    pub(crate) body: Option<Value>,
    /// `timeout`, `connect`, `dns`, `tls`, `reset` …: there is no answer.
    #[serde(default)]
    pub(crate) fail: Option<String>,
    /// How long it takes. No call waits longer than it would in earnest.
    #[serde(default, with = "duration")]
    pub(crate) after: Duration,
}

/// An event that comes to the workspace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incoming {
    /// How long after the run began.
    #[serde(default, with = "duration")]
    pub(crate) after: Duration,
    /// Its event type.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// The slug of its source.
    #[serde(default)]
    pub(crate) source: Option<String>,
    /// Its data.
    #[serde(default)]
    pub(crate) data: Value,
}

/// Something that an operator does.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// How long after the run began.
    #[serde(default, with = "duration")]
    pub(crate) after: Duration,
    /// What.
    #[serde(rename = "do")]
    pub(crate) control: Control,
}

/// What operators can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Control {
    /// Ends the run.
    Cancel,
    /// Holds it.
    Pause,
    /// Lets it go on.
    Resume,
    /// Has the step that faulted done again.
    Retry,
}

/// What must come of a run. What is left out may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// `completed` unless it is said, or an error is.
    pub(crate) status: Option<RunState>,
    /// All of it.
    #[serde(default, deserialize_with = "present")]
    pub(crate) output: Option<Value>,
    /// Some fields of it. A `type` is what stands after its last slash.
    pub(crate) error: Option<Value>,
    /// Every call in turn, and some fields of each: `task, method, url, headers, body, key, attempt`.
    pub(crate) calls: Option<Vec<Value>>,
    /// Every event that was emitted, and some fields of each.
    pub(crate) emitted: Option<Vec<Value>>,
    /// The names of the tasks that ended, in turn; one that did not complete as `name: faulted`.
    pub(crate) steps: Option<Vec<Value>>,
    /// How long it took.
    #[serde(default, with = "duration::optional")]
    pub(crate) took: Option<Duration>,
}

/// Tells `output: null` from no output.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What is wrong with a file of cases.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(String);

impl CaseFile {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
        };
        let cases: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| Mistake(error.without_snippet().to_string()))?;
        if cases.cases.is_empty() {
            return Err(Mistake(
                "there is no case in it; write at least one below `cases`".to_owned(),
            ));
        }
        for case in &cases.cases {
            case.check()
                .map_err(|why| Mistake(format!("case `{}`: {why}", case.name)))?;
        }
        Ok(cases)
    }
}

impl Case {
    fn check(&self) -> Result<(), &'static str> {
        for mock in &self.calls {
            if mock.task.is_none() && mock.url.is_none() {
                return Err("a call needs `task` or `url`, to say which it is");
            }
            if mock.answers.is_empty() {
                return Err("a call has no `answers`; write for example `answers: [{status: 200}]`");
            }
            let is_both = |answer: &Answer| answer.fail.is_some() && answer.status.is_some();
            if mock.answers.iter().any(is_both) {
                return Err("an answer has either `status` or `fail`");
            }
        }
        Ok(())
    }

    /// How it must end.
    pub(crate) fn status(&self) -> RunState {
        let faulted = self.expect.error.as_ref().map(|_| RunState::Faulted);
        self.expect.status.or(faulted).unwrap_or(RunState::Completed)
    }
}
