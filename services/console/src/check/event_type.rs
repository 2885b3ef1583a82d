//! Event types: registered names of what happens.

use super::{Fields, schema, value};
use serde_json::Value;
use store::EventType;
use wire::resource::EventTypeSpec;
use wire::{EventTypeId, EventTypeName, Instant, WorkspaceId};

/// An event type as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<EventTypeId>,
    name: String,
    spec: EventTypeSpec,
}

/// Reads an event type; over `base`, what the document leaves out stays as it is. Its name never changes: events, routes
/// and subscriptions know it by its name.
pub(crate) fn read(fields: &mut Fields<'_>, base: Option<&EventType>) -> Option<Draft> {
    let id = super::workspace::read_id(fields, base.map(|base| &base.id));
    let read = |value: &Value| Ok(value::any_text(value)?.parse::<EventTypeName>()?);
    let name = match base {
        None => fields.required("name", read).map(|name| name.to_string()),
        Some(base) => {
            let given = fields.optional("name", read);
            if given.is_some_and(|given| given.as_str() != base.name) {
                fields.refuse("name", "cannot be changed");
            }
            Some(base.name.clone())
        }
    };
    let mut spec = base.map(|base| base.spec.clone()).unwrap_or_default();
    fields.set_optional("description", &mut spec.description, value::text);
    fields.set_optional("schema", &mut spec.schema, schema::schema);
    Some(Draft {
        id,
        name: name?,
        spec,
    })
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: EventTypeId,
        workspace_id: &WorkspaceId,
        existing: Option<&EventType>,
        now: Instant,
    ) -> EventType {
        EventType {
            id,
            workspace_id: workspace_id.clone(),
            name: self.name,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
