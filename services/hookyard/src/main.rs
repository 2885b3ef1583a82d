//! `hookyard`: the command line, and `hookyard dev`, which is every role in one process.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // This program starts itself again to evaluate jq in a jail. Nothing may come before.
    playbook::run_if_requested();
    hookyard::run(hookyard::Arguments::parse())
}
