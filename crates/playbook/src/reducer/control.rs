//! What operators do, and how a run begins.

use super::errors::{Error, Kind};
use super::evaluate::View;
use super::fit;
use super::frame::{Activity, Frame, ListFrame, TaskFrame};
use super::limits;
use super::machine::{Machine, in_milliseconds};
use super::path::Path;
use super::positions;
use super::state::{MAIN, Run, State, Thread};
use crate::{Effect, Start};
use serde_json::Value;
use wire::RunState;

impl Machine<'_, '_> {
    /// Begins the run. One whose input cannot be held ends at once and cannot be retried, since the input is not kept.
    pub(super) fn start(&mut self, start: Start) {
        if let Err(reason) = fit::check(&start.input).and_then(|()| fit::check(&start.context)) {
            let detail = format!("the input is {reason}, which a run cannot hold");
            return self.fault(None, Kind::Validation.at("/", detail));
        }
        self.state.status = RunState::Running;
        self.state.nonce = start.nonce;
        self.state.context = start.context;
        self.state.run = Some(Run {
            id: start.run,
            input: start.input,
            secrets: start.secrets,
            version: start.version,
            started_at: self.state.now,
        });
        self.tell("started", None);
        if let Err(error) = self.enter_run() {
            self.fault(None, error);
        }
    }

    /// Knows other secrets from here on. What was asked for keeps its places: they name the same secrets.
    pub(super) fn learn(&mut self, secrets: Value) {
        if let Some(run) = &mut self.state.run {
            run.secrets = secrets;
        }
    }

    /// Takes the run's input in, and opens the outermost list.
    fn enter_run(&mut self) -> Result<(), Error> {
        let input = self
            .state
            .run
            .as_ref()
            .map_or(Value::Null, |run| run.input.clone());
        self.begin_time(&input)?;
        let input = self.take_in(None, &self.program.input, input)?;
        let list = ListFrame::new(&self.program.list.pointer, Path::root(), input);
        let thread = Thread {
            parent: None,
            frames: vec![Frame::List(list)],
        };
        self.state.threads.insert(MAIN, thread);
        Ok(())
    }

    /// From now on the run has the time that it may take.
    fn begin_time(&mut self, input: &Value) -> Result<(), Error> {
        let span = match &self.program.timeout {
            Some(delay) => self.duration(&View::default(), delay, input)?,
            None => limits::RUN,
        };
        self.state.deadline = Some(self.after(span));
        Ok(())
    }

    /// Ends the run. What is under way is given up.
    pub(super) fn cancel(&mut self) {
        self.state.status = RunState::Cancelled;
        self.cancel_thread(MAIN);
        self.state.deadline = None;
        self.tell("cancelled", None);
    }

    /// Holds the run. What is under way may end; what comes then has to wait.
    pub(super) fn pause(&mut self) {
        self.state.status = RunState::Paused;
        self.state.stopped_at = Some(self.state.now);
        self.tell("suspended", None);
    }

    /// Lets the run go on.
    pub(super) fn resume(&mut self) {
        self.state.status = RunState::Running;
        self.excuse();
        self.tell("resumed", None);
    }

    /// Has the task done again at whose error the run stopped, and what was under way beside it.
    pub(super) fn retry(&mut self, fresh_keys: bool) {
        self.state.status = RunState::Running;
        self.state.error = None;
        self.excuse();
        if fresh_keys {
            self.state.counters.generation = self.state.counters.generation.saturating_add(1);
            renew_keys(&mut self.state);
        }
        self.out.issued.clone_from(&self.state.pending);
        self.tell("resumed", None);
        let failed = self.state.failed.take();
        if let Err(error) = self.begin_anew(failed) {
            self.fault(failed, error);
        }
    }

    fn begin_anew(&mut self, failed: Option<u32>) -> Result<(), Error> {
        if self.state.threads.is_empty() {
            return self.enter_run();
        }
        if self.state.deadline.is_none() {
            // It was the run that took too long: it gets its whole time again.
            let input = self
                .state
                .run
                .as_ref()
                .map_or(Value::Null, |run| run.input.clone());
            self.begin_time(&input)?;
        }
        if let Some(thread) = failed
            && let Ok(TaskFrame { task, path, raw, .. }) = self.state.task(thread).cloned()
        {
            let task = positions::task(self.program, &task)?;
            self.state.pop(thread);
            self.begin(thread, task, path.again(), raw);
        }
        Ok(())
    }

    /// Time did not go by for timeouts while the run was stopped. What waits for a time waits for that time.
    fn excuse(&mut self) {
        let Some(stopped_at) = self.state.stopped_at.take() else {
            return;
        };
        let pause = self.state.now.since(stopped_at);
        let frames = self
            .state
            .threads
            .values_mut()
            .flat_map(|thread| &mut thread.frames);
        let of_tasks = frames.filter_map(|frame| match frame {
            Frame::Task(frame) => Some(frame),
            Frame::List(_) => None,
        });
        let deadlines = of_tasks.flat_map(|frame| {
            let of_attempt = match &mut frame.activity {
                Activity::Try(trying) => trying.deadline.as_mut(),
                _ => None,
            };
            [frame.deadline.as_mut(), of_attempt]
        });
        for deadline in deadlines.chain([self.state.deadline.as_mut()]).flatten() {
            *deadline = in_milliseconds(*deadline + pause);
        }
    }
}

/// Gives the calls that are issued again keys of the new generation.
fn renew_keys(state: &mut State) {
    let Some(run) = &state.run else { return };
    for thread in state.threads.values() {
        let Some(Frame::Task(frame)) = thread.frames.last() else {
            continue;
        };
        let Activity::Call { effect } = frame.activity else {
            continue;
        };
        for issued in state.pending.iter_mut().filter(|issued| issued.id == effect) {
            if let Effect::Http(request) = &mut issued.effect {
                request.key = frame
                    .path
                    .idempotency_key(&run.id, state.counters.generation, request);
            }
        }
    }
}
