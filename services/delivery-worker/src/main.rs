//! `hookyard-delivery-worker`: delivering as a process of its own.

use egress::{Client, Policy};
use std::process::ExitCode;

fn main() -> ExitCode {
    boot::main_of("hookyard-delivery-worker", async |platform| {
        let egress = Client::new(egress::Settings {
            policy: Policy::new(platform.settings.egress.allow.iter().copied()),
            user_agent: platform.settings.delivery.user_agent.clone(),
            ..egress::Settings::default()
        });
        hookyard_delivery_worker::start(&platform, egress)
    })
}
