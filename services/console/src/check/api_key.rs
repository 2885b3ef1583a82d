//! API keys: what authenticates senders at doors 3 and 7.

use super::workspace::{read_id, read_rate_limit};
use super::{Around, Built, Fields, Made, value};
use crate::secret;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use store::ApiKey;
use wire::resource::{ApiKeySpec, KeyScope};
use wire::{ApiKeyId, EnvironmentId, Instant, WorkspaceId};

/// What every key begins with.
pub(crate) const PREFIX: &str = "nhk_";

/// An API key as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<ApiKeyId>,
    name: String,
    pub(crate) token: Option<SecretString>,
    environment_id: Option<EnvironmentId>,
    spec: ApiKeySpec,
}

/// Reads an API key; over `base`, what the document leaves out stays as it is, and the key itself cannot be changed.
pub(crate) fn read(fields: &mut Fields<'_>, around: Around<'_>, base: Option<&ApiKey>) -> Option<Draft> {
    let id = read_id(fields, base.map(|base| &base.id));
    let (name, token, mut environment_id, mut spec) = match base {
        Some(base) => {
            let mut name = base.name.clone();
            fields.set("name", &mut name, value::name);
            (Some(name), None, base.environment_id.clone(), base.spec.clone())
        }
        None => (
            fields.required("name", value::name),
            fields.optional("token", value::token(PREFIX)),
            None,
            empty(),
        ),
    };
    for field in ["environment", "environment_id"] {
        fields.set_optional(field, &mut environment_id, |value| {
            around.directory.environment(value)
        });
    }
    fields.set("enabled", &mut spec.enabled, value::boolean);
    read_scopes(fields, &mut spec.scopes);
    read_rate_limit(fields, &mut spec.rate_limit);
    Some(Draft {
        id,
        name: name?,
        token,
        environment_id,
        spec,
    })
}

fn empty() -> ApiKeySpec {
    ApiKeySpec {
        enabled: true,
        scopes: KeyScope::all(),
        rate_limit: None,
        hint: String::new(),
    }
}

fn read_scopes(fields: &mut Fields<'_>, slot: &mut Vec<KeyScope>) {
    let before = fields.count();
    let Some(scopes) = fields.list("scopes", scope) else {
        return;
    };
    if scopes.is_empty() && fields.count() == before {
        fields.refuse(
            "scopes",
            "is empty, so the key could do nothing; leave it out for all",
        );
    }
    // In one order, each once: so two lists that mean the same are the same.
    *slot = KeyScope::all();
    slot.retain(|scope| scopes.contains(scope));
}

fn scope(value: &Value) -> Result<KeyScope, value::Refused> {
    let asked = value::any_text(value)?;
    let known = KeyScope::all();
    let found = known.iter().find(|scope| scope.as_str() == asked);
    found.copied().ok_or_else(|| {
        value::one_of(
            known.iter().map(|scope| scope.as_str()),
            asked,
            "scope of an API key",
        )
    })
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one with a key of its own.
    pub(crate) fn build(
        self,
        id: ApiKeyId,
        workspace_id: &WorkspaceId,
        existing: Option<&ApiKey>,
        now: Instant,
    ) -> Built<ApiKey> {
        let mut made = Vec::new();
        let (key_hash, hint) = match (self.token, existing) {
            (Some(given), _) => kept(&given),
            (None, Some(existing)) => (existing.key_hash, existing.spec.hint.clone()),
            (None, None) => {
                let value = secret::generate_token(PREFIX);
                let kept = kept(&value);
                made.push(Made {
                    field: "token",
                    value,
                });
                kept
            }
        };
        let row = ApiKey {
            id,
            workspace_id: workspace_id.clone(),
            environment_id: self.environment_id,
            name: self.name,
            key_hash,
            spec: ApiKeySpec { hint, ..self.spec },
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        };
        Built { row, made }
    }
}

/// What is kept of a key: its hash, and its last characters.
pub(crate) fn kept(key: &SecretString) -> ([u8; 32], String) {
    let key = key.expose_secret();
    (secret::hash(key), hint(key))
}

/// The last four characters, and fewer of a short key: never more than a quarter of what is secret in it.
fn hint(key: &str) -> String {
    let secret: Vec<char> = key.chars().skip(PREFIX.len()).collect();
    let shown = (secret.len() / 4).min(4);
    secret.iter().skip(secret.len() - shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_gives_little_of_a_key_away() {
        assert_eq!(hint("nhk_us_shop_test_key_0001"), "0001");
        assert_eq!(hint("nhk_abcdefgh"), "gh");
        assert_eq!(hint("nhk_abc"), "");
    }
}
