//! Rehearsals: runs of a playbook with calls that are answered from a file, and a time that costs none.
//!
//! The engine is the one that runs play in earnest, in the jail as always. What it asks for is done here instead of
//! outside: a call is answered as the case says, a wait is over when nothing else is left to happen before it, and events
//! come when the case says. Nothing leaves the process, so a rehearsal is safe wherever a playbook can be read.
//!
//! # Reading order
//!
//! `case` (what is given and expected), `play` (a run), `stage` (what goes on outside of it), `sent` (a request in its receiver's eyes), `judge` (what came of it,
//! held against what is expected).

mod case;
mod judge;
mod play;
mod sent;
mod stage;

pub(crate) use case::CaseFile;
pub(crate) use judge::{Difference, judge};
pub(crate) use play::{Played, play};
