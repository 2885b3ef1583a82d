//! Where settings come from, in the order in which they win.
//!
//! Each layer is flattened to `section.key` first, so that the rules are the same for all of them: a key must be one
//! that the defaults have, a list may be written as comma-separated text, a secret may be read from a file. The
//! `config` crate parses files and deserialises the result; its own environment source is not used, because it either
//! turns a token such as `0123` into the number 123 or knows no lists.

use super::defaults::defaults;
use super::effective::Effective;
use super::layer::{Layer, is_list, read_file, read_secret_files, split, texts, unknown_keys};
use super::meaning::{deserialize, invalid, judged, wrong_key};
use super::sections::Settings;
use crate::error::{Error, UnknownKey};
use config::Value;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

const PREFIX: &str = "HOOKYARD__";

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

    /// Lays the layers over each other. All unknown keys are reported at once, other errors one by one; see
    /// [`Sources::problems`] for all of them.
    pub fn load(&self) -> Result<Settings, Error> {
        self.settled().map(|(_merged, settings)| settings)
    }

    /// Every setting as it is in force and where it comes from, without the secrets. Fails as [`Sources::load`] does.
    pub fn effective(&self) -> Result<Vec<Effective>, Error> {
        let (merged, _settings) = self.settled()?;
        let known = defaults()?;
        merged
            .iter()
            .map(|(key, value)| {
                let default = known.get(key).unwrap_or(value);
                Effective::of(key, value, default).map_err(|error| invalid(&error, &merged))
            })
            .collect()
    }

    /// Everything that would keep a service from starting, as far as it can be told without asking a server: whatever
    /// [`Sources::load`] refuses, and what is missing or cannot be used.
    pub fn problems(&self) -> Vec<Error> {
        let Laid { merged, mut problems } = match self.laid() {
            Ok(laid) => laid,
            Err(error) => return vec![error],
        };
        let is_read_whole = problems
            .iter()
            .all(|problem| matches!(problem, Error::Setting { .. } | Error::UnknownKeys(_)));
        let (values, settings) = judged(merged);
        problems.extend(values);
        let Some(settings) = settings else {
            return problems;
        };
        let wrong: Vec<String> = problems.iter().filter_map(wrong_key).collect();
        if wrong.is_empty() {
            problems.extend(settings.wrong_together());
        }
        if is_read_whole {
            let unmet = settings.unmet().into_iter();
            problems.extend(
                unmet
                    .filter(|(key, _)| !wrong.iter().any(|wrong| wrong == key))
                    .map(|(_key, problem)| problem),
            );
        }
        problems
    }

    /// What the layers came to, as text and as what it means, or the first problem.
    fn settled(&self) -> Result<(Layer, Settings), Error> {
        let Laid { merged, problems } = self.laid()?;
        first(problems)?;
        let settings = deserialize(&merged)?;
        first(settings.wrong_together())?;
        Ok((merged, settings))
    }

    /// Lays each layer over the one before.
    fn laid(&self) -> Result<Laid, Error> {
        let known = defaults()?;
        let mut problems = Vec::new();
        let mut layers = vec![texts(&self.program, "the program's defaults")];
        match self.file.as_deref().map(read_file).transpose() {
            Ok(file) => layers.extend(file),
            Err(error) => problems.push(error),
        }
        layers.push(self.environment_layer(&mut problems));
        layers.push(texts(&self.arguments, "the command line"));

        let unknown: Vec<UnknownKey> = layers
            .iter()
            .flat_map(|layer| unknown_keys(layer, &known))
            .collect();
        if !unknown.is_empty() {
            problems.push(Error::UnknownKeys(unknown));
        }
        let mut merged = known.clone();
        for layer in layers {
            for (key, value) in read_secret_files(layer, &mut problems) {
                let value = if is_list(&known, &key) {
                    split(value)
                } else {
                    value
                };
                if known.contains_key(&key) {
                    merged.insert(key, value);
                }
            }
        }
        Ok(Laid { merged, problems })
    }

    fn environment_layer(&self, problems: &mut Vec<Error>) -> Layer {
        let mut layer = Layer::new();
        for (name, value) in &self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                problems.push(Error::NotText {
                    variable: name.to_owned(),
                });
                continue;
            };
            let key = name
                .trim_start_matches(PREFIX)
                .to_ascii_lowercase()
                .replace("__", ".");
            layer.insert(key, Value::new(Some(&name.to_owned()), value));
        }
        layer
    }
}

/// All layers laid over each other, and what was in the way of it.
struct Laid {
    merged: Layer,
    problems: Vec<Error>,
}

fn first(problems: Vec<Error>) -> Result<(), Error> {
    problems.into_iter().next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
