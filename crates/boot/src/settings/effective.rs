//! Settings as they are shown: the value in force and where it comes from, never a secret.

use super::defaults::SECRETS;
use config::{ConfigError, Value, ValueKind};
use serde::Serialize;
use serde_json::Value as Json;

/// What stands for a secret that is set.
const REDACTED: &str = "[secret]";

/// A setting as it is in force: `{"key": "gateway.workers", "value": 4, "origin": "HOOKYARD__GATEWAY__WORKERS"}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effective {
    /// `section.key`.
    pub key: String,
    /// As a file would have it. A secret that is set is `[secret]`, an item of a list of them too.
    pub value: Json,
    /// `built-in default`, the settings file, the variable, or another layer in words.
    pub origin: String,
}

impl Effective {
    /// A setting of a layer, in the type of its default.
    pub(super) fn of(key: &str, value: &Value, default: &Value) -> Result<Self, ConfigError> {
        let shown = in_type_of(default, value)?;
        Ok(Self {
            key: key.to_owned(),
            value: if SECRETS.contains(&key) {
                redacted(shown)
            } else {
                shown
            },
            origin: value.origin().unwrap_or("the settings").to_owned(),
        })
    }
}

/// A value, such as the text of a variable, as JSON of the type that the default has.
pub(super) fn in_type_of(default: &Value, value: &Value) -> Result<Json, ConfigError> {
    let value = value.clone();
    Ok(match default.kind {
        ValueKind::Boolean(_) => value.into_bool()?.into(),
        ValueKind::I64(_) => value.into_int()?.into(),
        ValueKind::Float(_) => value.into_float()?.into(),
        ValueKind::Array(_) => value.try_deserialize::<Vec<String>>()?.into(),
        _ => value.into_string()?.into(),
    })
}

/// An empty text is no secret but the lack of one, and says so.
fn redacted(value: Json) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(redacted).collect(),
        Json::String(text) if text.is_empty() => text.into(),
        _ => REDACTED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;
    use std::collections::BTreeMap;
    use std::io::Write as _;

    fn shown(sources: &Sources) -> BTreeMap<String, (Json, String)> {
        let settings = sources.effective().unwrap().into_iter();
        settings
            .map(|Effective { key, value, origin }| (key, (value, origin)))
            .collect()
    }

    #[test]
    fn a_setting_is_shown_in_its_own_type_with_the_layer_that_won() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[router]\nbatch = 7\n[delivery]\nslots = 7\n")
            .unwrap();
        let settings = shown(
            &Sources::new()
                .with_program_defaults([("database.migrate", "true")])
                .with_file(file.path())
                .with_environment([
                    ("HOOKYARD__DELIVERY__SLOTS", "12"),
                    ("HOOKYARD__TELEMETRY__SAMPLE_RATIO", "0.5"),
                    ("HOOKYARD__EGRESS__ALLOW", "10.0.0.0/8, ::1"),
                ])
                .with_arguments([("gateway.listen", "127.0.0.1:3")]),
        );
        let path = file.path().to_str().unwrap();
        for (key, value, origin) in [
            ("gateway.workers", Json::from(0), "built-in default"),
            ("database.migrate", true.into(), "the program's defaults"),
            ("router.batch", 7.into(), path),
            ("delivery.slots", 12.into(), "HOOKYARD__DELIVERY__SLOTS"),
            (
                "telemetry.sample_ratio",
                0.5.into(),
                "HOOKYARD__TELEMETRY__SAMPLE_RATIO",
            ),
            (
                "egress.allow",
                vec!["10.0.0.0/8", "::1"].into(),
                "HOOKYARD__EGRESS__ALLOW",
            ),
            ("gateway.listen", "127.0.0.1:3".into(), "the command line"),
        ] {
            assert_eq!(settings[key], (value, origin.to_owned()), "{key}");
        }
    }

    #[test]
    fn a_secret_is_shown_as_set_or_not_wherever_it_comes_from() {
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        keys.write_all(b"new:hunter2\nold:hunter2\n").unwrap();
        let sources = Sources::new().with_environment([
            ("HOOKYARD__DATABASE__URL", "postgres://yard:hunter2@db/yard"),
            (
                "HOOKYARD__SECRETS__MASTER_KEYS_FILE",
                keys.path().to_str().unwrap(),
            ),
        ]);
        let settings = shown(&sources);
        assert!(!format!("{settings:?}").contains("hunter2"));
        let value = |key: &str| settings[key].0.clone();
        assert_eq!(value("database.url"), REDACTED);
        assert_eq!(value("broker.url"), REDACTED);
        assert_eq!(value("secrets.master_keys"), Json::from(vec![REDACTED; 2]));
        assert_eq!(value("console.operator_token"), "");
        assert_eq!(
            settings["secrets.master_keys"].1,
            "HOOKYARD__SECRETS__MASTER_KEYS_FILE"
        );
    }
}
