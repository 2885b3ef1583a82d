//! `hookyard-router`: routing as a process of its own.

use expression::{Jail, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Must come first: this program is also the jail that its expressions run in.
    expression::worker::run_if_requested();
    boot::main_of("hookyard-router", async |platform| {
        hookyard_router::start(&platform, Jail::new(Options::default()))
    })
}
