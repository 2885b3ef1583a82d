//! Reads documents: those of the conformance kit and of the specification's examples, those of this folder, and what
//! becomes of all of them when something in them is changed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says aloud what it skips"
)]

mod kit;
mod messages;
mod mutations;
mod programs;
mod properties;
mod reading;
