//! A workspace itself.

use super::configured::RateLimitView;
use serde::Serialize;
use std::time::Duration;
use store::Workspace;
use wire::resource::{Ending, duration};
use wire::{Instant, WorkspaceId};

/// A workspace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkspaceView {
    id: WorkspaceId,
    slug: String,
    name: String,
    accepting: bool,
    /// What becomes of runs while it does not.
    runs: Ending,
    rate_limit: Option<RateLimitView>,
    #[serde(serialize_with = "duration::optional::serialize")]
    retention: Option<Duration>,
    created_at: Instant,
    updated_at: Instant,
}

impl WorkspaceView {
    pub(crate) fn of(row: &Workspace) -> Self {
        Self {
            id: row.id.clone(),
            slug: row.slug.clone(),
            name: row.name.clone(),
            accepting: row.accepting,
            runs: row.spec.runs,
            rate_limit: row.spec.rate_limit.map(RateLimitView::of),
            retention: row.spec.retention,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
