//! `try`: what is tried, again and again if need be, and what is done with an error.
//!
//! An error that reaches a `try` is *caught* if its fields are those of `catch.errors.with`, `when` is true and
//! `exceptWhen` is not. A caught error is *retried* as long as the policy allows it. Then it is *handled* by `catch.do`;
//! without one it is raised again if there was a policy, and else forgotten: the output is the `try`'s input.

use super::errors::{self, Error, Kind};
use super::evaluate::{Place, View};
use super::frame::{Activity, Frame, ListFrame, Phase, Trying};
use super::limits;
use super::machine::Machine;
use super::positions;
use crate::{Backoff, ErrorField, Expression, Retry, Task, TaskKind, Then, Try, error_types};
use serde_json::{Map, Value};
use std::time::Duration;

impl<'p> Machine<'p, '_> {
    /// Tries for the first time.
    pub(super) fn begin_try(&mut self, thread: u32, trial: &'p Try, input: Value) -> Result<(), Error> {
        self.attempt(thread, trial, 1, input)
    }

    /// The pause before another attempt is over.
    pub(super) fn try_again(&mut self, thread: u32) -> Result<(), Error> {
        let frame = self.state.task(thread)?;
        let (Activity::Try(trying), TaskKind::Try(trial)) = (&frame.activity, &self.task(thread)?.kind)
        else {
            return Err(errors::misfit());
        };
        let (attempt, input) = (trying.attempt.saturating_add(1), frame.input().clone());
        self.attempt(thread, trial, attempt, input)
    }

    fn attempt(&mut self, thread: u32, trial: &'p Try, attempt: u32, input: Value) -> Result<(), Error> {
        let limit = trial
            .retry
            .as_ref()
            .and_then(|retry| retry.attempt_timeout.as_ref());
        let deadline = match limit {
            Some(limit) => {
                let span = self.duration(&View::at(self.place(thread)), limit, &input)?;
                Some(self.after(span))
            }
            None => None,
        };
        let frame = self.state.task_mut(thread)?;
        frame.activity = Activity::Try(Trying {
            phase: Phase::Body,
            attempt,
            deadline,
        });
        let path = frame.path.body(attempt);
        self.open(thread, &trial.list, path, input);
        Ok(())
    }

    /// Whether the `try` at a place is trying, and catches this error.
    pub(super) fn catches(&mut self, place: Place, error: &Error) -> Result<bool, Error> {
        let Some(Frame::Task(frame)) = self.state.frames(place.thread).get(place.depth) else {
            return Ok(false);
        };
        let Activity::Try(Trying {
            phase: Phase::Body, ..
        }) = frame.activity
        else {
            return Ok(false);
        };
        let TaskKind::Try(trial) = &positions::task(self.program, &frame.task)?.kind else {
            return Ok(false);
        };
        if !trial
            .errors
            .iter()
            .all(|(field, wanted)| is(error, *field, wanted))
        {
            return Ok(false);
        }
        let input = frame.input().clone();
        let view = View::at(place).with_caught(&trial.as_, error);
        self.allows(&view, trial.when.as_ref(), trial.except_when.as_ref(), &input)
    }

    /// Goes on after an error that the `try` on top of a thread caught.
    pub(super) fn caught(&mut self, thread: u32, error: Error) -> Result<(), Error> {
        let task = self.task(thread)?;
        let TaskKind::Try(trial) = &task.kind else {
            return Err(errors::misfit());
        };
        let input = self.state.task(thread)?.input().clone();

        if let Some(retry) = &trial.retry {
            let view = View::at(self.place(thread)).with_caught(&trial.as_, &error);
            if let Some(pause) = self.pause_before_retry(&view, thread, retry, &input)? {
                return self.pause_try(thread, pause);
            }
        }
        if let Some(handler) = &trial.handler {
            let frame = self.state.task_mut(thread)?;
            if let Activity::Try(trying) = &mut frame.activity {
                trying.phase = Phase::Handler;
                trying.deadline = None;
            }
            let mut list = ListFrame::new(&handler.pointer, frame.path.handler(), input);
            let error = serde_json::to_value(error).expect("an error is texts and a number");
            list.variables = Map::from_iter([(trial.as_.clone(), error)]);
            self.state.push(thread, Frame::List(list));
            return Ok(());
        }
        if trial.retry.is_some() {
            return Err(error);
        }
        self.complete(thread, input, Self::after_an_error(task)?)
    }

    /// What comes after a `try` that caught an error.
    pub(super) fn after_an_error(task: &Task) -> Result<Then, Error> {
        match &task.kind {
            TaskKind::Try(trial) => Ok(trial.then.unwrap_or(task.then)),
            _ => Err(errors::misfit()),
        }
    }

    fn pause_try(&mut self, thread: u32, pause: Duration) -> Result<(), Error> {
        let until = self.after(pause);
        if until <= self.state.now {
            return self.try_again(thread);
        }
        if let Activity::Try(trying) = &mut self.state.task_mut(thread)?.activity {
            trying.phase = Phase::Waiting { until };
            trying.deadline = None;
        }
        Ok(())
    }

    /// How long to wait before the next attempt; none when there must not be one.
    fn pause_before_retry(
        &mut self,
        view: &View,
        thread: u32,
        retry: &Retry,
        input: &Value,
    ) -> Result<Option<Duration>, Error> {
        let frame = self.state.task(thread)?;
        let Activity::Try(trying) = &frame.activity else {
            return Err(errors::misfit());
        };
        // The first attempt is no retry, so this many retries there were, and one more.
        let (retries, started_at, path) = (trying.attempt, frame.started_at, frame.path.clone());
        if retry.count.is_some_and(|most| retries > most)
            || !self.allows(view, retry.when.as_ref(), retry.except_when.as_ref(), input)?
        {
            return Ok(None);
        }
        let mut pause = match &retry.delay {
            Some(delay) => backed_off(self.duration(view, delay, input)?, retry.backoff, retries),
            None => Duration::ZERO,
        };
        if let Some((from, to)) = &retry.jitter {
            let (from, to) = (self.duration(view, from, input)?, self.duration(view, to, input)?);
            let run = self.state.run.as_ref().map_or("", |run| run.id.as_str());
            pause = pause.saturating_add(jitter(from, to, path.lot(run, retries)));
        }
        if let Some(limit) = &retry.duration
            && self.after(pause) > started_at + self.duration(view, limit, input)?.min(limits::WAIT)
        {
            return Ok(None);
        }
        Ok(Some(pause))
    }

    fn allows(
        &mut self,
        view: &View,
        when: Option<&Expression>,
        except_when: Option<&Expression>,
        input: &Value,
    ) -> Result<bool, Error> {
        Ok(match when {
            Some(condition) => self.decide(view, condition, input)?,
            None => true,
        } && match except_when {
            Some(condition) => !self.decide(view, condition, input)?,
            None => true,
        })
    }
}

/// Whether a field of an error is what a filter wants.
fn is(error: &Error, field: ErrorField, wanted: &Value) -> bool {
    let text = match field {
        ErrorField::Status => return wanted.as_u64() == Some(error.status.into()),
        ErrorField::Type => {
            let wanted = wanted.as_str().map(error_types::normalise);
            return wanted.is_some_and(|wanted| wanted == error_types::normalise(&error.kind));
        }
        ErrorField::Title => &error.title,
        ErrorField::Detail => &error.detail,
        ErrorField::Instance => &error.instance,
    };
    text.is_some() && text.as_deref() == wanted.as_str()
}

/// The delay before the n-th retry.
fn backed_off(delay: Duration, backoff: Backoff, retry: u32) -> Duration {
    let factor = match backoff {
        Backoff::Constant => 1,
        Backoff::Linear => retry,
        Backoff::Exponential => 1_u32.checked_shl(retry.saturating_sub(1)).unwrap_or(u32::MAX),
    };
    delay
        .checked_mul(factor)
        .unwrap_or(limits::WAIT)
        .min(limits::WAIT)
}

/// A duration between two, in milliseconds, that a lot decides.
fn jitter(from: Duration, to: Duration, lot: u64) -> Duration {
    let spread = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(u64::MAX - 1);
    from.saturating_add(Duration::from_millis(lot % spread.saturating_add(1)))
}

/// An error for an attempt, or a task, that took too long.
pub(super) fn too_long(instance: &str, what: &str) -> Error {
    Kind::Timeout.at(instance, format!("{what} took longer than it may"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_grows_as_its_backoff_says_and_never_over_the_limit() {
        let of = |backoff, retry| backed_off(Duration::from_secs(3), backoff, retry).as_secs();
        assert_eq!([1, 2, 3].map(|retry| of(Backoff::Constant, retry)), [3, 3, 3]);
        assert_eq!([1, 2, 3].map(|retry| of(Backoff::Linear, retry)), [3, 6, 9]);
        assert_eq!(
            [1, 2, 3, 4].map(|retry| of(Backoff::Exponential, retry)),
            [3, 6, 12, 24]
        );
        assert_eq!(of(Backoff::Exponential, 10_000), limits::WAIT.as_secs());
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let (from, to) = (Duration::from_millis(100), Duration::from_millis(103));
        for lot in 0..50 {
            assert!((from..=to).contains(&jitter(from, to, lot)));
        }
        assert_eq!(jitter(to, from, u64::MAX), to);
    }
}
