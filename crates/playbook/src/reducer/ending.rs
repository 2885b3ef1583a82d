//! How tasks end, and what ends with them.

use super::errors::Error;
use super::frame::{Activity, Branch, Frame, TaskFrame};
use super::machine::Machine;
use serde_json::Value;

/// How a task ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// With an output.
    Completed(Value),
    /// Not begun, since its `if` was false. The output is its raw input.
    Skipped(Value),
    /// With an error.
    Faulted(Error),
    /// Given up.
    Cancelled,
}

impl Machine<'_, '_> {
    /// Ends the task on top of a thread.
    pub(super) fn close(&mut self, thread: u32, ending: &Ending) {
        let kept = self.state.frames(thread).len().saturating_sub(1);
        self.cut(thread, kept, ending);
    }

    /// Ends a thread's tasks from the top until only so many frames are left.
    pub(super) fn cut(&mut self, thread: u32, kept: usize, ending: &Ending) {
        while self.state.frames(thread).len() > kept {
            if let Some(Frame::Task(mut frame)) = self.state.pop(thread) {
                self.release(&mut frame);
                self.record(&frame, ending);
            }
        }
    }

    /// Gives up what the task on top of a thread waits for. The task stays.
    pub(super) fn release_top(&mut self, thread: u32) {
        let Ok(frame) = self.state.task(thread) else {
            return;
        };
        let mut frame = frame.clone();
        self.release(&mut frame);
        self.state.pop(thread);
        self.state.push(thread, Frame::Task(frame));
    }

    /// Gives up a branch that is under way.
    pub(super) fn cancel_thread(&mut self, thread: u32) {
        self.cut(thread, 0, &Ending::Cancelled);
        self.state.threads.remove(&thread);
    }

    /// Gives up what a task waits for: its effect, or its branches.
    fn release(&mut self, frame: &mut TaskFrame) {
        if let Some(effect) = frame.awaits() {
            self.state.pending.retain(|issued| issued.id != effect);
            self.call_off(effect);
        }
        if let Activity::Fork { branches } = &frame.activity {
            for branch in branches {
                if let Branch::Running { thread } = branch {
                    self.cancel_thread(*thread);
                }
            }
        }
        frame.activity = Activity::Idle;
    }
}
