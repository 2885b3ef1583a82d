//! Configuration as code: one file is one workspace.
//!
//! A file is parsed, filled in, read with the checks of the management API, and compared with what the ledger has. What
//! comes out is a [`Plan`], which can be shown or executed; or all problems there are, and nothing is done. Applying a
//! file twice changes nothing: entries are found again by `id`, else by slug or name, and secrets are compared.
//!
//! What the file leaves out of an entry takes its default, but for secrets: those that are there stay, and missing ones
//! are made and shown once. What the file does not name at all stays, unless it is pruned.

mod current;
mod difference;
mod entries;
mod fill;
mod kinds;
mod wanted;

pub use difference::{Action, Applied, Change, FieldChange, Generated};
pub use fill::Outside;

use crate::check::{Built, Checks, Directory, Report, Style, workspace};
use crate::{Error, Problem, yaml};
use broker::Conveyor;
use current::Current;
use difference::Thing;
use kinds::{
    API_KEY, CONTACT, ENDPOINT, ENVIRONMENT, Kind, PLAYBOOK, PROJECT, ROUTE, SOURCE, TEMPLATE, TOKEN,
    WORKSPACE,
};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use store::{Contact, Edit, Store, Workspace};
use wanted::{Reading, Wanted};
use wire::{Instant, SourceId, WorkspaceId};

/// The sections that a file may have beside `workspace`.
const SECTIONS: [&str; 10] = [
    "environments",
    "management_tokens",
    "api_keys",
    "projects",
    "templates",
    "endpoints",
    "sources",
    "playbooks",
    "routes",
    "contacts",
];
/// The sections that the contract has and this release does not.
const LATER: [&str; 2] = ["event_types", "applications"];

/// Which workspace a file may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Any; one that is not there is made. For whoever has the ledger in hand.
    Any,
    /// This one.
    Workspace(WorkspaceId),
    /// One that is not there yet, of this slug.
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

/// What a file would change. Executing it is one transaction.
#[derive(Debug)]
pub struct Plan {
    workspace: Workspace,
    edits: Vec<Edit>,
    changes: Vec<Change>,
    generated: Vec<Generated>,
    unchanged: usize,
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
        policy: &checks.policy,
        prune: inputs.prune,
        now,
    };
    let wanted = reading.all(&mut report);
    settle(checks, report, unfilled).await?;
    Ok(Plan::of(reading, wanted))
}

/// The same file with everything in it that stands outside, for sending it to a server. It is JSON, which is YAML too.
///
/// Fails with [`Error::Invalid`] when something is missing or the file cannot be parsed; its meaning is the server's to
/// check.
pub async fn inline(file: &str, outside: Outside<'_>) -> Result<String, Error> {
    let (mut document, unfilled) = filled(file, outside).await?;
    if !unfilled.is_empty() {
        return Err(Error::Invalid(unfilled));
    }
    fill::seal(&mut document);
    Ok(document.to_string())
}

async fn filled(file: &str, outside: Outside<'_>) -> Result<(Value, Vec<Problem>), Error> {
    let mut document = yaml::parse(file).map_err(|mistake| Error::Invalid(vec![mistake.into()]))?;
    let unfilled = fill::fill(&mut document, outside).await;
    Ok((document, unfilled))
}

fn read_top(report: &mut Report, document: &Value) -> Option<workspace::Draft> {
    let read = report.object("", document, |fields| {
        fields.later(&LATER);
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
        Scope::New(slug) => found.is_none() && draft.slug == *slug,
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
    let mut problems = match checks.settle(report).await {
        Ok(()) => Vec::new(),
        Err(Error::Invalid(problems)) => problems,
        Err(other) => return Err(other),
    };
    let follows = |path: &str| {
        unfilled
            .iter()
            .any(|cause| cause.path.strip_suffix(".file").unwrap_or(&cause.path) == path)
    };
    problems.retain(|problem| !follows(&problem.path));
    problems.splice(0..0, unfilled);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}

impl Plan {
    fn of(reading: Reading<'_>, wanted: Wanted) -> Self {
        let (workspace, current) = (reading.workspace.clone(), reading.current);
        let Wanted {
            mut environments,
            tokens,
            api_keys,
            projects,
            templates,
            endpoints,
            sources,
            playbooks,
            routes,
            contacts,
            directory,
        } = wanted;
        let mut plan = Self {
            workspace: workspace.clone(),
            edits: Vec::new(),
            changes: Vec::new(),
            generated: Vec::new(),
            unchanged: 0,
        };
        let made = Vec::new();
        plan.save(
            &WORKSPACE,
            current.workspace.as_slice(),
            vec![Built { row: workspace, made }],
            &directory,
        );
        // The old default first, because two at once are refused.
        environments.sort_by_key(|built| built.row.is_default);
        let named: Vec<_> = environments.iter().map(|built| built.row.id.clone()).collect();
        plan.save(&ENVIRONMENT, &current.environments, environments, &directory);

        let mut merge = Merge {
            plan: &mut plan,
            reading,
            directory: &directory,
        };
        merge.section("projects", &PROJECT, &current.projects, projects);
        merge.section("templates", &TEMPLATE, &current.templates, templates);
        merge.section("endpoints", &ENDPOINT, &current.endpoints, endpoints);
        merge.section("sources", &SOURCE, &current.sources, sources);
        merge.section("playbooks", &PLAYBOOK, &current.playbooks, playbooks);
        merge.section("routes", &ROUTE, &current.routes, routes);
        merge.release_addresses(&contacts);
        merge.section("contacts", &CONTACT, &current.contacts, contacts);
        merge.section("api_keys", &API_KEY, &current.api_keys, api_keys);
        merge.section("management_tokens", &TOKEN, &current.tokens, tokens);

        // Last, when nothing is in them any more.
        for row in current.environments.iter().filter(|row| !named.contains(&row.id)) {
            plan.remove(&ENVIRONMENT, row, &directory);
        }
        plan
    }

    /// What is named: made, changed, or as it should be already.
    fn save<Row>(
        &mut self,
        kind: &Kind<Row>,
        current: &[Row],
        wanted: Vec<Built<Row>>,
        directory: &Directory,
    ) {
        let before: HashMap<String, Thing> = current
            .iter()
            .map(|row| (kind.thing)(row, directory))
            .map(|thing| (thing.id.clone(), thing))
            .collect();
        for Built { row, made } in wanted {
            let thing = (kind.thing)(&row, directory);
            self.generated
                .extend(made.into_iter().map(|made| thing.generated(made)));
            let change = match before.get(&thing.id) {
                None => thing.change(Action::Create, Vec::new()),
                Some(before) => {
                    let fields = thing.differing(before);
                    if fields.is_empty() {
                        self.unchanged += 1;
                        continue;
                    }
                    thing.change(Action::Update, fields)
                }
            };
            self.changes.push(change);
            self.edits.push((kind.save)(row));
        }
    }

    fn remove<Row>(&mut self, kind: &Kind<Row>, row: &Row, directory: &Directory) {
        self.changes
            .push((kind.thing)(row, directory).change(Action::Delete, Vec::new()));
        self.edits.push((kind.remove)(row));
    }

    /// The workspace as it will be.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Whether the ledger is as the file says already.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// What executing it would do. Secrets that would be made are named, but not made: they would be others.
    pub fn preview(self) -> Applied {
        let mut applied = self.applied(true);
        for generated in &mut applied.generated {
            generated.value = None;
        }
        applied
    }

    /// Does it, all or nothing, and tells every process.
    ///
    /// Fails with [`Error::Taken`] when an id or a token is another workspace's, or when somebody else changed the
    /// same things since; nothing is done then.
    pub async fn execute(mut self, store: &Store, conveyor: &Conveyor) -> Result<Applied, Error> {
        let edits = std::mem::take(&mut self.edits);
        if !edits.is_empty() {
            store.edit(edits, Instant::now()).await?;
            crate::announce(conveyor, &self.workspace.id).await;
        }
        Ok(self.applied(false))
    }

    fn applied(self, dry_run: bool) -> Applied {
        Applied {
            workspace: self.workspace.slug,
            workspace_id: self.workspace.id.to_string(),
            dry_run,
            changes: self.changes,
            generated: self.generated,
            unchanged: self.unchanged,
        }
    }
}

/// A plan on its way to be complete.
struct Merge<'a> {
    plan: &'a mut Plan,
    reading: Reading<'a>,
    directory: &'a Directory,
}

impl Merge<'_> {
    /// Removes what is not named, where that is asked for, and then saves what is: a slug may go from one to the other.
    fn section<Row>(&mut self, section: &str, kind: &Kind<Row>, current: &[Row], wanted: Vec<Built<Row>>) {
        if self.reading.prunes(section) {
            let id = |row: &Row| (kind.thing)(row, self.directory).id;
            let named: HashSet<String> = wanted.iter().map(|built| id(&built.row)).collect();
            for row in current.iter().filter(|row| !named.contains(&id(row))) {
                self.plan.remove(kind, row, self.directory);
            }
        }
        self.plan.save(kind, current, wanted, self.directory);
    }

    /// Takes addresses away from contacts that lose some, before others get them: two contacts may swap.
    fn release_addresses(&mut self, wanted: &[Built<Contact>]) {
        for before in &self.reading.current.contacts {
            let Some(after) = wanted.iter().find(|built| built.row.id == before.id) else {
                continue;
            };
            let is_kept = |address: &&(SourceId, String)| after.row.addresses.contains(address);
            let kept: Vec<_> = before.addresses.iter().filter(is_kept).cloned().collect();
            if kept.len() < before.addresses.len() {
                self.plan.edits.push(Edit::Contact(Contact {
                    addresses: kept,
                    ..before.clone()
                }));
            }
        }
    }
}
