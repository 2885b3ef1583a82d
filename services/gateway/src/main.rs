//! `hookyard-gateway`: the doors as a process of their own, on Postgres and RabbitMQ.

use boot::Platform;
use boot::http::Listen;
use expression::Jail;
use hookyard_gateway::{Gateway, Tools};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The jail starts this program again as its worker.
    expression::worker::run_if_requested();
    boot::main_of("hookyard-gateway", async |platform: Platform| {
        let settings = platform.settings.gateway.clone();
        let listen = Listen {
            address: settings.listen,
            workers: settings.workers,
            server: "the doors",
            setting: "gateway.listen",
        };
        let policy = egress::Policy::new(platform.settings.egress.allow.iter().copied());
        let egress = egress::Client::new(egress::Settings {
            policy,
            ..egress::Settings::default()
        });
        let tools = Tools {
            jail: Jail::new(expression::Options::default()),
            egress,
            lease: platform.settings.delivery.lease,
        };
        let gateway = Gateway::start(
            settings,
            platform.store.clone(),
            &platform.conveyor,
            tools,
            &platform.tasks,
        )?;
        let pages = boot::health::pages(&platform.health);
        boot::http::serve(listen, &platform.tasks, move |config| {
            gateway.configure(config);
            pages(config);
            config.default_service(actix_web::web::to(hookyard_gateway::not_found));
        })?;
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
