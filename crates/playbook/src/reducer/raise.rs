//! What becomes of an error: the way from the task that raised it outwards, until something catches it.
//!
//! First it is found out who catches it, and only then anything is ended. For an error that nobody catches stops the run
//! with all as it was, so that an operator can have the failed task done again: the frames stay, and beside it in a
//! `fork` the others stay as well; only their calls are given up, to be issued again.

use super::ending::Ending;
use super::errors::Error;
use super::evaluate::Place;
use super::frame::Frame;
use super::machine::Machine;
use wire::RunState;

/// Who stops an error on its way.
enum Stop {
    /// A `try` that may catch it.
    Try(Place),
    /// The thread of a branch in a race: the error is a loss.
    Race(u32),
}

impl Machine<'_, '_> {
    /// Raises an error of the task on top of a thread.
    pub(super) fn raise(&mut self, thread: u32, error: Error) {
        self.release_top(thread);
        let place = self.place(thread);
        self.propagate(thread, place, error);
    }

    /// Carries an error of a thread's topmost task outwards, from a place that does not catch it.
    pub(super) fn propagate(&mut self, thread: u32, from: Place, mut error: Error) {
        let mut from = from;
        loop {
            match self.next_stop(from) {
                None => {
                    self.record_failure(self.place(thread), &error);
                    return self.fault(Some(thread), error);
                }
                Some(Stop::Race(branch)) => {
                    self.unwind(thread, branch, 0, &error);
                    return self.branch_lost(branch, error);
                }
                Some(Stop::Try(place)) => {
                    match self.catches(place, &error) {
                        Ok(true) => {
                            self.unwind(thread, place.thread, place.depth + 1, &error);
                            let result = self.caught(place.thread, error);
                            return self.settle(place.thread, result);
                        }
                        Ok(false) => {}
                        // What decides about an error may fail itself. Then that is the error.
                        Err(other) => error = other,
                    }
                    from = place;
                }
            }
        }
    }

    /// Who is the next outside of a place.
    fn next_stop(&self, from: Place) -> Option<Stop> {
        let Place {
            mut thread,
            mut depth,
        } = from;
        loop {
            if let Some(below) = depth.checked_sub(1) {
                depth = below;
                if let Some(Frame::Task(frame)) = self.state.frames(thread).get(depth)
                    && frame.is_try()
                {
                    return Some(Stop::Try(Place { thread, depth }));
                }
                continue;
            }
            let parent = self.state.threads.get(&thread)?.parent?;
            if self.is_race(parent.thread) {
                return Some(Stop::Race(thread));
            }
            // The `fork` itself is the outermost that is no `try` for sure; what is around it comes next.
            Place { thread, depth } = self.place(parent.thread);
        }
    }

    /// Ends what an error went through: the tasks of a thread, and of those that it is a branch of, until one has only
    /// so many frames left.
    fn unwind(&mut self, thread: u32, last: u32, kept: usize, error: &Error) {
        let ending = Ending::Faulted(error.clone());
        let mut current = thread;
        while current != last {
            self.cut(current, 0, &ending);
            let Some(parent) = self
                .state
                .threads
                .remove(&current)
                .and_then(|thread| thread.parent)
            else {
                return;
            };
            current = parent.thread;
        }
        self.cut(last, kept, &ending);
    }

    /// Stops the run at an error that nobody caught. What it waits for stays in the state, for a retry.
    pub(super) fn fault(&mut self, failed: Option<u32>, error: Error) {
        self.state.status = RunState::Faulted;
        self.state.failed = failed;
        self.state.stopped_at.get_or_insert(self.state.now);
        let pending: Vec<_> = self.state.pending.iter().map(|issued| issued.id).collect();
        for id in pending {
            self.call_off(id);
        }
        let told = serde_json::to_value(&error).expect("an error is texts and a number");
        self.tell("faulted", Some(("error", told)));
        self.state.error = Some(error);
    }
}
