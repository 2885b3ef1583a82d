//! The versions of playbooks, read: by the console, which lists them, and by the runner, whose runs keep to theirs.

use crate::connect::read;
use crate::{Error, Page, PlaybookVersion, Store};
use wire::{Instant, PlaybookId};

/// The longest page; whoever asks for more gets this much.
const LONGEST_PAGE: i64 = 1_000;

impl Store {
    /// A version of a playbook, also of one that is gone.
    pub async fn playbook_version(
        &self,
        playbook: &PlaybookId,
        version: i32,
    ) -> Result<Option<PlaybookVersion>, Error> {
        let playbook = playbook.clone();
        read!(self, |conn, queries| queries::versions::find(
            conn, &playbook, version
        ))
    }

    /// A playbook's versions before `before`, newest first: their numbers, and when they were saved.
    pub async fn playbook_versions(
        &self,
        playbook: &PlaybookId,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Page<(i32, Instant)>, Error> {
        let playbook = playbook.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::versions::list(
            conn,
            &playbook,
            before,
            limit + 1
        ))?;
        let rows = rows
            .into_iter()
            .map(|(version, created_at)| (version, created_at.into()));
        Ok(Page::of(rows.collect(), limit))
    }
}
