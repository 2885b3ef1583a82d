//! A workspace's customers, and their visits to the portal.

use super::super::Conn;
use super::super::schema::{applications, endpoints, portal_sessions};
use super::edits::saved;
use crate::catalog::{from_json, json};
use crate::sql::{Stamp, StoredText};
use crate::{Application, Error, PortalSession};
use diesel::query_dsl::methods;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{ApplicationId, Instant, PortalSessionId, WorkspaceId};

type Row = (StoredText, StoredText, Option<String>, String, Stamp, Stamp);

fn open((id, workspace_id, external_id, spec, created_at, updated_at): Row) -> Result<Application, Error> {
    Ok(Application {
        id: id.into(),
        workspace_id: workspace_id.into(),
        external_id,
        spec: from_json("spec of an application", &spec)?,
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    })
}

/// Oldest first.
pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    offset: i64,
    limit: i64,
) -> Result<Vec<Application>, Error> {
    let rows: Vec<Row> = QueryDsl::filter(
        applications::table,
        applications::workspace_id.eq(workspace.as_str()),
    )
    .order((applications::created_at, applications::id))
    .offset(offset)
    .limit(limit)
    .load(conn)?;
    rows.into_iter().map(open).collect()
}

/// By its id or else by the workspace's own name for it.
pub(crate) fn find(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id_or_external: &str,
) -> Result<Option<Application>, Error> {
    let of_workspace = || {
        QueryDsl::filter(
            applications::table,
            applications::workspace_id.eq(workspace.as_str()),
        )
    };
    let mut found: Option<Row> = QueryDsl::filter(of_workspace(), applications::id.eq(id_or_external))
        .first(conn)
        .optional()?;
    if found.is_none() {
        found = QueryDsl::filter(of_workspace(), applications::external_id.eq(Some(id_or_external)))
            .first(conn)
            .optional()?;
    }
    found.map(open).transpose()
}

pub(crate) fn save(conn: &mut Conn, row: &Application) -> Result<(), Error> {
    let insert = diesel::insert_into(applications::table)
        .values((
            applications::id.eq(row.id.as_str()),
            applications::workspace_id.eq(row.workspace_id.as_str()),
            applications::external_id.eq(&row.external_id),
            applications::spec.eq(json(&row.spec)),
            applications::created_at.eq(Stamp(row.created_at)),
            applications::updated_at.eq(Stamp(row.updated_at)),
        ))
        .on_conflict(applications::id)
        .do_update()
        .set((
            applications::external_id.eq(excluded(applications::external_id)),
            applications::spec.eq(excluded(applications::spec)),
            applications::updated_at.eq(excluded(applications::updated_at)),
        ));
    let replaced = methods::FilterDsl::filter(
        insert,
        applications::workspace_id.eq(excluded(applications::workspace_id)),
    )
    .execute(conn)?;
    saved(replaced, &row.id)
}

/// Removes an application and its endpoints, as each endpoint by itself would be. The application goes first: whoever is
/// making an endpoint of it holds its row, see [`check_limit`], and is waited for.
pub(crate) fn remove(conn: &mut Conn, id: &ApplicationId, now: Instant) -> Result<(), Error> {
    diesel::delete(applications::table.find(id.as_str())).execute(conn)?;
    super::endpoints::remove_of(conn, id, now)
}

/// Fails when the application has more endpoints than it may have. The application's row is locked first, so that of two
/// that are made at the same time the second is counted after the first.
pub(crate) fn check_limit(conn: &mut Conn, id: &ApplicationId) -> Result<(), Error> {
    diesel::update(applications::table.find(id.as_str()))
        .set(applications::updated_at.eq(applications::updated_at))
        .execute(conn)?;
    let spec: Option<String> = applications::table
        .find(id.as_str())
        .select(applications::spec)
        .first(conn)
        .optional()?;
    let Some(spec) = spec else {
        return Err(Error::Dangling {
            constraint: format!("the application `{id}`"),
        });
    };
    let spec: wire::resource::ApplicationSpec = from_json("spec of an application", &spec)?;
    let Some(most) = spec.max_endpoints else {
        return Ok(());
    };
    let count: i64 = QueryDsl::filter(endpoints::table, endpoints::application_id.eq(Some(id.as_str())))
        .filter(endpoints::deleted_at.is_null())
        .count()
        .get_result(conn)?;
    if count > i64::from(most) {
        return Err(Error::Full {
            what: format!("the application `{id}`"),
            most: most.into(),
        });
    }
    Ok(())
}

/// Makes a visit, by the SHA-256 of the code that opens it.
pub(crate) fn begin_session(conn: &mut Conn, session: &PortalSession, code_hash: &[u8]) -> Result<(), Error> {
    diesel::insert_into(portal_sessions::table)
        .values((
            portal_sessions::id.eq(session.id.as_str()),
            portal_sessions::application_id.eq(session.application_id.as_str()),
            portal_sessions::workspace_id.eq(session.workspace_id.as_str()),
            portal_sessions::code_hash.eq(code_hash),
            portal_sessions::spec.eq(json(&session.spec)),
            portal_sessions::created_at.eq(Stamp(session.created_at)),
            portal_sessions::expires_at.eq(Stamp(session.expires_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Uses a code up: once, and not when it is too late. From here on the browser goes by `cookie_hash`.
pub(crate) fn open_session(
    conn: &mut Conn,
    code_hash: &[u8],
    cookie_hash: &[u8],
    now: Instant,
) -> Result<bool, Error> {
    let unused = QueryDsl::filter(portal_sessions::table, portal_sessions::code_hash.eq(code_hash))
        .filter(portal_sessions::cookie_hash.is_null())
        .filter(portal_sessions::expires_at.gt(Stamp(now)));
    let opened = diesel::update(unused)
        .set(portal_sessions::cookie_hash.eq(Some(cookie_hash)))
        .execute(conn)?;
    Ok(opened > 0)
}

type SessionRow = (StoredText, StoredText, StoredText, String, Stamp, Stamp);

/// The visit that a browser is on.
pub(crate) fn session(
    conn: &mut Conn,
    cookie_hash: &[u8],
    now: Instant,
) -> Result<Option<PortalSession>, Error> {
    let row: Option<SessionRow> = QueryDsl::filter(
        portal_sessions::table,
        portal_sessions::cookie_hash.eq(Some(cookie_hash)),
    )
    .filter(portal_sessions::expires_at.gt(Stamp(now)))
    .select((
        portal_sessions::id,
        portal_sessions::application_id,
        portal_sessions::workspace_id,
        portal_sessions::spec,
        portal_sessions::created_at,
        portal_sessions::expires_at,
    ))
    .first(conn)
    .optional()?;
    row.map(
        |(id, application_id, workspace_id, spec, created_at, expires_at)| {
            Ok(PortalSession {
                id: id.into(),
                application_id: application_id.into(),
                workspace_id: workspace_id.into(),
                spec: from_json("spec of a portal session", &spec)?,
                created_at: created_at.into(),
                expires_at: expires_at.into(),
            })
        },
    )
    .transpose()
}

/// Ends a visit.
pub(crate) fn end_session(conn: &mut Conn, id: &PortalSessionId) -> Result<(), Error> {
    diesel::delete(portal_sessions::table.find(id.as_str())).execute(conn)?;
    Ok(())
}

/// Removes up to `limit` visits that are over.
pub(crate) fn forget_sessions(conn: &mut Conn, now: Instant, limit: i64) -> Result<usize, Error> {
    let over: Vec<String> =
        QueryDsl::filter(portal_sessions::table, portal_sessions::expires_at.le(Stamp(now)))
            .order(portal_sessions::expires_at)
            .limit(limit)
            .select(portal_sessions::id)
            .load(conn)?;
    Ok(diesel::delete(QueryDsl::filter(
        portal_sessions::table,
        portal_sessions::id.eq_any(over),
    ))
    .execute(conn)?)
}
