//! Where settings come from, in the order in which they win.
//!
//! Each layer is flattened to `section.key` first, so that the rules are the same for all of them: a key must be one
//! that the defaults have, a list may be written as comma-separated text, a secret may be read from a file. The
//! `config` crate parses files and deserialises the result; its own environment source is not used, because it either
//! turns a token such as `0123` into the number 123 or knows no lists.

use super::Settings;
use crate::error::{Error, UnknownKey};
use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// All keys, their documentation and their defaults.
const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const PREFIX: &str = "HOOKYARD__";
/// Keys whose values are never shown, and that a `…_file` twin may fill.
const SECRETS: [&str; 4] = [
    "broker.url",
    "console.operator_token",
    "database.url",
    "secrets.master_keys",
];

/// What the settings of one process are made from. Later layers win: the built-in defaults, the program's own defaults,
/// the file, the environment, the arguments.
///
/// ```
/// use hookyard_boot::Sources;
///
/// let settings = Sources::new()
///     .with_program_defaults([("egress.allow", "127.0.0.0/8")])
///     .with_environment([("HOOKYARD__GATEWAY__LISTEN", "127.0.0.1:0")])
///     .load()?;
/// assert_eq!(settings.gateway.listen.port(), 0);
/// # Ok::<(), hookyard_boot::Error>(())
/// ```
#[derive(Default, Clone)]
pub struct Sources {
    program: Vec<(String, String)>,
    file: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<(String, String)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be secrets.
        formatter
            .debug_struct("Sources")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// Only the built-in defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The defaults, then `file`, then this process's environment, which is read here and nowhere else.
    pub fn from_process(file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            environment: std::env::vars_os().collect(),
            ..Self::default()
        }
    }

    /// Adds defaults of the program's own, which a file and the environment overrule: `("egress.allow", "127.0.0.0/8")`.
    #[must_use]
    pub fn with_program_defaults<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.program
            .extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Reads this TOML file too.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Takes these variables for the environment. Names that do not start with `HOOKYARD__` are ignored.
    #[must_use]
    pub fn with_environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self
    }

    /// Adds what the command line said, which overrules everything: `("gateway.listen", "127.0.0.1:8080")`.
    #[must_use]
    pub fn with_arguments<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.arguments
            .extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Lays the layers over each other. All unknown keys are reported at once, other errors one by one.
    pub fn load(&self) -> Result<Settings, Error> {
        let known = parse_toml(DEFAULTS, "the defaults")?;
        let mut layers = vec![texts(&self.program, "the program's defaults")];
        if let Some(file) = &self.file {
            layers.push(read_file(file)?);
        }
        layers.push(self.environment_layer()?);
        layers.push(texts(&self.arguments, "the command line"));

        let unknown: Vec<UnknownKey> = layers
            .iter()
            .flat_map(|layer| unknown_keys(layer, &known))
            .collect();
        if !unknown.is_empty() {
            return Err(Error::UnknownKeys(unknown));
        }
        let mut merged = known.clone();
        for layer in layers {
            for (key, value) in read_secret_files(layer)? {
                let value = if is_list(&known, &key) {
                    split(value)
                } else {
                    value
                };
                merged.insert(key, value);
            }
        }
        deserialize(&merged)?.checked()
    }

    fn environment_layer(&self) -> Result<Layer, Error> {
        let mut layer = Layer::new();
        for (name, value) in &self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let value = value.to_str().ok_or_else(|| Error::NotText {
                variable: name.to_owned(),
            })?;
            let key = name
                .trim_start_matches(PREFIX)
                .to_ascii_lowercase()
                .replace("__", ".");
            layer.insert(key, Value::new(Some(&name.to_owned()), value));
        }
        Ok(layer)
    }
}

/// One layer: flat keys, and values that know where they come from.
type Layer = BTreeMap<String, Value>;

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

fn texts(pairs: &[(String, String)], origin: &str) -> Layer {
    let value = |text: &String| Value::new(Some(&origin.to_owned()), text.as_str());
    pairs
        .iter()
        .map(|(key, text)| (key.clone(), value(text)))
        .collect()
}

fn read_file(path: &Path) -> Result<Layer, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFile {
        what: "the settings file (--config)".to_owned(),
        path: path.to_owned(),
        source,
    })?;
    parse_toml(&text, &path.display().to_string())
}

fn parse_toml(text: &str, origin: &str) -> Result<Layer, Error> {
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

fn unknown_keys(layer: &Layer, known: &Layer) -> Vec<UnknownKey> {
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

/// Replaces each `…_file` key by what the file holds, without the line break at its end. An empty path is no file.
fn read_secret_files(layer: Layer) -> Result<Layer, Error> {
    let mut read = Layer::new();
    for (key, value) in &layer {
        let Some(secret) = secret_of_file(key) else {
            continue;
        };
        let origin = value.origin().unwrap_or("the settings").to_owned();
        let path = value.clone().into_string().ok().ok_or_else(|| Error::Setting {
            key: key.clone(),
            origin: origin.clone(),
            reason: "is not a path".to_owned(),
        })?;
        if path.is_empty() {
            continue;
        }
        if layer.contains_key(secret) {
            return Err(Error::Setting {
                key: secret.to_owned(),
                origin,
                reason: format!("is set beside {key}; set only one of the two"),
            });
        }
        let text = std::fs::read_to_string(&path).map_err(|source| Error::ReadFile {
            what: format!("the secret for {secret} ({origin})"),
            path: path.into(),
            source,
        })?;
        read.insert(
            secret.to_owned(),
            Value::new(Some(&origin), text.trim_end_matches(['\r', '\n'])),
        );
    }
    let plain = layer.into_iter().filter(|(key, _)| secret_of_file(key).is_none());
    Ok(plain.chain(read).collect())
}

fn is_list(known: &Layer, key: &str) -> bool {
    known
        .get(key)
        .is_some_and(|value| matches!(value.kind, ValueKind::Array(_)))
}

/// `"a, b"` (or one a line, as in a file of secrets) as a list; what is a list already stays one.
fn split(value: Value) -> Value {
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

fn deserialize(merged: &Layer) -> Result<Settings, Error> {
    Config::builder()
        .add_source(Merged(merged.clone()))
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| invalid(&error, merged))
}

/// Names the key and where its value came from, and shows the value unless it is a secret.
fn invalid(error: &ConfigError, merged: &Layer) -> Error {
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
    // `egress.allow[1]` is a part of `egress.allow`.
    let whole = key.split('[').next().unwrap_or_default();
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

#[cfg(test)]
mod tests;
