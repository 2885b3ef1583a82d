//! Workspaces, their environments and their management tokens.

use super::super::Conn;
use super::super::schema::{endpoints, environments, management_tokens, workspaces};
use crate::catalog::from_json;
use crate::sql::{Stamp, StoredText};
use crate::{Environment, Error, ManagementToken, NewManagementToken, Workspace};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{EnvironmentId, WorkspaceId};

type WorkspaceRow = (StoredText, String, String, bool, Stamp, Stamp, String);

fn workspace(
    (id, slug, name, accepting, created_at, updated_at, spec): WorkspaceRow,
) -> Result<Workspace, Error> {
    Ok(Workspace {
        id: id.into(),
        slug,
        name,
        accepting,
        spec: from_json("spec of a workspace", &spec)?,
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    })
}

/// Finds a workspace by its id, or else by its slug, which may read like another's id.
pub(crate) fn find(conn: &mut Conn, id_or_slug: &str) -> Result<Option<Workspace>, Error> {
    let mut found = workspaces::table
        .find(id_or_slug)
        .first::<WorkspaceRow>(conn)
        .optional()?;
    if found.is_none() {
        found = workspaces::table
            .filter(workspaces::slug.eq(id_or_slug))
            .first(conn)
            .optional()?;
    }
    found.map(workspace).transpose()
}

pub(crate) fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Workspace>, Error> {
    let rows = workspaces::table
        .order(workspaces::slug)
        .limit(limit)
        .load::<WorkspaceRow>(conn)?;
    rows.into_iter().map(workspace).collect()
}

type EnvironmentRow = (StoredText, StoredText, String, bool, Stamp, Stamp, Option<String>);

pub(crate) fn environments(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<Environment>, Error> {
    let rows = environments::table
        .filter(environments::workspace_id.eq(workspace.as_str()))
        .order((environments::created_at, environments::id))
        .limit(limit)
        .load::<EnvironmentRow>(conn)?;
    Ok(rows
        .into_iter()
        .map(
            |(id, workspace_id, slug, is_default, created_at, updated_at, name)| Environment {
                id: id.into(),
                workspace_id: workspace_id.into(),
                slug,
                name,
                is_default,
                created_at: created_at.into(),
                updated_at: updated_at.into(),
            },
        )
        .collect())
}

/// Removes an environment. Deleted endpoints stay for their history and go to the default one: they keep none alive.
pub(crate) fn remove_environment(conn: &mut Conn, id: &EnvironmentId) -> Result<(), Error> {
    let workspace: Option<String> = environments::table
        .find(id.as_str())
        .select(environments::workspace_id)
        .first(conn)
        .optional()?;
    let Some(workspace) = workspace else { return Ok(()) };
    let default: Option<String> = environments::table
        .filter(environments::workspace_id.eq(workspace))
        .filter(environments::is_default)
        .filter(environments::id.ne(id.as_str()))
        .select(environments::id)
        .first(conn)
        .optional()?;
    if let Some(default) = default {
        let deleted = endpoints::table
            .filter(endpoints::environment_id.eq(id.as_str()))
            .filter(endpoints::deleted_at.is_not_null());
        diesel::update(deleted)
            .set(endpoints::environment_id.eq(default))
            .execute(conn)?;
    }
    diesel::delete(environments::table.find(id.as_str())).execute(conn)?;
    Ok(())
}

pub(crate) fn management_token(conn: &mut Conn, token_hash: &[u8]) -> Result<Option<ManagementToken>, Error> {
    let row: Option<(StoredText, StoredText, String)> = management_tokens::table
        .filter(management_tokens::token_hash.eq(token_hash))
        .select((
            management_tokens::id,
            management_tokens::workspace_id,
            management_tokens::name,
        ))
        .first(conn)
        .optional()?;
    Ok(row.map(|(id, workspace_id, name)| ManagementToken {
        id: id.into(),
        workspace_id: workspace_id.into(),
        name,
    }))
}

type TokenRow = (StoredText, StoredText, String, Vec<u8>, Stamp);

pub(crate) fn management_tokens(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<NewManagementToken>, Error> {
    let rows = management_tokens::table
        .filter(management_tokens::workspace_id.eq(workspace.as_str()))
        .order(management_tokens::name)
        .limit(limit)
        .load::<TokenRow>(conn)?;
    rows.into_iter()
        .map(|(id, workspace_id, name, token_hash, created_at)| {
            Ok(NewManagementToken {
                id: id.into(),
                workspace_id: workspace_id.into(),
                name,
                token_hash: token_hash.try_into().map_err(|_length| Error::Corrupt {
                    what: "token_hash of a management token",
                    source: "not 32 bytes".into(),
                })?,
                created_at: created_at.into(),
            })
        })
        .collect()
}
