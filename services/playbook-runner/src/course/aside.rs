//! Runs of programs that were stopped a moment ago. The jail takes few of them at a time, and those that wait for it keep no
//! place that others could go on in.

use super::{Course, End, Place};
use crate::keep::unchanged;
use playbook::Event;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use store::{Control, Hold, Telling};
use uuid::Uuid;
use wire::{Instant, RunState};

/// How long a run stays away, give or take a half.
const AWAY: Duration = Duration::from_secs(5);

/// How long one that cannot be let go of waits until it tries again, give or take a half.
const AGAIN: Duration = Duration::from_secs(2);

impl Course {
    /// Before this event: goes where it keeps no place from others. Where there is none, lets go of the run for some seconds,
    /// unless something would be lost by it.
    pub(super) async fn stand_aside(&mut self, event: &Event, at: Instant) -> Result<(), End> {
        if matches!(self.place, Place::Aside { .. }) {
            return Ok(());
        }
        if let Ok(permit) = Arc::clone(&self.runner.aside).try_acquire_owned() {
            self.place = Place::Aside { _permit: permit };
            self.runner.relieve();
        } else if self.may_go(event) {
            return Err(self.stay_away(at).await);
        }
        Ok(())
    }

    /// Before this event, which the jail does not take yet: lets go of the run for some seconds, or, where something would be
    /// lost by it, waits a moment here. Returns the line of its inbox that cancels it, if there is one.
    pub(super) async fn await_turn(&mut self, event: &Event, at: Instant) -> Result<Option<Uuid>, End> {
        if self.may_go(event) {
            return Err(self.stay_away(at).await);
        }
        self.pause(about(AGAIN)).await?;
        Ok(self.cancelled().await)
    }

    /// An answer is nowhere but here, and nor is what is still to be answered.
    fn may_go(&self, event: &Event) -> bool {
        self.calls.is_empty() && !matches!(event, Event::Done { .. })
    }

    /// Lets go of the run, and has it come back.
    async fn stay_away(&mut self, at: Instant) -> End {
        let until = at + about(AWAY);
        if self.run.state.is_final() {
            // It is to be tried again, and it is told so again when somebody takes it.
            let ids = vec![self.run.id];
            return match self.runner.store.let_go(self.runner.worker, ids, until).await {
                Ok(_) => End::Parked,
                Err(error) => {
                    tracing::debug!(
                        error.chain = &error as &dyn StdError,
                        "a run cannot be let go of now; the heart finds it"
                    );
                    End::Lost
                }
            };
        }
        let mut commit = unchanged(&self.run, self.runner.worker, Hold::Parked(Some(until)), at);
        if self.run.engine.is_none() && self.state.is_none() {
            commit.state = RunState::Pending;
        }
        match self.keep(commit).await {
            Ok(()) => End::Parked,
            Err(end) => end,
        }
    }

    /// The line of its inbox that cancels the run. When it cannot be read, it is read the next time.
    async fn cancelled(&self) -> Option<Uuid> {
        match self.runner.store.inbox(vec![self.run.id]).await {
            Ok(told) => told
                .into_iter()
                .find(|told| matches!(told.what, Telling::Control(Control::Cancel)))
                .map(|told| told.id),
            Err(error) => {
                tracing::debug!(
                    error.chain = &error as &dyn StdError,
                    "what a run was told cannot be read now"
                );
                None
            }
        }
    }
}

fn about(time: Duration) -> Duration {
    time.mul_f64(0.5 + rand::random::<f64>())
}
