//! Playbooks and their versions.

use crate::check::{Directory, Made};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use store::{Playbook, PlaybookVersion};
use wire::resource::Ending;
use wire::{Instant, PlaybookId, ProjectId, TemplateId};

/// A playbook.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaybookView {
    id: PlaybookId,
    slug: String,
    number: i32,
    /// Which version new runs begin with: the one whose definition this is.
    version: i32,
    enabled: bool,
    /// What becomes of its runs while it is disabled.
    runs: Ending,
    definition: String,
    /// What the definition asks of its input.
    input_schema: Option<Value>,
    hook: Option<HookView>,
    target: RunTargetView,
    concurrency: Option<u32>,
    concurrency_key: Option<String>,
    /// Whether door 2 is open.
    has_secret: bool,
    /// Whether its calls have `$secrets`.
    has_secrets: bool,
    /// What deserves a look, and refuses nothing.
    warnings: Vec<Warning>,
    created_at: Instant,
    updated_at: Instant,
    /// Only in the answer that made it: what door 2 asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct HookView {
    enabled: bool,
    /// Only in the answer that made it: what stands in door 6's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// By their slugs.
#[derive(Debug, Clone, Serialize)]
struct RunTargetView {
    project: Option<String>,
    template: Option<String>,
}

impl PlaybookView {
    /// The playbook without its secrets.
    pub(crate) fn of(row: &Playbook, directory: &Directory) -> Self {
        let spec = row.spec.clone();
        let project = |id: &ProjectId| directory.projects.slug(id).unwrap_or(id.as_str()).to_owned();
        let template = |id: &TemplateId| directory.templates.slug(id).unwrap_or(id.as_str()).to_owned();
        Self {
            id: row.id.clone(),
            slug: spec.slug,
            number: row.number,
            version: row.version,
            warnings: warnings(row),
            enabled: spec.enabled,
            runs: spec.runs,
            definition: spec.definition,
            input_schema: spec.input_schema,
            hook: spec.hook.map(|hook| HookView {
                enabled: hook.enabled,
                token: None,
            }),
            target: RunTargetView {
                project: spec.target.project.as_ref().map(project),
                template: spec.target.template.as_ref().map(template),
            },
            concurrency: spec.concurrency,
            concurrency_key: spec.concurrency_key,
            has_secret: row.secret_hash.is_some(),
            has_secrets: row.secrets.is_some(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            secret: None,
        }
    }

    /// The playbook with what was made for it.
    pub(crate) fn with_made(row: &Playbook, made: &[Made], directory: &Directory) -> Self {
        let mut view = Self {
            secret: super::configured::value_of(made, "secret"),
            ..Self::of(row, directory)
        };
        if let Some(hook) = &mut view.hook {
            hook.token = super::configured::value_of(made, "hook.token");
        }
        view
    }
}

/// Something about a playbook that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Warning {
    /// A stable word.
    code: &'static str,
    /// For people.
    message: String,
}

/// Secrets that the definition names and the playbook does not have: calls with them will fail.
fn warnings(row: &Playbook) -> Vec<Warning> {
    let has: Value = row
        .secrets
        .as_ref()
        .and_then(|secrets| serde_json::from_str(secrets.expose_secret()).ok())
        .unwrap_or_default();
    let missing = row
        .spec
        .secret_names
        .iter()
        .filter(|name| has.get(name).is_none());
    missing
        .map(|name| Warning {
            code: "secret_not_set",
            message: format!("the definition uses the secret `{name}`, which the playbook does not have"),
        })
        .collect()
}

/// A definition that a playbook has or had.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionView {
    version: i32,
    /// Whether new runs begin with it.
    active: bool,
    /// Only of one version.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
    created_at: Instant,
}

impl VersionView {
    /// Without what it holds.
    pub(crate) fn new(version: i32, playbook: &Playbook, created_at: Instant) -> Self {
        Self {
            version,
            active: version == playbook.version,
            definition: None,
            created_at,
        }
    }

    pub(crate) fn of(row: PlaybookVersion, playbook: &Playbook) -> Self {
        Self {
            definition: Some(row.definition),
            ..Self::new(row.version, playbook, row.created_at)
        }
    }
}

/// A definition that could be saved.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedView {
    /// Always true: what is not valid is refused.
    valid: bool,
    /// `document.name`.
    name: String,
    /// `document.version`, the author's own.
    version: String,
    /// How many it has.
    tasks: usize,
    /// What it asks of its input.
    input_schema: Option<Value>,
    /// Those it may use.
    secrets: Vec<String>,
    /// The event types that it waits for; computed ones as `${ … }`.
    listens_to: Vec<String>,
}

impl CheckedView {
    pub(crate) fn of(outline: playbook::Outline) -> Self {
        Self {
            valid: true,
            name: outline.name,
            version: outline.version,
            tasks: outline.tasks,
            input_schema: outline.input_schema,
            secrets: outline.secrets,
            listens_to: outline.listens_to,
        }
    }
}
