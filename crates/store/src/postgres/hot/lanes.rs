//! The lanes of a sweep: which are ready, how much of each is in flight, and when each is looked at again.

use crate::lane::{Lane, Looked};
use crate::sql::{Stamp, StoredText};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashMap;
use wire::{EndpointId, Instant, WorkspaceId};

/// Workspaces with ready lanes that are not in `crowded`, from the one after `after` on, at most `limit`.
///
/// One index look-up each: a workspace with many lanes is passed by in one step.
pub(crate) fn ready_workspaces(
    conn: &mut PgConnection,
    now: Instant,
    after: &str,
    crowded: &[EndpointId],
    limit: i64,
) -> QueryResult<Vec<WorkspaceId>> {
    let found: Vec<StoredText> = Workspaces {
        now: Stamp(now),
        after,
        crowded: crowded.iter().map(EndpointId::as_str).collect(),
        limit,
    }
    .load(conn)?;
    Ok(found.into_iter().map(WorkspaceId::from).collect())
}

struct Workspaces<'a> {
    now: Stamp,
    after: &'a str,
    crowded: Vec<&'a str>,
    limit: i64,
}

statement!(Workspaces, Text, PgConnection);

impl QueryFragment<Pg> for Workspaces<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH RECURSIVE turn (workspace_id) AS ((SELECT workspace_id FROM endpoint_lanes WHERE held_at IS NULL AND ready_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND workspace_id > ");
        out.push_bind_param::<Text, _>(self.after)?;
        out.push_sql(" AND endpoint_id <> ALL(");
        out.push_bind_param::<Array<Text>, _>(&self.crowded)?;
        out.push_sql(
            ") ORDER BY workspace_id LIMIT 1) UNION ALL \
             SELECT (SELECT lane.workspace_id FROM endpoint_lanes AS lane WHERE lane.held_at IS NULL AND lane.ready_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND lane.endpoint_id <> ALL(");
        out.push_bind_param::<Array<Text>, _>(&self.crowded)?;
        out.push_sql(
            ") AND lane.workspace_id > turn.workspace_id ORDER BY lane.workspace_id LIMIT 1) \
             FROM turn WHERE turn.workspace_id IS NOT NULL) \
             SELECT workspace_id FROM turn WHERE workspace_id IS NOT NULL LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        Ok(())
    }
}

/// Locks ready lanes of these workspaces, at most `each` of each, those that have been ready for the longest first. Passes
/// by those in `crowded`, and those that another has locked.
pub(crate) fn lock_ready(
    conn: &mut PgConnection,
    now: Instant,
    workspaces: &[WorkspaceId],
    each: i64,
    crowded: &[EndpointId],
) -> QueryResult<Vec<Lane>> {
    LockReady {
        now: Stamp(now),
        workspaces: workspaces.iter().map(WorkspaceId::as_str).collect(),
        each,
        crowded: crowded.iter().map(EndpointId::as_str).collect(),
    }
    .load(conn)
}

struct LockReady<'a> {
    now: Stamp,
    workspaces: Vec<&'a str>,
    each: i64,
    crowded: Vec<&'a str>,
}

statement!(
    LockReady,
    (
        Text,
        Text,
        Nullable<Timestamptz>,
        Text,
        Nullable<Timestamptz>,
        Nullable<Timestamptz>,
        Nullable<Integer>
    ),
    PgConnection
);

impl QueryFragment<Pg> for LockReady<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ready.* FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        // What another worker has just looked at is not ready any more: the row is judged as it is when it is locked.
        out.push_sql(
            ") AS turn (workspace_id), LATERAL (SELECT endpoint_id, lane.workspace_id, idle_since, circuit, probe_at, \
             waits_since, max_in_flight FROM endpoint_lanes AS lane \
             WHERE lane.workspace_id = turn.workspace_id AND held_at IS NULL AND ready_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND endpoint_id <> ALL(");
        out.push_bind_param::<Array<Text>, _>(&self.crowded)?;
        out.push_sql(") ORDER BY ready_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.each)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED) AS ready");
        Ok(())
    }
}

/// How many deliveries of each of these endpoints are leased.
pub(crate) fn in_flight(
    conn: &mut PgConnection,
    endpoints: &[&EndpointId],
) -> QueryResult<HashMap<EndpointId, usize>> {
    if endpoints.is_empty() {
        return Ok(HashMap::new());
    }
    let counts: Vec<(StoredText, i64)> = InFlight {
        endpoints: endpoints.iter().map(|id| id.as_str()).collect(),
    }
    .load(conn)?;
    let count = |(id, count): (StoredText, i64)| (id.into(), usize::try_from(count).unwrap_or(0));
    Ok(counts.into_iter().map(count).collect())
}

struct InFlight<'a> {
    endpoints: Vec<&'a str>,
}

statement!(InFlight, (Text, BigInt), PgConnection);

impl QueryFragment<Pg> for InFlight<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT lane.endpoint_id, held.count FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(
            ") AS lane (endpoint_id), LATERAL (SELECT count(*) AS count FROM deliveries \
             WHERE deliveries.endpoint_id = lane.endpoint_id AND state = 'delivering') AS held",
        );
        Ok(())
    }
}

/// When the next delivery of each of these endpoints is due.
pub(crate) fn next_due(
    conn: &mut PgConnection,
    endpoints: &[&EndpointId],
) -> QueryResult<HashMap<EndpointId, Instant>> {
    if endpoints.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(StoredText, Stamp)> = NextDue {
        endpoints: endpoints.iter().map(|id| id.as_str()).collect(),
    }
    .load(conn)?;
    Ok(found
        .into_iter()
        .map(|(id, due)| (id.into(), due.into()))
        .collect())
}

struct NextDue<'a> {
    endpoints: Vec<&'a str>,
}

statement!(NextDue, (Text, Timestamptz), PgConnection);

impl QueryFragment<Pg> for NextDue<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT lane.endpoint_id, next.due_at FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(
            ") AS lane (endpoint_id), LATERAL (SELECT due_at FROM deliveries \
             WHERE deliveries.endpoint_id = lane.endpoint_id AND state IN ('pending', 'scheduled_retry') \
             AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) AS next",
        );
        Ok(())
    }
}

/// Says when each lane is looked at again.
pub(crate) fn looked(
    conn: &mut PgConnection,
    lanes: &[Lane],
    looked: &[Looked],
    now: Instant,
) -> QueryResult<()> {
    Look {
        endpoints: lanes.iter().map(|lane| lane.endpoint_id.as_str()).collect(),
        ready_at: looked.iter().map(|looked| looked.ready_at.map(Stamp)).collect(),
        idle_since: looked.iter().map(|looked| looked.idle_since.map(Stamp)).collect(),
        probe_at: looked.iter().map(|looked| looked.probe_at.map(Stamp)).collect(),
        now: Stamp(now),
    }
    .load::<StoredText>(conn)
    .map(drop)
}

struct Look<'a> {
    endpoints: Vec<&'a str>,
    ready_at: Vec<Option<Stamp>>,
    idle_since: Vec<Option<Stamp>>,
    probe_at: Vec<Option<Stamp>>,
    now: Stamp,
}

statement!(Look, Text, PgConnection);

impl QueryFragment<Pg> for Look<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE endpoint_lanes AS lane SET ready_at = looked.ready_at, idle_since = looked.idle_since, \
             probe_at = looked.probe_at, updated_at = ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.ready_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.idle_since)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.probe_at)?;
        out.push_sql(
            ") AS looked (endpoint_id, ready_at, idle_since, probe_at) \
             WHERE lane.endpoint_id = looked.endpoint_id RETURNING lane.endpoint_id",
        );
        Ok(())
    }
}
