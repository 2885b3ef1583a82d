//! Routes, subscriptions among them, and what they lead to.

use super::super::Conn;
use super::super::schema::{endpoints, routes};
use crate::Error;
use crate::catalog::RouteRow;
use crate::sql::StoredText;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, TextExpressionMethods,
};
use wire::{EndpointId, EnvironmentId, EventTypeId, RouteId, WorkspaceId};

/// Finds a route or a subscription.
pub(crate) fn find(conn: &mut Conn, id: &RouteId) -> Result<Option<RouteRow>, Error> {
    Ok(routes::table.find(id.as_str()).first(conn).optional()?)
}

/// Routes and subscriptions, in the order in which they are tried.
pub(crate) fn all(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<RouteRow>, Error> {
    Ok(routes::table
        .filter(routes::workspace_id.eq(workspace.as_str()))
        .order((routes::position, routes::id))
        .limit(limit)
        .load(conn)?)
}

/// An endpoint's subscriptions, oldest first.
pub(crate) fn subscriptions(
    conn: &mut Conn,
    endpoint: &EndpointId,
    limit: i64,
) -> Result<Vec<RouteRow>, Error> {
    Ok(routes::table
        .filter(routes::endpoint_id.eq(Some(endpoint.as_str())))
        .order((routes::created_at, routes::id))
        .limit(limit)
        .load(conn)?)
}

/// How many endpoints each event type of the workspace has as its subscribers; types without any are left out.
pub(crate) fn subscriber_counts(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(EventTypeId, i64)>, Error> {
    let rows: Vec<(Option<StoredText>, i64)> = routes::table
        .filter(routes::workspace_id.eq(workspace.as_str()))
        .filter(routes::event_type_id.is_not_null())
        .group_by(routes::event_type_id)
        .select((routes::event_type_id, diesel::dsl::count_star()))
        .limit(limit)
        .load(conn)?;
    let counted = |(id, count): (Option<StoredText>, i64)| Some((EventTypeId::from(id?), count));
    Ok(rows.into_iter().filter_map(counted).collect())
}

/// Ends a subscription; false when there was none.
pub(crate) fn unsubscribe(
    conn: &mut Conn,
    endpoint: &EndpointId,
    event_type: &EventTypeId,
) -> Result<bool, Error> {
    let subscription = routes::table
        .filter(routes::endpoint_id.eq(Some(endpoint.as_str())))
        .filter(routes::event_type_id.eq(Some(event_type.as_str())));
    Ok(diesel::delete(subscription).execute(conn)? > 0)
}

/// The routes that are no subscriptions.
pub(crate) fn list(conn: &mut Conn, workspace: &WorkspaceId, limit: i64) -> Result<Vec<RouteRow>, Error> {
    Ok(routes::table
        .filter(routes::workspace_id.eq(workspace.as_str()))
        .filter(routes::event_type_id.is_null())
        .order((routes::position, routes::id))
        .limit(limit)
        .load(conn)?)
}

/// The settings of the workspace's endpoints that are not deleted and say something of an order or a schedule; few among many,
/// and the settings of the others are not read.
pub(crate) fn particular(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(EndpointId, String)>, Error> {
    let rows: Vec<(StoredText, String)> = endpoints::table
        .filter(endpoints::workspace_id.eq(workspace.as_str()))
        .filter(endpoints::deleted_at.is_null())
        .filter(
            endpoints::spec
                .like("%\"ordered\":%")
                .or(endpoints::spec.like("%\"schedule\":%")),
        )
        .limit(limit)
        .select((endpoints::id, endpoints::spec))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, spec)| (id.into(), spec)).collect())
}

/// The workspace's endpoints that are not deleted, whether each is enabled, and its environment.
pub(crate) fn targets(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<(EndpointId, bool, EnvironmentId)>, Error> {
    let rows: Vec<(StoredText, bool, StoredText)> = endpoints::table
        .filter(endpoints::workspace_id.eq(workspace.as_str()))
        .filter(endpoints::deleted_at.is_null())
        .limit(limit)
        .select((endpoints::id, endpoints::enabled, endpoints::environment_id))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, enabled, environment)| (id.into(), enabled, environment.into()))
        .collect())
}
