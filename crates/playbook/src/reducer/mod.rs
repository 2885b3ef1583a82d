//! The engine: from a program, a state and an event to the next state.
//!
//! *Motivation.* A run lives for days, outlives processes and releases, and may be taken over at any moment. So all
//! that it is must be data: no task of a runtime, no stack of Rust's, no clock. Then taking over a run is reading its
//! state, and a test can lose the state wherever it likes.
//!
//! *Theory of operation.* A run is one thread or, in a `fork`, several. A thread is a stack of frames, which alternate
//! like the document's nesting does: a place in a list of tasks, the task that is under way there, a place in that
//! task's list, and so on (see [`frame`]). A thread whose top is a list is *ready*: there is a task to begin, or the
//! list is over. A thread whose top is a task is *blocked*: on a call, a timer, events, or its branches.
//!
//! [`step`] lets one event happen, which unblocks threads, and then advances ready threads until all are blocked. What
//! the blocked ones wait for is in the state as well: effects in `pending`, times in the frames.
//!
//! Nothing can make it panic or run on: an impossible state is an error of the run, and so is a loop without an end.
//!
//! # Reading order
//!
//! 1. [`state`], [`frame`] and [`path`]: what a run is.
//! 2. [`machine`]: the loop. [`lists`] and [`task`]: the way through a list, and through a task.
//! 3. The kinds of tasks: [`repeat`] (`for`), [`fork`], [`attempts`] (`try`), [`call`], [`uri`] and [`reply`],
//!    [`listen`], [`emit`].
//! 4. [`raise`] and [`ending`]: what becomes of an error. [`timers`] and [`control`]: what time and operators do.
//! 5. [`evaluate`] and [`variables`]: what expressions see. [`fit`]: what data a state can hold. [`errors`], [`delay`], [`journal`], [`positions`].

mod attempts;
mod call;
mod control;
mod cut;
mod delay;
mod emit;
mod ending;
mod errors;
mod evaluate;
mod fit;
mod fork;
mod frame;
mod journal;
mod limits;
mod listen;
mod lists;
mod machine;
mod path;
mod positions;
mod raise;
mod repeat;
mod reply;
mod schema;
mod state;
mod task;
mod timers;
mod uri;
mod variables;

pub use state::{Pending, State, pending};

use crate::{Event, Out, Program};
use expression::Evaluator;
use machine::Machine;
use wire::Instant;

/// Lets one event happen to a run.
///
/// No state is the state of a run that has not begun. An event that makes no sense now changes nothing, so that a
/// message which arrives twice, or too late, does no harm. `at` is cut to milliseconds, which is what a state keeps,
/// and a time before the state's own is taken for that.
pub fn step(
    program: &Program,
    state: Option<State>,
    at: Instant,
    event: Event,
    evaluator: &mut Evaluator,
) -> (State, Out) {
    let mut machine = Machine::new(program, state.unwrap_or_default(), evaluator);
    machine.take(at, event);
    machine.finish()
}
