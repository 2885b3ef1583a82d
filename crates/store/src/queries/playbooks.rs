//! Playbooks.

use super::super::Conn;
use super::super::schema::{playbooks, workspaces};
use crate::Error;
use crate::catalog::PlaybookRow;
use crate::sql::StoredText;
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{PlaybookId, WorkspaceId};

pub(crate) fn list(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<PlaybookRow>, Error> {
    Ok(playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .order(playbooks::slug)
        .limit(limit)
        .load(conn)?)
}

/// Each playbook's settings alone, for those who start none: what it may use as `$secrets` stays sealed.
pub(crate) fn specs(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(PlaybookId, String)>, Error> {
    let rows: Vec<(StoredText, String)> = playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .limit(limit)
        .select((playbooks::id, playbooks::spec))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, spec)| (id.into(), spec)).collect())
}

/// The playbook with this slug in the workspace with that slug, and whether the workspace accepts.
pub(crate) fn by_slugs(
    conn: &mut Conn,
    workspace: &str,
    slug: &str,
) -> Result<Option<(PlaybookRow, bool)>, Error> {
    Ok(playbooks::table
        .inner_join(workspaces::table.on(workspaces::id.eq(playbooks::workspace_id)))
        .filter(workspaces::slug.eq(workspace))
        .filter(playbooks::slug.eq(slug))
        .select((playbooks::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?)
}

/// A run's playbook, and its workspace's settings: whether that accepts, and the rest as JSON.
pub(crate) fn of_run(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: &PlaybookId,
) -> Result<Option<(PlaybookRow, bool, String)>, Error> {
    Ok(playbooks::table
        .inner_join(workspaces::table.on(workspaces::id.eq(playbooks::workspace_id)))
        .filter(playbooks::id.eq(id.as_str()))
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .select((playbooks::all_columns, workspaces::accepting, workspaces::spec))
        .first(conn)
        .optional()?)
}

/// The playbook with this token at door 6, and whether its workspace accepts.
pub(crate) fn by_hook(conn: &mut Conn, hook_hash: &[u8]) -> Result<Option<(PlaybookRow, bool)>, Error> {
    Ok(playbooks::table
        .inner_join(workspaces::table.on(workspaces::id.eq(playbooks::workspace_id)))
        .filter(playbooks::hook_hash.eq(Some(hook_hash)))
        .select((playbooks::all_columns, workspaces::accepting))
        .first(conn)
        .optional()?)
}

pub(crate) fn by_number(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    number: i32,
) -> Result<Option<PlaybookRow>, Error> {
    Ok(playbooks::table
        .filter(playbooks::workspace_id.eq(workspace.as_str()))
        .filter(playbooks::number.eq(number))
        .first(conn)
        .optional()?)
}

/// By its id or else by its slug.
pub(crate) fn find(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id_or_slug: &str,
) -> Result<Option<PlaybookRow>, Error> {
    let of_workspace = || playbooks::table.filter(playbooks::workspace_id.eq(workspace.as_str()));
    let mut found = of_workspace()
        .filter(playbooks::id.eq(id_or_slug))
        .first(conn)
        .optional()?;
    if found.is_none() {
        found = of_workspace()
            .filter(playbooks::slug.eq(id_or_slug))
            .first(conn)
            .optional()?;
    }
    Ok(found)
}
