//! Endpoints.

use super::super::Conn;
use super::super::schema::endpoints;
use crate::Error;
use crate::catalog::EndpointRow;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{EndpointId, WorkspaceId};

/// Finds an endpoint, also a deleted one.
pub(crate) fn find(conn: &mut Conn, id: &EndpointId) -> Result<Option<EndpointRow>, Error> {
    Ok(endpoints::table.find(id.as_str()).first(conn).optional()?)
}

pub(crate) fn list(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<EndpointRow>, Error> {
    Ok(endpoints::table
        .filter(endpoints::workspace_id.eq(workspace.as_str()))
        .filter(endpoints::deleted_at.is_null())
        .order((endpoints::created_at, endpoints::id))
        .limit(limit)
        .load(conn)?)
}
