//! `hookyard-playbook-runner`: running playbooks as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    boot::main_of("hookyard-playbook-runner", async |platform| {
        hookyard_playbook_runner::start(&platform)
    })
}
