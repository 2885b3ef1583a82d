//! Applications: a workspace's customers.

use super::{Fields, metadata, value};
use serde_json::Value;
use std::collections::BTreeMap;
use store::Application;
use wire::resource::ApplicationSpec;
use wire::{ApplicationId, Instant, WorkspaceId};

/// The longest external id, in characters.
const LONGEST_EXTERNAL_ID: usize = 255;

/// An application as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<ApplicationId>,
    external_id: Option<String>,
    spec: ApplicationSpec,
}

/// Reads an application; over `base`, what the document leaves out stays as it is.
pub(crate) fn read(fields: &mut Fields<'_>, base: Option<&Application>) -> Draft {
    let id = super::workspace::read_id(fields, base.map(|base| &base.id));
    let mut external_id = base.and_then(|base| base.external_id.clone());
    fields.set_optional("external_id", &mut external_id, read_external_id);
    let mut spec = match base {
        Some(base) => {
            let mut spec = base.spec.clone();
            fields.set("name", &mut spec.name, value::name);
            spec
        }
        None => ApplicationSpec {
            name: fields.required("name", value::name).unwrap_or_default(),
            metadata: BTreeMap::new(),
            max_endpoints: None,
            show_event_types: true,
        },
    };
    metadata::read(fields, &mut spec.metadata);
    fields.set_optional("max_endpoints", &mut spec.max_endpoints, |value| {
        let most = value::integer(0..=u64::from(u32::MAX))(value)?;
        Ok(u32::try_from(most)?)
    });
    fields.set("show_event_types", &mut spec.show_event_types, value::boolean);
    Draft {
        id,
        external_id,
        spec,
    }
}

/// The workspace's own name for its customer, whatever that is.
fn read_external_id(value: &Value) -> Result<String, value::Refused> {
    let id = value::any_text(value)?;
    if !(1..=LONGEST_EXTERNAL_ID).contains(&id.chars().count()) || id.chars().any(char::is_control) {
        return Err(value::Refused(format!(
            "must be 1 to {LONGEST_EXTERNAL_ID} characters without control characters"
        )));
    }
    Ok(id.to_owned())
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: ApplicationId,
        workspace_id: &WorkspaceId,
        existing: Option<&Application>,
        now: Instant,
    ) -> Application {
        Application {
            id,
            workspace_id: workspace_id.clone(),
            external_id: self.external_id,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
