//! `hookyard config`: the settings as a service would have them, without starting one.

mod check;

use super::migrate::REFUSED;
use crate::arguments::Config;
use crate::screen::{Screen, table};
use anyhow::Context as _;
use boot::Sources;
use boot::settings::{Effective, schema};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(command: Config, screen: Screen) -> anyhow::Result<ExitCode> {
    match command {
        Config::Show { settings, origin } => show(settings.config.as_deref(), origin, screen),
        Config::Check(from) => check::run(from.config.as_deref(), screen),
        Config::Schema => {
            let schema = schema()?;
            // A schema is JSON for people and programs alike.
            Screen { json: true }.show(&schema, Value::to_string)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(config: Option<&Path>, with_origin: bool, screen: Screen) -> anyhow::Result<ExitCode> {
    let settings = Sources::from_process(config).effective().context(REFUSED)?;
    let shown: Vec<Value> = settings
        .iter()
        .map(|Effective { key, value, origin }| {
            if with_origin {
                json!({"key": key, "value": value, "origin": origin})
            } else {
                json!({"key": key, "value": value})
            }
        })
        .collect();
    screen.show(&json!({"settings": shown}), |_| text(&settings, with_origin))?;
    Ok(ExitCode::SUCCESS)
}

fn text(settings: &[Effective], with_origin: bool) -> String {
    let rows = settings
        .iter()
        .map(|Effective { key, value, origin }| [key.clone(), value.to_string(), origin.clone()]);
    if with_origin {
        table(&["setting", "value", "from"], rows.map(Vec::from))
    } else {
        table(
            &["setting", "value"],
            rows.map(|[key, value, _origin]| vec![key, value]),
        )
    }
}
