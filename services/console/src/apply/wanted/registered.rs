//! What a file wants of senders and of what runs are targeted at.

use super::{Reading, Twins, by_id, read_all, unmade};
use crate::apply::entries::Entry;
use crate::check::{
    Built, Directory, Fields, Made, Report, api_key, application, contact, event_type, project, workspace,
};
use crate::secret;
use secrecy::ExposeSecret;
use store::{ApiKey, Application, Contact, EventType, NewManagementToken, Project, Template};
use wire::{ApiKeyId, ApplicationId, ContactId, EventTypeId, ManagementTokenId, ProjectId, TemplateId};

impl Reading<'_> {
    pub(super) fn tokens(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ManagementTokenId>],
    ) -> Vec<Built<NewManagementToken>> {
        let existing = by_id(&self.current.tokens, |row| row.id.as_str());
        let mut tokens = Twins::default();
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
            tokens.note(report, &entry.path, "token", token_hash);
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

    pub(super) fn api_keys(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ApiKeyId>],
        directory: &Directory,
    ) -> Vec<Built<ApiKey>> {
        let existing = by_id(&self.current.api_keys, |row| row.id.as_str());
        let mut tokens = Twins::default();
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| api_key::read(fields, self.around(directory), None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            let built = draft.build(id, &self.workspace.id, existing, entry.now);
            tokens.note(report, &entry.path, "token", built.row.key_hash);
            Some(built)
        })
    }

    /// An address belongs to one contact, also to one that the file does not name.
    pub(super) fn contacts(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ContactId>],
        directory: &Directory,
    ) -> Vec<Built<Contact>> {
        let existing = by_id(&self.current.contacts, |row| row.id.as_str());
        let mut taken = contact::Taken::new();
        if !self.prunes("contacts") {
            let is_named = |row: &Contact| entries.iter().any(|entry| entry.id == row.id);
            for row in self.current.contacts.iter().filter(|row| !is_named(row)) {
                let addresses = row.addresses.iter().cloned();
                taken.extend(addresses.map(|address| (address, format!("the contact `{}`", row.name))));
            }
        }
        read_all(report, entries, |report, entry, id| {
            let draft = report
                .object(&entry.path, entry.value, |fields| {
                    contact::read(fields, self.around(directory), None, &mut taken)
                })
                .flatten()?;
            let existing = existing.get(id.as_str()).copied();
            Some(unmade(draft.build(id, &self.workspace.id, existing, entry.now)))
        })
    }

    pub(super) fn projects(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ProjectId>],
    ) -> Vec<Built<Project>> {
        let existing = by_id(&self.current.projects, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| project::read(fields, None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            Some(unmade(draft.build(id, &self.workspace.id, existing, entry.now)))
        })
    }

    pub(super) fn templates(
        self,
        report: &mut Report,
        entries: &[Entry<'_, TemplateId>],
    ) -> Vec<Built<Template>> {
        let existing = by_id(&self.current.templates, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| project::read_template(fields, None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            Some(unmade(draft.build(id, &self.workspace.id, existing, entry.now)))
        })
    }

    pub(super) fn event_types(
        self,
        report: &mut Report,
        entries: &[Entry<'_, EventTypeId>],
    ) -> Vec<Built<EventType>> {
        let existing = by_id(&self.current.event_types, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| event_type::read(fields, None);
            let draft = report.object(&entry.path, entry.value, read).flatten()?;
            let existing = existing.get(id.as_str()).copied();
            Some(unmade(draft.build(id, &self.workspace.id, existing, entry.now)))
        })
    }

    pub(super) fn applications(
        self,
        report: &mut Report,
        entries: &[Entry<'_, ApplicationId>],
    ) -> Vec<Built<Application>> {
        let existing = by_id(&self.current.applications, |row| row.id.as_str());
        read_all(report, entries, |report, entry, id| {
            let read = |fields: &mut Fields<'_>| application::read(fields, None);
            let draft = report.object(&entry.path, entry.value, read)?;
            let existing = existing.get(id.as_str()).copied();
            Some(unmade(draft.build(id, &self.workspace.id, existing, entry.now)))
        })
    }
}
