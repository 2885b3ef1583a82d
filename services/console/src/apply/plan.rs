//! What a file would change, in an order in which it can be done.

use super::difference::{Action, Applied, Change, Generated, Thing};
use super::kinds::{
    API_KEY, APPLICATION, CONTACT, ENDPOINT, ENVIRONMENT, EVENT_TYPE, Kind, PLAYBOOK, PROJECT, ROUTE, SOURCE,
    TEMPLATE, TOKEN, WORKSPACE,
};
use super::wanted::{Reading, Wanted};
use crate::Error;
use crate::cancel;
use crate::check::{Built, Directory};
use broker::Conveyor;
use std::collections::{BTreeSet, HashMap, HashSet};
use store::{Actor, AuditEntry, Contact, Edit, Endpoint, RunsOf, Store, Workspace};
use wire::resource::Ending;
use wire::{ApplicationId, AuditId, Instant, SourceId};

/// What a file would change. Executing it is one transaction.
#[derive(Debug)]
pub struct Plan {
    workspace: Workspace,
    edits: Vec<Edit>,
    changes: Vec<Change>,
    generated: Vec<Generated>,
    unchanged: usize,
}

impl Plan {
    pub(super) fn of(reading: Reading<'_>, wanted: Wanted) -> Self {
        let (workspace, current) = (reading.workspace.clone(), reading.current);
        let Wanted {
            mut environments,
            urls: _,
            tokens,
            api_keys,
            projects,
            templates,
            event_types,
            applications,
            endpoints,
            sources,
            playbooks,
            playbook_paths: _,
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
        merge.section("event_types", &EVENT_TYPE, &current.event_types, event_types);
        merge.section("applications", &APPLICATION, &current.applications, applications);
        let newcomers = merge.newcomers(&endpoints);
        merge.section("endpoints", &ENDPOINT, &current.endpoints, endpoints);
        merge
            .plan
            .edits
            .extend(newcomers.into_iter().map(Edit::CheckLimit));
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
        let before: HashMap<String, (Thing, Option<Instant>)> = current
            .iter()
            .map(|row| ((kind.thing)(row, directory), (kind.changed_at)(row)))
            .map(|(thing, changed_at)| (thing.id.clone(), (thing, changed_at)))
            .collect();
        for Built { row, made } in wanted {
            let thing = (kind.thing)(&row, directory);
            self.generated
                .extend(made.into_iter().map(|made| thing.generated(made)));
            let mut since = None;
            let change = match before.get(&thing.id) {
                None => thing.change(Action::Create, Vec::new()),
                Some((before, changed_at)) => {
                    since = *changed_at;
                    let fields = thing.differing(before);
                    if fields.is_empty() {
                        self.unchanged += 1;
                        continue;
                    }
                    thing.change(Action::Update, fields)
                }
            };
            self.changes.push(change);
            self.edits.push((kind.save)(row).over(since));
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

    /// Does it as `actor`, all or nothing, and tells every process.
    ///
    /// Fails with [`Error::Taken`] when an id or a token is another workspace's, and with [`Error::Changed`] when somebody
    /// else changed the same things since; nothing is done then.
    pub async fn execute(
        mut self,
        actor: &Actor,
        store: &Store,
        conveyor: &Conveyor,
    ) -> Result<Applied, Error> {
        let edits = std::mem::take(&mut self.edits);
        let ended: Vec<RunsOf> = edits.iter().filter_map(ended_by).collect();
        if !edits.is_empty() {
            let now = Instant::now();
            store.on_record(self.entries(actor, now)).edit(edits, now).await?;
            crate::announce(conveyor, &self.workspace.id).await;
        }
        for of in &ended {
            if let Err(error) = cancel::runs(store, conveyor, of).await {
                // The file is applied by now, so this is no reason to say that it is not.
                tracing::warn!(
                    workspace.id = %self.workspace.id,
                    error.chain = &error as &dyn std::error::Error,
                    "not all runs are told to end that end with what was removed or switched off"
                );
            }
        }
        Ok(self.applied(false))
    }

    /// One entry of the audit a change, in their order.
    fn entries(&self, actor: &Actor, now: Instant) -> Vec<AuditEntry> {
        let entry = |(number, change): (usize, &Change)| AuditEntry {
            id: AuditId::numbered(now, number, rand::random()),
            ..change.entry(&self.workspace.id, actor)
        };
        self.changes.iter().enumerate().map(entry).collect()
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

/// Whose runs end with an edit.
fn ended_by(edit: &Edit) -> Option<RunsOf> {
    match edit {
        Edit::Over { edit, .. } => ended_by(edit),
        Edit::RemovePlaybook(id) => Some(RunsOf::Playbook(id.clone())),
        Edit::Playbook(row) if row.spec.runs == Ending::Cancel => Some(RunsOf::Playbook(row.id.clone())),
        Edit::Workspace(row) if row.spec.runs == Ending::Cancel => Some(RunsOf::Workspace(row.id.clone())),
        _ => None,
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
            let is_kept =
                |row: &Row| named.contains(&id(row)) || (kind.is_customers)(row, self.reading.current);
            for row in current.iter().filter(|row| !is_kept(row)) {
                self.plan.remove(kind, row, self.directory);
            }
        }
        self.plan.save(kind, current, wanted, self.directory);
    }

    /// The applications that get endpoints which were not theirs, and may not have room for them.
    fn newcomers(&self, wanted: &[Built<Endpoint>]) -> BTreeSet<ApplicationId> {
        let before = &self.reading.current.endpoints;
        let was_theirs = |row: &Endpoint| {
            let known = before.iter().find(|known| known.id == row.id);
            known.is_some_and(|known| known.application_id == row.application_id)
        };
        let rows = wanted.iter().map(|built| &built.row);
        rows.filter(|row| !was_theirs(row))
            .filter_map(|row| row.application_id.clone())
            .collect()
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
                let after = Contact {
                    addresses: kept,
                    ..before.clone()
                };
                let edit = Edit::Contact(after).over(Some(before.updated_at));
                self.plan.edits.push(edit);
            }
        }
    }
}
