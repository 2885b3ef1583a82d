//! The loop: one event, then whatever can go on without the world.

use super::cut::Room;
use super::errors::{Error, Kind};
use super::frame::Frame;
use super::state::State;
use super::{limits, positions};
use crate::{Effect, Event, Issued, Out, Program, Summary, Task};
use expression::Evaluator;
use std::time::Duration;
use wire::{Instant, RunState};

/// A run while one event happens to it.
///
/// Its methods that take a thread and return an error mean: this is to be raised by the task on top of that thread.
pub(super) struct Machine<'p, 'e> {
    pub(super) program: &'p Program,
    pub(super) evaluator: &'e mut Evaluator,
    pub(super) state: State,
    pub(super) out: Out,
    pub(super) journal_room: Room,
    /// The last effect that was issued before this step.
    issued_before: u32,
}

impl<'p, 'e> Machine<'p, 'e> {
    pub(super) fn new(program: &'p Program, state: State, evaluator: &'e mut Evaluator) -> Self {
        Self {
            program,
            evaluator,
            issued_before: state.counters.effects,
            state,
            out: Out::default(),
            journal_room: Room::default(),
        }
    }

    /// Lets an event happen, and all that follows from it.
    pub(super) fn take(&mut self, at: Instant, event: Event) {
        let now = in_milliseconds(at).max(self.state.now);
        if !self.makes_sense(now, &event) {
            return;
        }
        self.state.now = now;
        match event {
            Event::WithSecrets { secrets, then } => {
                self.learn(secrets);
                return self.take(at, *then);
            }
            Event::Start(start) => self.start(start),
            Event::Done { id, result } => self.answered(id, &result),
            Event::Tick => self.fire(),
            Event::Message {
                id,
                filter,
                key,
                envelope,
            } => self.heard(id, filter, key, envelope),
            Event::Cancel => self.cancel(),
            Event::Pause => self.pause(),
            Event::Resume => self.resume(),
            // Of a retry that could not even be begun, the place where it faulted before is where another begins.
            Event::Fault { error } => self.fault(self.state.failed, error),
            Event::Retry { fresh_keys } => self.retry(fresh_keys),
        }
        self.advance_all();
    }

    fn makes_sense(&self, now: Instant, event: &Event) -> bool {
        let is_open = matches!(self.state.status, RunState::Running | RunState::Paused);
        match event {
            Event::WithSecrets { .. } => true,
            Event::Start(_) => self.state.status == RunState::Pending,
            Event::Done { id, .. } => is_open && matches!(self.state.effect(*id), Some(Effect::Http(_))),
            Event::Message { id, filter, key, .. } => {
                let waits = match self.state.effect(*id) {
                    Some(Effect::Listen(listen)) => listen.filters.iter().any(|(index, _)| index == filter),
                    _ => false,
                };
                is_open && waits && !self.state.inbox.contains(key)
            }
            Event::Tick => self.wake_at().is_some_and(|due| due <= now),
            Event::Cancel => is_open,
            Event::Pause => self.state.status == RunState::Running,
            Event::Resume => self.state.status == RunState::Paused,
            Event::Fault { .. } => {
                is_open || matches!(self.state.status, RunState::Pending | RunState::Faulted)
            }
            Event::Retry { .. } => self.state.status == RunState::Faulted && self.state.run.is_some(),
        }
    }

    /// Advances threads until all are blocked.
    pub(super) fn advance_all(&mut self) {
        let mut fuel = limits::ADVANCES;
        while self.state.status == RunState::Running {
            let Some(thread) = self.state.ready() else { break };
            if fuel == 0 {
                let place = self.place_of(thread);
                let detail = "it goes on and on without waiting for anything; give the loop an end";
                return self.fault(None, Kind::Runtime.at(&place, detail));
            }
            fuel -= 1;
            let result = self.advance(thread);
            self.settle(thread, result);
        }
    }

    /// Raises an error if there is one.
    pub(super) fn settle(&mut self, thread: u32, result: Result<(), Error>) {
        if let Err(error) = result {
            self.raise(thread, error);
        }
    }

    /// The task on top of a thread, as the document has it.
    pub(super) fn task(&self, thread: u32) -> Result<&'p Task, Error> {
        positions::task(self.program, &self.state.task(thread)?.task)
    }

    /// The pointer of the task or list on top of a thread.
    pub(super) fn place_of(&self, thread: u32) -> String {
        match self.state.frames(thread).last() {
            Some(Frame::Task(frame)) => frame.task.clone(),
            Some(Frame::List(frame)) => frame.list.clone(),
            None => "/".to_owned(),
        }
    }

    /// Asks for an effect and returns its id.
    pub(super) fn issue(&mut self, pointer: &str, effect: Effect) -> u32 {
        self.state.counters.effects = self.state.counters.effects.saturating_add(1);
        let issued = Issued {
            id: self.state.counters.effects,
            pointer: pointer.to_owned(),
            effect,
        };
        self.state.pending.push(issued.clone());
        self.out.issued.push(issued);
        self.state.counters.effects
    }

    /// Has an effect given up that was asked for. What was asked for in this very step is simply not asked for.
    pub(super) fn call_off(&mut self, id: u32) {
        self.out.issued.retain(|issued| issued.id != id);
        if id <= self.issued_before {
            self.out.cancelled.push(id);
        }
    }

    /// The time some time from now.
    pub(super) fn after(&self, span: Duration) -> Instant {
        in_milliseconds(self.state.now + span.min(limits::WAIT))
    }

    /// The new state, and what came of the event.
    pub(super) fn finish(mut self) -> (State, Out) {
        let has_calls = self
            .state
            .pending
            .iter()
            .any(|issued| matches!(issued.effect, Effect::Http(_)));
        let is_open = matches!(self.state.status, RunState::Running | RunState::Paused);
        self.out.summary = Summary {
            status: match self.state.status {
                RunState::Running if !has_calls => RunState::Waiting,
                status => status,
            },
            wake_at: self.wake_at(),
            has_calls: has_calls && is_open,
            output: (self.state.status == RunState::Completed).then(|| self.state.output.clone()),
            error: self.state.error.clone(),
            steps: self.state.counters.steps,
        };
        (self.state, self.out)
    }
}

/// Cuts a time to what its text has, since a state must be the same after it was written and read.
pub(super) fn in_milliseconds(at: Instant) -> Instant {
    // The last that jiff can show: 9999-12-30T22:00:00.999Z.
    const LAST: i64 = 253_402_207_200_999_000;
    let micros = at.unix_micros().clamp(0, LAST);
    Instant::from_unix_micros(micros - micros % 1_000)
}
