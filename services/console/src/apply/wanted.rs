//! What a file wants: its sections, read against what there is.
//!
//! First every entry is matched with what it means (by `id`, else by slug or name), so that entries can refer to each
//! other in any order; then each is read with the same checks as the management API's bodies.

mod environments;
mod registered;

use super::current::Current;
use super::entries::{Entry, entries};
use super::kinds::{APPLICATION, ENDPOINT, Kind, PLAYBOOK, PROJECT, SOURCE, TEMPLATE};
use crate::check::{Around, Built, Directory, Fields, Report, addresses, endpoint, playbooks, route, source};
use crate::secret;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use store::{
    ApiKey, Application, Contact, Endpoint, Environment, EventType, NewManagementToken, Playbook, Project,
    Route, Source, Template, Workspace,
};
use wire::{
    ApiKeyId, ApplicationId, ContactId, EndpointId, EventTypeId, Instant, ManagementTokenId, PlaybookId,
    ProjectId, RouteId, SourceId, TemplateId,
};

/// Everything that a file names, ready to be saved.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) environments: Vec<Built<Environment>>,
    pub(super) tokens: Vec<Built<NewManagementToken>>,
    pub(super) api_keys: Vec<Built<ApiKey>>,
    pub(super) projects: Vec<Built<Project>>,
    pub(super) templates: Vec<Built<Template>>,
    pub(super) event_types: Vec<Built<EventType>>,
    pub(super) applications: Vec<Built<Application>>,
    pub(super) endpoints: Vec<Built<Endpoint>>,
    pub(super) sources: Vec<Built<Source>>,
    /// The URLs of both that are new or changed, each with its path, such as `endpoints[0].url`.
    pub(super) urls: Vec<(String, String)>,
    pub(super) playbooks: Vec<Built<Playbook>>,
    /// Where each of them stands, such as `playbooks[0]`.
    pub(super) playbook_paths: Vec<String>,
    pub(super) routes: Vec<Built<Route>>,
    pub(super) contacts: Vec<Built<Contact>>,
    /// What everything is called once the file is applied.
    pub(super) directory: Directory,
}

/// What a file is read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) document: &'a Value,
    pub(super) workspace: &'a Workspace,
    pub(super) current: &'a Current,
    pub(super) policy: &'a egress::Policy,
    /// Whether what the file does not name goes.
    pub(super) prune: bool,
    pub(super) now: Instant,
}

/// The entries of every section, matched with what they mean.
struct Entries<'a> {
    tokens: Vec<Entry<'a, ManagementTokenId>>,
    api_keys: Vec<Entry<'a, ApiKeyId>>,
    projects: Vec<Entry<'a, ProjectId>>,
    templates: Vec<Entry<'a, TemplateId>>,
    event_types: Vec<Entry<'a, EventTypeId>>,
    applications: Vec<Entry<'a, ApplicationId>>,
    endpoints: Vec<Entry<'a, EndpointId>>,
    sources: Vec<Entry<'a, SourceId>>,
    playbooks: Vec<Entry<'a, PlaybookId>>,
    routes: Vec<Entry<'a, RouteId>>,
    contacts: Vec<Entry<'a, ContactId>>,
}

impl<'a> Reading<'a> {
    /// Reads all sections. Problems go into `report`; with any of them, what is returned is of no use.
    pub(super) fn all(self, report: &mut Report) -> Wanted {
        let entries = self.entries(report);
        let environments = self.environments(report);
        let directory = self.directory(&environments, &entries);
        let mut urls = Vec::new();
        let (playbooks, playbook_paths) = self.playbooks(report, &entries.playbooks, &directory);
        Wanted {
            tokens: self.tokens(report, &entries.tokens),
            api_keys: self.api_keys(report, &entries.api_keys, &directory),
            projects: self.projects(report, &entries.projects),
            templates: self.templates(report, &entries.templates),
            event_types: self.event_types(report, &entries.event_types),
            applications: self.applications(report, &entries.applications),
            endpoints: self.endpoints(report, &entries.endpoints, &directory, &mut urls),
            sources: self.sources(report, &entries.sources, &directory, &mut urls),
            urls,
            playbooks,
            playbook_paths,
            routes: self.routes(report, &entries.routes, &directory),
            contacts: self.contacts(report, &entries.contacts, &directory),
            environments,
            directory,
        }
    }

    fn entries(self, report: &mut Report) -> Entries<'a> {
        let current = self.current;
        Entries {
            endpoints: self.section(report, "endpoints", "slug", &current.endpoints, |row| {
                (&row.id, row.spec.slug.as_deref())
            }),
            sources: self.section(report, "sources", "slug", &current.sources, |row| {
                (&row.id, Some(&row.spec.slug))
            }),
            playbooks: self.section(report, "playbooks", "slug", &current.playbooks, |row| {
                (&row.id, Some(&row.spec.slug))
            }),
            routes: self.section(report, "routes", "name", &current.routes, |row| {
                (&row.id, Some(&row.spec.name))
            }),
            tokens: self.section(report, "management_tokens", "name", &current.tokens, |row| {
                (&row.id, Some(&row.name))
            }),
            api_keys: self.section(report, "api_keys", "name", &current.api_keys, |row| {
                (&row.id, Some(&row.name))
            }),
            projects: self.section(report, "projects", "slug", &current.projects, |row| {
                (&row.id, Some(&row.slug))
            }),
            templates: self.section(report, "templates", "slug", &current.templates, |row| {
                (&row.id, Some(&row.slug))
            }),
            event_types: self.section(report, "event_types", "name", &current.event_types, |row| {
                (&row.id, Some(&row.name))
            }),
            applications: self.section(
                report,
                "applications",
                "external_id",
                &current.applications,
                |row| (&row.id, row.external_id.as_deref()),
            ),
            contacts: self.section(report, "contacts", "name", &current.contacts, |row| {
                (&row.id, Some(&row.name))
            }),
        }
    }

    /// What everything will be called: what stays without being named can still be referred to.
    fn directory(self, environments: &[Built<Environment>], entries: &Entries<'_>) -> Directory {
        let mut directory = Directory::default();
        for row in environments.iter().map(|built| &built.row) {
            directory.environments.insert(row.id.clone(), Some(&row.slug));
            if row.is_default {
                directory.default_environment = Some(row.id.clone());
            }
        }
        self.name_kept(&mut directory);
        name(&entries.endpoints, |id, slug| {
            directory.endpoints.insert(id, slug);
        });
        name(&entries.sources, |id, slug| directory.sources.insert(id, slug));
        name(&entries.playbooks, |id, slug| {
            directory.playbooks.insert(id, slug);
        });
        name(&entries.projects, |id, slug| directory.projects.insert(id, slug));
        name(&entries.templates, |id, slug| {
            directory.templates.insert(id, slug);
        });
        name(&entries.applications, |id, external| {
            directory.applications.insert(id, external);
        });
        directory
    }

    fn name_kept(self, directory: &mut Directory) {
        let current = self.current;
        for row in self.kept("endpoints", &ENDPOINT, &current.endpoints) {
            directory
                .endpoints
                .insert(row.id.clone(), row.spec.slug.as_deref());
        }
        for row in self.kept("sources", &SOURCE, &current.sources) {
            directory.sources.insert(row.id.clone(), Some(&row.spec.slug));
        }
        for row in self.kept("playbooks", &PLAYBOOK, &current.playbooks) {
            directory.playbooks.insert(row.id.clone(), Some(&row.spec.slug));
        }
        for row in self.kept("projects", &PROJECT, &current.projects) {
            directory.projects.insert(row.id.clone(), Some(&row.slug));
        }
        for row in self.kept("templates", &TEMPLATE, &current.templates) {
            directory.templates.insert(row.id.clone(), Some(&row.slug));
        }
        for row in self.kept("applications", &APPLICATION, &current.applications) {
            directory
                .applications
                .insert(row.id.clone(), row.external_id.as_deref());
        }
    }

    /// What stays of a section also when the file does not name it.
    fn kept<Row>(
        self,
        section: &'static str,
        kind: &Kind<Row>,
        rows: &'a [Row],
    ) -> impl Iterator<Item = &'a Row> {
        let is_customers = kind.is_customers;
        rows.iter()
            .filter(move |row| !self.prunes(section) || is_customers(row, self.current))
    }

    fn section<Row, Id>(
        self,
        report: &mut Report,
        section: &'static str,
        key: &'static str,
        existing: &[Row],
        names: impl Fn(&Row) -> (&Id, Option<&str>),
    ) -> Vec<Entry<'a, Id>>
    where
        Id: wire::ConfiguredId + std::str::FromStr + Eq + Hash,
    {
        let list = self.document.get(section).and_then(Value::as_array);
        let list = list.map_or(&[][..], Vec::as_slice);
        entries(report, (section, key), list, existing.iter().map(names), self.now)
    }

    fn around<'d>(self, directory: &'d Directory) -> Around<'d>
    where
        'a: 'd,
    {
        Around {
            policy: self.policy,
            directory,
        }
    }

    fn endpoints(
        self,
        report: &mut Report,
        entries: &[Entry<'_, EndpointId>],
        directory: &Directory,
        urls: &mut Vec<(String, String)>,
    ) -> Vec<Built<Endpoint>> {
        let existing = by_id(&self.current.endpoints, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| endpoint::read(fields, self.around(directory), None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            let built = draft.build(id, &self.workspace.id, existing, entry.now);
            let new = addresses::of_endpoint(&built.row, existing);
            urls.extend(addresses::below(&entry.path, new));
            Some(built)
        })
    }

    fn sources(
        self,
        report: &mut Report,
        entries: &[Entry<'_, SourceId>],
        directory: &Directory,
        urls: &mut Vec<(String, String)>,
    ) -> Vec<Built<Source>> {
        let existing = by_id(&self.current.sources, |row| row.id.as_str());
        let (mut tokens, mut apps) = (Twins::default(), Twins::default());
        read_all(report, entries, |report, entry, id| {
            let existing = existing.get(id.as_str()).copied();
            let read = |fields: &mut Fields<'_>| source::read(fields, self.around(directory), None, existing);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let built = draft.build(id, &self.workspace.id, existing, entry.now);
            let new = addresses::of_source(&built.row, existing);
            urls.extend(addresses::below(&entry.path, new));
            let token = secret::hash(built.row.token.expose_secret());
            tokens.note(report, &entry.path, "token", token);
            if let Some(app) = &built.row.spec.app {
                apps.note(report, &entry.path, "app.id", app.id.clone());
            }
            Some(built)
        })
    }

    /// With the path of each. Their definitions are not checked yet.
    fn playbooks(
        self,
        report: &mut Report,
        entries: &[Entry<'_, PlaybookId>],
        directory: &Directory,
    ) -> (Vec<Built<Playbook>>, Vec<String>) {
        let existing = by_id(&self.current.playbooks, |row| row.id.as_str());
        let (mut numbers, mut hooks) = (Twins::default(), Twins::default());
        let kept = if self.prune {
            &[][..]
        } else {
            &self.current.playbooks
        };
        let taken = kept
            .iter()
            .chain(existing.values().copied())
            .map(|row| row.number);
        let mut highest = taken.max().unwrap_or(0);
        let mut paths = Vec::new();
        let rows = read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| playbooks::read(fields, self.around(directory), None);
            let draft = report.object(&entry.path, entry.value, read)?;
            let existing = existing.get(id.as_str()).copied();
            let number = draft
                .number
                .or_else(|| existing.map(|row| row.number))
                // The last number has no next one: it is the twin that is told then.
                .unwrap_or_else(|| highest.saturating_add(1));
            highest = highest.max(number);
            numbers.note(report, &entry.path, "number", number);
            let built = draft.build(id, &self.workspace.id, number, existing, entry.now);
            paths.push(entry.path.clone());
            if let Some(hook) = built.row.hook_hash {
                hooks.note(report, &entry.path, "hook.token", hook);
            }
            Some(built)
        });
        (rows, paths)
    }

    /// Routes are tried in the order of the file.
    fn routes(
        self,
        report: &mut Report,
        entries: &[Entry<'_, RouteId>],
        directory: &Directory,
    ) -> Vec<Built<Route>> {
        let existing = by_id(&self.current.routes, |row| row.id.as_str());
        let mut position = 0;
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| route::read(fields, self.around(directory), None);
            let draft = report.object(&entry.path, entry.value, read)?;
            let existing = existing.get(id.as_str()).copied();
            position += 1;
            let row = draft.build(id, &self.workspace.id, position, existing, entry.now);
            Some(unmade(row))
        })
    }

    /// Whether what the file does not name in a section goes. Some stay when the file has no such section at all: nobody
    /// means to lock themselves or their senders out by leaving it away, or to send customers off.
    pub(super) fn prunes(self, section: &str) -> bool {
        let is_careful = matches!(
            section,
            "environments" | "api_keys" | "management_tokens" | "event_types" | "applications"
        );
        self.prune && (!is_careful || self.document.get(section).is_some())
    }
}

/// Reads the entries that mean something.
fn read_all<Id: Clone, Row>(
    report: &mut Report,
    entries: &[Entry<'_, Id>],
    mut read: impl FnMut(&mut Report, &Entry<'_, Id>, Id) -> Option<Built<Row>>,
) -> Vec<Built<Row>> {
    entries
        .iter()
        .filter_map(|entry| read(report, entry, entry.id.clone()))
        .collect()
}

/// A row for which nothing was made.
fn unmade<Row>(row: Row) -> Built<Row> {
    let made = Vec::new();
    Built { row, made }
}

/// What must not stand in one file twice, and where it stands.
struct Twins<T>(HashMap<T, String>);

impl<T> Default for Twins<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Twins<T> {
    /// Notes what stands in a field of an entry.
    fn note(&mut self, report: &mut Report, entry: &str, field: &str, value: T) {
        if let Some(other) = self.0.insert(value, entry.to_owned()) {
            report.refuse(
                format!("{entry}.{field}"),
                format!("is the {field} of {other}, too"),
            );
        }
    }
}

fn by_id<Row>(rows: &[Row], id: impl Fn(&Row) -> &str) -> HashMap<&str, &Row> {
    rows.iter().map(|row| (id(row), row)).collect()
}

fn name<Id: Clone>(entries: &[Entry<'_, Id>], mut insert: impl FnMut(Id, Option<&str>)) {
    for entry in entries {
        insert(entry.id.clone(), entry.key);
    }
}
