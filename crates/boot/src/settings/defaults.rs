//! What `config/default.toml` says: every key there is, its default, and what it is for.

use super::layer::{Layer, parse_toml};
use crate::Error;
use std::collections::BTreeMap;

/// All keys, their documentation and their defaults.
pub(super) const DEFAULTS: &str = include_str!("../../../../config/default.toml");
/// Where a default comes from, as errors and `hookyard config show --origin` say it.
const ORIGIN: &str = "built-in default";
/// Keys whose values are never shown, and that a `…_file` twin may fill.
pub(super) const SECRETS: [&str; 4] = [
    "broker.url",
    "console.operator_token",
    "database.url",
    "secrets.master_keys",
];

/// Every key with its default.
pub(super) fn defaults() -> Result<Layer, Error> {
    parse_toml(DEFAULTS, ORIGIN)
}

/// Every key with the comment above it.
pub(super) fn documentation() -> BTreeMap<String, String> {
    let mut documented = BTreeMap::new();
    let (mut section, mut comment) = ("", Vec::new());
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _value)) = line.split_once(" = ") {
            documented.insert(format!("{section}.{name}"), comment.join(" "));
        }
        comment.clear();
    }
    documented
}
