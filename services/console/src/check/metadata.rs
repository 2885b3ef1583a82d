//! What an owner wants to remember of a thing: texts by name, for endpoints, applications and visits to the portal.

use super::Fields;
use super::value::{Refused, any_text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// More entries than this are a database of their own.
const MOST_ENTRIES: usize = 50;
/// The longest name of an entry, in characters.
const LONGEST_KEY: usize = 100;
/// The longest text of an entry, in characters.
const LONGEST_TEXT: usize = 2_000;
/// The largest `config`, in bytes of JSON.
const LARGEST_CONFIG: usize = 16 << 10;

/// Reads `metadata` over what stands in `slot`: all of it is replaced, and null empties it.
pub(crate) fn read(fields: &mut Fields<'_>, slot: &mut BTreeMap<String, String>) {
    if fields.get("metadata").is_some_and(Value::is_null) {
        slot.clear();
        return;
    }
    let mut metadata = BTreeMap::new();
    let is_given = fields.entries("metadata", |key, value| {
        if !(1..=LONGEST_KEY).contains(&key.chars().count()) || key.chars().any(char::is_control) {
            return Err(Refused(format!(
                "must have a name of 1 to {LONGEST_KEY} characters without control characters"
            )));
        }
        let text = any_text(value)?;
        if text.chars().count() > LONGEST_TEXT || text.contains('\0') {
            return Err(Refused(format!(
                "must be a text of at most {LONGEST_TEXT} characters without U+0000"
            )));
        }
        metadata.insert(key.to_owned(), text.to_owned());
        Ok(())
    });
    if metadata.len() > MOST_ENTRIES {
        fields.refuse("metadata", format!("may have at most {MOST_ENTRIES} entries"));
    }
    if is_given {
        *slot = metadata;
    }
}

/// Reads `config`, which is kept as it comes; null empties it.
pub(crate) fn read_config(fields: &mut Fields<'_>, slot: &mut Map<String, Value>) {
    let read = |value: &Value| match value {
        Value::Null => Ok(Map::new()),
        Value::Object(config) if value.to_string().len() <= LARGEST_CONFIG => Ok(config.clone()),
        Value::Object(_) => Err(Refused(format!("must be at most {LARGEST_CONFIG} bytes of JSON"))),
        other => Err(Refused(format!("must be an object, not {}", super::kind(other)))),
    };
    fields.set("config", slot, read);
}
