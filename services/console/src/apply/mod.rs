//! Configuration as code: one file is one workspace.
//!
//! A file is parsed, filled in, read with the checks of the management API, and compared with what the ledger has. What
//! comes out is a [`Plan`], which can be shown or executed; or all problems there are, and nothing is done. Applying a
//! file twice changes nothing: entries are found again by `id`, else by slug or name, and secrets are compared.
//!
//! What the file leaves out of an entry takes its default, but for secrets: those that are there stay, and missing ones
//! are made and shown once. What the file does not name at all stays, unless it is pruned.

mod current;
mod definitions;
mod difference;
mod entries;
mod fill;
mod kinds;
mod plan;
mod wanted;

pub use definitions::locate;
pub use difference::{Action, Applied, Change, FieldChange, Generated};
pub use fill::Outside;
pub use plan::Plan;

use crate::check::{Checks, Report, Style, addresses, workspace};
use crate::{Error, Problem, yaml};
use current::Current;
use serde_json::Value;
use store::{Store, Workspace};
use wanted::Reading;
use wire::{Instant, WorkspaceId};

/// The sections that a file may have beside `workspace`.
const SECTIONS: [&str; 12] = [
    "environments",
    "management_tokens",
    "api_keys",
    "event_types",
    "applications",
    "projects",
    "templates",
    "endpoints",
    "sources",
    "playbooks",
    "routes",
    "contacts",
];
/// Which workspace a file may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Any; one that is not there is made. For whoever has the ledger in hand.
    Any,
    /// This one.
    Workspace(WorkspaceId),
    /// One that is not there yet, of this slug or id.
    New(String),
}

/// How a file is applied.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// Which workspace it may be about.
    pub scope: Scope,
    /// What it is filled in with.
    pub outside: Outside<'a>,
    /// Whether what it does not name is removed.
    pub prune: bool,
}

/// Reads a file against the ledger and says what it would change.
///
/// Fails with [`Error::Invalid`] and every problem there is.
pub async fn plan(store: &Store, checks: &Checks, file: &str, inputs: Inputs<'_>) -> Result<Plan, Error> {
    let (document, unfilled) = filled(file, inputs.outside).await?;
    let mut report = Report::new(Style::Snake);
    let draft = read_top(&mut report, &document);
    let found = find(store, &mut report, draft.as_ref(), &inputs.scope).await?;
    let current = Current::read(store, found).await?;
    let now = Instant::now();
    let workspace = made_of(draft, current.workspace.as_ref(), now);
    let reading = Reading {
        document: &document,
        workspace: &workspace,
        current: &current,
        policy: checks.policy(),
        prune: inputs.prune,
        now,
    };
    let mut wanted = reading.all(&mut report);
    definitions::check(checks, &mut report, &current, &mut wanted, file).await?;
    let new = std::mem::take(&mut wanted.urls);
    addresses::check_all(checks, &mut report, new).await;
    settle(checks, report, unfilled).await?;
    Ok(Plan::of(reading, wanted))
}

/// The same file with everything in it that stands outside, for sending it to a server; and what is missing there, so that it
/// can only be checked. It is JSON, which is YAML too.
///
/// Fails with [`Error::Invalid`] when the file cannot be parsed; its meaning is the server's to check.
pub async fn inline(file: &str, outside: Outside<'_>) -> Result<(String, Vec<Problem>), Error> {
    let (mut document, unfilled) = filled(file, outside).await?;
    fill::seal(&mut document);
    Ok((document.to_string(), unfilled))
}

/// All that is wrong with a file: what could not be filled in, and what is wrong with the rest.
pub fn together(unfilled: Vec<Problem>, mut problems: Vec<Problem>) -> Vec<Problem> {
    let follows = |path: &str| {
        unfilled
            .iter()
            .any(|cause| cause.path == path || cause.path.strip_suffix(".file") == Some(path))
    };
    problems.retain(|problem| !follows(&problem.path));
    problems.splice(0..0, unfilled);
    problems
}

async fn filled(file: &str, outside: Outside<'_>) -> Result<(Value, Vec<Problem>), Error> {
    let mut document = yaml::parse(file).map_err(|mistake| Error::Invalid(vec![mistake.into()]))?;
    let unfilled = fill::fill(&mut document, outside).await;
    Ok((document, unfilled))
}

fn read_top(report: &mut Report, document: &Value) -> Option<workspace::Draft> {
    let read = report.object("", document, |fields| {
        for section in SECTIONS {
            // A key without a value is a section without entries.
            if fields
                .get(section)
                .is_some_and(|list| !list.is_array() && !list.is_null())
            {
                fields.refuse(section, "must be a list");
            }
        }
        if !fields.has("workspace") {
            fields.refuse("workspace", "is missing; write {slug: …}");
        }
        fields.object("workspace", workspace::read).flatten()
    });
    read.flatten()
}

/// The workspace that the file is about, if it is there and the scope allows it.
///
/// A file outside its scope is refused before anything is compared: the comparison would tell about another workspace.
async fn find(
    store: &Store,
    report: &mut Report,
    draft: Option<&workspace::Draft>,
    scope: &Scope,
) -> Result<Option<Workspace>, Error> {
    let Some(draft) = draft else { return Ok(None) };
    let by_slug = store.workspace(&draft.slug).await?;
    let by_id = match &draft.id {
        Some(id) => store.workspace(id.as_str()).await?,
        None => None,
    };
    let found = by_id.as_ref().or(by_slug.as_ref());
    let is_allowed = match scope {
        Scope::Any => true,
        Scope::Workspace(id) => found.is_some_and(|workspace| workspace.id == *id),
        Scope::New(name) => {
            let id = draft.id.as_ref().map(WorkspaceId::as_str);
            found.is_none() && (draft.slug == *name || id == Some(name.as_str()))
        }
    };
    if !is_allowed {
        let message = "is not the workspace that the request is about";
        return Err(Error::Invalid(vec![Problem::new("workspace.slug", message)]));
    }
    match (&draft.id, &by_slug) {
        (Some(id), Some(other)) if other.id != *id && *scope == Scope::Any => {
            let message = format!(
                "is not the id of this slug, which is {}; an id cannot be changed",
                other.id
            );
            report.refuse("workspace.id", message);
        }
        (Some(id), Some(other)) if other.id != *id => {
            report.refuse("workspace.id", "is not this workspace's");
        }
        _ => {}
    }
    Ok(by_id.or(by_slug))
}

fn made_of(draft: Option<workspace::Draft>, current: Option<&Workspace>, now: Instant) -> Workspace {
    let id = current.map(|workspace| workspace.id.clone());
    // Only for reading on: without a workspace nothing is executed.
    let draft = draft.unwrap_or_default();
    Workspace {
        id: id.or(draft.id).unwrap_or_else(WorkspaceId::generate),
        name: draft.name.unwrap_or_else(|| draft.slug.clone()),
        slug: draft.slug,
        accepting: draft.accepting,
        spec: draft.spec,
        created_at: current.map_or(now, |workspace| workspace.created_at),
        updated_at: now,
    }
}

/// Ends the report, with what could not be filled in first; whatever was wrong because of that is not said twice.
async fn settle(checks: &Checks, report: Report, unfilled: Vec<Problem>) -> Result<(), Error> {
    let problems = match checks.settle(report).await {
        Ok(()) => Vec::new(),
        Err(Error::Invalid(problems)) => problems,
        Err(other) => return Err(other),
    };
    let problems = together(unfilled, problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}
