//! LEASE and REAP.

use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use crate::sweep::{GivenUpRow, Leased, Order, PROBED, Share};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::{EndpointId, Instant};

/// Leases up to its share of what is due of each lane, and returns it. `lease` is the token and until when it holds.
pub(crate) fn lease(
    conn: &mut PgConnection,
    now: Instant,
    shares: &[Share<'_>],
    order: Order,
    lease: (uuid::Uuid, Instant),
) -> QueryResult<Vec<Leased>> {
    if shares.is_empty() {
        return Ok(Vec::new());
    }
    let leasing = Lease {
        now: Stamp(now),
        token: Uid(lease.0),
        until: Stamp(lease.1),
        endpoints: shares
            .iter()
            .map(|share| share.lane.endpoint_id.as_str())
            .collect(),
        shares: shares
            .iter()
            .map(|share| i64::try_from(share.most).unwrap_or(i64::MAX))
            .collect(),
        skipped: shares.iter().map(|share| share.skipped).collect(),
    };
    match order {
        Order::OldestFirst => leasing.load(conn),
        Order::NewestFirst => NewestFirst(leasing).load(conn),
    }
}

struct Lease<'a> {
    now: Stamp,
    token: Uid,
    until: Stamp,
    endpoints: Vec<&'a str>,
    shares: Vec<i64>,
    skipped: Vec<i64>,
}

struct NewestFirst<'a>(Lease<'a>);

/// The columns of [`Leased`].
type LeasedRow = (
    Uuid,
    Integer,
    Text,
    Uuid,
    Text,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Timestamptz>,
    Bool,
    Nullable<Text>,
);

statement!(Lease, LeasedRow, PgConnection);
statement!(NewestFirst, LeasedRow, PgConnection);

impl QueryFragment<Pg> for Lease<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.walk(out, "due_at")
    }
}

impl QueryFragment<Pg> for NewestFirst<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk(out, "due_at DESC")
    }
}

impl Lease<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>, order: &str) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = 'delivering', attempts = attempts + 1, lease_token = ");
        out.push_bind_param::<Uuid, _>(&self.token)?;
        out.push_sql(", lease_until = ");
        out.push_bind_param::<Timestamptz, _>(&self.until)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        // Locked rows stay where they are, so that each is found by its place instead of by its key. One that somebody changed
        // just before it was locked is at a place that this statement does not see yet, and is left to the next sweep.
        out.push_sql(" WHERE ctid = ANY(ARRAY(SELECT due.ctid FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.shares)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.skipped)?;
        out.push_sql(
            ") AS lane (endpoint_id, share, skipped), LATERAL (SELECT ctid FROM deliveries \
             WHERE deliveries.endpoint_id = lane.endpoint_id AND state IN ('pending', 'scheduled_retry') AND due_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ORDER BY ");
        out.push_sql(order);
        out.push_sql(
            " LIMIT lane.share OFFSET CASE WHEN lane.skipped = 0 THEN 0 ELSE lane.skipped % \
             greatest(1, (SELECT count(*) FROM (SELECT FROM deliveries AS other WHERE other.endpoint_id = lane.endpoint_id \
             AND other.state IN ('pending', 'scheduled_retry') AND other.due_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&PROBED)?;
        out.push_sql(
            ") AS few)) END FOR UPDATE SKIP LOCKED) AS due)) RETURNING id, attempts, workspace_id, event_id, endpoint_id, \
             route_id, event_type, due_at, body IS NOT NULL, order_key",
        );
        Ok(())
    }
}

/// Gives up what has waited at these endpoints' circuits since before `before`, at most `limit` of each.
pub(crate) fn give_up(
    conn: &mut PgConnection,
    endpoints: &[&EndpointId],
    before: Instant,
    limit: i64,
    now: Instant,
) -> QueryResult<Vec<GivenUpRow>> {
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    GiveUp {
        endpoints: endpoints.iter().map(|id| id.as_str()).collect(),
        before: Stamp(before),
        limit,
        now: Stamp(now),
    }
    .load(conn)
}

struct GiveUp<'a> {
    endpoints: Vec<&'a str>,
    before: Stamp,
    limit: i64,
    now: Stamp,
}

statement!(
    GiveUp,
    (Uuid, Uuid, Nullable<Text>, Text, Text, Integer, Nullable<Text>),
    PgConnection
);

impl QueryFragment<Pg> for GiveUp<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = 'dead_letter', reason = 'circuit_open', due_at = NULL, updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" WHERE id = ANY(ARRAY(SELECT due.id FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(
            ") AS lane (endpoint_id), LATERAL (SELECT id FROM deliveries \
             WHERE deliveries.endpoint_id = lane.endpoint_id AND state IN ('pending', 'scheduled_retry') AND due_at < ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.before)?;
        out.push_sql(" ORDER BY due_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(
            " FOR UPDATE SKIP LOCKED) AS due)) \
             RETURNING id, event_id, event_type, endpoint_id, workspace_id, attempts, order_key",
        );
        Ok(())
    }
}

/// Takes back leases that ran out, and returns the endpoints, workspaces and next times of their deliveries.
pub(crate) fn reap(
    conn: &mut PgConnection,
    now: Instant,
    retry_at: Instant,
    limit: i64,
) -> QueryResult<Vec<(String, String, Option<Stamp>)>> {
    Reap {
        now: Stamp(now),
        retry_at: Stamp(retry_at),
        limit,
        _rows: std::marker::PhantomData,
    }
    .load(conn)
}

struct Reap<'a> {
    now: Stamp,
    retry_at: Stamp,
    limit: i64,
    _rows: std::marker::PhantomData<&'a ()>,
}

statement!(Reap, (Text, Text, Nullable<Timestamptz>), PgConnection);

impl QueryFragment<Pg> for Reap<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // A lease of the router's counted no attempt, so its delivery is simply due. A worker's did: the attempt is lost.
        out.push_sql(
            "UPDATE deliveries SET lease_token = NULL, lease_until = NULL, \
             state = CASE WHEN attempts = 0 THEN 'pending' ELSE 'scheduled_retry' END, due_at = CASE WHEN attempts = 0 THEN ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ELSE ");
        out.push_bind_param::<Timestamptz, _>(&self.retry_at)?;
        out.push_sql(" END, updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            " WHERE id = ANY(ARRAY(SELECT id FROM deliveries WHERE state = 'delivering' AND lease_until < ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ORDER BY lease_until LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED)) RETURNING endpoint_id, workspace_id, due_at");
        Ok(())
    }
}
