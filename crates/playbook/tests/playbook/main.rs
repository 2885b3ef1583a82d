//! The engine from outside: the official conformance kit, our own scenarios in the same words, states of earlier
//! releases, and properties over random documents.
//!
//! Each scenario runs plainly, with its state written and read between all events, and with a crash at every point; all
//! three must come to the same, to the last bit.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says aloud what it skips"
)]

mod features;
mod generated;
mod golden;
mod keeper;
mod program;
mod properties;
mod scenario;
mod server;
mod words;
