//! Deliveries and their attempts.

use super::super::Conn;
use super::super::schema::{attempts, deliveries, events};
use super::lanes::Waiting;
use super::order::Turns;
use super::{in_state, length};
use crate::sql::{Maybe, Stamp, Uid, made_between};
use crate::sweep::Leased;
use crate::{Attempt, Delivery, DeliveryFilter, Error, Job, NewDelivery};
use bytes::Bytes;
use diesel::dsl::{case_when, sum};
use diesel::{
    ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
    RunQueryDsl, WindowExpressionMethods,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;
use wire::{AttemptId, DeliveryId, DeliveryState, EventId, Instant, RouteId, WorkspaceId};

/// Bytes of bodies that are read at once, of events and as many of what routes made of them. Many deliveries may be of few
/// bodies, or each of a large one of its own.
const READ_AT_ONCE: i64 = 64 << 20;

/// A body, unless those before it in this order come to more than is read at once. A body alone never does. A macro, since the
/// type of such an expression is its text.
macro_rules! body_within {
    ($body:expr, $order:expr) => {
        case_when(sum(length($body)).window_order($order).le(READ_AT_ONCE), $body)
    };
}

/// What an attempt needs of its event: body, content type, trace context, and when it was received.
type Payload<B = Bytes> = (B, Option<String>, Option<String>, Stamp);

/// The same without a body that would be too much.
type Found = Payload<Option<Vec<u8>>>;

/// Reads the jobs of these leases, and says which were not read. A delivery's id carries its event's time, and the range of
/// those times keeps Postgres out of all partitions but these days'.
pub(crate) fn leased(conn: &mut Conn, leases: &[(DeliveryId, Uuid)]) -> Result<Read, Error> {
    let tokens: HashMap<DeliveryId, Uuid> = leases.iter().copied().collect();
    let ids: Vec<Uid> = leases.iter().map(|(id, _)| Uid::from(*id)).collect();
    let (Some(first), Some(last)) = (ids.iter().map(|id| id.0).min(), ids.iter().map(|id| id.0).max()) else {
        return Ok(Read::default());
    };
    let ((first, _), (_, end)) = (made_between(Uid(first)), made_between(Uid(last)));
    let rows: Vec<(Leased, Maybe<Uid>, Maybe<Stamp>, Found)> = deliveries::table
        .inner_join(events::table.on(events::id.eq(deliveries::event_id)))
        .filter(deliveries::id.eq_any(ids))
        .filter(deliveries::state.eq("delivering"))
        .filter(events::id.ge(first))
        .filter(events::id.lt(end))
        .select((
            (
                deliveries::id,
                deliveries::attempts,
                deliveries::workspace_id,
                deliveries::event_id,
                deliveries::endpoint_id,
                deliveries::route_id,
                deliveries::event_type,
                deliveries::due_at,
                deliveries::body.is_not_null(),
                deliveries::order_key,
            ),
            deliveries::lease_token,
            deliveries::lease_until,
            (
                body_within!(events::body, deliveries::id),
                events::content_type,
                events::traceparent,
                events::received_at,
            ),
        ))
        .load(conn)?;
    let mut read = Read::of(conn, rows.iter().map(|(row, ..)| row))?;
    for (row, token, until, (body, content_type, traceparent, received_at)) in rows {
        let Some(token) =
            Option::<Uuid>::from(token).filter(|token| tokens.get(&row.delivery_id) == Some(token))
        else {
            continue;
        };
        let body = body.map(Bytes::from);
        read.push(
            row,
            (token, until.into()),
            body.map(|body| (body, content_type, traceparent, received_at)),
        );
    }
    Ok(read)
}

/// The jobs of what was leased with `token`, and which of it was not read: what their events bring is read beside them, once
/// for each event.
pub(crate) fn jobs(conn: &mut Conn, leased: Vec<Leased>, token: Uuid) -> Result<Read, Error> {
    let ids: BTreeSet<EventId> = leased.iter().map(|row| row.event_id).collect();
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(Read::default());
    };
    let (first, last) = (Uid::from(*first), Uid::from(*last));
    let payloads: Vec<(Uid, Found)> = events::table
        .filter(events::id.eq_any(ids.into_iter().map(Uid::from).collect::<Vec<_>>()))
        .filter(events::id.between(first, last))
        .select((
            events::id,
            (
                body_within!(events::body, events::id),
                events::content_type,
                events::traceparent,
                events::received_at,
            ),
        ))
        .load(conn)?;
    let payloads: HashMap<EventId, Payload> = payloads
        .into_iter()
        .filter_map(|(id, (body, content_type, traceparent, received_at))| {
            let payload = (Bytes::from(body?), content_type, traceparent, received_at);
            Some((id.into(), payload))
        })
        .collect();
    let mut read = Read::of(conn, leased.iter())?;
    for row in leased {
        // None is missing: retention keeps the events of all deliveries that there are.
        let payload = payloads.get(&row.event_id).cloned();
        read.push(row, (token, None), payload);
    }
    Ok(read)
}

/// What was read of leases.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) jobs: Vec<Job>,
    /// What would have been too much at once, with its leases.
    pub(crate) left: Vec<(DeliveryId, Uuid)>,
    /// Bodies of their own.
    transformed: HashMap<DeliveryId, Vec<u8>>,
}

impl Read {
    /// Of these, with the bodies of their own.
    fn of<'l>(conn: &mut Conn, leased: impl Iterator<Item = &'l Leased>) -> QueryResult<Self> {
        let ids: Vec<Uid> = leased
            .filter(|row| row.is_transformed)
            .map(|row| row.delivery_id.into())
            .collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let bodies: Vec<(Uid, Option<Vec<u8>>)> = deliveries::table
            .filter(deliveries::id.eq_any(ids))
            .filter(deliveries::body.is_not_null())
            .select((
                deliveries::id,
                body_within!(deliveries::body.assume_not_null(), deliveries::id),
            ))
            .load(conn)?;
        let bodies = bodies
            .into_iter()
            .filter_map(|(id, body)| Some((id.into(), body?)));
        Ok(Self {
            transformed: bodies.collect(),
            ..Self::default()
        })
    }

    fn push(&mut self, row: Leased, (token, until): (Uuid, Option<Instant>), payload: Option<Payload>) {
        let transformed = self.transformed.remove(&row.delivery_id);
        let is_read = transformed.is_some() == row.is_transformed;
        let Some((body, content_type, traceparent, received_at)) = payload.filter(|_| is_read) else {
            self.left.push((row.delivery_id, token));
            return;
        };
        self.jobs.push(Job {
            delivery_id: row.delivery_id,
            lease: Some(token),
            lease_until: until,
            attempts: row.attempts,
            workspace_id: row.workspace_id,
            event_id: row.event_id,
            endpoint_id: row.endpoint_id,
            route_id: row.route_id,
            event_type: row.event_type,
            due_at: row.due_at,
            transformed,
            body,
            content_type,
            traceparent,
            received_at: received_at.into(),
            order_key: row.order_key,
        });
    }
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

/// Leases of one batch have one token, so this is a few statements for each of a few batches.
pub(crate) fn release(conn: &mut Conn, leases: &[(DeliveryId, Uuid)], now: Instant) -> Result<usize, Error> {
    let mut by_token: BTreeMap<Uuid, Vec<Uid>> = BTreeMap::new();
    for (id, token) in leases {
        by_token.entry(*token).or_default().push(Uid::from(*id));
    }
    let mut released = 0;
    let mut waiting = Waiting::default();
    for (token, mut ids) in by_token {
        // In one order, as every statement over many deliveries locks them.
        ids.sort_unstable_by_key(|id| id.0);
        let mine = || {
            deliveries::table
                .filter(deliveries::id.eq_any(ids.clone()))
                .filter(deliveries::state.eq("delivering"))
                .filter(deliveries::lease_token.eq(Some(Uid(token))))
        };
        diesel::update(mine().filter(deliveries::due_at.is_null()))
            .set(deliveries::due_at.eq(Some(Stamp(now))))
            .execute(conn)?;
        let lanes: Vec<(String, String, Maybe<Stamp>)> = mine()
            .select((
                deliveries::endpoint_id,
                deliveries::workspace_id,
                deliveries::due_at,
            ))
            .load(conn)?;
        for (endpoint, workspace, due_at) in lanes {
            waiting.add(endpoint, workspace, due_at.into());
        }
        let back = || {
            (
                // The lease counted an attempt, unless it was the router's.
                deliveries::attempts.eq(case_when(deliveries::attempts.gt(0), deliveries::attempts - 1)
                    .otherwise(deliveries::attempts)),
                deliveries::lease_token.eq(None::<Uid>),
                deliveries::lease_until.eq(None::<Stamp>),
            )
        };
        released += diesel::update(mine().filter(deliveries::first_attempt_at.is_null()))
            .set((deliveries::state.eq("pending"), back()))
            .execute(conn)?;
        released += diesel::update(mine().filter(deliveries::first_attempt_at.is_not_null()))
            .set((deliveries::state.eq("scheduled_retry"), back()))
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
    deliveries::order_key,
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
    deliveries::order_key,
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

/// A workspace's are looked up by it only where neither an event nor an endpoint is asked for: SQLite, which has no statistics,
/// would pick any of the indexes.
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
    if let Some(event) = filter.event_id {
        let (first, end) = made_between(event.into());
        query = query
            .filter(deliveries::id.ge(first))
            .filter(deliveries::id.lt(end))
            .filter(deliveries::event_id.eq(Uid::from(event)));
    }
    if let Some(endpoint) = &filter.endpoint_id {
        query = query.filter(deliveries::endpoint_id.eq(endpoint.as_str()));
    }
    if filter.event_id.is_none() && filter.endpoint_id.is_none() {
        query = query.filter(deliveries::workspace_id.eq(workspace.as_str()));
    }
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
    let counts = super::super::hot::deliveries_of(conn, &ids)?;
    Ok(counts.into_iter().map(|(id, count)| (id.into(), count)).collect())
}

/// The delivery's latest attempts, in order. No attempt is older than its event, whose time the delivery's id carries: the bound
/// keeps Postgres out of the partitions before that day. The day is for clocks that disagree.
pub(crate) fn attempts(conn: &mut Conn, delivery: DeliveryId, limit: i64) -> Result<Vec<Attempt>, Error> {
    let earliest = AttemptId::new(delivery.instant() - std::time::Duration::from_hours(24), 0);
    let mut latest: Vec<Attempt> = attempts::table
        .filter(attempts::delivery_id.eq(Uid::from(delivery)))
        .filter(attempts::id.ge(Uid::from(earliest)))
        .order((attempts::number.desc(), attempts::id.desc()))
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
        .load(conn)?;
    latest.reverse();
    Ok(latest)
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
    let (mut waiting, mut turns) = (Waiting::default(), Turns::default());
    for (event, row) in rows {
        insert(conn, event, row, now)?;
        let endpoint = row.endpoint_id.as_str();
        if row.goes_in_turn() {
            turns.add(endpoint, row.order_key.as_deref());
        }
        if row.state == DeliveryState::Pending || row.goes_in_turn() {
            let due_at = row.due_at.filter(|_| !row.goes_in_turn());
            waiting.add(endpoint.to_owned(), row.workspace_id.as_str().to_owned(), due_at);
        }
    }
    waiting.wake(conn, now)?;
    turns.settle(conn, now)
}

/// Inserts a delivery of `event`, unless it is there already.
fn insert(conn: &mut Conn, event: EventId, delivery: &NewDelivery, now: Instant) -> QueryResult<()> {
    let goes_in_turn = delivery.goes_in_turn();
    let state = if goes_in_turn {
        DeliveryState::Pending
    } else {
        delivery.state
    };
    let lease = delivery.lease.filter(|_| !goes_in_turn);
    let (due_at, turn_due_at) = if goes_in_turn {
        (None, delivery.due_at)
    } else {
        (delivery.due_at, None)
    };
    diesel::insert_into(deliveries::table)
        .values((
            (
                deliveries::id.eq(Uid::from(delivery.id)),
                deliveries::workspace_id.eq(delivery.workspace_id.as_str()),
                deliveries::event_id.eq(Uid::from(event)),
                deliveries::endpoint_id.eq(delivery.endpoint_id.as_str()),
                deliveries::route_id.eq(delivery.route_id.as_ref().map(RouteId::as_str)),
                deliveries::event_type.eq(&delivery.event_type),
                deliveries::state.eq(state.as_str()),
                deliveries::reason.eq(&delivery.reason),
            ),
            (
                deliveries::due_at.eq(due_at.map(Stamp)),
                deliveries::turn_due_at.eq(turn_due_at.map(Stamp)),
                deliveries::order_key.eq(delivery.order_key.as_ref().filter(|_| goes_in_turn)),
                deliveries::lease_until.eq(lease.map(|(_, until)| Stamp(until))),
                deliveries::lease_token.eq(lease.map(|(token, _)| Uid(token))),
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
