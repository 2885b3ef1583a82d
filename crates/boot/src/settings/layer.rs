//! One layer of settings: read from where it is written, flattened to `section.key`, its secrets fetched from their files.

use super::defaults::SECRETS;
use crate::error::{Error, UnknownKey};
use config::{File, FileFormat, Map, Source as _, Value, ValueKind};
use std::collections::BTreeMap;
use std::path::Path;

/// Flat keys, and values that know where they come from.
pub(super) type Layer = BTreeMap<String, Value>;

pub(super) fn texts(pairs: &[(String, String)], origin: &str) -> Layer {
    let value = |text: &String| Value::new(Some(&origin.to_owned()), text.as_str());
    pairs
        .iter()
        .map(|(key, text)| (key.clone(), value(text)))
        .collect()
}

pub(super) fn read_file(path: &Path) -> Result<Layer, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFile {
        what: "the settings file (--config)".to_owned(),
        path: path.to_owned(),
        source,
    })?;
    parse_toml(&text, &path.display().to_string())
}

pub(super) fn parse_toml(text: &str, origin: &str) -> Result<Layer, Error> {
    let tables = File::from_str(text, FileFormat::Toml)
        .collect()
        .map_err(|error| Error::ParseFile {
            file: origin.to_owned(),
            reason: without_excerpt(&error.to_string()),
        })?;
    let mut layer = Layer::new();
    flatten("", tables, origin, &mut layer);
    Ok(layer)
}

fn flatten(prefix: &str, tables: Map<String, Value>, origin: &str, into: &mut Layer) {
    for (name, value) in tables {
        let key = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value.kind {
            ValueKind::Table(table) => flatten(&key, table, origin, into),
            kind => {
                into.insert(key, Value::new(Some(&origin.to_owned()), kind));
            }
        }
    }
}

/// A TOML error without the line it quotes, which may hold a secret.
fn without_excerpt(message: &str) -> String {
    let quotes = |line: &str| {
        line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit())
            .starts_with('|')
    };
    let kept: Vec<&str> = message.lines().filter(|line| !quotes(line)).collect();
    kept.join(": ")
}

pub(super) fn unknown_keys(layer: &Layer, known: &Layer) -> Vec<UnknownKey> {
    let is_known = |key: &str| known.contains_key(key) || secret_of_file(key).is_some();
    layer
        .iter()
        .filter(|(key, _)| !is_known(key))
        .map(|(key, value)| UnknownKey {
            key: key.clone(),
            origin: value.origin().unwrap_or("the settings").to_owned(),
            nearest: nearest(key, known.keys()),
        })
        .collect()
}

/// The known key that a misspelt one most likely meant, if any is close.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    known
        .map(|candidate| (strsim::normalized_damerau_levenshtein(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate.clone())
}

/// `database.url` for `database.url_file`.
fn secret_of_file(key: &str) -> Option<&str> {
    key.strip_suffix("_file")
        .filter(|secret| SECRETS.contains(secret))
}

/// Replaces each `…_file` key by what the file holds, without the line break at its end. An empty path is no file, and
/// one that cannot be read is a problem.
pub(super) fn read_secret_files(layer: Layer, problems: &mut Vec<Error>) -> Layer {
    let mut read = Layer::new();
    for (key, value) in &layer {
        let Some(secret) = secret_of_file(key) else {
            continue;
        };
        let origin = value.origin().unwrap_or("the settings").to_owned();
        match read_secret(value, secret, &layer) {
            Ok(None) => {}
            Ok(Some(text)) => {
                read.insert(secret.to_owned(), Value::new(Some(&origin), text));
            }
            Err(reason) => problems.push(Error::Setting {
                key: secret.to_owned(),
                origin,
                reason,
            }),
        }
    }
    let plain = layer.into_iter().filter(|(key, _)| secret_of_file(key).is_none());
    plain.chain(read).collect()
}

/// What the file of a secret holds, or what is wrong with it.
fn read_secret(path: &Value, secret: &str, beside: &Layer) -> Result<Option<String>, String> {
    let path = path
        .clone()
        .into_string()
        .map_err(|_value| "the name of its file is not a text".to_owned())?;
    if path.is_empty() {
        return Ok(None);
    }
    if beside.contains_key(secret) {
        return Err(format!("is set beside {secret}_file; set only one of the two"));
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => Err(format!("{path} cannot be read: {error}")),
    }
}

pub(super) fn is_list(known: &Layer, key: &str) -> bool {
    known
        .get(key)
        .is_some_and(|value| matches!(value.kind, ValueKind::Array(_)))
}

/// `"a, b"` (or one a line, as in a file of secrets) as a list; what is a list already stays one.
pub(super) fn split(value: Value) -> Value {
    let origin = value.origin().map(str::to_owned);
    let ValueKind::String(text) = &value.kind else {
        return value;
    };
    let items = text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let items: Vec<Value> = items.map(|item| Value::new(origin.as_ref(), item)).collect();
    Value::new(origin.as_ref(), items)
}
