//! What a file would change, said so that nobody reads a secret in it.

use crate::check::{Directory, Made};
use crate::secret;
use crate::show::{EndpointView, EnvironmentView, PlaybookView, RouteView, SourceView};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use store::{
    Edit, Endpoint, Environment, NewManagementToken, Playbook, Route, SigningSecret, Source, Workspace,
};

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
    /// What it is; secrets are `(secret)`.
    pub before: Value,
    /// What it becomes.
    pub after: Value,
}

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

/// How the rows of one kind are compared, saved and removed.
pub(super) struct Kind<Row> {
    pub(super) thing: fn(&Row, &Directory) -> Thing,
    pub(super) save: fn(Row) -> Edit,
    pub(super) remove: fn(&Row) -> Edit,
}

pub(super) const WORKSPACE: Kind<Workspace> = Kind {
    thing: Thing::workspace,
    save: Edit::Workspace,
    remove: |_| unreachable!("no file removes its own workspace"),
};
pub(super) const ENVIRONMENT: Kind<Environment> = Kind {
    thing: Thing::environment,
    save: Edit::Environment,
    remove: |row| Edit::RemoveEnvironment(row.id.clone()),
};
pub(super) const TOKEN: Kind<NewManagementToken> = Kind {
    thing: Thing::token,
    save: Edit::ManagementToken,
    remove: |row| Edit::RemoveManagementToken(row.id.clone()),
};
pub(super) const ENDPOINT: Kind<Endpoint> = Kind {
    thing: Thing::endpoint,
    save: Edit::Endpoint,
    remove: |row| Edit::RemoveEndpoint(row.id.clone()),
};
pub(super) const SOURCE: Kind<Source> = Kind {
    thing: Thing::source,
    save: Edit::Source,
    remove: |row| Edit::RemoveSource(row.id.clone()),
};
pub(super) const PLAYBOOK: Kind<Playbook> = Kind {
    thing: Thing::playbook,
    save: Edit::Playbook,
    remove: |row| Edit::RemovePlaybook(row.id.clone()),
};
pub(super) const ROUTE: Kind<Route> = Kind {
    thing: Thing::route,
    save: Edit::Route,
    remove: |row| Edit::RemoveRoute(row.id.clone()),
};

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
    fn new(kind: &'static str, id: &impl ToString, name: &str, view: impl Serialize) -> Self {
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
        if let Some(Value::Object(verify)) = settings.get_mut("verify") {
            verify.remove("secrets");
        }
        Self {
            kind,
            id: id.to_string(),
            name: name.to_owned(),
            settings: in_words_of_the_file(settings),
            secrets: Vec::new(),
        }
    }

    pub(super) fn workspace(row: &Workspace, _directory: &Directory) -> Self {
        let view = serde_json::json!({"slug": row.slug, "name": row.name, "accepting": row.accepting});
        Self::new("workspace", &row.id, &row.slug, view)
    }

    pub(super) fn environment(row: &Environment, _directory: &Directory) -> Self {
        let mut thing = Self::new("environment", &row.id, &row.slug, EnvironmentView::of(row));
        // The same as the slug.
        thing.settings.remove("name");
        thing
    }

    pub(super) fn token(row: &NewManagementToken, _directory: &Directory) -> Self {
        let view = serde_json::json!({"name": row.name});
        Self {
            secrets: vec![("token", vec![row.token_hash])],
            ..Self::new("management_token", &row.id, &row.name, view)
        }
    }

    pub(super) fn endpoint(row: &Endpoint, _directory: &Directory) -> Self {
        let name = row.spec.slug.as_deref().unwrap_or(row.id.as_str());
        let mut thing = Self::new("endpoint", &row.id, name, EndpointView::of(row));
        // It follows from the secret, and a preview's is not the one that will be made.
        thing.settings.remove("public_key");
        Self {
            secrets: vec![("secret", hashes(&row.secrets))],
            ..thing
        }
    }

    pub(super) fn source(row: &Source, _directory: &Directory) -> Self {
        Self {
            secrets: vec![
                ("token", vec![secret::hash(row.token.expose_secret())]),
                ("verify.secrets", hashes(&row.secrets)),
                (
                    "verify.verify_token",
                    row.verify_token
                        .iter()
                        .map(|token| secret::hash(token.expose_secret()))
                        .collect(),
                ),
                ("channel.secret", row.channel_secret_hash.into_iter().collect()),
            ],
            ..Self::new("source", &row.id, &row.spec.slug, SourceView::of(row))
        }
    }

    pub(super) fn playbook(row: &Playbook, _directory: &Directory) -> Self {
        Self::new("playbook", &row.id, &row.spec.slug, PlaybookView::of(row))
    }

    pub(super) fn route(row: &Route, directory: &Directory) -> Self {
        Self::new("route", &row.id, &row.spec.name, RouteView::of(row, directory))
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
        "(secret)".into()
    }
}

fn hashes(secrets: &[SigningSecret]) -> Vec<[u8; 32]> {
    secrets
        .iter()
        .map(|secret| secret::hash(secret.value.expose_secret()))
        .collect()
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
                field: path,
                before,
                after,
            }),
            _ => {}
        }
    }
}

/// Names the fields as the file does; what is data in a view stays as it is.
fn in_words_of_the_file(settings: Map<String, Value>) -> Map<String, Value> {
    let renamed = settings.into_iter().map(|(name, value)| match value {
        Value::Object(inner) if !matches!(name.as_str(), "headers" | "scheme") => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use wire::resource::{EndpointSpec, RateLimit};
    use wire::{EndpointId, EnvironmentId, Instant, WorkspaceId};

    fn endpoint(secret: &str) -> Endpoint {
        let now = Instant::from_unix_micros(0);
        Endpoint {
            application_id: None,
            credential: None,
            id: EndpointId::from_stored("ep_a"),
            workspace_id: WorkspaceId::from_stored("ws_a"),
            environment_id: EnvironmentId::from_stored("env_a"),
            spec: EndpointSpec::to("https://a.example/"),
            secrets: vec![secret::signing(SecretString::from(secret), now)],
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    fn changed(before: &Endpoint, after: &Endpoint) -> String {
        let directory = Directory::default();
        let (before, after) = (
            Thing::endpoint(before, &directory),
            Thing::endpoint(after, &directory),
        );
        assert!(before.differing(&before).is_empty());
        let fields = after.differing(&before);
        after.change(Action::Update, fields).to_string()
    }

    #[test]
    fn a_secret_that_differs_is_noticed_and_not_shown() {
        assert_eq!(
            changed(&endpoint("whsec_one"), &endpoint("whsec_two")),
            "~ endpoint ep_a: secret (secret) → (secret)"
        );
    }

    #[test]
    fn the_innermost_difference_is_shown_in_the_words_of_the_file() {
        let (mut before, mut after) = (endpoint("whsec_one"), endpoint("whsec_one"));
        let limit = |per_second| {
            Some(RateLimit {
                per_second,
                burst: None,
            })
        };
        (before.spec.rate_limit, after.spec.rate_limit) = (limit(5.0), limit(6.0));
        before.spec.headers.insert("X-Team".to_owned(), "pay".to_owned());
        assert_eq!(
            changed(&before, &after),
            "~ endpoint ep_a: headers.X-Team pay → null, rate_limit.per_second 5.0 → 6.0"
        );
    }
}
