//! Handshakes.

use super::super::Conn;
use super::super::schema::{handshakes, sources};
use crate::Error;
use crate::catalog::HandshakesRow;
use crate::sql::Stamp;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{Instant, SourceId, WorkspaceId};

pub(crate) fn add(conn: &mut Conn, row: &HandshakesRow) -> Result<(), Error> {
    let there: i64 = sources::table
        .filter(sources::id.eq(&row.source_id))
        .count()
        .get_result(conn)?;
    if there == 0 {
        return Ok(());
    }
    diesel::insert_into(handshakes::table)
        .values((
            handshakes::source_id.eq(&row.source_id),
            handshakes::answered.eq(row.answered),
            handshakes::last_at.eq(row.last_at),
        ))
        .on_conflict(handshakes::source_id)
        .do_update()
        .set((
            handshakes::answered.eq(handshakes::answered + excluded(handshakes::answered)),
            handshakes::last_at.eq(excluded(handshakes::last_at)),
        ))
        .execute(conn)?;
    if row.sealed.is_some() {
        diesel::update(handshakes::table.find(&row.source_id))
            .set((
                handshakes::sealed.eq(&row.sealed),
                handshakes::captured_at.eq(row.captured_at),
                handshakes::captured_from.eq(&row.captured_from),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Forgets the secret that came at `captured_at`; a later one stays.
pub(crate) fn remove_captured(conn: &mut Conn, source: &SourceId, captured_at: Instant) -> Result<(), Error> {
    diesel::update(handshakes::table.find(source.as_str()))
        .filter(handshakes::captured_at.eq(Stamp(captured_at)))
        .set((
            handshakes::sealed.eq(None::<Vec<u8>>),
            handshakes::captured_at.eq(None::<Stamp>),
            handshakes::captured_from.eq(None::<String>),
        ))
        .execute(conn)?;
    Ok(())
}

pub(crate) fn find(conn: &mut Conn, source: &SourceId) -> Result<Option<HandshakesRow>, Error> {
    Ok(handshakes::table.find(source.as_str()).first(conn).optional()?)
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    limit: i64,
) -> Result<Vec<HandshakesRow>, Error> {
    Ok(handshakes::table
        .inner_join(sources::table.on(sources::id.eq(handshakes::source_id)))
        .filter(sources::workspace_id.eq(workspace.as_str()))
        .select(handshakes::all_columns)
        .order(sources::slug)
        .limit(limit)
        .load(conn)?)
}
