//! Lanes that sleep though a delivery of theirs waits.

use super::super::Conn;
use super::super::schema::{deliveries, endpoint_lanes};
use super::lanes::Waiting;
use crate::Error;
use crate::lanes::Asleep;
use crate::sql::{Maybe, Stamp};
use diesel::dsl::SqlTypeOf;
use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods, QueryDsl, QueryableByName, RunQueryDsl};
use std::collections::HashMap;
use std::time::Duration;
use wire::{EndpointId, Instant};

/// A lane that is ready this soon is about to be looked at.
const SOON: Duration = Duration::from_secs(1);

/// The endpoints for which deliveries wait, from the one after the first parameter on, with the first of each that is due.
/// One index look-up each: an endpoint with many deliveries is passed by in one step.
const FIRST_OF_EACH: &str = "\
    WITH RECURSIVE turn (endpoint_id) AS (\
    SELECT min(endpoint_id) FROM deliveries WHERE state IN ('pending', 'scheduled_retry') AND endpoint_id > $1 \
    UNION ALL SELECT (SELECT min(next.endpoint_id) FROM deliveries AS next \
    WHERE next.state IN ('pending', 'scheduled_retry') AND next.endpoint_id > turn.endpoint_id) \
    FROM turn WHERE turn.endpoint_id IS NOT NULL) \
    SELECT turn.endpoint_id AS endpoint_id, \
    (SELECT first.workspace_id FROM deliveries AS first WHERE first.endpoint_id = turn.endpoint_id \
    AND first.state IN ('pending', 'scheduled_retry') ORDER BY first.due_at LIMIT 1) AS workspace_id, \
    (SELECT min(first.due_at) FROM deliveries AS first WHERE first.endpoint_id = turn.endpoint_id \
    AND first.state IN ('pending', 'scheduled_retry')) AS due_at \
    FROM turn WHERE turn.endpoint_id IS NOT NULL LIMIT $2";

type Due = SqlTypeOf<deliveries::due_at>;

/// The first delivery that waits for an endpoint.
#[derive(QueryableByName)]
struct First {
    #[diesel(sql_type = Text)]
    endpoint_id: String,
    #[diesel(sql_type = Text)]
    workspace_id: String,
    #[diesel(sql_type = Due)]
    due_at: Maybe<Stamp>,
}

/// Of up to `limit` endpoints behind `after`, the lanes that would sleep longer than their deliveries wait, and behind which
/// endpoint to look on.
pub(crate) fn find(
    conn: &mut Conn,
    after: Option<&EndpointId>,
    limit: i64,
    now: Instant,
) -> Result<(Vec<Asleep>, Option<EndpointId>), Error> {
    let first: Vec<First> = diesel::sql_query(FIRST_OF_EACH)
        .bind::<Text, _>(after.map_or("", EndpointId::as_str))
        .bind::<BigInt, _>(limit)
        .load(conn)?;
    let is_last = i64::try_from(first.len()).is_ok_and(|count| count < limit);
    let next = first.last().filter(|_| !is_last);
    let next = next.map(|row| EndpointId::from_stored(row.endpoint_id.clone()));
    let endpoints: Vec<&str> = first.iter().map(|row| row.endpoint_id.as_str()).collect();
    let lanes: Vec<(String, Option<Stamp>, Option<Stamp>, String)> = endpoint_lanes::table
        .filter(endpoint_lanes::endpoint_id.eq_any(endpoints))
        .select((
            endpoint_lanes::endpoint_id,
            endpoint_lanes::ready_at,
            endpoint_lanes::held_at,
            endpoint_lanes::circuit,
        ))
        .load(conn)?;
    let lanes: HashMap<String, _> = lanes
        .into_iter()
        .map(|(endpoint, ready_at, held_at, circuit)| {
            let goes = held_at.is_none() && circuit != "open";
            (endpoint, (ready_at.map(Instant::from), goes))
        })
        .collect();
    let mut asleep = Vec::new();
    for row in first {
        let Some(due_at) = Option::<Instant>::from(row.due_at) else {
            continue;
        };
        let sleeps = match lanes.get(&row.endpoint_id) {
            None => true,
            // A lane that is open or held has its own time, which is not its deliveries'.
            Some((ready_at, goes)) => *goes && ready_at.is_none_or(|at| at > due_at.max(now + SOON)),
        };
        if sleeps {
            asleep.push(Asleep {
                endpoint: row.endpoint_id,
                workspace: row.workspace_id,
                due_at,
            });
        }
    }
    Ok((asleep, next))
}

/// Has them looked at when their deliveries are due.
pub(crate) fn wake(conn: &mut Conn, asleep: Vec<Asleep>, now: Instant) -> Result<(), Error> {
    let mut waiting = Waiting::default();
    for lane in asleep {
        waiting.add(lane.endpoint, lane.workspace, Some(lane.due_at));
    }
    Ok(waiting.wake(conn, now)?)
}
