//! `fork`: several tasks at once, each in a thread of its own.
//!
//! Without `compete` all must end, and the output is theirs in the document's order; an error of one is raised by the
//! `fork` at once, and the others are given up (see [`super::raise`]). With it the first to end wins, and its output is
//! the output; an error only takes its branch out of the race, unless it was the last in it.
//!
//! Branches share `$context`: an `export` of one is seen by the others from then on. Nothing is at once in the strict
//! sense, since one step advances one thread after the other.

use super::errors::{self, Error, Kind};
use super::frame::{Activity, Branch, Frame, ListFrame};
use super::limits;
use super::machine::Machine;
use super::state::{Parent, Thread};
use crate::{Fork, TaskKind};
use serde_json::Value;

impl<'p> Machine<'p, '_> {
    /// Begins the branches of the task on top of a thread.
    pub(super) fn begin_fork(&mut self, thread: u32, fork: &'p Fork, input: &Value) -> Result<(), Error> {
        let count = fork.branches.tasks.len();
        let frame = self.state.task(thread)?;
        if count > limits::BRANCHES {
            let detail = format!(
                "a fork has at most {} branches, and this one has {count}",
                limits::BRANCHES
            );
            return Err(Kind::Configuration.at(&frame.task, detail));
        }
        let path = frame.path.branches();
        let mut branches = Vec::with_capacity(count);
        for index in 0..count {
            self.state.counters.threads = self.state.counters.threads.saturating_add(1);
            let id = self.state.counters.threads;
            let mut list = ListFrame::new(&fork.branches.pointer, path.clone(), input.clone());
            list.next = Some(index);
            let branch = Thread {
                parent: Some(Parent {
                    thread,
                    branch: index,
                }),
                frames: vec![Frame::List(list)],
            };
            self.state.threads.insert(id, branch);
            branches.push(Branch::Running { thread: id });
        }
        self.state.task_mut(thread)?.activity = Activity::Fork { branches };
        if count == 0 {
            return self.join(thread);
        }
        Ok(())
    }

    /// A branch ended as it should.
    pub(super) fn branch_is_over(&mut self, thread: u32, output: Value) {
        let Some(parent) = self.leave(thread, Branch::Completed { output }) else {
            return;
        };
        let result = self.join(parent.thread);
        self.settle(parent.thread, result);
    }

    /// A branch of a race failed. The race goes on without it; the last to fail takes the `fork` with it.
    pub(super) fn branch_lost(&mut self, thread: u32, error: Error) {
        let Some(parent) = self.leave(thread, Branch::Failed) else {
            return;
        };
        if !self.branches(parent.thread).iter().any(is_running) {
            self.raise(parent.thread, error);
        }
    }

    /// Whether the `fork` on top of a thread is a race.
    pub(super) fn is_race(&self, thread: u32) -> bool {
        matches!(self.task(thread).map(|task| &task.kind), Ok(TaskKind::Fork(fork)) if fork.compete)
    }

    /// Ends a branch's thread and notes what came of it.
    fn leave(&mut self, thread: u32, outcome: Branch) -> Option<Parent> {
        let parent = self.state.threads.remove(&thread)?.parent?;
        let Activity::Fork { branches } = &mut self.state.task_mut(parent.thread).ok()?.activity else {
            return None;
        };
        *branches.get_mut(parent.branch)? = outcome;
        Some(parent)
    }

    fn branches(&self, thread: u32) -> &[Branch] {
        match self.state.task(thread).map(|frame| &frame.activity) {
            Ok(Activity::Fork { branches }) => branches,
            _ => &[],
        }
    }

    /// Ends the `fork` on top of a thread if its branches decided it.
    fn join(&mut self, thread: u32) -> Result<(), Error> {
        let task = self.task(thread)?;
        let TaskKind::Fork(fork) = &task.kind else {
            return Err(errors::misfit());
        };
        let branches = self.branches(thread);
        let mut outputs: Vec<_> = branches
            .iter()
            .filter_map(|branch| match branch {
                Branch::Completed { output } => Some(output.clone()),
                Branch::Running { .. } | Branch::Failed => None,
            })
            .collect();
        let output = if outputs.len() == branches.len() && (!fork.compete || outputs.is_empty()) {
            Value::Array(outputs)
        } else if fork.compete
            && let Some(winner) = outputs.pop()
        {
            // The first to end is the only one that ended, since the others are given up now.
            self.release_top(thread);
            winner
        } else {
            return Ok(());
        };
        self.complete(thread, output, task.then)
    }
}

fn is_running(branch: &Branch) -> bool {
    matches!(branch, Branch::Running { .. })
}
