//! What a file would change, said so that nobody reads a secret in it.

use crate::check::Made;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use store::{Actor, AuditEntry};
use wire::WorkspaceId;

/// What a file did, or would do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The workspace's slug.
    pub workspace: String,
    /// The workspace's id.
    pub workspace_id: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Everything that differs, in the order of the doing.
    pub changes: Vec<Change>,
    /// The secrets that the file left out.
    pub generated: Vec<Generated>,
    /// How many things are as the file says already.
    pub unchanged: usize,
}

/// One thing that is made, changed or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happens to it.
    pub action: Action,
    /// `endpoint`, `source`, …
    pub kind: String,
    /// Its slug or name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What differs; empty unless it is changed.
    pub fields: Vec<FieldChange>,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It is there and becomes another.
    Update,
    /// It is there and goes.
    Delete,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its name in the file.
    pub field: String,
    /// What it is; secrets and the values of headers are `(secret)`.
    pub before: Value,
    /// What it becomes.
    pub after: Value,
}

/// What stands where nobody may read a value.
const SECRET: &str = "(secret)";

/// A secret that was made because the file left it out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Generated {
    /// `endpoint`, `source`, …
    pub kind: String,
    /// The slug or name of the thing it belongs to.
    pub name: String,
    /// Which field it is, such as `verify.secrets`.
    pub field: String,
    /// The secret, shown this once; none where nothing was done.
    #[serde(serialize_with = "shown")]
    pub value: Option<SecretString>,
}

#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
fn shown<S: Serializer>(value: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    value
        .as_ref()
        .map(ExposeSecret::expose_secret)
        .serialize(serializer)
}

impl Change {
    /// What the audit says of it: which fields differ, and nothing of what is in them.
    pub(super) fn entry(&self, workspace: &WorkspaceId, actor: &Actor) -> AuditEntry {
        let verb = match self.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        };
        let entry = AuditEntry::new(workspace, actor, &format!("{}.{verb}", self.kind), &self.id)
            .named(&self.name)
            .with("apply", true);
        if self.fields.is_empty() {
            return entry;
        }
        let fields: Vec<_> = self.fields.iter().map(|change| change.field.as_str()).collect();
        entry.with("fields", fields)
    }
}

/// `~ endpoint billing: timeout 15s → 20s`
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        };
        write!(formatter, "{sign} {} {}", self.kind, self.name)?;
        for (index, change) in self.fields.iter().enumerate() {
            let between = if index == 0 { ":" } else { "," };
            let (before, after) = (plain(&change.before), plain(&change.after));
            write!(formatter, "{between} {} {before} → {after}", change.field)?;
        }
        Ok(())
    }
}

/// Texts without quotation marks, everything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A configured thing, as far as it is compared.
#[derive(Debug)]
pub(super) struct Thing {
    kind: &'static str,
    pub(super) id: String,
    name: String,
    /// What may be shown of it.
    settings: Map<String, Value>,
    /// What may only be compared, as hashes.
    secrets: Vec<(&'static str, Vec<[u8; 32]>)>,
}

impl Thing {
    pub(super) fn new(kind: &'static str, id: &impl ToString, name: &str, view: impl Serialize) -> Self {
        let settings = serde_json::to_value(view);
        let mut settings = match settings.expect("a view has string keys and finite numbers, which serialise")
        {
            Value::Object(settings) => settings,
            other => unreachable!("a view is an object, not {other}"),
        };
        // Of no interest, not in the file, or a secret.
        for field in ["id", "createdAt", "updatedAt", "isActive", "token"] {
            settings.remove(field);
        }
        for field in ["verify", "app"] {
            if let Some(Value::Object(inner)) = settings.get_mut(field) {
                inner.remove("secrets");
            }
        }
        Self {
            kind,
            id: id.to_string(),
            name: name.to_owned(),
            settings: in_words_of_the_file(settings),
            secrets: Vec::new(),
        }
    }

    /// What of it may only be compared.
    pub(super) fn secret(mut self, field: &'static str, hashes: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.secrets.push((field, hashes.into_iter().collect()));
        self
    }

    /// What of it is not compared.
    pub(super) fn without<const N: usize>(mut self, fields: [&str; N]) -> Self {
        for field in fields {
            self.settings.remove(field);
        }
        self
    }

    /// That this is done to it.
    pub(super) fn change(self, action: Action, fields: Vec<FieldChange>) -> Change {
        Change {
            action,
            kind: self.kind.to_owned(),
            name: self.name,
            id: self.id,
            fields,
        }
    }

    /// A secret that was made for it.
    pub(super) fn generated(&self, made: Made) -> Generated {
        Generated {
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            field: made.field.to_owned(),
            value: Some(made.value),
        }
    }

    /// How it differs from what it was; empty when it does not.
    pub(super) fn differing(&self, before: &Self) -> Vec<FieldChange> {
        let mut fields = Vec::new();
        compare("", &before.settings, &self.settings, &mut fields);
        let pairs = before.secrets.iter().zip(&self.secrets);
        let secrets =
            pairs
                .filter(|((_, before), (_, after))| before != after)
                .map(|((field, before), (_, after))| FieldChange {
                    field: (*field).to_owned(),
                    before: redacted(before),
                    after: redacted(after),
                });
        fields.extend(secrets);
        fields
    }
}

fn redacted(hashes: &[[u8; 32]]) -> Value {
    if hashes.is_empty() {
        Value::Null
    } else {
        SECRET.into()
    }
}

/// What is told of a value. Any header may hold a credential, whatever its name.
fn told(path: &str, value: Value) -> Value {
    if path.starts_with("headers.") && !value.is_null() {
        SECRET.into()
    } else {
        value
    }
}

/// Notes what differs, down to the innermost objects that both have.
fn compare(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    fields: &mut Vec<FieldChange>,
) {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
        match (of(before), of(after)) {
            (Value::Object(before), Value::Object(after)) => compare(&path, &before, &after, fields),
            (before, after) if before != after => fields.push(FieldChange {
                before: told(&path, before),
                after: told(&path, after),
                field: path,
            }),
            _ => {}
        }
    }
}

/// The fields whose objects have names of their own.
const DATA: [&str; 7] = [
    "headers",
    "scheme",
    "inputs",
    "schema",
    "inputSchema",
    "metadata",
    "config",
];

/// Names the fields as the file does; what is data in a view stays as it is.
fn in_words_of_the_file(settings: Map<String, Value>) -> Map<String, Value> {
    let renamed = settings.into_iter().map(|(name, value)| match value {
        Value::Object(inner) if !DATA.contains(&name.as_str()) => {
            (snake(&name), Value::Object(in_words_of_the_file(inner)))
        }
        other => (snake(&name), other),
    });
    renamed.collect()
}

fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut written, letter| {
        if letter.is_ascii_uppercase() {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
        written
    })
}
