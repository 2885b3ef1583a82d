//! The settings file as JSON Schema, for editors: derived from `config/default.toml`, so that it cannot fall behind it.

use super::defaults::{SECRETS, defaults, documentation};
use super::effective::in_type_of;
use super::meaning::invalid;
use crate::Error;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

type Object = Map<String, Json>;

/// The JSON Schema (draft 2020-12) of a settings file: every key with its type, its default and what it is for. Secrets
/// have their `…_file` twins, and no default.
///
/// ```
/// let schema = hookyard_boot::settings::schema()?;
/// assert_eq!(schema["properties"]["gateway"]["properties"]["workers"]["type"], "integer");
/// # Ok::<(), hookyard_boot::Error>(())
/// ```
pub fn schema() -> Result<Json, Error> {
    let known = defaults()?;
    let documented = documentation();
    let mut sections: BTreeMap<&str, Object> = BTreeMap::new();
    for (key, default) in &known {
        let Some((section, name)) = key.split_once('.') else {
            continue;
        };
        let section = sections.entry(section).or_default();
        let value = in_type_of(default, default).map_err(|error| invalid(&error, &known))?;
        let mut setting = typed(&value);
        setting.insert("description".to_owned(), documented.get(key).cloned().into());
        if SECRETS.contains(&key.as_str()) {
            let description = format!("The file that {key} is read from at start.");
            let twin = json!({"type": "string", "description": description});
            section.insert(format!("{name}_file"), twin);
        } else {
            setting.insert("default".to_owned(), value);
        }
        section.insert(name.to_owned(), setting.into());
    }
    let sections = sections
        .into_iter()
        .map(|(name, settings)| (name.to_owned(), closed(settings).into()));
    let mut schema = closed(sections.collect());
    let draft = "https://json-schema.org/draft/2020-12/schema";
    schema.insert("$schema".to_owned(), draft.into());
    schema.insert("title".to_owned(), "Settings of Hookyard".into());
    Ok(schema.into())
}

/// What has the type of a default.
fn typed(default: &Json) -> Object {
    let name = match default {
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::Array(_) => "array",
        _ => "string",
    };
    let mut setting = Object::from_iter([("type".to_owned(), name.into())]);
    if default.is_array() {
        setting.insert("items".to_owned(), json!({"type": "string"}));
    }
    setting
}

/// A table with these keys and no others.
fn closed(properties: Object) -> Object {
    Object::from_iter([
        ("type".to_owned(), "object".into()),
        ("additionalProperties".to_owned(), false.into()),
        ("properties".to_owned(), properties.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::defaults::DEFAULTS;
    use config::{File, FileFormat, Source as _, Value};

    /// What is wrong with a settings file, as an editor would underline it.
    fn mistakes(file: &str) -> Vec<String> {
        let tables = File::from_str(file, FileFormat::Toml).collect().unwrap();
        let file: Json = Value::new(None, tables).try_deserialize().unwrap();
        let schema = jsonschema::draft202012::new(&schema().unwrap()).unwrap();
        schema.iter_errors(&file).map(|error| error.to_string()).collect()
    }

    #[test]
    fn the_defaults_are_what_the_schema_describes() {
        assert_eq!(mistakes(DEFAULTS), [""; 0]);
        assert!(jsonschema::draft202012::meta::is_valid(&schema().unwrap()));
    }

    #[test]
    fn a_key_that_the_start_would_refuse_is_a_mistake() {
        for (file, mistake) in [
            ("[gateway]\nlistne = \"x\"", "'listne' was unexpected"),
            ("[gatway]\nlisten = \"x\"", "'gatway' was unexpected"),
            ("[gateway]\nlisten_file = \"x\"", "'listen_file' was unexpected"),
            ("[gateway]\nworkers = \"many\"", "not of type \"integer\""),
            ("[egress]\nallow = [1]", "not of type \"string\""),
            ("[database]\nmigrate = 1", "not of type \"boolean\""),
            ("[telemetry]\nsample_ratio = \"x\"", "not of type \"number\""),
        ] {
            let mistakes = mistakes(file).join("\n");
            assert!(mistakes.contains(mistake), "{file}: {mistakes}");
        }
    }

    #[test]
    fn every_key_is_described_in_the_words_of_the_defaults() {
        let schema = schema().unwrap();
        for key in defaults().unwrap().keys() {
            let (section, name) = key.split_once('.').unwrap();
            let setting = &schema["properties"][section]["properties"][name];
            assert!(!name.contains('.'), "{key}");
            assert!(setting["description"].is_string(), "{key}: {setting}");
        }
        assert_eq!(
            schema["properties"]["gateway"]["properties"]["accept_queue"],
            json!({
                "type": "integer",
                "default": 4096,
                "description": "Requests that may wait for the ledger at once; more are answered 429.",
            })
        );
    }

    #[test]
    fn a_secret_has_its_file_beside_it_and_shows_no_default() {
        let schema = schema().unwrap();
        let broker = &schema["properties"]["broker"]["properties"];
        assert_eq!(broker["url_file"]["type"], "string");
        assert!(broker["url"].get("default").is_none());
        assert_eq!(
            mistakes("[secrets]\nmaster_keys_file = \"/run/secrets/keys\""),
            [""; 0]
        );
    }
}
