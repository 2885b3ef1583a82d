//! One rehearsed run, from its beginning to where nothing happens to it any more.

use super::case::{Case, NamedProject, Project};
use super::sent::Sent;
use super::stage::Stage;
use anyhow::bail;
use expression::Jail;
use playbook::{Emitted, Engine, Error, Event, HttpRequest, Start, Step, StepError, Summary, Version};
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::Duration;
use wire::resource::ProjectSpec;
use wire::{ProjectId, RunId, RunState};

/// In the places of secrets. Nobody outside can guess at it, since there is no outside.
pub(super) const NONCE: &str = "rehearsal";
/// The run's id.
const RUN: &str = "run_00000000000000000000000001";
/// The id of the project that the run is targeted at.
const PROJECT: &str = "prj_00000000000000000000000001";
/// What a run of 10,000 steps cannot need.
const MOST_EVENTS: usize = 100_000;

/// A request that was sent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Called {
    /// The task's JSON pointer.
    pub(crate) task: String,
    /// Upper case.
    pub(crate) method: String,
    /// With its query.
    pub(crate) url: String,
    /// Names in lower case.
    pub(crate) headers: Map<String, Value>,
    /// Null without one.
    pub(crate) body: Value,
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
    /// From 1.
    pub(crate) attempt: u32,
}

impl Called {
    pub(super) fn of(task: &str, request: &HttpRequest, sent: Sent) -> Self {
        Self {
            task: task.to_owned(),
            method: request.method.clone(),
            url: sent.url,
            headers: sent.headers,
            body: sent.body,
            key: request.key.clone(),
            attempt: request.attempt,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) status: RunState,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<Error>,
    pub(crate) calls: Vec<Called>,
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) steps: Vec<Step>,
    /// By the run's own clock.
    pub(crate) took: Duration,
    /// Why it could not be played to its end.
    pub(crate) trouble: Option<String>,
}

/// Plays a case. Fails where the engine does, which no playbook can make it.
pub(crate) async fn play(
    jail: &Jail,
    version: &Version,
    case: &Case,
    secrets: Value,
) -> anyhow::Result<Played> {
    let engine = Engine::new(jail.clone());
    let shape = without_values(&secrets);
    let mut stage = Stage::new(case, secrets, jail.clone());
    let mut played = Played {
        status: RunState::Pending,
        output: None,
        error: None,
        calls: Vec::new(),
        emitted: Vec::new(),
        steps: Vec::new(),
        took: Duration::ZERO,
        trouble: None,
    };
    // All cases have the same run's id, and what one of them does wrong is not to be put down to another.
    let name = RunId::generate().to_string();
    let (mut now, mut reached) = (case.now, None);
    let mut event = start(case, shape);
    for _ in 0..MOST_EVENTS {
        let stepped = match engine.step(version, &name, reached.as_ref(), now, &event).await {
            Ok(stepped) => stepped,
            Err(StepError::Unstartable(error)) => {
                (played.status, played.error) = (RunState::Faulted, Some(error));
                return Ok(played);
            }
            Err(other) => return Err(other.into()),
        };
        reached = Some(stepped.state);
        let out = stepped.out;
        for id in out.cancelled {
            stage.give_up(id);
        }
        for emitted in &out.emitted {
            stage.emitted(&emitted.key, &emitted.envelope);
        }
        // What is wished of a run that has ended comes to nothing, and takes no time.
        if !out.finished.is_empty() || out.summary.status != played.status {
            played.took = now.since(case.now);
        }
        played.emitted.extend(out.emitted);
        played.steps.extend(out.finished);
        played.note(out.summary.clone());
        for issued in out.issued {
            if let Err(trouble) = stage.begin(issued, now) {
                played.trouble = Some(trouble);
                played.calls = stage.calls;
                return Ok(played);
            }
        }
        // Only a run that faulted can be told to go on.
        if is_over(played.status) && (played.status != RunState::Faulted || !stage.has_wishes()) {
            break;
        }
        let wake_at = out.summary.wake_at.filter(|_| !is_over(played.status));
        let Some((at, next)) = stage.next(now, wake_at).await? else {
            break;
        };
        (now, event) = (at.max(now), next);
    }
    if !is_over(played.status) && played.trouble.is_none() && played.status == RunState::Running {
        bail!("the run never ends");
    }
    played.calls = stage.calls;
    Ok(played)
}

impl Played {
    fn note(&mut self, summary: Summary) {
        self.status = summary.status;
        self.output = summary.output;
        self.error = summary.error;
    }
}

const fn is_over(status: RunState) -> bool {
    matches!(
        status,
        RunState::Completed | RunState::Faulted | RunState::Cancelled
    )
}

fn start(case: &Case, secrets: Value) -> Event {
    Event::Start(Start {
        run: RUN.to_owned(),
        input: case.input.clone(),
        context: case.project.as_ref().map_or(Value::Null, context),
        secrets,
        nonce: NONCE.to_owned(),
        version: 1,
    })
}

/// `$context` as a runner makes it.
fn context(project: &Project) -> Value {
    let (slug, name) = match project {
        Project::Slug(slug) => (slug, None),
        Project::Named(NamedProject { slug, name }) => (slug, Some(name.clone())),
    };
    let spec = ProjectSpec { name, enabled: true };
    playbook_runner::project::context(&ProjectId::from_stored(PROJECT), slug, &spec)
}

/// The names of secrets, each with null.
fn without_values(secrets: &Value) -> Value {
    match secrets {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| (name.clone(), without_values(inner)))
            .collect::<Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}
