//! Runs and their steps.

use super::bytes;
use crate::check::Directory;
use serde::Serialize;
use serde_json::value::RawValue;
use store::{Run, StepRow};
use wire::{EventId, Instant, RouteId, RunId, RunState, StepState, Trigger};

/// One execution of a playbook.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    id: RunId,
    /// The playbook's slug; its id when it is gone.
    playbook: String,
    /// The version of the playbook that it keeps to.
    version: i32,
    status: RunState,
    /// Whether it waits for another run of its playbook to end.
    queued: bool,
    /// What started it.
    trigger: Trigger,
    event_id: Option<EventId>,
    route_id: Option<RouteId>,
    project: Option<String>,
    template: Option<String>,
    input: Option<Box<RawValue>>,
    /// Null in lists, too.
    output: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
    /// How many.
    steps: i32,
    created_at: Instant,
    started_at: Option<Instant>,
    ended_at: Option<Instant>,
}

impl RunView {
    pub(crate) fn of(row: &Run, directory: &Directory) -> Self {
        let slug = directory.playbooks.slug(&row.playbook_id);
        Self {
            id: row.id,
            playbook: slug.unwrap_or(row.playbook_id.as_str()).to_owned(),
            version: row.version,
            status: row.state,
            queued: row.queued,
            trigger: row.trigger,
            event_id: row.event_id,
            route_id: row.route_id.clone(),
            project: row.project.clone(),
            template: row.template.clone(),
            input: bytes::json(&row.input),
            output: row.output.as_deref().and_then(bytes::json),
            error: row.error.as_ref().and_then(|error| bytes::json(error.as_bytes())),
            steps: row.steps,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// A task of a run that ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    /// From 1, in the order of ending.
    number: i32,
    /// The task's JSON pointer in the definition.
    pointer: String,
    name: String,
    kind: String,
    status: StepState,
    /// From 1.
    attempt: i32,
    input: Option<Box<RawValue>>,
    output: Option<Box<RawValue>>,
    /// Whether input or output is not all of it: the beginning of its JSON as a text, or null.
    truncated: bool,
    error: Option<Box<RawValue>>,
    started_at: Instant,
    ended_at: Instant,
}

impl StepView {
    pub(crate) fn of(row: StepRow) -> Self {
        Self {
            number: row.number,
            input: bytes::json(&row.input),
            output: row.output.as_deref().and_then(bytes::json),
            error: row.error.as_ref().and_then(|error| bytes::json(error.as_bytes())),
            pointer: row.pointer,
            name: row.name,
            kind: row.kind,
            status: row.status,
            attempt: row.attempt,
            truncated: row.is_cut,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}
