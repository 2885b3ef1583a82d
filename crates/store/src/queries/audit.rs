//! The audit: who did what.

use super::super::Conn;
use super::super::schema::audit_entries;
use crate::catalog::{from_json, json};
use crate::sql::{StoredText, Uid};
use crate::{Actor, ActorKind, AuditEntry, Error};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use wire::{AuditId, WorkspaceId};

/// Keeps entries, in the caller's transaction.
pub(crate) fn insert(conn: &mut Conn, entries: &[AuditEntry]) -> Result<(), Error> {
    for entry in entries {
        diesel::insert_into(audit_entries::table)
            .values((
                audit_entries::id.eq(Uid::from(entry.id)),
                audit_entries::workspace_id.eq(entry.workspace_id.as_str()),
                audit_entries::actor_kind.eq(entry.actor.kind.as_str()),
                audit_entries::actor_id.eq(&entry.actor.id),
                audit_entries::actor_name.eq(&entry.actor.name),
                audit_entries::action.eq(&entry.action),
                audit_entries::target_kind.eq(entry.target_kind()),
                audit_entries::target_id.eq(&entry.target_id),
                audit_entries::detail.eq(json(&entry.detail)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

type Row = (
    Uid,
    StoredText,
    (String, Option<String>, Option<String>),
    String,
    String,
    String,
);

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    before: Option<AuditId>,
    limit: i64,
) -> Result<Vec<AuditEntry>, Error> {
    let mut query = audit_entries::table
        .filter(audit_entries::workspace_id.eq(workspace.as_str()))
        .order(audit_entries::id.desc())
        .limit(limit)
        .select((
            audit_entries::id,
            audit_entries::workspace_id,
            (
                audit_entries::actor_kind,
                audit_entries::actor_id,
                audit_entries::actor_name,
            ),
            audit_entries::action,
            audit_entries::target_id,
            audit_entries::detail,
        ))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(audit_entries::id.lt(Uid::from(before)));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().map(open).collect()
}

fn open(
    (id, workspace_id, (kind, actor_id, name), action, target_id, detail): Row,
) -> Result<AuditEntry, Error> {
    let kind = ActorKind::of(&kind).ok_or_else(|| Error::Corrupt {
        what: "the actor of an audit entry",
        source: format!("there is no `{kind}`").into(),
    })?;
    Ok(AuditEntry {
        id: id.into(),
        workspace_id: workspace_id.into(),
        actor: Actor {
            kind,
            id: actor_id,
            name,
        },
        action,
        target_id,
        detail: from_json("detail of an audit entry", &detail)?,
    })
}
