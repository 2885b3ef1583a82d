//! Whether an event costs the same when the tables are full.

use super::{BYTES, Bench, CONNECTIONS, PATIENCE, filling, passage};
use crate::clock::Clock;
use crate::deployment::{Deployment, Role};
use crate::effort::Effort;
use crate::load::{Load, Shot};
use crate::receiver::Receiver;
use crate::report::{Row, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::sync::Arc;
use tokio_postgres::Client;

fn sizes(effort: Effort) -> &'static [u64] {
    match (effort.quick, effort.full) {
        (true, _) => &[0, 20_000],
        (false, false) => &[0, 1_000_000],
        (false, true) => &[0, 1_000_000, 10_000_000],
    }
}

/// Of each size: accept, and end to end.
pub(super) fn measurements(effort: Effort) -> u64 {
    sizes(effort).len() as u64 * 2
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "Growth",
        "Accept and end to end, as above, on Postgres with so many rows in each of events, claims, deliveries and attempts. The \
         tables are filled while the yard runs.",
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let mut yard =
        Deployment::on_postgres(bench.servers, &Yard::with_endpoint(&receiver.url("/hooks"))).await?;
    yard.start(&Role::EVENT_PATH).await?;
    let mut first: Option<[Row; 2]> = None;
    let mut filled = 0;
    for size in sizes(bench.effort) {
        fill(bench, yard.sql().await?, filled, *size).await?;
        filled = *size;
        bench.servers.settle().await?;

        let what = format!("accept at {size} rows");
        let shot = Arc::new(Shot::fixed(yard::quiet_door(), BYTES, true));
        let load = Load::closed(CONNECTIONS, bench.effort.time());
        bench.progress.on(&what);
        bench.warm_up(yard.doors, &shot, &load).await?;
        let measured = (yard.doors, yard.parts());
        let accepted = bench.measure(&what, measured, &shot, &load).await?;
        // The router still has to see that they lead nowhere, and must not do so while the next is measured.
        yard.until(ACCEPTED, 0, PATIENCE).await?;
        let what = format!("end to end at {size} rows");
        let passed = passage::sustain(bench, &what, &yard, &receiver, clock).await?;
        match &first {
            None => {
                first = Some([accepted.clone(), passed.clone()]);
                table.rows.extend([accepted, passed]);
            }
            Some([first_accepted, first_passed]) => {
                let accepted = accepted.against(first_accepted).against_p99(first_accepted);
                let passed = passed.against(first_passed).against_p99(first_passed);
                table.rows.extend([accepted, passed]);
            }
        }
    }
    yard.stop().await?;
    Ok(table)
}

/// Zero once everything is routed.
const ACCEPTED: &str = "SELECT count(*) FROM events WHERE state = 'accepted'";

/// Adds rows like those of events that were delivered within the last hours.
async fn fill(bench: &Bench<'_>, client: &Client, from: u64, to: u64) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let rows = ROWS.replace("$all", &format!("{to}.0"));
    filling::fill(bench, client, (from, to), &rows).await?;
    client
        .batch_execute("ANALYZE events, claims, deliveries, attempts")
        .await?;
    Ok(())
}

/// One event each, its claim, its delivery and its attempt, in the order in which they would have come.
const ROWS: &str = "WITH numbered AS MATERIALIZED (
    SELECT number, now() - interval '12 hours' * (1 - number / $all) AS at FROM generate_series($first, $last) AS number
), keyed AS MATERIALIZED (
    SELECT number, at, pg_temp.key_of(at) AS event_id, pg_temp.key_of(at) AS delivery_id, pg_temp.key_of(at) AS attempt_id
    FROM numbered
), workspace AS (SELECT id FROM workspaces LIMIT 1), source AS (SELECT id FROM sources LIMIT 1),
endpoint AS (SELECT id FROM endpoints LIMIT 1), route AS (SELECT id FROM routes LIMIT 1),
new_events AS (
    INSERT INTO events (id, workspace_id, source_id, event_type, state, verified, received_at, method, headers, content_type,
        body, idempotency_key, trace)
    SELECT event_id, workspace.id, source.id, 'push', 'routed', TRUE, at, 'POST', '[[\"content-type\",\"application/json\"]]',
        'application/json', convert_to(repeat('x', 300), 'UTF8'), 'grown-' || number, '[]'
    FROM keyed, workspace, source
), new_claims AS (
    INSERT INTO claims (scope, key_hash, key, event_id, accepted_at, expires_at)
    SELECT source.id, sha256(convert_to('grown-' || number, 'UTF8')), 'grown-' || number, event_id, at,
        at + interval '96 hours'
    FROM keyed, source
), new_deliveries AS (
    INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, route_id, event_type, state, attempts,
        first_attempt_at, delivered_at, created_at, updated_at)
    SELECT delivery_id, workspace.id, event_id, endpoint.id, route.id, 'push', 'delivered', 1, at, at, at, at
    FROM keyed, workspace, endpoint, route
)
INSERT INTO attempts (id, delivery_id, number, response_status, duration_ms, request_headers, response_headers,
    response_body, created_at)
SELECT attempt_id, delivery_id, 1, 200, 3, '[]', '[]', 'ok', at FROM keyed";
