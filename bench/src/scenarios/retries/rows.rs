//! Millions of deliveries that are due again.

use crate::deployment::Deployment;
use crate::scenarios::{Bench, filling};
use anyhow::Result;

/// Deliveries of an event, each to another endpoint of its workspace.
const FAN_OUT: u64 = 10;

/// How many there are, and whose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) deliveries: u64,
    /// Workspaces that share a tenth of them. All others are of one more workspace.
    pub(super) small: u64,
    /// Endpoints of the one; each of the others has ten.
    pub(super) endpoints_of_big: u64,
}

/// The workspace that has nine tenths.
pub(super) const BIG: &str = "ws_t000000";

impl Extent {
    pub(super) fn of(bench: &Bench<'_>) -> Self {
        let (deliveries, small, endpoints_of_big) = match (bench.effort.quick, bench.effort.full) {
            (true, _) => (20_000, 99, 100),
            (false, false) => (1_000_000, 999, 1_000),
            (false, true) => (10_000_000, 999, 1_000),
        };
        Self {
            deliveries,
            small,
            endpoints_of_big,
        }
    }

    /// How many the small workspaces have together.
    pub(super) fn of_small(self) -> u64 {
        self.deliveries / 10
    }
}

/// Writes the deliveries, their events and their lanes.
pub(super) async fn write(bench: &Bench<'_>, yard: &Deployment<'_>, extent: Extent) -> Result<()> {
    let client = yard.sql().await?;
    let events = extent.deliveries / FAN_OUT;
    let rows = ROWS
        .replace("$small", &extent.small.to_string())
        .replace("$of_big_events", &(events - events / 10).to_string())
        .replace("$of_big", &extent.endpoints_of_big.to_string())
        .replace("$events", &events.to_string())
        .replace("$fan_out", &FAN_OUT.to_string());
    filling::fill(bench, client, (0, events), &rows).await?;
    bench.progress.on("making the lanes");
    client.batch_execute(LANES).await?;
    client
        .batch_execute("ANALYZE events, deliveries, endpoint_lanes")
        .await?;
    Ok(())
}

/// Makes a workspace whose one delivery is due now; returns its id.
pub(super) async fn newcomer(yard: &Deployment<'_>, number: u64) -> Result<String> {
    let workspace = format!("ws_u{number:06}");
    let one = NEWCOMER.replace("$workspace", &workspace);
    yard.sql().await?.batch_execute(&one).await?;
    Ok(workspace)
}

/// In the order in which they would have come, each due a first pause after its event. The one workspace's all came before the
/// others' of the last hour: in the order of due times, all others would come after all of them.
const ROWS: &str = "WITH numbered AS MATERIALIZED (
    SELECT number, now() - interval '1 minute' - interval '12 hours' * (1 - number::float8 / $events) AS at,
        CASE WHEN number > $of_big_events THEN 1 + number % $small ELSE 0 END AS tenant
    FROM generate_series($first, $last) AS number
), keyed AS MATERIALIZED (
    SELECT number, at, tenant, 'ws_t' || lpad(tenant::text, 6, '0') AS workspace_id, pg_temp.key_of(at) AS event_id FROM numbered
), new_events AS (
    INSERT INTO events (id, workspace_id, event_type, state, received_at, method, headers, content_type, body, trace)
    SELECT event_id, workspace_id, 'push', 'routed', at, 'POST', '[[\"content-type\",\"application/json\"]]',
        'application/json', convert_to(repeat('x', 300), 'UTF8'), '[]'
    FROM keyed
)
INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, event_type, state, attempts, due_at, first_attempt_at,
    created_at, updated_at)
SELECT pg_temp.delivery_of(event_id), workspace_id, event_id,
    'ep_t' || lpad(tenant::text, 6, '0') || '_' || CASE WHEN tenant = 0 THEN (number * $fan_out + place) % $of_big ELSE place END,
    'push', 'scheduled_retry', 1, at + interval '5 seconds' * (0.8 + 0.4 * random()), at, at, at
FROM keyed, generate_series(0, $fan_out - 1) AS place";

/// As the migration makes them of deliveries that wait.
const LANES: &str = "INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    SELECT endpoint_id, min(workspace_id), min(due_at), now() FROM deliveries WHERE state = 'scheduled_retry' GROUP BY endpoint_id";

/// In one transaction, as a batch of statements is.
const NEWCOMER: &str = "INSERT INTO events (id, workspace_id, event_type, state, received_at, method, headers, content_type, body)
    VALUES (pg_temp.key_of(now()), '$workspace', 'push', 'routed', now(), 'POST', '[]', 'application/json', '{}');
INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, event_type, state, attempts, due_at, created_at, updated_at)
    SELECT pg_temp.delivery_of(id), workspace_id, id, 'ep_' || workspace_id, 'push', 'scheduled_retry', 1, now(), now(), now()
    FROM events WHERE workspace_id = '$workspace';
INSERT INTO endpoint_lanes (endpoint_id, workspace_id, ready_at, updated_at)
    VALUES ('ep_$workspace', '$workspace', now(), now())";
