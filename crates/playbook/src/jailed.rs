//! The engine as services hold it: the same functions, in a worker that may die of a stranger's expression.

use crate::guest::{Answer, Ask, Source, Worker};
use crate::{Code, Error, Event, Issue, Operations, Out, Outline, error_types};
use bytes::Bytes;
use expression::{Account, ExpressionError, GuestJob, GuestStop, Jail, JailError, StopCause};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wire::Instant;

/// The largest state, in bytes.
pub const LARGEST_STATE: usize = 1 << 20;

/// Becomes a worker and never returns, if the program was started as one; else returns at once.
///
/// Must be the first call of each `main` whose process has an [`Engine`]. Such a worker evaluates expressions of routes
/// as well.
pub fn run_if_requested() {
    expression::worker::run_with_guest_if_requested(worker);
}

/// What [`Jail::in_thread_with`] wants, for tests.
pub fn worker() -> Box<dyn expression::Guest> {
    Box::new(Worker::default())
}

/// Checks definitions and steps runs, in the workers of a jail. Clones share them.
#[derive(Debug, Clone)]
pub struct Engine {
    jail: Jail,
}

/// A version of a playbook, as the engine reads it. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    text: Arc<str>,
}

impl Version {
    /// Puts a definition and the operations that it calls together.
    pub fn new(definition: &str, operations: &Operations) -> Self {
        let source = Source {
            definition: definition.to_owned(),
            operations: operations.clone(),
        };
        Self {
            text: serde_json::to_string(&source)
                .expect("a source is plain data with text keys, which has a JSON form")
                .into(),
        }
    }
}

/// A definition that can be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What it is.
    pub outline: Outline,
    /// What it calls, to be kept with the version.
    pub operations: Operations,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The run's next state: JSON.
    pub state: Bytes,
    /// What it asks for and reports.
    pub out: Out,
}

/// Why a step was not made, or a definition not checked.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The workers are busy or cannot be started. Come back.
    #[error("a playbook cannot be evaluated now")]
    Unavailable(#[source] JailError),
    /// The run cannot begin, and has no state: it is faulted with this error. Trying it again is starting it again.
    #[error("a run cannot begin: {}", .0.detail.as_deref().unwrap_or(&.0.kind))]
    Unstartable(Error),
    /// The engine does not understand what it is given. A fault of ours, and it does not pass.
    #[error("a playbook's engine failed: {0}")]
    Broken(String),
}

/// Why a definition is not kept.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// All that is wrong with it.
    #[error("the definition has {} issues", .0.len())]
    Unsound(Vec<Issue>),
    /// It could not be checked.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl Engine {
    /// An engine in the workers of `jail`, whose program must call [`run_if_requested`].
    pub fn new(jail: Jail) -> Self {
        Self { jail }
    }

    /// Says which OpenAPI documents a definition needs, by their URIs: whoever saves it fetches them. Of another text
    /// than a definition, what is wrong with it.
    pub async fn needs(&self, definition: &str) -> Result<Vec<String>, CheckError> {
        match self.ask(definition.into(), Account::Program, &Ask::Needs).await? {
            Asked::Answered(Answer::Needs(uris)) => Ok(uris),
            Asked::Answered(Answer::Unsound(issues)) => Err(CheckError::Unsound(issues)),
            Asked::Answered(other) => Err(broken(&other).into()),
            Asked::GivenUp(error) => Err(unchecked(&error)),
        }
    }

    /// Checks a definition that is about to be saved, with the texts of the documents that it [needs](Self::needs), by
    /// their URIs, or a clause that says why one could not be had. A document that is missing is an issue where it is
    /// called.
    pub async fn check(
        &self,
        definition: &str,
        documents: BTreeMap<String, Result<String, String>>,
    ) -> Result<Checked, CheckError> {
        let check = Ask::Check { documents };
        match self.ask(definition.into(), Account::Program, &check).await? {
            Asked::Answered(Answer::Sound { outline, operations }) => Ok(Checked {
                outline: *outline,
                operations,
            }),
            Asked::Answered(Answer::Unsound(issues)) => Err(CheckError::Unsound(issues)),
            Asked::Answered(other) => Err(broken(&other).into()),
            Asked::GivenUp(error) => Err(unchecked(&error)),
        }
    }

    /// Sums up a version that was saved. Of one that an earlier release let through, what is wrong with it.
    pub async fn outline(&self, version: &Version) -> Result<Outline, CheckError> {
        let text = Arc::clone(&version.text);
        match self.ask(text, Account::Program, &Ask::Outline).await? {
            Asked::Answered(Answer::Sound { outline, .. }) => Ok(*outline),
            Asked::Answered(Answer::Unsound(issues)) => Err(CheckError::Unsound(issues)),
            Asked::Answered(other) => Err(broken(&other).into()),
            Asked::GivenUp(error) => Err(unchecked(&error)),
        }
    }

    /// Makes one step of a run. `state` is what the step before it returned; only [`Event::Start`] goes without. `run`
    /// is a name that no other run has: what goes wrong is put down to it alone.
    ///
    /// An expression that ends its worker is an expression error of its task, which the playbook may catch. The third of
    /// a run within half a minute, and one at which the step's time is over, end the run as faulted, and so does a state
    /// that grows too large.
    pub async fn step(
        &self,
        version: &Version,
        run: &str,
        state: Option<&Bytes>,
        at: Instant,
        event: &Event,
    ) -> Result<Stepped, StepError> {
        let run = Standing {
            version,
            name: run,
            state,
            at,
        };
        let stepped = self.try_step(run, event).await?;
        match stepped {
            Ok(stepped) if stepped.state.len() <= LARGEST_STATE => Ok(stepped),
            Ok(stepped) => {
                let detail = format!(
                    "the run's data would take {} bytes, more than the {LARGEST_STATE} that are kept; let tasks keep \
                     less with `output.as`, or send large data by reference",
                    stepped.state.len()
                );
                self.fault(run, fatal("runtime", detail, None)).await
            }
            Err(error) => {
                let place = match &error {
                    ExpressionError::StoppedIn(stop) => Some(stop.place.clone()),
                    _ => None,
                };
                self.fault(run, fatal("expression", error.to_string(), place))
                    .await
            }
        }
    }

    /// Whether a run of this version was stopped lately. Then the steps of its runs that evaluate something may have to wait
    /// for long, or be refused with [`JailError::Suspected`].
    pub fn suspects(&self, version: &Version) -> bool {
        self.jail.suspects(&version.text)
    }

    /// Ends a run as faulted at the state that it had, which it can be retried from.
    async fn fault(&self, run: Standing<'_>, error: Error) -> Result<Stepped, StepError> {
        if run.state.is_none() {
            return Err(StepError::Unstartable(error));
        }
        let fault = Event::Fault { error };
        match self.try_step(run, &fault).await? {
            Ok(stepped) => Ok(stepped),
            Err(error) => Err(StepError::Broken(format!("a run cannot be faulted: {error}"))),
        }
    }

    async fn try_step(
        &self,
        run: Standing<'_>,
        event: &Event,
    ) -> Result<Result<Stepped, ExpressionError>, StepError> {
        let state = run
            .state
            .map(|state| std::str::from_utf8(state).map(str::to_owned))
            .transpose()
            .map_err(|error| StepError::Broken(error.to_string()))?
            .map(RawValue::from_string)
            .transpose()
            .map_err(|error| StepError::Broken(error.to_string()))?;
        let ask = Ask::Step {
            state,
            at: run.at,
            event: Box::new(event.clone()),
        };
        // Others run the same version, and must not be stopped for what this one does.
        let account = Account::Own(run.name.into());
        let text = Arc::clone(&run.version.text);
        Ok(match self.ask(text, account, &ask).await? {
            Asked::Answered(Answer::Stepped { state, out }) => Ok(Stepped {
                state: Bytes::from(String::from(Box::<str>::from(state))),
                out: *out,
            }),
            Asked::Answered(other) => return Err(broken(&other)),
            Asked::GivenUp(error) => Err(error),
        })
    }

    /// Asks a worker, and once more for each evaluation that ended one, which is refused then, but for the last.
    async fn ask(&self, program: Arc<str>, account: Account, ask: &Ask) -> Result<Asked, StepError> {
        let mut refused: Vec<(u32, StopCause)> = Vec::new();
        let mut before: Option<Box<GuestStop>> = None;
        loop {
            let request = RequestRef {
                ask,
                refused: &refused,
            };
            let input = serde_json::to_vec(&request).map_err(|error| StepError::Broken(error.to_string()))?;
            let job = GuestJob {
                program: Arc::clone(&program),
                input: Bytes::from(input),
                account: account.clone(),
                spent: before.as_ref().map_or(Duration::ZERO, |stop| stop.spent),
                evaluates: ask.evaluates(),
            };
            let answered = self.jail.ask_guest(job).await.map_err(StepError::Unavailable)?;
            match answered {
                Ok(answer) => {
                    let answer = serde_json::from_slice(&answer);
                    return answer
                        .map(Asked::Answered)
                        .map_err(|error| StepError::Broken(error.to_string()));
                }
                Err(ExpressionError::StoppedIn(mut stop)) => {
                    // The time was over before the new try came as far: it was spent on the one before.
                    if let Some(before) = before.filter(|before| before.evaluation >= stop.evaluation) {
                        stop.place = before.place;
                        stop.is_last = true;
                    }
                    if stop.is_last {
                        return Ok(Asked::GivenUp(ExpressionError::StoppedIn(stop)));
                    }
                    refused.push((stop.evaluation, stop.cause));
                    before = Some(stop);
                }
                Err(error) => return Ok(Asked::GivenUp(error)),
            }
        }
    }
}

/// A run before a step.
#[derive(Clone, Copy)]
struct Standing<'r> {
    version: &'r Version,
    name: &'r str,
    state: Option<&'r Bytes>,
    at: Instant,
}

/// An error that the engine itself ends a run with, at the pointer of a task where that is known.
fn fatal(kind: &str, detail: String, instance: Option<String>) -> Error {
    Error {
        kind: error_types::of(kind),
        status: if kind == "expression" { 400 } else { 500 },
        title: Some("the engine cannot go on".to_owned()),
        detail: Some(detail),
        instance,
    }
}

/// A definition whose check ended its worker, or that is too large for one.
fn unchecked(error: &ExpressionError) -> CheckError {
    CheckError::Unsound(vec![Issue {
        code: match error {
            ExpressionError::TooLong { .. } | ExpressionError::InputTooLarge { .. } => Code::LimitExceeded,
            _ => Code::InvalidExpression,
        },
        path: String::new(),
        message: format!("the definition cannot be checked: {error}"),
        line: None,
        column: None,
    }])
}

/// A [`Request`](crate::guest::Request) that borrows.
#[derive(Serialize)]
struct RequestRef<'r> {
    ask: &'r Ask,
    refused: &'r [(u32, StopCause)],
}

enum Asked {
    Answered(Answer),
    /// The worker was given up.
    GivenUp(ExpressionError),
}

fn broken(answer: &Answer) -> StepError {
    StepError::Broken(match answer {
        Answer::Nonsense(why) => why.clone(),
        Answer::Unsound(issues) => match issues.first() {
            Some(issue) => {
                format!("the version that the run is pinned to is not understood any more: {issue}")
            }
            None => "the version that the run is pinned to is not understood any more".to_owned(),
        },
        Answer::Needs(_) | Answer::Sound { .. } | Answer::Stepped { .. } => {
            "the worker answered another question".to_owned()
        }
    })
}
