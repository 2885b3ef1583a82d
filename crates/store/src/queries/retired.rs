//! Whose the ids of removed things are. What is kept of such a thing (runs, versions, claims) is found by its id, so nobody else
//! gets it, though operators may pin ids.

use super::super::Conn;
use super::super::schema::retired_ids;
use crate::Error;
use crate::sql::Stamp;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl};
use wire::{Instant, WorkspaceId};

/// Keeps the id of a thing that is being removed for the workspace that it was of.
pub(crate) fn retire(conn: &mut Conn, id: &str, workspace: &str, now: Instant) -> QueryResult<()> {
    diesel::insert_into(retired_ids::table)
        .values((
            retired_ids::id.eq(id),
            retired_ids::workspace_id.eq(workspace),
            retired_ids::retired_at.eq(Stamp(now)),
        ))
        .on_conflict(retired_ids::id)
        .do_nothing()
        .execute(conn)?;
    Ok(())
}

/// Refuses an id that was another workspace's. To be asked after the thing was saved: who saves it waits for whoever removes it
/// at the same time, and a later statement sees what that one did.
pub(crate) fn check(conn: &mut Conn, id: &str, workspace: &WorkspaceId) -> Result<(), Error> {
    let owner: Option<String> = retired_ids::table
        .find(id)
        .select(retired_ids::workspace_id)
        .first(conn)
        .optional()?;
    match owner {
        Some(owner) if owner != workspace.as_str() => Err(Error::Taken {
            constraint: format!("the id `{id}`"),
        }),
        _ => Ok(()),
    }
}
