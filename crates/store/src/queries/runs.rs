//! Runs and their journals.

use super::super::Conn;
use super::super::schema::{runs, steps};
use super::in_state;
use crate::sql::Uid;
use crate::{Error, Run, StepRow};
use diesel::dsl::sql;
use diesel::sql_types::{Binary, Bool, Nullable};
use diesel::{ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::HashMap;
use wire::{EventId, PlaybookId, RunId, RunState, WorkspaceId};

/// The columns of a [`Run`], with `$output` for its output.
macro_rules! columns {
    ($output:expr) => {
        (
            runs::id,
            runs::workspace_id,
            runs::playbook_id,
            runs::version,
            runs::event_id,
            runs::route_id,
            runs::state,
            runs::input,
            $output,
            runs::error,
            runs::steps,
            runs::queued,
            runs::created_at,
            runs::started_at,
            runs::ended_at,
            runs::updated_at,
            runs::trigger,
            runs::project,
            runs::template,
        )
    };
}

/// The columns of a [`Run`] in a list.
macro_rules! listed {
    () => {
        columns!(sql::<Nullable<Binary>>("NULL"))
    };
}

/// Narrows a list to one state, by the words of the partial indexes: SQLite takes such an index only for the very term
/// that it was made with. `completed` has none, since nearly all runs come to that.
macro_rules! narrowed {
    ($query:expr, $state:expr) => {{
        let mut query = $query;
        if let Some(state) = $state {
            query = query.filter(in_state(RunState::as_str(state)));
            query = match state {
                RunState::Pending | RunState::Running | RunState::Waiting | RunState::Paused => {
                    query.filter(sql::<Bool>(UNFINISHED))
                }
                RunState::Faulted | RunState::Cancelled => query.filter(sql::<Bool>(FAILED)),
                RunState::Completed => query,
            };
        }
        query
    }};
}

/// The runs that have not ended.
pub(super) const UNFINISHED: &str = "state IN ('pending', 'running', 'waiting', 'paused')";

const FAILED: &str = "state IN ('faulted', 'cancelled')";

pub(crate) fn find(conn: &mut Conn, workspace: &WorkspaceId, id: RunId) -> Result<Option<Run>, Error> {
    Ok(runs::table
        .find(Uid::from(id))
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .select(columns!(runs::output))
        .first(conn)
        .optional()?)
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    state: Option<RunState>,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    let mut query = runs::table
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .order(runs::id.desc())
        .limit(limit)
        .select(listed!())
        .into_boxed();
    query = narrowed!(query, state);
    if let Some(before) = before {
        query = query.filter(runs::id.lt(Uid::from(before)));
    }
    Ok(query.load(conn)?)
}

pub(crate) fn of_playbook(
    conn: &mut Conn,
    playbook: &PlaybookId,
    state: Option<RunState>,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    let mut query = runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .order(runs::id.desc())
        .limit(limit)
        .select(listed!())
        .into_boxed();
    query = narrowed!(query, state);
    if let Some(before) = before {
        query = query.filter(runs::id.lt(Uid::from(before)));
    }
    Ok(query.load(conn)?)
}

/// How many runs each of these events started.
pub(crate) fn counts(conn: &mut Conn, events: &[EventId]) -> Result<HashMap<EventId, i64>, Error> {
    let ids: Vec<Uid> = events.iter().copied().map(Uid::from).collect();
    let counts: Vec<(Uid, i64)> = runs::table
        .filter(runs::event_id.eq_any(ids))
        .group_by(runs::event_id)
        .select((runs::event_id.assume_not_null(), diesel::dsl::count_star()))
        .load(conn)?;
    Ok(counts.into_iter().map(|(id, count)| (id.into(), count)).collect())
}

/// A run's steps after the one of that number, in order; none of a run that is another workspace's.
pub(crate) fn steps(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    run: RunId,
    after: Option<i32>,
    limit: i64,
) -> Result<Vec<StepRow>, Error> {
    let known: Option<Uid> = runs::table
        .find(Uid::from(run))
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .select(runs::id)
        .first(conn)
        .optional()?;
    if known.is_none() {
        return Ok(Vec::new());
    }
    Ok(steps::table
        .filter(steps::run_id.eq(Uid::from(run)))
        .filter(steps::number.gt(after.unwrap_or(0)))
        .order(steps::number)
        .limit(limit)
        .select((
            steps::number,
            steps::pointer,
            steps::name,
            steps::kind,
            steps::status,
            steps::attempt,
            steps::input,
            steps::output,
            steps::is_cut,
            steps::error,
            steps::started_at,
            steps::ended_at,
        ))
        .load(conn)?)
}
