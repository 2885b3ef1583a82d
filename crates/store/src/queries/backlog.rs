//! What waits, counted as far as anybody needs to know.

use super::super::Conn;
use super::super::schema::{deliveries, endpoint_lanes, events, recoveries, runs};
use super::in_state;
use crate::Error;
use crate::backlog::{Backlog, Recovering, Unpublished, Waiting};
use crate::sql::{Maybe, Stamp, Uid};
use diesel::dsl::SqlTypeOf;
use diesel::sql_types::BigInt;
use diesel::{ExpressionMethods, QueryDsl, QueryableByName, RunQueryDsl};
use wire::Instant;

/// Rows that are counted at the most. Whoever watches is woken long before.
const COUNTED: i64 = 10_000;

/// Deliveries that are due, of lanes that are ready, and how many of them have been for long: at the most as many as count.
/// The lanes come first, which only a cross join tells SQLite: it would go through all that wait.
const DUE: &str = "\
    SELECT count(*) AS depth, count(CASE WHEN due.due_at <= $1 THEN 1 END) AS overdue FROM \
    (SELECT waiting.due_at FROM endpoint_lanes AS lane CROSS JOIN deliveries AS waiting \
    WHERE lane.held_at IS NULL AND lane.ready_at <= $2 \
    AND waiting.endpoint_id = lane.endpoint_id AND waiting.state IN ('pending', 'scheduled_retry') AND waiting.due_at <= $2 \
    LIMIT $3) AS due";

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
    #[diesel(sql_type = BigInt)]
    overdue: i64,
}

#[derive(QueryableByName)]
struct First {
    #[diesel(sql_type = Due)]
    due_at: Maybe<Stamp>,
}

/// Counts what waits at `now`, and what of it has waited since `before`.
pub(crate) fn count(conn: &mut Conn, now: Instant, before: Instant) -> Result<Backlog, Error> {
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
    // Those that nobody has sent again since, by the words and in the order of their index.
    let dead: Vec<Uid> = deliveries::table
        .filter(in_state("dead_letter"))
        .filter(deliveries::recovery_id.is_null())
        .order((deliveries::workspace_id, deliveries::endpoint_id))
        .limit(COUNTED)
        .select(deliveries::id)
        .load(conn)?;
    let open: Vec<String> = endpoint_lanes::table
        .filter(endpoint_lanes::is_gated.eq(true))
        .filter(endpoint_lanes::circuit.eq("open"))
        .limit(COUNTED)
        .select(endpoint_lanes::endpoint_id)
        .load(conn)?;
    let (due, overdue) = due(conn, now, before)?;
    let since_before = |at: Option<Stamp>| at.is_some_and(|Stamp(at)| at <= before);
    Ok(Backlog {
        events: waiting(accepted.len(), accepted.first().copied()),
        deliveries: due,
        runs: waiting(ready.len(), ready.first().copied().flatten()),
        dead_letters: dead.len() as u64,
        open_circuits: open.len() as u64,
        unpublished: Unpublished {
            events: accepted.iter().filter(|at| since_before(Some(**at))).count() as u64,
            deliveries: overdue + lapsed(conn, before)?,
            runs: ready.iter().filter(|at| since_before(**at)).count() as u64,
        },
        recoveries: recovering(conn)?,
    })
}

/// Deliveries that are due, and how many of them are since `before`.
fn due(conn: &mut Conn, now: Instant, before: Instant) -> Result<(Waiting, u64), Error> {
    let depths: Vec<Depth> = diesel::sql_query(DUE)
        .bind::<Due, _>(Some(Stamp(before)))
        .bind::<Due, _>(Some(Stamp(now)))
        .bind::<BigInt, _>(COUNTED)
        .load(conn)?;
    let first: Vec<First> = diesel::sql_query(FIRST_DUE)
        .bind::<Due, _>(Some(Stamp(now)))
        .bind::<BigInt, _>(COUNTED)
        .load(conn)?;
    let due = Waiting {
        depth: depths.iter().map(|row| number(row.depth)).sum(),
        since: first.into_iter().find_map(|row| row.due_at.into()),
    };
    Ok((due, depths.iter().map(|row| number(row.overdue)).sum()))
}

/// Leases that ran out before `before`: the worker was lost, or its reference.
fn lapsed(conn: &mut Conn, before: Instant) -> Result<u64, Error> {
    let lapsed: Vec<Uid> = deliveries::table
        .filter(in_state("delivering"))
        .filter(deliveries::lease_until.lt(Some(Stamp(before))))
        .limit(COUNTED)
        .select(deliveries::id)
        .load(conn)?;
    Ok(lapsed.len() as u64)
}

fn recovering(conn: &mut Conn) -> Result<Recovering, Error> {
    let running: Vec<(i64, i64, i64)> = recoveries::table
        .filter(in_state("running"))
        .order(recoveries::next_at)
        .limit(COUNTED)
        .select((recoveries::total, recoveries::recovered, recoveries::skipped))
        .load(conn)?;
    let mut all = Recovering::default();
    for (total, recovered, skipped) in running {
        all.total += number(total);
        // What was counted at the start is less than there was, where that was a lot.
        all.done += number((recovered + skipped).min(total));
    }
    Ok(all)
}

/// A count of rows, which is never negative.
fn number(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

fn waiting(depth: usize, since: Option<Stamp>) -> Waiting {
    Waiting {
        depth: depth as u64,
        since: since.map(Instant::from),
    }
}
