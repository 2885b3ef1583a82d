//! What taking ready runs costs among very many that wait: the ledger's own statement, by itself.

use crate::deployment::Deployment;
use crate::latencies::Latencies;
use crate::report::Row;
use crate::scenarios::Bench;
use anyhow::{Result, ensure};
use std::time::Instant;
use uuid::Uuid;

/// Runs that are taken together: the slots of a runner.
const TAKEN: i64 = 64;

/// Claims of as many ready runs as a runner has slots, of one, and claims that find none.
pub(super) async fn measure(bench: &Bench<'_>, yard: &Deployment<'_>, parked: u64) -> Result<[Row; 3]> {
    let claims = bench.effort.pick(50, 1_000);
    bench.progress.on("claims");
    let ready = READY.replace("$count", &(claims * (TAKEN + 1)).to_string());
    yard.sql().await?.batch_execute(&ready).await?;
    bench.servers.settle().await?;
    let many = format!("claims of {TAKEN} ready runs beside {parked} that wait");
    let many = claim(bench, yard, &many, claims, TAKEN).await?;
    let one = format!("claims of one ready run beside {parked} that wait");
    let one = claim(bench, yard, &one, claims, 1).await?;
    let none = format!("claims that find none beside {parked} that wait");
    let none = claim(bench, yard, &none, claims, 0).await?;
    Ok([many, one, none])
}

async fn claim(
    bench: &Bench<'_>,
    yard: &Deployment<'_>,
    what: &str,
    claims: i64,
    expected: i64,
) -> Result<Row> {
    bench.progress.on(what);
    let store = yard.store().await?;
    let worker = Uuid::new_v4();
    // The first connects and prepares.
    store.claim_runs(worker, wire::Instant::now(), 0).await?;
    // Whoever looks for runs has a slot, even if there are none.
    let limit = if expected == 0 { TAKEN } else { expected };
    let latencies = Latencies::new();
    let started = Instant::now();
    let mut made = 0;
    for _ in 0..claims {
        let began = Instant::now();
        let taken = store.claim_runs(worker, wire::Instant::now(), limit).await?;
        latencies.record(began.elapsed());
        made += 1;
        ensure!(
            i64::try_from(taken.len())? == expected,
            "a claim took {} runs instead of {expected}",
            taken.len()
        );
    }
    let row = Row::new(what)
        .at_rate(made, started.elapsed())
        .with_latencies(&latencies);
    bench.progress.done();
    Ok(row)
}

/// Runs that have just been started, as the gateway writes them.
const READY: &str = "INSERT INTO runs (id, workspace_id, playbook_id, state, input, created_at, updated_at, ready_at)
    SELECT gen_random_uuid(), workspace_id, id, 'pending', '{}', now(), now(), now() - random() * interval '1 minute'
    FROM playbooks, generate_series(1, $count); ANALYZE runs";
