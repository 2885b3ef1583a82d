//! One thing that happens to a run: a step of the engine, its commit, and then its effects.

use super::begin::runtime_error;
use super::{Course, End, Flow, SOON};
use crate::keep::{count_steps, faulted, report, unchanged};
use crate::listen::Waiting;
use boot::Backoff;
use boot::metrics;
use bytes::Bytes;
use expression::JailError;
use playbook::{Error, Event, Issued, Out, StepError, Stepped, Summary, pending};
use serde_json::Value;
use std::error::Error as StdError;
use store::{Committed, Hold, QueueError, RunCommit};
use uuid::Uuid;
use wire::{EventId, Instant, RunState};

impl Course {
    /// Lets something happen, keeps what comes of it, and begins what it asks for. `taken` are the lines of the inbox that
    /// are taken in with it.
    pub(super) async fn happen(&mut self, mut event: Event, mut taken: Vec<Uuid>) -> Flow {
        let at = Instant::now();
        self.look_at_secrets(at).await;
        let learned = self.secrets.news();
        let stepped = match self.step(&mut event, &mut taken, learned.as_ref(), at).await? {
            Ok(stepped) => stepped,
            Err(StepError::Unstartable(error)) => {
                self.fault(&error, taken).await?;
                return Err(End::Parked);
            }
            Err(error) => return self.broken(&error.to_string(), taken).await,
        };
        let Stepped { state, mut out } = stepped;
        let is_retry = matches!(event, Event::Retry { .. });
        let pending = if is_retry { self.pending_of(&state)? } else { None };
        let before = if is_retry {
            Waiting::default()
        } else {
            self.waiting.clone()
        };
        let waiting = match &pending {
            Some(pending) => Waiting::of(pending),
            None => before.after(&out.issued, &out.cancelled),
        };
        // One that ended waits for nothing, whatever its last step was about to wait for: such a wait would take the event of
        // a run that goes on.
        let waits = if out.summary.status.is_final() {
            Vec::new()
        } else {
            waiting.since(&before)
        };
        let hold = self.hold_after(&out.summary, !waits.is_empty(), at);
        let mut commit = unchanged(&self.run, self.runner.worker, hold, at);
        report(&mut commit, &out, self.run.generation, &waits);
        commit.engine = Some(state.clone());
        commit.unwaited = waiting.unwaited_since(&before, out.summary.status);
        commit.taken = taken;
        commit.limit.clone_from(&self.limit);
        let emitted: Vec<EventId> = commit.emitted.iter().map(|event| event.id).collect();
        count_steps(&self.label, &commit.steps);
        self.keep(commit).await?;

        self.state = Some(state);
        self.secrets.learn(learned);
        self.waiting = waiting;
        self.wake_at = out.summary.wake_at;
        self.remember(&out.summary);
        self.runner.tell_routers(&emitted).await;
        self.effects(&mut out, pending);
        match hold {
            Hold::Parked(_) => Err(End::Parked),
            Hold::Kept => self.settle(&waits).await,
        }
    }

    /// Steps until the engine can. However long a step takes, the run stays ours: the heart beats beside it. One that is
    /// cancelled before it has its turn is cancelled instead.
    async fn step(
        &mut self,
        event: &mut Event,
        taken: &mut Vec<Uuid>,
        learned: Option<&Value>,
        at: Instant,
    ) -> Result<Result<Stepped, StepError>, End> {
        let name = self.run.id.to_string();
        let mut backoff = Backoff::new();
        loop {
            if event.evaluates() && self.runner.engine.suspects(&self.version) {
                self.stand_aside(event, at).await?;
            }
            let told = learned.map(|secrets| Event::WithSecrets {
                secrets: secrets.clone(),
                then: Box::new(event.clone()),
            });
            let told = told.as_ref().unwrap_or(event);
            let stepping = self
                .runner
                .engine
                .step(&self.version, &name, self.state.as_ref(), at, told);
            match stepping.await {
                Err(StepError::Unavailable(JailError::Suspected)) => {
                    if let Some(cancel) = self.await_turn(event, at).await? {
                        *event = Event::Cancel;
                        taken.push(cancel);
                    }
                }
                Err(StepError::Unavailable(error)) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "a run cannot be stepped now; trying again"
                    );
                    self.pause(backoff.next(rand::random())).await?;
                }
                stepped => return Ok(stepped),
            }
        }
    }

    /// Looks what secrets the playbook has, unless that is known since a moment. Where it cannot be read, what was known
    /// is good enough: the commit has to wait for the ledger anyway.
    async fn look_at_secrets(&mut self, at: Instant) {
        if !self.secrets.are_stale(at) {
            return;
        }
        match self.runner.playbook(&self.run).await {
            Ok(playbook) => self.secrets.note(playbook.as_ref(), at),
            Err(error) => tracing::debug!(
                error.chain = &error as &dyn StdError,
                "what secrets a playbook has cannot be read now"
            ),
        }
    }

    /// All that a run that is retried waits for: what it waited for when it stopped is issued again.
    fn pending_of(&self, state: &Bytes) -> Result<Option<Vec<Issued>>, End> {
        pending(state).map(|found| Some(found.issued)).map_err(|error| {
            tracing::error!(
                run.id = %self.run.id,
                error.chain = &error as &dyn StdError,
                "the engine wrote a state that it cannot read"
            );
            End::Left
        })
    }

    /// Whether the run is kept in hand. Waits that are new must be looked back for first.
    fn hold_after(&self, summary: &Summary, has_new_waits: bool, at: Instant) -> Hold {
        if summary.status.is_final() {
            return Hold::Parked(None);
        }
        let is_due = summary.wake_at.is_some_and(|due| due <= at + SOON);
        if has_new_waits || summary.has_calls || is_due || !self.told.is_empty() {
            Hold::Kept
        } else {
            Hold::Parked(summary.wake_at)
        }
    }

    fn remember(&mut self, summary: &Summary) {
        self.run.state = summary.status;
        self.run.steps = i32::try_from(summary.steps).unwrap_or(i32::MAX);
        self.run.error = None;
        if summary.status.is_final() {
            let took = Instant::now().since(self.run.created_at);
            metrics::run_ended(&self.label, summary.status, took);
        }
    }

    fn effects(&mut self, out: &mut Out, pending: Option<Vec<Issued>>) {
        for id in &out.cancelled {
            self.calls.give_up(*id);
        }
        if out.summary.status.is_final() {
            self.calls.give_up_all();
        } else {
            self.issue(pending.unwrap_or_else(|| std::mem::take(&mut out.issued)));
        }
    }

    /// After a commit that kept the run: takes what came before its new waits, and lets go of the run when there is nothing
    /// else to do.
    async fn settle(&mut self, waits: &[(i32, waitbox::Wait)]) -> Flow {
        if waits.is_empty() {
            return Ok(());
        }
        self.look_back(waits).await?;
        let now = Instant::now();
        let is_due = self.wake_at.is_some_and(|due| due <= now + SOON);
        if !self.calls.is_empty() || is_due || !self.told.is_empty() {
            return Ok(());
        }
        let hold = Hold::Parked(self.wake_at);
        let commit = unchanged(&self.run, self.runner.worker, hold, now);
        self.keep(commit).await?;
        Err(End::Parked)
    }

    /// Keeps a commit, until the ledger has taken it. A row that it refuses ends the run, visibly.
    pub(super) async fn keep(&mut self, commit: RunCommit) -> Flow {
        let mut backoff = Backoff::new();
        let mut commit = commit;
        let mut is_refused = false;
        loop {
            match self.runner.commits.commit(commit.clone()).await {
                Ok(Committed::Kept(woken)) => {
                    self.run.revision += 1;
                    self.runner.tell_runners(&woken).await;
                    return if is_refused { Err(End::Parked) } else { Ok(()) };
                }
                Ok(Committed::Lost) => {
                    tracing::debug!("a run is another's by now");
                    return Err(End::Lost);
                }
                Err(QueueError::Ledger(error)) if !error.is_transient() => {
                    tracing::error!(
                        run.id = %self.run.id,
                        error.chain = error.as_ref() as &dyn StdError,
                        "the ledger refused a run's step"
                    );
                    if is_refused {
                        // The heart lets go of it, and somebody tries again in a while.
                        return Err(End::Lost);
                    }
                    is_refused = true;
                    metrics::run_broken();
                    let why = runtime_error("the ledger refused what a step came to");
                    commit = RunCommit {
                        taken: commit.taken,
                        ..faulted(&self.run, self.runner.worker, &why, self.limit.clone(), commit.at)
                    };
                }
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "a run's step cannot be kept now; trying again"
                    );
                    self.pause(backoff.next(rand::random())).await?;
                }
            }
        }
    }

    /// Ends the run with an error.
    pub(super) async fn fault(&mut self, error: &Error, taken: Vec<Uuid>) -> Flow {
        let now = Instant::now();
        let commit = RunCommit {
            taken,
            ..faulted(&self.run, self.runner.worker, error, self.limit.clone(), now)
        };
        self.keep(commit).await?;
        metrics::run_ended(&self.label, RunState::Faulted, now.since(self.run.created_at));
        Ok(())
    }

    /// Ends a run that the engine does not understand, which is a fault of ours.
    pub(super) async fn broken(&mut self, why: &str, taken: Vec<Uuid>) -> Flow {
        tracing::error!(
            run.id = %self.run.id,
            playbook.id = %self.run.playbook_id,
            "a run cannot be stepped: {why}"
        );
        metrics::run_broken();
        self.fault(&runtime_error(&format!("the engine failed: {why}")), taken)
            .await?;
        Err(End::Parked)
    }
}
