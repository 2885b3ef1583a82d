//! What the runs of playbooks are targeted at.

use serde::Serialize;
use serde_json::{Map, Value};
use store::{Project, Template};
use wire::{Instant, ProjectId, TemplateId};

/// A project.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectView {
    id: ProjectId,
    slug: String,
    name: Option<String>,
    enabled: bool,
    created_at: Instant,
    updated_at: Instant,
}

impl ProjectView {
    pub(crate) fn of(row: &Project) -> Self {
        Self {
            id: row.id.clone(),
            slug: row.slug.clone(),
            name: row.spec.name.clone(),
            enabled: row.spec.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A template.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TemplateView {
    id: TemplateId,
    slug: String,
    name: Option<String>,
    inputs: Map<String, Value>,
    created_at: Instant,
    updated_at: Instant,
}

impl TemplateView {
    pub(crate) fn of(row: &Template) -> Self {
        Self {
            id: row.id.clone(),
            slug: row.slug.clone(),
            name: row.spec.name.clone(),
            inputs: row.spec.inputs.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
