//! LEASE and REAP: the statements of Postgres, in the caller's transaction, which locks out everybody else.

use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use crate::sweep::{GivenUpRow, Leased, Order, PROBED, Share};
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use std::marker::PhantomData;
use wire::{EndpointId, Instant};

/// Leases up to its share of what is due of each lane, and returns it. `lease` is the token and until when it holds.
pub(crate) fn lease(
    conn: &mut SqliteConnection,
    now: Instant,
    shares: &[Share<'_>],
    order: Order,
    lease: (uuid::Uuid, Instant),
) -> QueryResult<Vec<Leased>> {
    let mut leased = Vec::new();
    for share in shares {
        let leasing = Lease {
            now: Stamp(now),
            token: Uid(lease.0),
            until: Stamp(lease.1),
            endpoint: share.lane.endpoint_id.as_str(),
            skipped: share.skipped,
            share: i64::try_from(share.most).unwrap_or(i64::MAX),
        };
        let of_lane: Vec<Leased> = match order {
            Order::OldestFirst => leasing.load(conn)?,
            Order::NewestFirst => NewestFirst(leasing).load(conn)?,
        };
        leased.extend(of_lane);
    }
    Ok(leased)
}

struct Lease<'a> {
    now: Stamp,
    token: Uid,
    until: Stamp,
    endpoint: &'a str,
    share: i64,
    skipped: i64,
}

struct NewestFirst<'a>(Lease<'a>);

/// The columns of [`Leased`].
type LeasedRow = (
    Binary,
    Integer,
    Text,
    Binary,
    Text,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
    Bool,
    Nullable<Text>,
);

statement!(Lease, LeasedRow, SqliteConnection);
statement!(NewestFirst, LeasedRow, SqliteConnection);

impl QueryFragment<Sqlite> for Lease<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.walk(out, "due_at")
    }
}

impl QueryFragment<Sqlite> for NewestFirst<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk(out, "due_at DESC")
    }
}

impl Lease<'_> {
    fn walk<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>, order: &str) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = 'delivering', attempts = attempts + 1, lease_token = ");
        out.push_bind_param::<Binary, _>(&self.token)?;
        out.push_sql(", lease_until = ");
        out.push_bind_param::<BigInt, _>(&self.until)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" WHERE id IN (SELECT id FROM deliveries WHERE endpoint_id = ");
        out.push_bind_param::<Text, _>(self.endpoint)?;
        out.push_sql(" AND state IN ('pending', 'scheduled_retry') AND due_at <= ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" ORDER BY ");
        out.push_sql(order);
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.share)?;
        out.push_sql(" OFFSET CASE WHEN ");
        out.push_bind_param::<BigInt, _>(&self.skipped)?;
        out.push_sql(" = 0 THEN 0 ELSE ");
        out.push_bind_param::<BigInt, _>(&self.skipped)?;
        out.push_sql(" % max(1, (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE endpoint_id = ");
        out.push_bind_param::<Text, _>(self.endpoint)?;
        out.push_sql(" AND state IN ('pending', 'scheduled_retry') AND due_at <= ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&PROBED)?;
        out.push_sql(
            "))) END) RETURNING id, attempts, workspace_id, event_id, endpoint_id, route_id, event_type, due_at, body IS NOT NULL, \
             order_key",
        );
        Ok(())
    }
}

/// Gives up what has waited at these endpoints' circuits since before `before`, at most `limit` of each.
pub(crate) fn give_up(
    conn: &mut SqliteConnection,
    endpoints: &[&EndpointId],
    before: Instant,
    limit: i64,
    now: Instant,
) -> QueryResult<Vec<GivenUpRow>> {
    let mut given_up = Vec::new();
    for endpoint in endpoints {
        let of_endpoint: Vec<GivenUpRow> = GiveUp {
            endpoint: endpoint.as_str(),
            before: Stamp(before),
            limit,
            now: Stamp(now),
        }
        .load(conn)?;
        given_up.extend(of_endpoint);
    }
    Ok(given_up)
}

struct GiveUp<'a> {
    endpoint: &'a str,
    before: Stamp,
    limit: i64,
    now: Stamp,
}

statement!(
    GiveUp,
    (
        Binary,
        Binary,
        Nullable<Text>,
        Text,
        Text,
        Integer,
        Nullable<Text>
    ),
    SqliteConnection
);

impl QueryFragment<Sqlite> for GiveUp<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = 'dead_letter', reason = 'circuit_open', due_at = NULL, updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" WHERE id IN (SELECT id FROM deliveries WHERE endpoint_id = ");
        out.push_bind_param::<Text, _>(self.endpoint)?;
        out.push_sql(" AND state IN ('pending', 'scheduled_retry') AND due_at < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" ORDER BY due_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") RETURNING id, event_id, event_type, endpoint_id, workspace_id, attempts, order_key");
        Ok(())
    }
}

/// Takes back leases that ran out, and returns the endpoints, workspaces and next times of their deliveries.
pub(crate) fn reap(
    conn: &mut SqliteConnection,
    now: Instant,
    retry_at: Instant,
    limit: i64,
) -> QueryResult<Vec<(String, String, Option<Stamp>)>> {
    Reap {
        now: Stamp(now),
        retry_at: Stamp(retry_at),
        limit,
        _rows: PhantomData,
    }
    .load(conn)
}

struct Reap<'a> {
    now: Stamp,
    retry_at: Stamp,
    limit: i64,
    _rows: PhantomData<&'a ()>,
}

statement!(Reap, (Text, Text, Nullable<BigInt>), SqliteConnection);

impl QueryFragment<Sqlite> for Reap<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // A lease of the router's counted no attempt, so its delivery is simply due. A worker's did: the attempt is lost.
        out.push_sql(
            "UPDATE deliveries SET lease_token = NULL, lease_until = NULL, \
             state = CASE WHEN attempts = 0 THEN 'pending' ELSE 'scheduled_retry' END, due_at = CASE WHEN attempts = 0 THEN ",
        );
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" ELSE ");
        out.push_bind_param::<BigInt, _>(&self.retry_at)?;
        out.push_sql(" END, updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" WHERE id IN (SELECT id FROM deliveries WHERE state = 'delivering' AND lease_until < ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" ORDER BY lease_until LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") RETURNING endpoint_id, workspace_id, due_at");
        Ok(())
    }
}
