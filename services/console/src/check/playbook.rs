//! Playbooks: named workflow documents. Their language is checked by its engine, which is not here yet.

use super::{Fields, kind, value};
use serde_json::Value;
use store::Playbook;
use wire::resource::PlaybookSpec;
use wire::{Instant, PlaybookId, WorkspaceId};

/// The longest document.
const LONGEST_DEFINITION: usize = 1 << 20;

/// A playbook as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) number: Option<i32>,
    spec: PlaybookSpec,
}

/// Reads a playbook.
pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Draft> {
    super::workspace::read_id::<PlaybookId>(fields, None);
    let slug = fields.required("slug", value::slug);
    let number = fields.optional("number", value::integer(1..=i32::MAX.unsigned_abs().into()));
    let mut enabled = true;
    fields.set("enabled", &mut enabled, value::boolean);
    let definition = fields.required("definition", definition);
    fields.later(&["secret", "hook", "target", "concurrency", "secrets"]);
    Some(Draft {
        number: number.and_then(|number| i32::try_from(number).ok()),
        spec: PlaybookSpec {
            concurrency: None,
            hook: None,
            input_schema: None,
            target: wire::resource::RunTarget::default(),
            slug: slug?,
            number: None,
            enabled,
            definition: definition?,
        },
    })
}

/// The document's text; one that is written in place is kept as JSON.
fn definition(value: &Value) -> Result<String, value::Refused> {
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

impl Draft {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: PlaybookId,
        workspace_id: &WorkspaceId,
        number: i32,
        existing: Option<&Playbook>,
        now: Instant,
    ) -> Playbook {
        Playbook {
            hook_hash: None,
            secret_hash: None,
            secrets: None,
            id,
            workspace_id: workspace_id.clone(),
            number,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
