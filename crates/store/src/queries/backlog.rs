//! What waits, counted as far as anybody needs to know.

use super::super::Conn;
use super::super::schema::{deliveries, endpoint_lanes, events, runs};
use super::in_state;
use crate::Error;
use crate::backlog::{Backlog, Waiting};
use crate::sql::{Maybe, Stamp, Uid};
use diesel::dsl::SqlTypeOf;
use diesel::sql_types::BigInt;
use diesel::{ExpressionMethods, QueryDsl, QueryableByName, RunQueryDsl};
use wire::Instant;

/// Rows that are counted at the most. Whoever watches is woken long before.
const COUNTED: i64 = 10_000;

/// Deliveries that are due, of lanes that are ready: at the most as many as count. The lanes come first, which only a cross
/// join tells SQLite: it would go through all that wait.
const DUE: &str = "\
    SELECT count(*) AS depth FROM (SELECT 1 FROM endpoint_lanes AS lane CROSS JOIN deliveries AS waiting \
    WHERE lane.held_at IS NULL AND lane.ready_at <= $1 \
    AND waiting.endpoint_id = lane.endpoint_id AND waiting.state IN ('pending', 'scheduled_retry') AND waiting.due_at <= $1 \
    LIMIT $2) AS due";

/// When the first of them was due: one index look-up for each lane that is ready.
const FIRST_DUE: &str = "\
    SELECT min(first.due_at) AS due_at FROM (SELECT (SELECT min(waiting.due_at) FROM deliveries AS waiting \
    WHERE waiting.endpoint_id = lane.endpoint_id AND waiting.state IN ('pending', 'scheduled_retry') AND waiting.due_at <= $1) \
    AS due_at FROM endpoint_lanes AS lane WHERE lane.held_at IS NULL AND lane.ready_at <= $1 LIMIT $2) AS first";

type Due = SqlTypeOf<deliveries::due_at>;

#[derive(QueryableByName)]
struct Depth {
    #[diesel(sql_type = BigInt)]
    depth: i64,
}

#[derive(QueryableByName)]
struct First {
    #[diesel(sql_type = Due)]
    due_at: Maybe<Stamp>,
}

pub(crate) fn count(conn: &mut Conn, now: Instant) -> Result<Backlog, Error> {
    let accepted: Vec<Stamp> = events::table
        .filter(in_state("accepted"))
        .order(events::id)
        .limit(COUNTED)
        .select(events::received_at)
        .load(conn)?;
    let ready: Vec<Option<Stamp>> = runs::table
        .filter(runs::owner.is_null())
        .filter(runs::ready_at.le(Stamp(now)))
        .order((runs::ready_at, runs::id))
        .limit(COUNTED)
        .select(runs::ready_at)
        .load(conn)?;
    let dead: Vec<Uid> = deliveries::table
        .filter(in_state("dead_letter"))
        .limit(COUNTED)
        .select(deliveries::id)
        .load(conn)?;
    let open: Vec<String> = endpoint_lanes::table
        .filter(endpoint_lanes::is_gated.eq(true))
        .filter(endpoint_lanes::circuit.eq("open"))
        .limit(COUNTED)
        .select(endpoint_lanes::endpoint_id)
        .load(conn)?;
    Ok(Backlog {
        events: waiting(accepted.len(), accepted.first().copied()),
        deliveries: due(conn, now)?,
        runs: waiting(ready.len(), ready.first().copied().flatten()),
        dead_letters: dead.len() as u64,
        open_circuits: open.len() as u64,
    })
}

fn due(conn: &mut Conn, now: Instant) -> Result<Waiting, Error> {
    let asked = |sql: &'static str| {
        diesel::sql_query(sql)
            .bind::<Due, _>(Some(Stamp(now)))
            .bind::<BigInt, _>(COUNTED)
    };
    let depths: Vec<Depth> = asked(DUE).load(conn)?;
    let first: Vec<First> = asked(FIRST_DUE).load(conn)?;
    Ok(Waiting {
        depth: depths
            .iter()
            .map(|row| u64::try_from(row.depth).unwrap_or(0))
            .sum(),
        since: first.into_iter().find_map(|row| row.due_at.into()),
    })
}

fn waiting(depth: usize, since: Option<Stamp>) -> Waiting {
    Waiting {
        depth: depth as u64,
        since: since.map(Instant::from),
    }
}
