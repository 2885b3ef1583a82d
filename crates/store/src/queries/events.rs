//! Events and the claims on their keys.

use super::super::Conn;
use super::super::schema::{claims, events};
use super::{in_state, length};
use crate::sql::Uid;
use crate::{Claim, Error, Event, EventFilter, EventSummary};
use diesel::dsl::sql;
use diesel::sql_types::Integer;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use std::collections::HashMap;
use wire::{EventId, Instant, WorkspaceId};

/// Bytes of bodies that are read at once: several batches are under way in a router, and each is held more than once.
const READ_AT_ONCE: i64 = 16 << 20;

/// As many as are read without asking how large they are.
const FEW: usize = 2;

/// Those of `ids` that are not routed, and which of them were not read because their bodies are too much at once.
pub(crate) fn accepted(conn: &mut Conn, ids: &[EventId]) -> Result<(Vec<Event>, Vec<EventId>), Error> {
    let mut ids: Vec<EventId> = ids.to_vec();
    ids.sort_unstable();
    let mut left = Vec::new();
    if ids.len() > FEW {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let sizes: Vec<(Uid, i32)> = events::table
            .filter(events::id.eq_any(uids(&ids)))
            .filter(events::id.between(Uid::from(*first), Uid::from(*last)))
            .filter(events::state.eq("accepted"))
            .order(events::id)
            .select((events::id, length(events::body)))
            .load(conn)?;
        let fitting = fitting(&sizes);
        ids = sizes.into_iter().map(|(id, _)| id.into()).collect();
        left = ids.split_off(fitting);
    }
    Ok((read(conn, &ids)?, left))
}

/// The range of the ids' times keeps Postgres out of all partitions but these days'. `ids` are in order.
fn read(conn: &mut Conn, ids: &[EventId]) -> Result<Vec<Event>, Error> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(Vec::new());
    };
    Ok(events::table
        .filter(events::id.eq_any(uids(ids)))
        .filter(events::id.between(Uid::from(*first), Uid::from(*last)))
        .filter(events::state.eq("accepted"))
        .load(conn)?)
}

fn uids(ids: &[EventId]) -> Vec<Uid> {
    ids.iter().copied().map(Uid::from).collect()
}

/// How many of these bodies, but at least one, are read at once.
fn fitting(sizes: &[(Uid, i32)]) -> usize {
    let mut bytes = 0;
    let within = sizes.iter().take_while(|(_, size)| {
        bytes += i64::from(*size);
        bytes <= READ_AT_ONCE
    });
    within.count().max(1).min(sizes.len())
}

/// The oldest that are not routed, but for those of the workspaces `passed`, and whether there may be more of them. The key
/// carries the time, so "accepted before" is a range of the key; a request may be a little older than its id.
pub(crate) fn unrouted(
    conn: &mut Conn,
    before: Instant,
    passed: &[WorkspaceId],
    limit: i64,
) -> Result<(Vec<Event>, bool), Error> {
    let passed: Vec<&str> = passed.iter().map(WorkspaceId::as_str).collect();
    let sizes: Vec<(Uid, i32)> = events::table
        .filter(in_state("accepted"))
        .filter(events::id.lt(Uid::from(EventId::new(before, 0))))
        .filter(events::workspace_id.ne_all(passed))
        .order(events::id)
        .limit(limit)
        .select((events::id, length(events::body)))
        .load(conn)?;
    let fitting = fitting(&sizes);
    let is_cut = fitting < sizes.len() || i64::try_from(sizes.len()).is_ok_and(|found| found >= limit);
    let ids: Vec<EventId> = sizes.into_iter().take(fitting).map(|(id, _)| id.into()).collect();
    let mut events = read(conn, &ids)?;
    events.sort_by_key(|event| event.id);
    Ok((events, is_cut))
}

pub(crate) fn count_failure(conn: &mut Conn, id: EventId) -> Result<i32, Error> {
    let row = events::table.filter(events::id.eq(Uid::from(id)));
    diesel::update(row)
        .set(events::failures.eq(events::failures + 1))
        .execute(conn)?;
    Ok(events::table
        .find(Uid::from(id))
        .select(events::failures)
        .first(conn)
        .optional()?
        .unwrap_or(0))
}

pub(crate) fn find(conn: &mut Conn, workspace: &WorkspaceId, id: EventId) -> Result<Option<Event>, Error> {
    Ok(events::table
        .find(Uid::from(id))
        .filter(events::workspace_id.eq(workspace.as_str()))
        .first(conn)
        .optional()?)
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    filter: &EventFilter,
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<EventSummary>, Error> {
    let mut query = events::table
        .filter(events::workspace_id.eq(workspace.as_str()))
        .order(events::id.desc())
        .limit(limit)
        .select((
            events::id,
            events::source_id,
            events::event_type,
            events::state,
            events::verified,
            events::received_at,
            events::content_type,
            sql::<Integer>("length(body)"),
            events::idempotency_key,
            events::verify_reason,
            events::verify_secret_id,
        ))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(events::id.lt(Uid::from(before)));
    }
    if let Some(source) = &filter.source_id {
        query = query.filter(events::source_id.eq(Some(source.as_str())));
    }
    if let Some(event_type) = &filter.event_type {
        query = query.filter(events::event_type.eq(Some(event_type.as_str())));
    }
    if let Some(state) = filter.state {
        query = query.filter(in_state(state.as_str()));
    }
    Ok(query.load(conn)?)
}

/// The keys of the events that are still there.
pub(crate) fn idempotency_keys(
    conn: &mut Conn,
    events: &[EventId],
) -> Result<HashMap<EventId, Option<String>>, Error> {
    let ids: Vec<Uid> = events.iter().copied().map(Uid::from).collect();
    let keys: Vec<(Uid, Option<String>)> = events::table
        .filter(events::id.eq_any(ids))
        .select((events::id, events::idempotency_key))
        .load(conn)?;
    Ok(keys.into_iter().map(|(id, key)| (id.into(), key)).collect())
}

pub(crate) fn claim(conn: &mut Conn, scope: &str, key_hash: &[u8]) -> Result<Option<Claim>, Error> {
    Ok(claims::table
        .find((scope, key_hash))
        .select((
            claims::scope,
            claims::key,
            claims::fingerprint,
            claims::event_id,
            claims::accepted_at,
            claims::expires_at,
            claims::repeats,
            claims::mismatches,
        ))
        .first(conn)
        .optional()?)
}
