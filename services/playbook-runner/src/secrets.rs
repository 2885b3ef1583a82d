//! A playbook's secrets: their values for a call that is sent, and their names for the engine, which must not have more.

use playbook::secrets::learned;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::time::Duration;
use store::Playbook;
use wire::Instant;

/// How long what was read counts for a run that is kept in hand. Whoever takes a run reads it anew.
const FRESH: Duration = Duration::from_secs(1);

/// What a run knows of its playbook's secrets, and what there is to know.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// The shape that the engine's state has.
    pub(crate) known: Value,
    /// The shape that the playbook has.
    now: Value,
    read_at: Option<Instant>,
}

impl Secrets {
    /// Whether the playbook is to be looked at again.
    pub(crate) fn are_stale(&self, at: Instant) -> bool {
        self.read_at.is_none_or(|read| at >= read + FRESH)
    }

    /// Notes what the playbook has; none: it was removed.
    pub(crate) fn note(&mut self, playbook: Option<&Playbook>, at: Instant) {
        self.now = shape(&values(playbook));
        self.read_at = Some(at);
    }

    /// What a run begins with.
    pub(crate) fn begin(&mut self) -> Value {
        self.known.clone_from(&self.now);
        self.known.clone()
    }

    /// What the engine is to be told; none: it knows.
    pub(crate) fn news(&self) -> Option<Value> {
        learned(&self.known, &self.now)
    }

    /// Notes that the engine was told, once that is kept.
    pub(crate) fn learn(&mut self, told: Option<Value>) {
        if let Some(known) = told {
            self.known = known;
        }
    }
}

/// The values of a playbook's secrets. To be read when a call is sent, and to be kept nowhere.
pub(crate) fn values(playbook: Option<&Playbook>) -> Value {
    let secrets = playbook.and_then(|playbook| playbook.secrets.as_ref());
    secrets
        .and_then(|secrets| serde_json::from_str(secrets.expose_secret()).ok())
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// The shape of secrets: their names, with null for each value.
fn shape(secrets: &Value) -> Value {
    match secrets {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, inner)| (name.clone(), shape(inner)))
                .collect(),
        ),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shape_has_names_and_no_values() {
        let secrets = json!({"slack": {"token": "xoxb", "ids": ["a"]}, "key": "k", "n": 7});
        let shape = shape(&secrets);
        assert_eq!(
            shape,
            json!({"slack": {"token": null, "ids": null}, "key": null, "n": null})
        );
    }

    #[test]
    fn what_is_told_once_is_no_news() {
        let mut secrets = Secrets::default();
        secrets.known = json!({"crm": null});
        secrets.now = json!({"crm": {"token": null}});
        let news = secrets.news();
        assert_eq!(news, Some(json!({"crm": {"token": null}})));
        secrets.learn(news);
        assert_eq!(secrets.news(), None);
    }
}
