//! Endpoints.

use super::super::Conn;
use super::super::schema::{endpoints, routes};
use crate::Error;
use crate::catalog::EndpointRow;
use crate::sql::Stamp;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{ApplicationId, EndpointId, Instant, WorkspaceId};

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

/// An application's endpoints, oldest first.
pub(crate) fn of_application(
    conn: &mut Conn,
    application: &ApplicationId,
    limit: i64,
) -> Result<Vec<EndpointRow>, Error> {
    Ok(endpoints::table
        .filter(endpoints::application_id.eq(Some(application.as_str())))
        .filter(endpoints::deleted_at.is_null())
        .order((endpoints::created_at, endpoints::id))
        .limit(limit)
        .load(conn)?)
}

/// Marks an endpoint as deleted. Its deliveries' history stays, so the row does too, without its secrets and its
/// subscriptions. Its slug is free again.
pub(crate) fn remove(conn: &mut Conn, id: &EndpointId, now: Instant) -> Result<(), Error> {
    diesel::delete(routes::table.filter(routes::endpoint_id.eq(Some(id.as_str())))).execute(conn)?;
    diesel::update(endpoints::table.find(id.as_str()))
        .set((
            endpoints::deleted_at.eq(Some(Stamp(now))),
            endpoints::sealed.eq(None::<Vec<u8>>),
            endpoints::credential_sealed.eq(None::<Vec<u8>>),
            endpoints::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    Ok(())
}
