//! What runs were given, and what they could have been given.

use super::super::Conn;
use super::super::schema::{events, playbook_versions, playbooks, run_inbox, runs};
use super::runs::UNFINISHED;
use crate::sql::Uid;
use crate::{Error, Event};
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel::{
    ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
    TextExpressionMethods,
};
use std::collections::HashSet;
use wire::{EventId, RunId, WorkspaceId};

pub(crate) fn given(
    conn: &mut Conn,
    events: &[EventId],
    limit: i64,
) -> Result<Vec<(EventId, RunId, bool)>, Error> {
    let ids: Vec<Uid> = events.iter().copied().map(Uid::from).collect();
    let rows: Vec<(Uid, Uid, bool)> = run_inbox::table
        .filter(run_inbox::event_id.eq_any(ids))
        .select((
            run_inbox::event_id.assume_not_null(),
            run_inbox::run_id,
            run_inbox::exclusive,
        ))
        .limit(limit)
        .load(conn)?;
    let given = rows.into_iter();
    Ok(given
        .map(|(event, run, exclusive)| (event.into(), run.into(), exclusive))
        .collect())
}

pub(crate) fn may_listen(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<bool, Error> {
    let going: Vec<(String, i32)> = runs::table
        .filter(runs::workspace_id.eq(workspace.as_str()))
        .filter(sql::<Bool>(UNFINISHED))
        .order(runs::id.desc())
        .limit(limit)
        .select((runs::playbook_id, runs::version))
        .load(conn)?;
    if i64::try_from(going.len()).is_ok_and(|looked_at| looked_at >= limit) {
        return Ok(true);
    }
    listens(conn, going)
}

/// The same of runs that begin now: of the versions that they would keep to.
pub(crate) fn could_listen(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<bool, Error> {
    let current: Vec<(String, i32)> = playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .limit(limit)
        .select((playbooks::id, playbooks::version))
        .load(conn)?;
    if i64::try_from(current.len()).is_ok_and(|looked_at| looked_at >= limit) {
        return Ok(true);
    }
    listens(conn, current)
}

/// Whether one of these versions has a `listen`.
fn listens(conn: &mut Conn, versions: Vec<(String, i32)>) -> Result<bool, Error> {
    for (playbook, version) in versions.into_iter().collect::<HashSet<_>>() {
        let listens: Option<i32> = playbook_versions::table
            .find((playbook, version))
            .filter(playbook_versions::definition.like("%listen%"))
            .select(playbook_versions::version)
            .first(conn)
            .optional()?;
        if listens.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn events_since(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    event_type: &str,
    since: EventId,
    limit: i64,
) -> Result<Vec<(EventId, i32)>, Error> {
    let rows: Vec<(Uid, i32)> = events::table
        .filter(events::workspace_id.eq(workspace.as_str()))
        .filter(events::event_type.eq(Some(event_type)))
        .filter(events::id.ge(Uid::from(since)))
        .order(events::id.desc())
        .limit(limit)
        .select((events::id, sql::<Integer>("length(body)")))
        .load(conn)?;
    let oldest_first = rows.into_iter().rev();
    Ok(oldest_first.map(|(id, bytes)| (id.into(), bytes)).collect())
}

pub(crate) fn events_named(conn: &mut Conn, ids: &[EventId]) -> Result<Vec<Event>, Error> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    Ok(events::table.filter(events::id.eq_any(ids)).load(conn)?)
}
