//! What time does: `wait`, the pause before a retry, and timeouts of attempts, tasks and the run.
//!
//! Timers are times in frames; there is no list of them that could disagree. Those that are due go off one after the
//! other, the earliest first, and after each the run goes on: so a task that waited until just before a timeout gets the
//! chance to end before it, also when the clock was looked at too late for both.

use super::attempts::too_long;
use super::ending::Ending;
use super::errors::Error;
use super::evaluate::Place;
use super::frame::{Activity, Frame, Phase, TaskFrame};
use super::machine::Machine;
use wire::{Instant, RunState};

/// What a time is for. Of two at the same time the upper goes off first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    /// A `wait` is over.
    Wait,
    /// A pause before a retry is over.
    Retry,
    /// An attempt took too long.
    Attempt,
    /// A task took too long.
    Task,
    /// The run took too long.
    Run,
}

/// Ordered by when it goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Instant,
    purpose: Purpose,
    thread: u32,
    depth: usize,
}

impl Machine<'_, '_> {
    /// When the next timer goes off. Time does not go by for a run that is held.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.state.status == RunState::Running {
            self.earliest().map(|timer| timer.at)
        } else {
            None
        }
    }

    /// Lets all timers go off that are due.
    pub(super) fn fire(&mut self) {
        while self.state.status == RunState::Running
            && let Some(timer) = self.earliest().filter(|timer| timer.at <= self.state.now)
        {
            self.go_off(timer);
            self.advance_all();
        }
    }

    fn earliest(&self) -> Option<Timer> {
        let run = self.state.deadline.map(|at| Timer {
            at,
            purpose: Purpose::Run,
            thread: 0,
            depth: 0,
        });
        let of_frames = self.state.threads.iter().flat_map(|(thread, stack)| {
            stack.frames.iter().enumerate().flat_map(move |(depth, frame)| {
                let times = match frame {
                    Frame::Task(frame) => frame.times(),
                    Frame::List(_) => [None; 2],
                };
                times.into_iter().flatten().map(move |(at, purpose)| Timer {
                    at,
                    purpose,
                    thread: *thread,
                    depth,
                })
            })
        });
        of_frames.chain(run).min()
    }

    fn go_off(&mut self, timer: Timer) {
        let Timer { thread, depth, .. } = timer;
        let place = Place { thread, depth };
        match timer.purpose {
            Purpose::Wait => {
                let result = self.end_wait(thread);
                self.settle(thread, result);
            }
            Purpose::Retry => {
                let result = self.try_again(thread);
                self.settle(thread, result);
            }
            Purpose::Attempt => {
                self.cut(thread, depth + 1, &Ending::Cancelled);
                let error = too_long(&self.instance(Some(place)), "an attempt");
                // This very `try` may catch it.
                self.propagate(
                    thread,
                    Place {
                        thread,
                        depth: depth + 1,
                    },
                    error,
                );
            }
            Purpose::Task => {
                self.cut(thread, depth + 1, &Ending::Cancelled);
                if let Ok(frame) = self.state.task_mut(thread) {
                    frame.deadline = None;
                }
                let error = too_long(&self.instance(Some(place)), "the task");
                self.raise(thread, error);
            }
            Purpose::Run => {
                self.state.deadline = None;
                self.fault(None, too_long("/", "the run"));
            }
        }
    }

    fn end_wait(&mut self, thread: u32) -> Result<(), Error> {
        let input = self.state.task(thread)?.input().clone();
        let then = self.task(thread)?.then;
        self.complete(thread, input, then)
    }
}

impl TaskFrame {
    fn times(&self) -> [Option<(Instant, Purpose)>; 2] {
        let own = match &self.activity {
            Activity::Wait { until } => Some((*until, Purpose::Wait)),
            Activity::Try(trying) => match trying.phase {
                Phase::Waiting { until } => Some((until, Purpose::Retry)),
                Phase::Body => trying.deadline.map(|at| (at, Purpose::Attempt)),
                Phase::Handler => None,
            },
            _ => None,
        };
        [own, self.deadline.map(|at| (at, Purpose::Task))]
    }

    /// Whether it is a `try`, in whatever phase.
    pub(super) fn is_try(&self) -> bool {
        matches!(self.activity, Activity::Try(_))
    }
}
