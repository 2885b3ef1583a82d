//! RECORD: attempts are kept, deliveries move on.

use super::new_or_again;
use crate::outcome::Outcome;
use crate::postgres::queries::order::Turns;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashMap;
use wire::DeliveryState;

/// Writes the outcomes, and returns the deliveries that they moved, and of each whether its endpoint is watched.
pub(crate) fn record(conn: &mut PgConnection, outcomes: &[&Outcome]) -> QueryResult<HashMap<Uid, bool>> {
    new_or_again(
        conn,
        |conn| settle::<false>(conn, outcomes),
        |conn| settle::<true>(conn, outcomes),
    )
}

/// Moves the deliveries, and settles whose turn it is after them.
fn settle<const AGAIN: bool>(
    conn: &mut PgConnection,
    outcomes: &[&Outcome],
) -> QueryResult<HashMap<Uid, bool>> {
    let mut turns = Turns::default();
    // Also of one that waits for its next attempt: an earlier event's may have been routed meanwhile, and has the turn then.
    for outcome in outcomes {
        turns.add(outcome.endpoint_id.as_str(), outcome.order_key.as_deref());
    }
    let Some(now) = outcomes
        .iter()
        .map(|outcome| outcome.at)
        .max()
        .filter(|_| !turns.is_empty())
    else {
        return write::<AGAIN>(conn, outcomes);
    };
    conn.transaction(|conn| {
        let moved = write::<AGAIN>(conn, outcomes)?;
        turns.settle(conn, now)?;
        Ok(moved)
    })
}

fn write<const AGAIN: bool>(
    conn: &mut PgConnection,
    outcomes: &[&Outcome],
) -> QueryResult<HashMap<Uid, bool>> {
    let wakes = |row: &&Outcome| row.state != DeliveryState::Delivered || row.order_key.is_some();
    let moved: Vec<(Uid, bool)> = if outcomes.iter().any(wakes) {
        Record::<AGAIN, true>::of(outcomes).load(conn)?
    } else {
        Record::<AGAIN, false>::of(outcomes).load(conn)?
    };
    Ok(moved.into_iter().collect())
}

/// The columns of a batch, one array each. `AGAIN`: see [`new_or_again`]. `WAKES`: whether a lane has to be looked at after it.
/// After most batches none has, and to get ready for that costs as much as to move a delivery.
struct Record<'a, const AGAIN: bool, const WAKES: bool> {
    deliveries: Vec<Uid>,
    leases: Vec<Uid>,
    states: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    due_at: Vec<Option<Stamp>>,
    ended_at: Vec<Stamp>,
    ids: Vec<Uid>,
    numbers: Vec<i32>,
    /// How many attempts count, with this one.
    counts: Vec<i32>,
    statuses: Vec<Option<i32>>,
    durations_ms: Vec<i32>,
    error_kinds: Vec<Option<&'a str>>,
    error_messages: Vec<Option<&'a str>>,
    request_headers: Vec<&'a [u8]>,
    response_headers: Vec<&'a [u8]>,
    response_bodies: Vec<&'a [u8]>,
    created_at: Vec<Stamp>,
    are_made: Vec<bool>,
}

statement!(Record<AGAIN, WAKES>, (Uuid, Bool), PgConnection);

impl<'a, const AGAIN: bool, const WAKES: bool> Record<'a, AGAIN, WAKES> {
    fn of(rows: &[&'a Outcome]) -> Self {
        Self {
            deliveries: rows.iter().map(|row| row.delivery_id.into()).collect(),
            leases: rows.iter().map(|row| Uid(row.lease)).collect(),
            states: rows.iter().map(|row| row.state.as_str()).collect(),
            reasons: rows.iter().map(|row| row.reason.as_deref()).collect(),
            due_at: rows.iter().map(|row| row.due_at.map(Stamp)).collect(),
            ended_at: rows.iter().map(|row| row.at.into()).collect(),
            ids: rows.iter().map(|row| row.attempt.id.into()).collect(),
            numbers: rows.iter().map(|row| row.attempt.number).collect(),
            counts: rows.iter().map(|row| row.counted()).collect(),
            statuses: rows.iter().map(|row| row.attempt.response_status).collect(),
            durations_ms: rows.iter().map(|row| row.attempt.duration_ms).collect(),
            error_kinds: rows.iter().map(|row| row.attempt.error_kind.as_deref()).collect(),
            error_messages: rows
                .iter()
                .map(|row| row.attempt.error_message.as_deref())
                .collect(),
            request_headers: rows
                .iter()
                .map(|row| row.attempt.request_headers.as_ref())
                .collect(),
            response_headers: rows
                .iter()
                .map(|row| row.attempt.response_headers.as_ref())
                .collect(),
            response_bodies: rows
                .iter()
                .map(|row| row.attempt.response_body.as_ref())
                .collect(),
            created_at: rows.iter().map(|row| row.attempt.created_at.into()).collect(),
            are_made: rows.iter().map(|row| row.is_made).collect(),
        }
    }
}

impl<const AGAIN: bool, const WAKES: bool> QueryFragment<Pg> for Record<'_, AGAIN, WAKES> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.deliveries)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.leases)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.reasons)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.due_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.ended_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Integer>>, _>(&self.statuses)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.durations_ms)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.error_kinds)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.error_messages)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.request_headers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.response_headers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.response_bodies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.counts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.are_made)?;
        // A worker that lost its lease moves nothing, unless it brings a success to a delivery that has none yet: the
        // receiver has the event, so no retry must follow.
        out.push_sql(
            ") AS row (delivery_id, lease, state, reason, due_at, ended_at, id, number, response_status, duration_ms, error_kind, \
             error_message, request_headers, response_headers, response_body, created_at, counted, is_made)), \
             kept AS (INSERT INTO attempts (id, delivery_id, number, response_status, duration_ms, error_kind, error_message, \
             request_headers, response_headers, response_body, created_at) \
             SELECT id, delivery_id, number, response_status, duration_ms, error_kind, error_message, request_headers, \
             response_headers, response_body, created_at FROM input WHERE is_made",
        );
        if AGAIN {
            out.push_sql(" ON CONFLICT (delivery_id, id) DO NOTHING");
        }
        out.push_sql(
            "), moved AS (UPDATE deliveries AS held SET state = input.state, reason = input.reason, \
             error_kind = input.error_kind, due_at = input.due_at, \
             attempts = CASE WHEN input.counted < input.number THEN input.counted ELSE greatest(held.attempts, input.number) END, \
             lease_until = NULL, lease_token = NULL, \
             first_attempt_at = coalesce(held.first_attempt_at, CASE WHEN input.is_made THEN input.created_at END), \
             delivered_at = CASE WHEN input.state = 'delivered' THEN input.ended_at ELSE held.delivered_at END, \
             updated_at = input.ended_at \
             FROM input WHERE held.id = input.delivery_id AND (held.lease_token = input.lease \
             OR (input.state = 'delivered' AND held.state <> 'delivered')) \
             RETURNING held.id, held.endpoint_id, held.workspace_id, held.state, held.due_at, held.updated_at, held.order_key)",
        );
        if WAKES {
            out.push_sql(
                ", woken AS (INSERT INTO endpoint_lanes AS lane (endpoint_id, workspace_id, ready_at, updated_at) \
             SELECT endpoint_id, min(workspace_id), min(due_at), max(updated_at) FROM moved \
             WHERE state <> 'delivered' OR order_key IS NOT NULL \
             GROUP BY endpoint_id ORDER BY endpoint_id \
             ON CONFLICT (endpoint_id) DO UPDATE SET ready_at = least(lane.ready_at, excluded.ready_at))",
            );
        }
        out.push_sql(
            " SELECT id, (endpoint_id IN (SELECT endpoint_id FROM endpoint_lanes WHERE is_watched)) IS TRUE FROM moved",
        );
        Ok(())
    }
}
