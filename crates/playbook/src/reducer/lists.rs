//! The way through a list of tasks: what is next, and what comes when it is over.

use super::ending::Ending;
use super::errors::{Error, Kind};
use super::frame::{Activity, Frame, ListFrame, Phase};
use super::limits;
use super::machine::Machine;
use super::path::Path;
use super::positions;
use super::state::MAIN;
use crate::{TaskList, Then};
use serde_json::Value;
use std::mem;
use wire::RunState;

impl Machine<'_, '_> {
    /// Begins the next task of the list on top of a thread, or ends the list.
    pub(super) fn advance(&mut self, thread: u32) -> Result<(), Error> {
        let begun = self.state.counters.tasks;
        let frame = self.state.list_mut(thread)?;
        let list = positions::list(self.program, &frame.list)?;
        let next = frame.next.and_then(|index| Some((index, list.tasks.get(index)?)));
        let Some((index, task)) = next else {
            let output = frame.data.clone();
            return self.list_is_over(thread, output);
        };
        if begun >= limits::TASKS {
            let detail = format!("the run began {begun} tasks, and that is the most; a loop may have no end");
            self.fault(None, Kind::Runtime.at(&task.pointer, detail));
            return Ok(());
        }
        let visit = frame.visit(index);
        let path = frame.path.task(index, visit);
        // From here on the task has the data: a state must not hold everything twice.
        let input = mem::take(&mut frame.data);
        self.begin(thread, task, path, input);
        Ok(())
    }

    /// Opens a list on top of a task.
    pub(super) fn open(&mut self, thread: u32, list: &TaskList, path: Path, data: Value) {
        let frame = ListFrame::new(&list.pointer, path, data);
        self.state.push(thread, Frame::List(frame));
    }

    /// Hands a task's output to what is around it, which is on top of the thread now.
    pub(super) fn deliver(&mut self, thread: u32, output: Value, then: Then) -> Result<(), Error> {
        if then == Then::End {
            self.end_run(thread, output);
            return Ok(());
        }
        if let Some(Frame::Task(_)) = self.state.frames(thread).last() {
            // A function's task ended, and with it the call.
            let call = self.task(thread)?;
            return self.complete(thread, output, call.then);
        }
        let is_branch = self.is_branch(thread);
        let frame = self.state.list_mut(thread)?;
        frame.data = output;
        frame.next = match then {
            _ if is_branch => None,
            Then::Continue => frame.next.map(|index| index.saturating_add(1)),
            Then::Task(index) => Some(index),
            Then::Exit | Then::End => None,
        };
        Ok(())
    }

    /// Whether the list on top of a thread is the branches of a `fork`, of which it does only one.
    fn is_branch(&self, thread: u32) -> bool {
        thread != MAIN && self.state.frames(thread).len() == 1
    }

    fn list_is_over(&mut self, thread: u32, output: Value) -> Result<(), Error> {
        if self.state.frames(thread).len() == 1 {
            return if thread == MAIN {
                self.complete_run(output)
            } else {
                self.branch_is_over(thread, output);
                Ok(())
            };
        }
        self.state.pop(thread);
        let task = self.task(thread)?;
        match &mut self.state.task_mut(thread)?.activity {
            Activity::For { .. } => self.iterate(thread, output),
            Activity::Try(trying) if trying.phase == Phase::Handler => {
                let then = Self::after_an_error(task)?;
                self.complete(thread, output, then)
            }
            _ => self.complete(thread, output, task.then),
        }
    }

    /// `then: end`: ends all that is around a task, and all that is beside it. The outermost list stays, since the run's
    /// own output is still to come.
    fn end_run(&mut self, thread: u32, output: Value) {
        let mut current = thread;
        loop {
            let parent = self.state.threads.get(&current).and_then(|thread| thread.parent);
            self.cut(
                current,
                usize::from(parent.is_none()),
                &Ending::Completed(output.clone()),
            );
            let Some(parent) = parent else { break };
            self.state.threads.remove(&current);
            current = parent.thread;
        }
        if let Ok(outermost) = self.state.list_mut(current) {
            outermost.data = output;
            outermost.next = None;
        }
    }

    /// The outermost list is over. It stays until the run's output is what it should be, so that this can be retried.
    fn complete_run(&mut self, output: Value) -> Result<(), Error> {
        self.state.output = self.give_out(None, &self.program.output, output)?;
        self.state.status = RunState::Completed;
        self.state.threads.clear();
        self.state.deadline = None;
        let output = self.state.output.clone();
        self.tell("completed", Some(("output", output)));
        Ok(())
    }
}
