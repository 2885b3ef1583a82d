//! Matching the entries of a section with what there is: by `id`, else by slug or name.

use crate::check::Report;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use std::str::FromStr;
use std::time::Duration;
use wire::{ConfiguredId, Instant};

/// One entry of a section.
#[derive(Debug)]
pub(super) struct Entry<'a, Id> {
    /// `endpoints[3]`.
    pub(super) path: String,
    pub(super) value: &'a Value,
    /// Its slug or name.
    pub(super) key: Option<&'a str>,
    /// What it means: a thing that is there, or one to be made.
    pub(super) id: Id,
    /// When it is made, if it is: lists by age are in the order of the file.
    pub(super) now: Instant,
}

/// Matches a section's entries. What is wrong with an entry itself is found when it is read; here it is about twins, and
/// about ids that are another thing's.
pub(super) fn entries<'a, 'e, Id>(
    report: &mut Report,
    (section, key): (&'static str, &'static str),
    list: &'a [Value],
    existing: impl Iterator<Item = (&'e Id, Option<&'e str>)>,
    now: Instant,
) -> Vec<Entry<'a, Id>>
where
    Id: ConfiguredId + FromStr + Eq + Hash + 'e,
{
    let by_key: HashMap<&str, &Id> = existing.filter_map(|(id, key)| Some((key?, id))).collect();
    let mut keys: HashMap<&str, String> = HashMap::new();
    let mut ids: HashMap<Id, String> = HashMap::new();
    let mut entries = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let path = format!("{section}[{index}]");
        let named = value.get(key).and_then(Value::as_str);
        let pinned = value
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse::<Id>().ok());
        let present = named.and_then(|named| by_key.get(named).copied());
        match (&pinned, present) {
            (Some(pinned), Some(present)) if pinned != present => {
                let message =
                    format!("is not the id of this {key}, which is {present}; an id cannot be changed");
                report.refuse(format!("{path}.id"), message);
            }
            // Only an endpoint and an application may go without.
            (None, None) if matches!(section, "endpoints" | "applications") && is_nameless(value, key) => {
                let message = "is missing; without it or an id the entry cannot be found again";
                report.refuse(format!("{path}.{key}"), message);
            }
            _ => {}
        }
        let id = pinned
            .or_else(|| present.cloned())
            .unwrap_or_else(|| Id::new(now, rand::random()));
        let same_key = named.and_then(|named| keys.insert(named, path.clone()));
        let same_id = ids.insert(id.clone(), path.clone());
        match (same_key, same_id) {
            (Some(other), _) => {
                report.refuse(format!("{path}.{key}"), format!("is the {key} of {other}, too"));
            }
            (None, Some(other)) => report.refuse(format!("{path}.id"), format!("is the id of {other}, too")),
            (None, None) => {}
        }
        entries.push(Entry {
            now: now + Duration::from_micros(index as u64),
            path,
            value,
            key: named,
            id,
        });
    }
    entries
}

fn is_nameless(value: &Value, key: &str) -> bool {
    value.is_object() && value.get(key).is_none() && value.get("id").is_none()
}
