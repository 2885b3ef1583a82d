//! From what was written to what it means: the merged layers become [`Settings`], or an error that names key and origin.

use super::Settings;
use super::defaults::{SECRETS, defaults};
use super::layer::Layer;
use crate::Error;
use config::{Config, ConfigError, Map, Source, Value};

/// What the merged layers mean, or the first value that means nothing.
pub(super) fn deserialize(merged: &Layer) -> Result<Settings, Error> {
    Config::builder()
        .add_source(Merged(merged.clone()))
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| invalid(&error, merged))
}

/// Every value that means nothing, by key; and what the others mean, with the defaults in place of those.
pub(super) fn judged(mut merged: Layer) -> (Vec<Error>, Option<Settings>) {
    let mut problems = Vec::new();
    let settings = loop {
        match deserialize(&merged) {
            Ok(settings) => break Some(settings),
            Err(error) => {
                let is_set_back = wrong_key(&error).is_some_and(|key| set_back(&mut merged, key));
                problems.push(error);
                if !is_set_back {
                    break None;
                }
            }
        }
    };
    // They come to light in no order.
    problems.sort_by_key(wrong_key);
    (problems, settings)
}

/// Puts the default in place of another value; false if there is none or it is there already.
fn set_back(merged: &mut Layer, key: String) -> bool {
    let default = defaults().ok().and_then(|mut known| known.remove(&key));
    default.is_some_and(|default| merged.insert(key, default.clone()) != Some(default))
}

/// The setting whose value is at fault.
pub(super) fn wrong_key(error: &Error) -> Option<String> {
    match error {
        Error::Setting { key, .. } => Some(whole(key).to_owned()),
        _ => None,
    }
}

/// `egress.allow[1]` is a part of `egress.allow`.
fn whole(key: &str) -> &str {
    key.split('[').next().unwrap_or_default()
}

/// Names the key and where its value came from, and shows the value unless it is a secret.
pub(super) fn invalid(error: &ConfigError, merged: &Layer) -> Error {
    let (key, reason) = match error {
        ConfigError::Type {
            key,
            unexpected,
            expected,
            ..
        } => (key.clone(), format!("{unexpected} is not {expected}")),
        ConfigError::At { key, error, .. } => (key.clone(), error.to_string()),
        other => (None, other.to_string()),
    };
    let key = key.unwrap_or_default();
    let whole = whole(&key);
    let origin = merged
        .get(whole)
        .and_then(Value::origin)
        .unwrap_or("the settings");
    let is_secret = SECRETS.contains(&whole);
    Error::Setting {
        origin: origin.to_owned(),
        reason: if is_secret && matches!(error, ConfigError::Type { .. }) {
            "has the wrong type".to_owned()
        } else {
            reason
        },
        key,
    }
}

/// What all layers came to, as the `config` crate takes it.
#[derive(Debug, Clone)]
struct Merged(Layer);

impl Source for Merged {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone().into_iter().collect())
    }
}
