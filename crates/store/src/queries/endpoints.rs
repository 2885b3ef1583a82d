//! Endpoints.

use super::super::Conn;
use super::super::schema::{endpoints, routes};
use crate::Error;
use crate::catalog::EndpointRow;
use crate::sql::Stamp;
use diesel::{
    AsChangeset, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
};
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

/// What is left of a deleted endpoint: its deliveries' history stays, so the row does too, without its secrets. Its slug is
/// free again.
#[derive(AsChangeset)]
#[diesel(table_name = endpoints, treat_none_as_null = true)]
struct Removal {
    deleted_at: Option<Stamp>,
    sealed: Option<Vec<u8>>,
    credential_sealed: Option<Vec<u8>>,
    client_key_sealed: Option<Vec<u8>>,
    updated_at: Stamp,
}

impl Removal {
    const fn at(now: Instant) -> Self {
        Self {
            deleted_at: Some(Stamp(now)),
            sealed: None,
            credential_sealed: None,
            client_key_sealed: None,
            updated_at: Stamp(now),
        }
    }
}

/// Marks an endpoint as deleted, and ends its subscriptions.
pub(crate) fn remove(conn: &mut Conn, id: &EndpointId, now: Instant) -> Result<(), Error> {
    diesel::delete(routes::table.filter(routes::endpoint_id.eq(Some(id.as_str())))).execute(conn)?;
    diesel::update(endpoints::table.find(id.as_str()))
        .set(Removal::at(now))
        .execute(conn)?;
    // The worker ends what waits for it.
    super::lanes::let_all_go(conn, id.as_str(), now)?;
    Ok(())
}

/// The same for all of an application's that are not deleted yet.
pub(crate) fn remove_of(conn: &mut Conn, application: &ApplicationId, now: Instant) -> Result<(), Error> {
    let owned = || {
        endpoints::table
            .filter(endpoints::application_id.eq(Some(application.as_str())))
            .filter(endpoints::deleted_at.is_null())
    };
    let ids = owned().select(endpoints::id.nullable());
    diesel::delete(routes::table.filter(routes::endpoint_id.eq_any(ids))).execute(conn)?;
    let mut lanes: Vec<String> = owned().select(endpoints::id).load(conn)?;
    diesel::update(owned()).set(Removal::at(now)).execute(conn)?;
    lanes.sort_unstable();
    for endpoint in lanes {
        super::lanes::let_all_go(conn, &endpoint, now)?;
    }
    Ok(())
}
