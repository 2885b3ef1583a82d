//! Routes and playbooks.

use super::super::Conn;
use super::super::schema::{endpoints, playbooks, routes};
use crate::Error;
use crate::catalog::{PlaybookRow, RouteRow};
use crate::sql::StoredText;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use wire::{EndpointId, WorkspaceId};

pub(crate) fn list(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<RouteRow>, Error> {
    Ok(routes::table
        .filter(routes::workspace_id.eq(workspace.as_str()))
        .order((routes::position, routes::id))
        .limit(limit)
        .load(conn)?)
}

pub(crate) fn playbooks(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<PlaybookRow>, Error> {
    Ok(playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .order(playbooks::slug)
        .limit(limit)
        .load(conn)?)
}

/// The workspace's endpoints that are not deleted, and whether each is enabled.
pub(crate) fn targets(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(EndpointId, bool)>, Error> {
    let rows: Vec<(StoredText, bool)> = endpoints::table
        .filter(endpoints::workspace_id.eq(workspace.as_str()))
        .filter(endpoints::deleted_at.is_null())
        .limit(limit)
        .select((endpoints::id, endpoints::enabled))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, enabled)| (id.into(), enabled))
        .collect())
}
