//! Rejections: requests that were refused.

use super::super::Conn;
use super::super::schema::rejections;
use crate::sql::{Stamp, StoredText, Uid};
use crate::{Error, NewRejection, Rejection, RejectionFilter};
use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{EventId, RejectionId, SourceId, WorkspaceId};

/// `sealed` is the whole request, encrypted.
pub(crate) fn insert(conn: &mut Conn, rejection: &NewRejection, sealed: Option<&[u8]>) -> Result<(), Error> {
    diesel::insert_into(rejections::table)
        .values((
            rejections::id.eq(Uid::from(rejection.id)),
            rejections::workspace_id.eq(rejection.workspace_id.as_str()),
            rejections::source_id.eq(rejection.source_id.as_ref().map(SourceId::as_str)),
            rejections::cause.eq(&rejection.cause),
            rejections::detail.eq(&rejection.detail),
            rejections::received_at.eq(Stamp(rejection.received_at)),
            rejections::method.eq(&rejection.method),
            rejections::query.eq(&rejection.query),
            rejections::remote_address.eq(&rejection.remote_address),
            rejections::headers.eq(rejection.headers.as_ref()),
            rejections::body_preview.eq(rejection.body_preview.as_ref()),
            rejections::door.eq(rejection.door.as_str()),
            rejections::request_sealed.eq(sealed),
        ))
        .execute(conn)?;
    Ok(())
}

type RejectionColumns = (
    rejections::id,
    rejections::source_id,
    rejections::cause,
    rejections::detail,
    rejections::received_at,
    rejections::method,
    rejections::query,
    rejections::remote_address,
    rejections::headers,
    rejections::body_preview,
    rejections::door,
    rejections::event_id,
    diesel::dsl::IsNotNull<rejections::request_sealed>,
);

fn columns() -> RejectionColumns {
    (
        rejections::id,
        rejections::source_id,
        rejections::cause,
        rejections::detail,
        rejections::received_at,
        rejections::method,
        rejections::query,
        rejections::remote_address,
        rejections::headers,
        rejections::body_preview,
        rejections::door,
        rejections::event_id,
        rejections::request_sealed.is_not_null(),
    )
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    filter: &RejectionFilter,
    before: Option<RejectionId>,
    limit: i64,
) -> Result<Vec<Rejection>, Error> {
    let mut query = rejections::table
        .filter(rejections::workspace_id.eq(workspace.as_str()))
        .order(rejections::id.desc())
        .limit(limit)
        .select(columns())
        .into_boxed();
    if let Some(source) = &filter.source_id {
        query = query.filter(rejections::source_id.eq(Some(source.as_str())));
    }
    if let Some(cause) = &filter.cause {
        query = query.filter(rejections::cause.eq(cause));
    }
    if let Some(before) = before {
        query = query.filter(rejections::id.lt(Uid::from(before)));
    }
    Ok(query.load(conn)?)
}

pub(crate) fn find(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: RejectionId,
) -> Result<Option<Rejection>, Error> {
    Ok(rejections::table
        .find(Uid::from(id))
        .filter(rejections::workspace_id.eq(workspace.as_str()))
        .select(columns())
        .first(conn)
        .optional()?)
}

type SealedRow = (Option<SourceId>, Stamp, Option<Vec<u8>>);

/// The source that refused it, when, and the whole request, encrypted.
pub(crate) fn sealed(conn: &mut Conn, id: RejectionId) -> Result<Option<SealedRow>, Error> {
    let row: Option<(Option<StoredText>, Stamp, Option<Vec<u8>>)> = rejections::table
        .find(Uid::from(id))
        .select((
            rejections::source_id,
            rejections::received_at,
            rejections::request_sealed,
        ))
        .first(conn)
        .optional()?;
    Ok(row.map(|(source, at, sealed)| (source.map(SourceId::from), at, sealed)))
}

/// Notes what became of it, unless it became something else before, and lets the whole request go: the event has it now.
pub(crate) fn accepted(conn: &mut Conn, id: RejectionId, event: EventId) -> Result<bool, Error> {
    let event = Some(Uid::from(event));
    let open = rejections::table
        .filter(rejections::id.eq(Uid::from(id)))
        .filter(rejections::event_id.is_null().or(rejections::event_id.eq(event)));
    let noted = diesel::update(open)
        .set((
            rejections::event_id.eq(event),
            rejections::request_sealed.eq(None::<Vec<u8>>),
        ))
        .execute(conn)?;
    Ok(noted > 0)
}
