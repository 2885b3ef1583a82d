//! Runs.

use super::super::Conn;
use super::super::schema::runs;
use super::in_state;
use crate::sql::{Stamp, Uid};
use crate::{Error, Run};
use diesel::{ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::HashMap;
use wire::{EventId, Instant, PlaybookId, RunId, WorkspaceId};

type RunColumns = (
    runs::id,
    runs::workspace_id,
    runs::playbook_id,
    runs::event_id,
    runs::route_id,
    runs::state,
    runs::input,
    runs::error,
    runs::created_at,
    runs::started_at,
    runs::ended_at,
    runs::updated_at,
    runs::trigger,
    runs::project,
    runs::template,
);

const COLUMNS: RunColumns = (
    runs::id,
    runs::workspace_id,
    runs::playbook_id,
    runs::event_id,
    runs::route_id,
    runs::state,
    runs::input,
    runs::error,
    runs::created_at,
    runs::started_at,
    runs::ended_at,
    runs::updated_at,
    runs::trigger,
    runs::project,
    runs::template,
);

pub(crate) fn pending(conn: &mut Conn, ids: &[RunId]) -> Result<Vec<Run>, Error> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    Ok(runs::table
        .filter(runs::id.eq_any(ids))
        .filter(runs::state.eq("pending"))
        .select(COLUMNS)
        .load(conn)?)
}

pub(crate) fn oldest_pending(conn: &mut Conn, limit: i64) -> Result<Vec<Run>, Error> {
    Ok(runs::table
        .filter(in_state("pending"))
        .order(runs::id)
        .limit(limit)
        .select(COLUMNS)
        .load(conn)?)
}

pub(crate) fn fault(conn: &mut Conn, id: RunId, error: &str, at: Instant) -> Result<bool, Error> {
    let row = runs::table
        .filter(runs::id.eq(Uid::from(id)))
        .filter(runs::state.eq("pending"));
    let moved = diesel::update(row)
        .set((
            runs::state.eq("faulted"),
            runs::error.eq(error),
            runs::started_at.eq(Some(Stamp(at))),
            runs::ended_at.eq(Some(Stamp(at))),
            runs::updated_at.eq(Stamp(at)),
        ))
        .execute(conn)?;
    Ok(moved > 0)
}

pub(crate) fn find(conn: &mut Conn, workspace: &WorkspaceId, id: RunId) -> Result<Option<Run>, Error> {
    Ok(runs::table
        .find(Uid::from(id))
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .select(COLUMNS)
        .first(conn)
        .optional()?)
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    let mut query = runs::table
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .order(runs::id.desc())
        .limit(limit)
        .select(COLUMNS)
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(runs::id.lt(Uid::from(before)));
    }
    Ok(query.load(conn)?)
}

pub(crate) fn of_playbook(
    conn: &mut Conn,
    playbook: &PlaybookId,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    let mut query = runs::table
        .filter(runs::playbook_id.eq(playbook.as_str()))
        .order(runs::id.desc())
        .limit(limit)
        .select(COLUMNS)
        .into_boxed();
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
