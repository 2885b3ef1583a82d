//! Endpoints.

use super::super::Conn;
use super::super::schema::{endpoints, routes};
use crate::Error;
use crate::catalog::{EndpointRow, from_json, json};
use crate::sql::{Stamp, StoredText};
use diesel::{
    AsChangeset, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl,
};
use wire::resource::EndpointSpec;
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

/// Marks an endpoint as deleted, and ends its subscriptions. Its lane is the caller's to let go.
pub(crate) fn remove(conn: &mut Conn, id: &EndpointId, now: Instant) -> Result<(), Error> {
    diesel::delete(routes::table.filter(routes::endpoint_id.eq(Some(id.as_str())))).execute(conn)?;
    diesel::update(endpoints::table.find(id.as_str()))
        .set(Removal::at(now))
        .execute(conn)?;
    Ok(())
}

/// Disables an endpoint that is enabled and what it was when it was read, and has its lane hold its deliveries; returns whose
/// it is, or none when it was changed since.
pub(crate) fn disable(
    conn: &mut Conn,
    id: &EndpointId,
    as_read: Instant,
    reason: &str,
    now: Instant,
) -> Result<Option<WorkspaceId>, Error> {
    let unchanged = endpoints::table
        .find(id.as_str())
        .filter(endpoints::enabled.eq(true))
        .filter(endpoints::deleted_at.is_null())
        .filter(endpoints::updated_at.eq(Stamp(as_read)));
    let locked = diesel::update(unchanged)
        .set((endpoints::enabled.eq(false), endpoints::updated_at.eq(Stamp(now))))
        .execute(conn)?;
    if locked == 0 {
        return Ok(None);
    }
    let row = || endpoints::table.find(id.as_str());
    let (workspace, spec): (StoredText, String) = row()
        .select((endpoints::workspace_id, endpoints::spec))
        .first(conn)?;
    let mut spec: EndpointSpec = from_json("spec of an endpoint", &spec)?;
    spec.enabled = false;
    diesel::update(row())
        .set(endpoints::spec.eq(json(&spec)))
        .execute(conn)?;
    let workspace = WorkspaceId::from(workspace);
    super::lanes::hold(conn, id.as_str(), workspace.as_str(), reason, now)?;
    Ok(Some(workspace))
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
