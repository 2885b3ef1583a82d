//! Playbooks: named workflow documents, the doors they open, and what their runs are given.
//!
//! Door 2 is open once there is a secret for it, door 6 while there is a `hook`. A secret that a document leaves out
//! stays as it is; null takes it away.

use super::workspace::{read_ending, read_id};
use super::{Around, Built, Fields, Made, Said, kind, value};
use crate::secret;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use store::Playbook;
use wire::resource::{Ending, HookSpec, PlaybookSpec, RunTarget};
use wire::{Instant, PlaybookId, WorkspaceId};

/// What every token in door 6's path begins with.
pub(crate) const HOOK_PREFIX: &str = "hook_";
/// The longest document that is looked at. What the language allows is less, and its engine says so.
const LONGEST_DEFINITION: usize = 1 << 20;
/// The most runs at the same time that can be asked for.
const MOST_RUNS: u64 = 10_000;
/// All the secrets of a playbook together, in bytes.
const LARGEST_SECRETS: usize = 64 << 10;

/// A playbook as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<PlaybookId>,
    pub(crate) number: Option<i32>,
    secret: Said<SecretString>,
    hook_token: Option<SecretString>,
    secrets: Said<SecretString>,
    spec: PlaybookSpec,
}

/// Reads a playbook; over `base`, what the document leaves out stays as it is.
pub(crate) fn read(fields: &mut Fields<'_>, around: Around<'_>, base: Option<&Playbook>) -> Draft {
    let id = read_id(fields, base.map(|base| &base.id));
    let number = fields.optional("number", value::integer(1..=i32::MAX.unsigned_abs().into()));
    let mut spec = match base {
        Some(base) => {
            let mut spec = base.spec.clone();
            fields.set("slug", &mut spec.slug, slug);
            fields.set("definition", &mut spec.definition, definition);
            spec
        }
        None => empty(
            fields.required("slug", slug).unwrap_or_default(),
            fields.required("definition", definition).unwrap_or_default(),
        ),
    };
    fields.set("enabled", &mut spec.enabled, value::boolean);
    read_ending(fields, &mut spec.runs, spec.enabled, "the playbook is enabled");
    let secret = Said::read(fields, "secret", value::header_secret);
    let mut hook_token = None;
    let was_enabled = spec.hook.as_ref().is_none_or(|hook| hook.enabled);
    fields.set_object("hook", &mut spec.hook, |hook| {
        hook_token = hook.optional("token", value::token(HOOK_PREFIX));
        let mut enabled = was_enabled;
        hook.set("enabled", &mut enabled, value::boolean);
        Some(HookSpec { enabled })
    });
    read_target(fields, around, &mut spec.target);
    fields.set_optional("concurrency", &mut spec.concurrency, |value| {
        value::integer(1..=MOST_RUNS)(value).map(|most| u32::try_from(most).unwrap_or(u32::MAX))
    });
    fields.set_program("concurrency_key", &mut spec.concurrency_key);
    // A `concurrency` that is refused was meant to be there.
    let is_emptied = fields.get("concurrency").is_none_or(Value::is_null);
    if spec.concurrency_key.is_some() && spec.concurrency.is_none() && is_emptied {
        fields.refuse(
            "concurrency_key",
            "says what `concurrency` counts, and there is none; set it, or leave this out",
        );
    }
    let secrets = Said::read(fields, "secrets", secrets);
    Draft {
        id,
        number: number.and_then(|number| i32::try_from(number).ok()),
        secret,
        hook_token,
        secrets,
        spec,
    }
}

/// `…/playbooks/validate` is an address of its own.
fn slug(value: &Value) -> Result<String, value::Refused> {
    let slug = value::slug(value)?;
    if slug == "validate" {
        return Err(value::Refused::new(
            "`validate` is a word of the management API; choose another",
        ));
    }
    Ok(slug)
}

fn empty(slug: String, definition: String) -> PlaybookSpec {
    PlaybookSpec {
        slug,
        number: None,
        enabled: true,
        definition,
        hook: None,
        target: RunTarget::default(),
        concurrency: None,
        runs: Ending::default(),
        concurrency_key: None,
        input_schema: None,
        secret_names: Vec::new(),
    }
}

fn read_target(fields: &mut Fields<'_>, around: Around<'_>, slot: &mut RunTarget) {
    if fields.get("target").is_some_and(Value::is_null) {
        *slot = RunTarget::default();
    }
    fields.object("target", |target| {
        target.set_optional("project", &mut slot.project, |value| {
            around.directory.project(value)
        });
        target.set_optional("template", &mut slot.template, |value| {
            around.directory.template(value)
        });
    });
}

/// The document's text; one that is written in place is kept as JSON.
pub(crate) fn definition(value: &Value) -> Result<String, value::Refused> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => value.to_string(),
        other => {
            return Err(value::Refused(format!(
                "must be a document or its text, not {}",
                kind(other)
            )));
        }
    };
    if text.trim().is_empty() || text.len() > LONGEST_DEFINITION || text.contains('\0') {
        return Err(value::Refused(format!(
            "must be a document of 1 to {LONGEST_DEFINITION} bytes without U+0000"
        )));
    }
    Ok(text)
}

/// What calls may use as `$secrets`, as the text of a JSON object. One without anything in it is none.
fn secrets(value: &Value) -> Result<SecretString, value::Refused> {
    let Value::Object(object) = value else {
        let kind = kind(value);
        return Err(value::Refused(format!(
            "must be an object of texts and of objects of texts, not {kind}"
        )));
    };
    only_texts(object, "")?;
    let text = value.to_string();
    if text.len() > LARGEST_SECRETS {
        return Err(value::Refused(format!(
            "must be at most {LARGEST_SECRETS} bytes as JSON"
        )));
    }
    Ok(SecretString::from(text))
}

fn only_texts(object: &Map<String, Value>, path: &str) -> Result<(), value::Refused> {
    for (name, value) in object {
        let path = format!("{path}/{name}");
        match value {
            Value::String(_) => {}
            Value::Object(inner) => only_texts(inner, &path)?,
            other => {
                let kind = kind(other);
                return Err(value::Refused(format!(
                    "must hold texts and objects of texts, and `{path}` is {kind}"
                )));
            }
        }
    }
    Ok(())
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one. Its definition is not checked yet.
    pub(crate) fn build(
        self,
        id: PlaybookId,
        workspace_id: &WorkspaceId,
        number: i32,
        existing: Option<&Playbook>,
        now: Instant,
    ) -> Built<Playbook> {
        let mut made = Vec::new();
        let hashed = |secret: SecretString| secret::hash(secret.expose_secret());
        let hook_hash = self.spec.hook.is_some().then(|| {
            let given = self.hook_token.map(hashed);
            given
                .or_else(|| existing.and_then(|existing| existing.hook_hash))
                .unwrap_or_else(|| {
                    let value = secret::generate_token(HOOK_PREFIX);
                    made.push(Made {
                        field: "hook.token",
                        value: value.clone(),
                    });
                    hashed(value)
                })
        });
        let secrets = self
            .secrets
            .over(existing.and_then(|existing| existing.secrets.clone()));
        let row = Playbook {
            id,
            workspace_id: workspace_id.clone(),
            number,
            spec: self.spec,
            secret_hash: self
                .secret
                .map(hashed)
                .over(existing.and_then(|existing| existing.secret_hash)),
            hook_hash,
            secrets: secrets.filter(|secrets| secrets.expose_secret() != "{}"),
            version: existing.map_or(1, |existing| existing.version),
            operations: None,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        };
        Built { row, made }
    }
}
