//! The conveyor, for a command that has something to announce or wants to know how it is.

use anyhow::Context as _;
use boot::settings::BrokerUrl;
use boot::{Settings, report};
use broker::{Conveyor, RabbitSettings, State};

/// Begins to connect. Needs a runtime.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Conveyor> {
    let BrokerUrl::Rabbit(url) = &settings.broker.url else {
        return Ok(Conveyor::in_process(1));
    };
    let certificates = match &settings.broker.ca_file {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            Some(read.with_context(|| format!("broker.ca_file: {} cannot be read", file.display()))?)
        }
        None => None,
    };
    let rabbit = RabbitSettings {
        namespace: settings.broker.namespace.clone(),
        client: format!("hookyard {}", std::process::id()),
        certificates,
        queue_expiry: settings.broker.queue_expiry,
        ..RabbitSettings::new(url.clone())
    };
    Conveyor::rabbit(&rabbit).context("broker.url cannot be used")
}

/// Why nothing moves.
pub(super) fn trouble(conveyor: &Conveyor) -> String {
    match conveyor.state() {
        State::Connecting {
            error: Some(error), ..
        } => report(&*error),
        State::Blocked => "the broker takes no messages until it has memory and disk again".to_owned(),
        State::Connecting { error: None, .. } | State::Connected | State::Closed => {
            "no answer yet".to_owned()
        }
    }
}
