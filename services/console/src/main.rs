//! `hookyard-console`: the management API as a process of its own.

use boot::http::Listen;
use boot::{Platform, health, http};
use expression::{Jail, Options};
use hookyard_console::{Checks, Console, configure, housekeeping, not_found};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // Must come first: this program is also the jail that its expressions are compiled in.
    playbook::run_if_requested();
    boot::main_of("hookyard-console", async |platform: Platform| {
        let settings = &platform.settings;
        let egress = egress::Client::new(egress::Settings {
            policy: egress::Policy::new(settings.egress.allow.iter().copied()),
            user_agent: settings.delivery.user_agent.clone(),
            ..egress::Settings::default()
        });
        let checks = Checks::new(Jail::new(Options::default()), egress);
        let (store, conveyor) = (platform.store.clone(), platform.conveyor.clone());
        let kept = housekeeping::run(store.clone(), Arc::clone(settings), platform.shutdown.clone());
        platform.tasks.spawn("console.housekeeping", kept);
        let console = Console::new(store, conveyor, checks, &settings.console);
        let pages = health::pages(&platform.health);
        let listen = Listen {
            address: settings.console.listen,
            workers: settings.console.workers,
            server: "the management API",
            setting: "console.listen",
        };
        http::serve(listen, &platform.tasks, move |config| {
            configure(config, console.clone());
            pages(config);
            config.default_service(actix_web::web::to(not_found));
        })
        .map(drop)
    })
}
