//! The lanes of a sweep: the statements of Postgres, a lane at a time, in the caller's transaction, which locks out
//! everybody else.

use crate::lane::{Lane, Looked};
use crate::sql::Stamp;
use crate::sqlite::schema::{deliveries, endpoint_lanes};
use diesel::dsl::{count_star, sql};
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::HashMap;
use wire::{EndpointId, Instant, WorkspaceId};

/// What waits; written out, as the index has it.
fn waits() -> diesel::expression::SqlLiteral<Bool> {
    sql("state IN ('pending', 'scheduled_retry')")
}

/// Workspaces with ready lanes that are not in `crowded`, from the one after `after` on, at most `limit`.
pub(crate) fn ready_workspaces(
    conn: &mut SqliteConnection,
    now: Instant,
    after: &str,
    crowded: &[EndpointId],
    limit: i64,
) -> QueryResult<Vec<WorkspaceId>> {
    let mut found = Vec::new();
    let crowded: Vec<&str> = crowded.iter().map(EndpointId::as_str).collect();
    let mut after = after.to_owned();
    for _ in 0..limit {
        let next: Option<String> = endpoint_lanes::table
            .filter(endpoint_lanes::held_at.is_null())
            .filter(endpoint_lanes::ready_at.le(Stamp(now)))
            .filter(endpoint_lanes::endpoint_id.ne_all(&crowded))
            .filter(endpoint_lanes::workspace_id.gt(&after))
            .order(endpoint_lanes::workspace_id)
            .select(endpoint_lanes::workspace_id)
            .first(conn)
            .optional()?;
        let Some(next) = next else { break };
        found.push(WorkspaceId::from_stored(next.clone()));
        after = next;
    }
    Ok(found)
}

/// Ready lanes of these workspaces, at most `each` of each, those that have been ready for the longest first.
pub(crate) fn lock_ready(
    conn: &mut SqliteConnection,
    now: Instant,
    workspaces: &[WorkspaceId],
    each: i64,
    crowded: &[EndpointId],
) -> QueryResult<Vec<Lane>> {
    let mut lanes = Vec::new();
    let crowded: Vec<&str> = crowded.iter().map(EndpointId::as_str).collect();
    for workspace in workspaces {
        let ready: Vec<Lane> = endpoint_lanes::table
            .filter(endpoint_lanes::workspace_id.eq(workspace.as_str()))
            .filter(endpoint_lanes::held_at.is_null())
            .filter(endpoint_lanes::ready_at.le(Stamp(now)))
            .filter(endpoint_lanes::endpoint_id.ne_all(&crowded))
            .order(endpoint_lanes::ready_at)
            .limit(each)
            .select((
                endpoint_lanes::endpoint_id,
                endpoint_lanes::workspace_id,
                endpoint_lanes::idle_since,
                endpoint_lanes::circuit,
                endpoint_lanes::probe_at,
                endpoint_lanes::waits_since,
                endpoint_lanes::max_in_flight,
            ))
            .load(conn)?;
        lanes.extend(ready);
    }
    Ok(lanes)
}

/// How many deliveries of each of these endpoints are leased.
pub(crate) fn in_flight(
    conn: &mut SqliteConnection,
    endpoints: &[&EndpointId],
) -> QueryResult<HashMap<EndpointId, usize>> {
    let mut counts = HashMap::new();
    for endpoint in endpoints {
        let count: i64 = deliveries::table
            .filter(deliveries::endpoint_id.eq(endpoint.as_str()))
            .filter(sql::<Bool>("state = 'delivering'"))
            .select(count_star())
            .first(conn)?;
        counts.insert((*endpoint).clone(), usize::try_from(count).unwrap_or(0));
    }
    Ok(counts)
}

/// When the next delivery of each of these endpoints is due.
pub(crate) fn next_due(
    conn: &mut SqliteConnection,
    endpoints: &[&EndpointId],
) -> QueryResult<HashMap<EndpointId, Instant>> {
    let mut next = HashMap::new();
    for endpoint in endpoints {
        let due: Option<Option<Stamp>> = deliveries::table
            .filter(deliveries::endpoint_id.eq(endpoint.as_str()))
            .filter(waits())
            .filter(deliveries::due_at.is_not_null())
            .order(deliveries::due_at)
            .select(deliveries::due_at)
            .first(conn)
            .optional()?;
        if let Some(due) = due.flatten() {
            next.insert((*endpoint).clone(), due.into());
        }
    }
    Ok(next)
}

/// Says when each lane is looked at again.
pub(crate) fn looked(
    conn: &mut SqliteConnection,
    lanes: &[Lane],
    looked: &[Looked],
    now: Instant,
) -> QueryResult<()> {
    for (lane, looked) in lanes.iter().zip(looked) {
        diesel::update(endpoint_lanes::table.find(lane.endpoint_id.as_str()))
            .set((
                endpoint_lanes::ready_at.eq(looked.ready_at.map(Stamp)),
                endpoint_lanes::idle_since.eq(looked.idle_since.map(Stamp)),
                endpoint_lanes::probe_at.eq(looked.probe_at.map(Stamp)),
                endpoint_lanes::updated_at.eq(Stamp(now)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Whether a new delivery to `endpoint` has to wait for its turn.
pub(super) fn is_gated(conn: &mut SqliteConnection, endpoint: &EndpointId) -> QueryResult<bool> {
    let gated: Option<bool> = endpoint_lanes::table
        .find(endpoint.as_str())
        .select(endpoint_lanes::is_gated)
        .first(conn)
        .optional()?;
    Ok(gated.unwrap_or(false))
}

/// Whether there is anything in an endpoint's health that a success changes.
pub(super) fn is_watched(conn: &mut SqliteConnection, endpoint: &str) -> QueryResult<bool> {
    let watched: Option<bool> = endpoint_lanes::table
        .find(endpoint)
        .select(endpoint_lanes::is_watched)
        .first(conn)
        .optional()?;
    Ok(watched.unwrap_or(false))
}
