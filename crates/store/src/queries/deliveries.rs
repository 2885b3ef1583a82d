//! Deliveries and their attempts.

use super::super::Conn;
use super::super::schema::{attempts, deliveries, events};
use super::in_state;
use super::lanes::Waiting;
use crate::sql::{Maybe, Stamp, Uid};
use crate::{Attempt, Delivery, DeliveryFilter, Error, Job, NewDelivery};
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;
use wire::{AttemptId, DeliveryId, DeliveryState, EventId, Instant, RouteId, WorkspaceId};

/// Reads the jobs of these leases. A delivery's id carries its event's time, and the range of those times keeps Postgres
/// out of all partitions but these days'.
pub(crate) fn leased(conn: &mut Conn, leases: &[(DeliveryId, Uuid)]) -> Result<Vec<Job>, Error> {
    let tokens: HashMap<DeliveryId, Uuid> = leases.iter().copied().collect();
    let ids: Vec<Uid> = leases.iter().map(|(id, _)| Uid::from(*id)).collect();
    let millis = || leases.iter().map(|(id, _)| id.instant().unix_millis());
    let (Some(first), Some(last)) = (millis().min(), millis().max()) else {
        return Ok(Vec::new());
    };
    let first_of = |millis: u64| Uid(Uuid::from_u128(u128::from(millis) << 80));
    let jobs: Vec<Job> = deliveries::table
        .inner_join(events::table.on(events::id.eq(deliveries::event_id)))
        .filter(deliveries::id.eq_any(ids))
        .filter(deliveries::state.eq("delivering"))
        .filter(events::id.ge(first_of(first)))
        .filter(events::id.lt(first_of(last + 1)))
        .select((
            deliveries::id,
            deliveries::lease_token,
            deliveries::attempts,
            deliveries::workspace_id,
            deliveries::event_id,
            deliveries::endpoint_id,
            deliveries::event_type,
            deliveries::due_at,
            deliveries::body,
            events::body,
            events::content_type,
            events::traceparent,
            events::received_at,
        ))
        .load(conn)?;
    Ok(jobs
        .into_iter()
        .filter(|job| job.lease.is_some() && job.lease.as_ref() == tokens.get(&job.delivery_id))
        .collect())
}

pub(crate) fn void_leases(conn: &mut Conn, now: Instant) -> Result<usize, Error> {
    let mut voided = 0;
    let held = deliveries::table.filter(in_state("delivering"));
    let lanes: Vec<(String, String)> = held
        .clone()
        .select((deliveries::endpoint_id, deliveries::workspace_id))
        .distinct()
        .load(conn)?;
    let back = (
        deliveries::due_at.eq(Some(Stamp(now))),
        deliveries::lease_token.eq(None::<Uid>),
        deliveries::lease_until.eq(None::<Stamp>),
        deliveries::updated_at.eq(Stamp(now)),
    );
    // As a reaper says it: the router's leases counted no attempt, a worker's attempt is lost.
    voided += diesel::update(held.clone().filter(deliveries::attempts.eq(0)))
        .set((deliveries::state.eq("pending"), back))
        .execute(conn)?;
    voided += diesel::update(held)
        .set((deliveries::state.eq("scheduled_retry"), back))
        .execute(conn)?;
    let mut waiting = Waiting::default();
    for (endpoint, workspace) in lanes {
        waiting.add(endpoint, workspace, Some(now));
    }
    waiting.wake(conn, now)?;
    Ok(voided)
}

/// Leases of one batch have one token, so this is a statement for each of a few batches.
pub(crate) fn renew(conn: &mut Conn, leases: &[(DeliveryId, Uuid)], until: Instant) -> Result<usize, Error> {
    let mut by_token: HashMap<Uuid, Vec<Uid>> = HashMap::new();
    for (id, token) in leases {
        by_token.entry(*token).or_default().push(Uid::from(*id));
    }
    let mut renewed = 0;
    for (token, mut ids) in by_token {
        // In one order, as every statement over many deliveries locks them.
        ids.sort_unstable_by_key(|id| id.0);
        let mine = deliveries::table
            .filter(deliveries::id.eq_any(ids))
            .filter(deliveries::state.eq("delivering"))
            .filter(deliveries::lease_token.eq(Some(Uid(token))));
        renewed += diesel::update(mine)
            .set(deliveries::lease_until.eq(Some(Stamp(until))))
            .execute(conn)?;
    }
    Ok(renewed)
}

pub(crate) fn release(conn: &mut Conn, leases: &[(DeliveryId, Uuid)], now: Instant) -> Result<usize, Error> {
    let mut released = 0;
    let mut waiting = Waiting::default();
    for (id, token) in leases {
        let mine = deliveries::table
            .find(Uid::from(*id))
            .filter(deliveries::state.eq("delivering"))
            .filter(deliveries::lease_token.eq(Some(Uid(*token))));
        let Some((due_at, attempts, first, endpoint, workspace)) = mine
            .select((
                deliveries::due_at,
                deliveries::attempts,
                deliveries::first_attempt_at,
                deliveries::endpoint_id,
                deliveries::workspace_id,
            ))
            .first::<(Maybe<Stamp>, i32, Option<Stamp>, String, String)>(conn)
            .optional()?
        else {
            continue;
        };
        let due_at = Option::<Instant>::from(due_at).unwrap_or(now);
        waiting.add(endpoint, workspace, Some(due_at));
        let state = if first.is_none() {
            "pending"
        } else {
            "scheduled_retry"
        };
        released += diesel::update(mine)
            .set((
                deliveries::state.eq(state),
                deliveries::attempts.eq((attempts - 1).max(0)),
                deliveries::due_at.eq(Some(Stamp(due_at))),
                deliveries::lease_token.eq(None::<Uid>),
                deliveries::lease_until.eq(None::<Stamp>),
            ))
            .execute(conn)?;
    }
    waiting.wake(conn, now)?;
    Ok(released)
}

type DeliveryColumns = (
    deliveries::id,
    deliveries::workspace_id,
    deliveries::event_id,
    deliveries::endpoint_id,
    deliveries::route_id,
    deliveries::event_type,
    deliveries::state,
    deliveries::reason,
    deliveries::attempts,
    deliveries::due_at,
    deliveries::replay_of,
    deliveries::first_attempt_at,
    deliveries::delivered_at,
    deliveries::created_at,
    deliveries::updated_at,
    deliveries::error_kind,
    deliveries::recovery_id,
);

const COLUMNS: DeliveryColumns = (
    deliveries::id,
    deliveries::workspace_id,
    deliveries::event_id,
    deliveries::endpoint_id,
    deliveries::route_id,
    deliveries::event_type,
    deliveries::state,
    deliveries::reason,
    deliveries::attempts,
    deliveries::due_at,
    deliveries::replay_of,
    deliveries::first_attempt_at,
    deliveries::delivered_at,
    deliveries::created_at,
    deliveries::updated_at,
    deliveries::error_kind,
    deliveries::recovery_id,
);

pub(crate) fn find(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
) -> Result<Option<Delivery>, Error> {
    Ok(deliveries::table
        .find(Uid::from(id))
        .filter(deliveries::workspace_id.eq(workspace.as_str()))
        .select(COLUMNS)
        .first(conn)
        .optional()?)
}

/// What the delivery sends instead of its event's own bytes.
pub(crate) fn transformed(conn: &mut Conn, id: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
    Ok(deliveries::table
        .find(Uid::from(id))
        .select(deliveries::body)
        .first(conn)
        .optional()?
        .flatten())
}

/// Of an event's, an endpoint's or a workspace's deliveries, in this order, only the first is given to the database as
/// something to look up by: SQLite, which has no statistics, would pick any of the three indexes.
pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    let mut query = deliveries::table
        .order(deliveries::id.desc())
        .limit(limit)
        .select(COLUMNS)
        .into_boxed();
    query = match (filter.event_id, &filter.endpoint_id) {
        (Some(event), None) => query.filter(deliveries::event_id.eq(Uid::from(event))),
        (Some(event), Some(endpoint)) => query
            .filter(deliveries::event_id.eq(Uid::from(event)))
            .filter(sql::<Text>("coalesce(endpoint_id, '')").eq(endpoint.as_str())),
        (None, Some(endpoint)) => query.filter(deliveries::endpoint_id.eq(endpoint.as_str())),
        (None, None) => query.filter(deliveries::workspace_id.eq(workspace.as_str())),
    };
    if let Some(before) = before {
        query = query.filter(deliveries::id.lt(Uid::from(before)));
    }
    if let Some(state) = filter.state {
        query = query.filter(in_state(state.as_str()));
    }
    let mut rows: Vec<Delivery> = query.load(conn)?;
    // An event and an endpoint are of one workspace, and so are all their deliveries: this keeps all or none.
    rows.retain(|delivery| delivery.workspace_id == *workspace);
    Ok(rows)
}

/// How many deliveries each of these events has.
pub(crate) fn counts(conn: &mut Conn, events: &[EventId]) -> Result<HashMap<EventId, i64>, Error> {
    let ids: Vec<Uid> = events.iter().copied().map(Uid::from).collect();
    let counts: Vec<(Uid, i64)> = deliveries::table
        .filter(deliveries::event_id.eq_any(ids))
        .group_by(deliveries::event_id)
        .select((deliveries::event_id, diesel::dsl::count_star()))
        .load(conn)?;
    Ok(counts.into_iter().map(|(id, count)| (id.into(), count)).collect())
}

/// The delivery's attempts in order. No attempt is older than its event, whose time the delivery's id carries: the bound
/// keeps Postgres out of the partitions before that day. The day is for clocks that disagree.
pub(crate) fn attempts(conn: &mut Conn, delivery: DeliveryId, limit: i64) -> Result<Vec<Attempt>, Error> {
    let earliest = AttemptId::new(delivery.instant() - std::time::Duration::from_hours(24), 0);
    Ok(attempts::table
        .filter(attempts::delivery_id.eq(Uid::from(delivery)))
        .filter(attempts::id.ge(Uid::from(earliest)))
        .order((attempts::number, attempts::id))
        .limit(limit)
        .select((
            attempts::id,
            attempts::number,
            attempts::response_status,
            attempts::duration_ms,
            attempts::error_kind,
            attempts::error_message,
            attempts::request_headers,
            attempts::response_headers,
            attempts::response_body,
            attempts::created_at,
        ))
        .load(conn)?)
}

/// Makes a delivery due at once, whatever came of it before, unless a worker holds it; says whether it did.
pub(crate) fn retry(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
    now: Instant,
) -> Result<bool, Error> {
    let row = deliveries::table
        .find(Uid::from(id))
        .filter(deliveries::workspace_id.eq(workspace.as_str()))
        .filter(deliveries::state.ne("delivering"));
    let moved = diesel::update(row)
        .set((
            deliveries::state.eq("scheduled_retry"),
            deliveries::reason.eq(None::<String>),
            deliveries::due_at.eq(Some(Stamp(now))),
            deliveries::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    if moved > 0 {
        let endpoint: String = deliveries::table
            .find(Uid::from(id))
            .select(deliveries::endpoint_id)
            .first(conn)?;
        let mut waiting = Waiting::default();
        waiting.add(endpoint, workspace.as_str().to_owned(), Some(now));
        waiting.wake(conn, now)?;
    }
    Ok(moved > 0)
}

/// Gives a waiting delivery up; says whether it was waiting.
pub(crate) fn cancel(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
    now: Instant,
) -> Result<bool, Error> {
    let row = deliveries::table
        .find(Uid::from(id))
        .filter(deliveries::workspace_id.eq(workspace.as_str()))
        .filter(deliveries::state.eq_any(["pending", "scheduled_retry"]));
    let moved = diesel::update(row)
        .set((
            deliveries::state.eq("failed"),
            deliveries::reason.eq(Some("cancelled")),
            deliveries::due_at.eq(None::<Stamp>),
            deliveries::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    Ok(moved > 0)
}

/// Inserts deliveries of `event`, and wakes the lanes of those that wait.
pub(crate) fn insert_all(
    conn: &mut Conn,
    event: EventId,
    rows: &[NewDelivery],
    now: Instant,
) -> QueryResult<()> {
    insert_each(conn, rows.iter().map(|row| (event, row)), now)
}

/// The same for deliveries of several events.
pub(crate) fn insert_each<'r>(
    conn: &mut Conn,
    rows: impl Iterator<Item = (EventId, &'r NewDelivery)>,
    now: Instant,
) -> QueryResult<()> {
    let mut waiting = Waiting::default();
    for (event, row) in rows {
        insert(conn, event, row, now)?;
        if row.state == DeliveryState::Pending {
            let endpoint = row.endpoint_id.as_str().to_owned();
            waiting.add(endpoint, row.workspace_id.as_str().to_owned(), row.due_at);
        }
    }
    waiting.wake(conn, now)
}

/// Inserts a delivery of `event`, unless it is there already.
fn insert(conn: &mut Conn, event: EventId, delivery: &NewDelivery, now: Instant) -> QueryResult<()> {
    diesel::insert_into(deliveries::table)
        .values((
            (
                deliveries::id.eq(Uid::from(delivery.id)),
                deliveries::workspace_id.eq(delivery.workspace_id.as_str()),
                deliveries::event_id.eq(Uid::from(event)),
                deliveries::endpoint_id.eq(delivery.endpoint_id.as_str()),
                deliveries::route_id.eq(delivery.route_id.as_ref().map(RouteId::as_str)),
                deliveries::event_type.eq(&delivery.event_type),
                deliveries::state.eq(delivery.state.as_str()),
                deliveries::reason.eq(&delivery.reason),
            ),
            (
                deliveries::due_at.eq(delivery.due_at.map(Stamp)),
                deliveries::lease_until.eq(delivery.lease.map(|(_, until)| Stamp(until))),
                deliveries::lease_token.eq(delivery.lease.map(|(token, _)| Uid(token))),
                deliveries::body.eq(delivery.body.as_deref()),
                deliveries::replay_of.eq(delivery.replay_of.map(Uid::from)),
                deliveries::attempts.eq(0),
                deliveries::created_at.eq(Stamp(now)),
                deliveries::updated_at.eq(Stamp(now)),
            ),
        ))
        .on_conflict(deliveries::id)
        .do_nothing()
        .execute(conn)?;
    Ok(())
}
