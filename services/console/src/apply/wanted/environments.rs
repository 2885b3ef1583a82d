//! The environments that a file wants, exactly one of them the default.

use super::{Reading, by_id, read_all, unmade};
use crate::apply::entries::Entry;
use crate::check::{Built, Report, workspace};
use store::Environment;
use wire::EnvironmentId;

/// What the first environment of a workspace is called when nobody says.
const FIRST_ENVIRONMENT: &str = "production";

impl Reading<'_> {
    /// The environments that there will be, exactly one of them the default: the one that the file says, else the one
    /// that is, else the first.
    pub(super) fn environments(self, report: &mut Report) -> Vec<Built<Environment>> {
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
            Some(unmade(row))
        });
        if !self.prunes("environments") {
            let kept = current
                .iter()
                .filter(|row| rows.iter().all(|built| built.row.id != row.id))
                .cloned();
            let kept: Vec<_> = kept.map(unmade).collect();
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
        unmade(row)
    }
}
