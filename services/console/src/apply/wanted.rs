//! What a file wants: its sections, read against what there is.
//!
//! First every entry is matched with what it means (by `id`, else by slug or name), so that entries can refer to each
//! other in any order; then each is read with the same checks as the management API's bodies.

use super::current::Current;
use super::entries::{Entry, entries};
use crate::check::{
    Around, Built, Directory, Fields, Made, Report, endpoint, playbook, route, source, workspace,
};
use crate::secret;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::collections::HashMap;
use store::{Endpoint, Environment, NewManagementToken, Playbook, Route, Source, Workspace};
use wire::{EndpointId, EnvironmentId, Instant, ManagementTokenId, PlaybookId, RouteId, SourceId};

/// What the first environment of a workspace is called when nobody says.
const FIRST_ENVIRONMENT: &str = "production";

/// Everything that a file names, ready to be saved.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) environments: Vec<Built<Environment>>,
    pub(super) tokens: Vec<Built<NewManagementToken>>,
    pub(super) endpoints: Vec<Built<Endpoint>>,
    pub(super) sources: Vec<Built<Source>>,
    pub(super) playbooks: Vec<Built<Playbook>>,
    pub(super) routes: Vec<Built<Route>>,
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

impl<'a> Reading<'a> {
    /// Reads all sections. Problems go into `report`; with any of them, what is returned is of no use.
    pub(super) fn all(self, report: &mut Report) -> Wanted {
        let Current {
            endpoints,
            sources,
            playbooks,
            routes,
            tokens,
            ..
        } = self.current;
        let endpoints = self.section(report, "endpoints", "slug", endpoints, |row| {
            (&row.id, row.spec.slug.as_deref())
        });
        let sources = self.section(report, "sources", "slug", sources, |row| {
            (&row.id, Some(&row.spec.slug))
        });
        let playbooks = self.section(report, "playbooks", "slug", playbooks, |row| {
            (&row.id, Some(&row.spec.slug))
        });
        let routes = self.section(report, "routes", "name", routes, |row| {
            (&row.id, Some(&row.spec.name))
        });
        let tokens = self.section(report, "management_tokens", "name", tokens, |row| {
            (&row.id, Some(&row.name))
        });

        let environments = self.environments(report);
        let mut directory = Directory::default();
        for row in environments.iter().map(|built| &built.row) {
            directory.environments.insert(row.id.clone(), Some(&row.slug));
            if row.is_default {
                directory.default_environment = Some(row.id.clone());
            }
        }
        self.name_kept(&mut directory);
        name(&endpoints, |id, slug| directory.endpoints.insert(id, slug));
        name(&sources, |id, slug| directory.sources.insert(id, slug));
        name(&playbooks, |id, slug| directory.playbooks.insert(id, slug));
        Wanted {
            tokens: self.tokens(report, &tokens),
            endpoints: self.endpoints(report, &endpoints, &directory),
            sources: self.sources(report, &sources, &directory),
            playbooks: self.playbooks(report, &playbooks),
            routes: self.routes(report, &routes, &directory),
            environments,
            directory,
        }
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
        Id: wire::ConfiguredId + std::str::FromStr + Eq + std::hash::Hash,
    {
        let list = self.document.get(section).and_then(Value::as_array);
        let list = list.map_or(&[][..], Vec::as_slice);
        entries(report, (section, key), list, existing.iter().map(names), self.now)
    }

    /// What stays without being named can still be referred to.
    fn name_kept(self, directory: &mut Directory) {
        if self.prune {
            return;
        }
        for row in &self.current.endpoints {
            directory
                .endpoints
                .insert(row.id.clone(), row.spec.slug.as_deref());
        }
        for row in &self.current.sources {
            directory.sources.insert(row.id.clone(), Some(&row.spec.slug));
        }
        for row in &self.current.playbooks {
            directory.playbooks.insert(row.id.clone(), Some(&row.spec.slug));
        }
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

    fn tokens(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ManagementTokenId>],
    ) -> Vec<Built<NewManagementToken>> {
        let existing = by_id(&self.current.tokens, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let draft = report
                .object(&entry.path, entry.value, workspace::read_token)
                .flatten()?;
            let existing = existing.get(id.as_str());
            let mut made = Vec::new();
            let given = draft.token.map(|token| secret::hash(token.expose_secret()));
            let token_hash = given
                .or_else(|| existing.map(|row| row.token_hash))
                .unwrap_or_else(|| {
                    let value = secret::generate_token("nhm_");
                    let hash = secret::hash(value.expose_secret());
                    made.push(Made {
                        field: "token",
                        value,
                    });
                    hash
                });
            let row = NewManagementToken {
                id,
                workspace_id: self.workspace.id.clone(),
                name: draft.name,
                token_hash,
                created_at: existing.map_or(entry.now, |row| row.created_at),
            };
            Some(Built { row, made })
        })
    }

    fn endpoints(
        self,
        report: &mut Report,
        entries: &[Entry<'_, EndpointId>],
        directory: &Directory,
    ) -> Vec<Built<Endpoint>> {
        let existing = by_id(&self.current.endpoints, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| endpoint::read(fields, self.around(directory), None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            Some(draft.build(id, &self.workspace.id, existing, entry.now))
        })
    }

    fn sources(
        self,
        report: &mut Report,
        entries: &[Entry<'_, SourceId>],
        directory: &Directory,
    ) -> Vec<Built<Source>> {
        let existing = by_id(&self.current.sources, |row| row.id.as_str());
        let mut tokens = HashMap::new();
        read_all(report, entries, |report, entry, id| {
            let existing = existing.get(id.as_str()).copied();
            let read = |fields: &mut Fields<'_>| source::read(fields, self.around(directory), None, existing);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let built = draft.build(id, &self.workspace.id, existing, entry.now);
            let token = secret::hash(built.row.token.expose_secret());
            if let Some(other) = tokens.insert(token, entry.path.clone()) {
                report.refuse(
                    format!("{}.token", entry.path),
                    format!("is the token of {other}, too"),
                );
            }
            Some(built)
        })
    }

    fn playbooks(self, report: &mut Report, entries: &[Entry<'_, PlaybookId>]) -> Vec<Built<Playbook>> {
        let existing = by_id(&self.current.playbooks, |row| row.id.as_str());
        let mut numbers: HashMap<i32, String> = HashMap::new();
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
        read_all(report, entries, |report, entry, id| {
            let draft = report
                .object(&entry.path, entry.value, playbook::read)
                .flatten()?;
            let existing = existing.get(id.as_str()).copied();
            let number = draft
                .number
                .or_else(|| existing.map(|row| row.number))
                .unwrap_or(highest + 1);
            highest = highest.max(number);
            if let Some(other) = numbers.insert(number, entry.path.clone()) {
                report.refuse(
                    format!("{}.number", entry.path),
                    format!("is the number of {other}, too"),
                );
            }
            let row = draft.build(id, &self.workspace.id, number, existing, entry.now);
            Some(Built {
                row,
                made: Vec::new(),
            })
        })
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
            Some(Built {
                row,
                made: Vec::new(),
            })
        })
    }

    /// The environments that there will be, exactly one of them the default: the one that the file says, else the one
    /// that is, else the first.
    fn environments(self, report: &mut Report) -> Vec<Built<Environment>> {
        let current = &self.current.environments;
        let entries: Vec<Entry<'_, EnvironmentId>> =
            self.section(report, "environments", "slug", current, |row| {
                (&row.id, Some(&row.slug))
            });
        let existing = by_id(current, |row| row.id.as_str());
        let mut declared: Option<EnvironmentId> = None;
        let mut rows = read_all(report, &entries, |report, entry, id| {
            let draft = report
                .object(&entry.path, entry.value, workspace::read_environment_draft)
                .flatten()?;
            if draft.is_default == Some(true) && declared.replace(id.clone()).is_some() {
                report.refuse(
                    format!("{}.default", entry.path),
                    "is the second default; a workspace has one",
                );
            }
            let existing = existing.get(id.as_str());
            let row = Environment {
                name: draft.name,
                id,
                workspace_id: self.workspace.id.clone(),
                slug: draft.slug,
                is_default: false,
                created_at: existing.map_or(entry.now, |row| row.created_at),
                updated_at: entry.now,
            };
            Some(Built {
                row,
                made: Vec::new(),
            })
        });
        if !self.prunes("environments") {
            let kept = current
                .iter()
                .filter(|row| rows.iter().all(|built| built.row.id != row.id))
                .cloned();
            let kept: Vec<_> = kept
                .map(|row| Built {
                    row,
                    made: Vec::new(),
                })
                .collect();
            rows.extend(kept);
        }
        if rows.is_empty() {
            rows.push(self.first_environment());
        }
        let is_there = |id: &EnvironmentId| rows.iter().any(|built| built.row.id == *id);
        let present = current.iter().find(|row| row.is_default && is_there(&row.id));
        let default = declared.or_else(|| present.map(|row| row.id.clone()));
        let default = default.or_else(|| rows.first().map(|built| built.row.id.clone()));
        for built in &mut rows {
            built.row.is_default = Some(&built.row.id) == default.as_ref();
        }
        rows
    }

    fn first_environment(self) -> Built<Environment> {
        let row = Environment {
            name: None,
            id: EnvironmentId::generate(),
            workspace_id: self.workspace.id.clone(),
            slug: FIRST_ENVIRONMENT.to_owned(),
            is_default: true,
            created_at: self.now,
            updated_at: self.now,
        };
        Built {
            row,
            made: Vec::new(),
        }
    }

    /// Whether what the file does not name in a section goes. Environments and management tokens stay when the file has
    /// no such section at all: nobody means to lock themselves out by leaving it away.
    pub(super) fn prunes(self, section: &str) -> bool {
        let is_careful = matches!(section, "environments" | "management_tokens");
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

fn by_id<Row>(rows: &[Row], id: impl Fn(&Row) -> &str) -> HashMap<&str, &Row> {
    rows.iter().map(|row| (id(row), row)).collect()
}

fn name<Id: Clone>(entries: &[Entry<'_, Id>], mut insert: impl FnMut(Id, Option<&str>)) {
    for entry in entries {
        insert(entry.id.clone(), entry.key);
    }
}
