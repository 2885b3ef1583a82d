//! The versions of playbooks.
//!
//! A version is a definition that was saved. Whatever a playbook's row says, its version's definition is its own: saving
//! decides the version, in the transaction that saves the row, and under the row's lock.

use super::super::Conn;
use super::super::schema::{playbook_versions, playbooks};
use crate::sql::{Stamp, StoredText};
use crate::{Error, Playbook, PlaybookVersion};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::PlaybookId;

/// `playbook::Operations` of a definition that calls none.
const NO_OPERATIONS: &str = "{}";

/// A row of `playbook_versions`.
type Row = (StoredText, i32, String, String, Stamp);

fn opened((playbook_id, version, definition, operations, created_at): Row) -> PlaybookVersion {
    PlaybookVersion {
        playbook_id: playbook_id.into(),
        version,
        definition,
        operations,
        created_at: created_at.into(),
    }
}

/// Makes the next version unless the playbook's own has this very definition, and notes which one new runs begin with.
/// The playbook's row was written before in the same transaction, so nobody else makes a version of it meanwhile.
pub(crate) fn keep(conn: &mut Conn, playbook: &Playbook) -> Result<(), Error> {
    let id = playbook.id.as_str();
    let known: Option<String> = playbook_versions::table
        .find((id, playbook.version))
        .select(playbook_versions::definition)
        .first(conn)
        .optional()?;
    let version = if known.as_ref() == Some(&playbook.spec.definition) {
        playbook.version
    } else {
        next(conn, playbook)?
    };
    diesel::update(playbooks::table.find(id))
        .set(playbooks::version.eq(version))
        .execute(conn)?;
    Ok(())
}

fn next(conn: &mut Conn, playbook: &Playbook) -> Result<i32, Error> {
    let id = playbook.id.as_str();
    // A pinned id may have been another playbook's, whose runs go on: its versions are not written over.
    let last: Option<i32> = playbook_versions::table
        .filter(playbook_versions::playbook_id.eq(id))
        .select(diesel::dsl::max(playbook_versions::version))
        .first(conn)?;
    let version = last.unwrap_or(0).saturating_add(1);
    diesel::insert_into(playbook_versions::table)
        .values((
            playbook_versions::playbook_id.eq(id),
            playbook_versions::version.eq(version),
            playbook_versions::definition.eq(&playbook.spec.definition),
            playbook_versions::operations.eq(playbook.operations.as_deref().unwrap_or(NO_OPERATIONS)),
            playbook_versions::created_at.eq(Stamp(playbook.updated_at)),
        ))
        .execute(conn)?;
    Ok(version)
}

pub(crate) fn find(
    conn: &mut Conn,
    playbook: &PlaybookId,
    version: i32,
) -> Result<Option<PlaybookVersion>, Error> {
    let row: Option<Row> = playbook_versions::table
        .find((playbook.as_str(), version))
        .first(conn)
        .optional()?;
    Ok(row.map(opened))
}

/// Newest first, without what they hold: a page of documents would be large.
pub(crate) fn list(
    conn: &mut Conn,
    playbook: &PlaybookId,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<(i32, Stamp)>, Error> {
    let mut query = playbook_versions::table
        .filter(playbook_versions::playbook_id.eq(playbook.as_str()))
        .order(playbook_versions::version.desc())
        .limit(limit)
        .select((playbook_versions::version, playbook_versions::created_at))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(playbook_versions::version.lt(before));
    }
    Ok(query.load(conn)?)
}
