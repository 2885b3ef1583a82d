//! The worker of playbooks as a program of its own, for this crate's tests. Services turn into one by themselves.

use std::process::ExitCode;

fn main() -> ExitCode {
    hookyard_playbook::run_if_requested();
    ExitCode::from(2)
}
