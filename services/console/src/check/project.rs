//! Projects and templates: what the runs of playbooks are targeted at.

use super::workspace::read_id;
use super::{Fields, value};
use store::{Project, Template};
use wire::resource::{ProjectSpec, TemplateSpec};
use wire::{Instant, ProjectId, TemplateId, WorkspaceId};

/// A project or a template as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft<Id, Spec> {
    pub(crate) id: Option<Id>,
    slug: String,
    spec: Spec,
}

/// Reads a project; over `base`, what the document leaves out stays as it is.
pub(crate) fn read(fields: &mut Fields<'_>, base: Option<&Project>) -> Option<Draft<ProjectId, ProjectSpec>> {
    let id = read_id(fields, base.map(|base| &base.id));
    let slug = read_slug(fields, base.map(|base| base.slug.as_str()));
    let mut spec = base.map_or(
        ProjectSpec {
            name: None,
            enabled: true,
        },
        |base| base.spec.clone(),
    );
    fields.set_optional("name", &mut spec.name, value::name);
    fields.set("enabled", &mut spec.enabled, value::boolean);
    let slug = slug?;
    Some(Draft { id, slug, spec })
}

/// Reads a template; over `base`, what the document leaves out stays as it is.
pub(crate) fn read_template(
    fields: &mut Fields<'_>,
    base: Option<&Template>,
) -> Option<Draft<TemplateId, TemplateSpec>> {
    let id = read_id(fields, base.map(|base| &base.id));
    let slug = read_slug(fields, base.map(|base| base.slug.as_str()));
    let mut spec = base.map_or_else(TemplateSpec::default, |base| base.spec.clone());
    fields.set_optional("name", &mut spec.name, value::name);
    fields.set("inputs", &mut spec.inputs, value::object);
    let slug = slug?;
    Some(Draft { id, slug, spec })
}

fn read_slug(fields: &mut Fields<'_>, base: Option<&str>) -> Option<String> {
    let Some(base) = base else {
        return fields.required("slug", value::slug);
    };
    let mut slug = base.to_owned();
    fields.set("slug", &mut slug, value::slug);
    Some(slug)
}

impl Draft<ProjectId, ProjectSpec> {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: ProjectId,
        workspace_id: &WorkspaceId,
        existing: Option<&Project>,
        now: Instant,
    ) -> Project {
        Project {
            id,
            workspace_id: workspace_id.clone(),
            slug: self.slug,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}

impl Draft<TemplateId, TemplateSpec> {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: TemplateId,
        workspace_id: &WorkspaceId,
        existing: Option<&Template>,
        now: Instant,
    ) -> Template {
        Template {
            id,
            workspace_id: workspace_id.clone(),
            slug: self.slug,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
