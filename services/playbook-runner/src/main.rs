//! `hookyard-playbook-runner`: running playbooks as a process of its own.

use egress::{Client, Policy};
use expression::{Jail, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Must come first: this program is also the jail that its engine runs in.
    playbook::run_if_requested();
    boot::main_of("hookyard-playbook-runner", async |platform| {
        let egress = Client::new(egress::Settings {
            policy: Policy::new(platform.settings.egress.allow.iter().copied()),
            user_agent: platform.settings.delivery.user_agent.clone(),
            ..egress::Settings::default()
        });
        hookyard_playbook_runner::start(&platform, Jail::new(Options::default()), egress)
    })
}
