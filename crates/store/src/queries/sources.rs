//! Sources.

use super::super::Conn;
use super::super::schema::{sources, workspaces};
use crate::Error;
use crate::catalog::SourceRow;
use crate::sql::StoredText;
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{SourceId, WorkspaceId};

pub(crate) fn by_token(conn: &mut Conn, token: &str) -> Result<Option<(SourceRow, bool)>, Error> {
    Ok(sources::table
        .inner_join(workspaces::table.on(workspaces::id.eq(sources::workspace_id)))
        .filter(sources::token.eq(token))
        .select((sources::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?)
}

pub(crate) fn by_slugs(
    conn: &mut Conn,
    workspace: &str,
    slug: &str,
) -> Result<Option<(SourceRow, bool)>, Error> {
    Ok(sources::table
        .inner_join(workspaces::table.on(workspaces::id.eq(sources::workspace_id)))
        .filter(workspaces::slug.eq(workspace))
        .filter(sources::slug.eq(slug))
        .select((sources::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?)
}

pub(crate) fn by_app(conn: &mut Conn, app: &str) -> Result<Option<(SourceRow, bool)>, Error> {
    Ok(sources::table
        .inner_join(workspaces::table.on(workspaces::id.eq(sources::workspace_id)))
        .filter(sources::app_id.eq(Some(app)))
        .select((sources::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?)
}

pub(crate) fn find(conn: &mut Conn, id: &SourceId) -> Result<Option<SourceRow>, Error> {
    Ok(sources::table.find(id.as_str()).first(conn).optional()?)
}

/// The settings of those that have an app.
pub(crate) fn with_apps(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(SourceId, String)>, Error> {
    let rows: Vec<(StoredText, String)> = sources::table
        .filter(sources::workspace_id.eq(workspace.as_str()))
        .filter(sources::app_id.is_not_null())
        .select((sources::id, sources::spec))
        .limit(limit)
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, spec)| (id.into(), spec)).collect())
}

/// What the workspace's sources are called.
pub(crate) fn slugs(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(SourceId, String)>, Error> {
    let rows: Vec<(StoredText, String)> = sources::table
        .filter(sources::workspace_id.eq(workspace.as_str()))
        .select((sources::id, sources::slug))
        .limit(limit)
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, slug)| (id.into(), slug)).collect())
}

pub(crate) fn list(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<SourceRow>, Error> {
    Ok(sources::table
        .filter(sources::workspace_id.eq(workspace.as_str()))
        .order(sources::slug)
        .limit(limit)
        .load(conn)?)
}
