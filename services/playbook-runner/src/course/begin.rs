//! The beginning of a course: a run that has not begun is started, one that has goes on from its state.

use super::slot::Places;
use super::{Course, End, Flow, Place};
use crate::call::Calls;
use crate::courses::Bell;
use crate::keep::unchanged;
use crate::listen::Waiting;
use crate::project;
use crate::runner::Runner;
use crate::secrets::Secrets;
use crate::versions::Missing;
use boot::metrics;
use expression::{ExpressionError, Limits};
use playbook::{Error, Event, Pending, Start, Version, pending};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::Arc;
use store::{Control, HeldRun, Hold, RunCommit, Telling, Told};
use uuid::Uuid;
use wire::{Instant, ProjectId, RunState};

impl Course {
    /// Puts together what the run needs.
    pub(super) async fn of(
        runner: Arc<Runner>,
        run: HeldRun,
        told: Vec<Told>,
        bell: Bell,
        place: Place,
    ) -> Result<Self, End> {
        let stopping = runner.shutdown.stopping();
        let mut course = Self {
            // Of no use until the run's own is read.
            version: Version::new("", &playbook::Operations::default()),
            state: run.engine.clone().map(Into::into),
            label: metrics::Playbook::default(),
            active: None,
            places: None,
            limit: None,
            target: None,
            is_unwanted: false,
            is_orphan: false,
            secrets: Secrets::default(),
            nonce: String::new(),
            waiting: Waiting::default(),
            wake_at: None,
            calls: Calls::default(),
            told: VecDeque::from(told),
            runner,
            run,
            bell,
            place,
            stopping,
        };
        // Read after the run was taken: what is switched off is saved before those are told that go on, so a run is either
        // told, or finds the switch here.
        let (store, of) = (&course.runner.store, &course.run);
        let found = insist!(course, store.playbook_of_run(&of.workspace_id, &of.playbook_id));
        course.is_unwanted = found.as_ref().is_some_and(|(_, ends)| *ends);
        let playbook = found.map(|(playbook, _)| playbook);
        if let Some(playbook) = &playbook {
            course.label = metrics::Playbook::of(&playbook.spec.slug);
        }
        course.active = Some(metrics::run_taken(&course.label));
        course.is_orphan = playbook.is_none();
        course.secrets.note(playbook.as_ref(), Instant::now());
        course.places = playbook.as_ref().and_then(Places::of);
        course.target = playbook.and_then(|playbook| playbook.spec.target.project);
        course.limit = course
            .places
            .as_ref()
            .and_then(|places| places.limit(&course.run));
        Ok(course)
    }

    /// Sets out.
    pub(super) async fn begin(&mut self) -> Flow {
        let is_over = self.run.state.is_final();
        let is_retried = self.run.state == RunState::Faulted && self.told.iter().any(is_retry);
        if is_over && (!is_retried || self.is_unwanted || self.is_orphan) {
            return self.tidy().await;
        }
        if self.is_unwanted && self.state.is_none() {
            return self.drop_unbegun().await;
        }
        if self.state.is_none() {
            self.hold_or_go().await?;
        }
        // One that ends needs no place for it.
        let begins = self.state.is_none() || is_retried;
        if begins && !self.told.iter().any(is_cancel) {
            self.take_slot().await?;
        }
        self.version = self.read_version().await?;
        match self.state.clone() {
            // One whose playbook was removed was to be told to end; whoever was to tell it may have been lost.
            Some(state) if self.is_unwanted || self.is_orphan => {
                if let Ok(found) = pending(&state) {
                    // What it waits for is to be forgotten with it: it would be given the next event, and lose it.
                    self.waiting = Waiting::of(&found.issued);
                }
                let taken = self.told.drain(..).map(|told| told.id).collect();
                self.happen(Event::Cancel, taken).await
            }
            // It was being made when its playbook was removed, which took all that went on with it.
            None if self.is_orphan => self.drop_unbegun().await,
            None => self.start().await,
            Some(state) => self.go_on(&state, is_retried).await,
        }
    }

    /// Notes what a run was told that has ended: it is too late for it.
    async fn tidy(&mut self) -> Flow {
        let commit = RunCommit {
            taken: self.told.drain(..).map(|told| told.id).collect(),
            ..unchanged(&self.run, self.runner.worker, Hold::Parked(None), Instant::now())
        };
        self.keep(commit).await?;
        Err(End::Parked)
    }

    /// Ends a run that has not begun.
    async fn drop_unbegun(&mut self) -> Flow {
        let commit = RunCommit {
            state: RunState::Cancelled,
            error: None,
            taken: self.told.drain(..).map(|told| told.id).collect(),
            limit: self.limit.clone(),
            ..unchanged(&self.run, self.runner.worker, Hold::Parked(None), Instant::now())
        };
        self.keep(commit).await?;
        Err(End::Parked)
    }

    /// What operators wish of a run that has not begun: it ends, or is held, or goes on.
    async fn hold_or_go(&mut self) -> Flow {
        let mut state = match self.run.state {
            RunState::Paused => RunState::Paused,
            _ => RunState::Running,
        };
        let mut taken = Vec::new();
        for told in self.told.drain(..) {
            taken.push(told.id);
            state = match (state, told.what) {
                (RunState::Cancelled, _) | (_, Telling::Control(Control::Cancel)) => RunState::Cancelled,
                (_, Telling::Control(Control::Pause)) => RunState::Paused,
                (_, Telling::Control(Control::Resume | Control::Retry { .. })) => RunState::Running,
                (state, Telling::Message { .. }) => state,
            };
        }
        let is_going = state == RunState::Running;
        if is_going && taken.is_empty() {
            return Ok(());
        }
        let hold = if is_going { Hold::Kept } else { Hold::Parked(None) };
        let commit = RunCommit {
            state,
            error: None,
            taken,
            limit: self.limit.clone(),
            ..unchanged(&self.run, self.runner.worker, hold, Instant::now())
        };
        self.keep(commit).await?;
        self.run.state = state;
        self.run.error = None;
        if is_going { Ok(()) } else { Err(End::Parked) }
    }

    async fn read_version(&mut self) -> Result<Version, End> {
        let mut backoff = boot::Backoff::new();
        loop {
            let (playbook, version) = (&self.run.playbook_id, self.run.version);
            match self.runner.versions.find(playbook, version).await {
                Ok(version) => return Ok(version),
                Err(Missing::Ledger(error)) if error.is_transient() => {
                    self.pause(backoff.next(rand::random())).await?;
                }
                Err(error) => {
                    tracing::error!(
                        run.id = %self.run.id,
                        error.chain = &error as &dyn StdError,
                        "a run has no definition to go by"
                    );
                    let taken = self.told.drain(..).map(|told| told.id).collect();
                    metrics::run_broken();
                    self.fault(&runtime_error(&boot::report(&error)), taken).await?;
                    return Err(End::Parked);
                }
            }
        }
    }

    async fn start(&mut self) -> Flow {
        let context = self.context().await?;
        let input = match input_of(&self.run.input) {
            Ok(input) => input,
            Err(error) => {
                let taken = self.told.drain(..).map(|told| told.id).collect();
                self.fault(&error, taken).await?;
                return Err(End::Parked);
            }
        };
        self.nonce = Uuid::new_v4().simple().to_string();
        let start = Start {
            run: self.run.id.to_string(),
            input,
            context,
            secrets: self.secrets.begin(),
            nonce: self.nonce.clone(),
            version: self.run.version,
        };
        self.happen(Event::Start(start), Vec::new()).await
    }

    /// `$context` at first: the project that the run is targeted at. Doors write it into the run; a route knows only the
    /// playbook, whose own it is then.
    async fn context(&self) -> Result<Value, End> {
        let own = self.target.as_ref().map(ProjectId::as_str);
        let Some(name) = self.run.project.as_deref().or(own) else {
            return Ok(Value::Null);
        };
        let workspace = &self.run.workspace_id;
        let project = insist!(self, self.runner.store.project(workspace, name));
        Ok(match (project, &self.run.project) {
            (Some(project), _) => project::context(&project.id, &project.slug, &project.spec),
            (None, Some(slug)) => json!({"project": {"slug": slug}}),
            (None, None) => Value::Null,
        })
    }

    /// Has a run go on that faulted. It waits for nothing, and what it was told before that came too late for it.
    async fn retry(&mut self) -> Flow {
        let mut taken = Vec::new();
        while let Some(told) = self.told.pop_front() {
            taken.push(told.id);
            if let Telling::Control(Control::Retry { fresh_keys }) = told.what {
                return self.happen(Event::Retry { fresh_keys }, taken).await;
            }
        }
        Ok(())
    }

    /// Issues again what is pending, and looks for what came before its waits were there.
    async fn go_on(&mut self, state: &[u8], is_retried: bool) -> Flow {
        let Pending {
            issued,
            nonce,
            secrets,
        } = match pending(state) {
            Ok(found) => found,
            Err(error) => {
                let taken = self.told.drain(..).map(|told| told.id).collect();
                return self.broken(&error.to_string(), taken).await;
            }
        };
        self.nonce = nonce;
        self.secrets.known = secrets;
        if is_retried {
            return self.retry().await;
        }
        self.waiting = Waiting::of(&issued);
        if self.told.iter().any(is_cancel) {
            return Ok(());
        }
        self.issue(issued);
        let waits = self.waiting.since(&Waiting::default());
        self.look_back(&waits).await?;
        if self.told.is_empty() {
            // Whatever is due happens, and what is there to wait for is known again.
            return self.happen(Event::Tick, Vec::new()).await;
        }
        Ok(())
    }
}

/// A run's input: JSON as its value, as filters read it; the body of an event that is something else, as a text. An error
/// where it is JSON that no run can hold.
fn input_of(bytes: &[u8]) -> Result<Value, Error> {
    let strange = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(_) => expression::read_json(bytes, &Limits::default()),
    };
    match strange {
        Ok(value) => Ok(value),
        Err(ExpressionError::InputNotJson { .. }) => {
            Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
        Err(error) => Err(Error {
            kind: "https://open-workflow-specification.org/dsl/errors/types/validation".to_owned(),
            status: 400,
            title: Some("Validation Error".to_owned()),
            detail: Some(format!("the run cannot hold its input: {error}")),
            instance: None,
        }),
    }
}

fn is_cancel(told: &Told) -> bool {
    told.what == Telling::Control(Control::Cancel)
}

fn is_retry(told: &Told) -> bool {
    matches!(told.what, Telling::Control(Control::Retry { .. }))
}

/// An error that is no fault of the playbook's.
pub(super) fn runtime_error(detail: &str) -> Error {
    Error {
        kind: "https://open-workflow-specification.org/dsl/errors/types/runtime".to_owned(),
        status: 500,
        title: Some("the run cannot go on".to_owned()),
        detail: Some(detail.to_owned()),
        instance: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_read_as_filters_read_it() {
        for (json, expected) in [
            (r#"{"a":1}"#, json!({"a": 1})),
            (r#"{"a":"\ud800"}"#, json!({"a": "\u{fffd}"})),
            ("[1e400, -1e400, 1]", json!([f64::MAX, f64::MIN, 1])),
            ("<xml/>", json!("<xml/>")),
            ("", json!("")),
        ] {
            assert_eq!(input_of(json.as_bytes()).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn json_that_no_run_can_hold_is_no_text() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for json in [deep, "9".repeat(2_000)] {
            let error = input_of(json.as_bytes()).unwrap_err();
            assert!(error.kind.ends_with("/validation"), "{error:?}");
        }
    }
}
