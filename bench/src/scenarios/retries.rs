//! Leasing and completing among millions of deliveries that are due again, most of them one tenant's.

mod rows;

use super::Bench;
use crate::cost::Meter;
use crate::deployment::Deployment;
use crate::latencies::Latencies;
use crate::report::{Goal, Row, Table};
use crate::yard::Yard;
use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use rows::{BIG, Extent};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use store::{Job, NewAttempt, Outcome, OutcomeQueue, QueueOptions, Store};
use uuid::Uuid;
use wire::circuit::Answered;
use wire::{AttemptId, DeliveryState};

/// The inserts, two sizes of sweeps, newcomers.
pub(super) const MEASUREMENTS: u64 = 4;

/// What a worker's sweep takes at the most, and what would be if it took more.
const SWEEPS: [i64; 2] = [192, 1_000];

/// Bytes of a bare insert: of an attempt's row, about.
const BYTES: usize = 512;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let extent = Extent::of(bench);
    let mut table = Table::new(
        "Pending retries",
        &format!(
            "Deliveries leased and recorded as delivered a second, by the ledger's own statements, one sweep after the other as one \
             connection would: {} are due on Postgres, in the order in which they came, of which one workspace with {} endpoints \
             has nine tenths, for longest, and {} with ten each have the rest. Latency is of a sweep and its recording; of a newcomer, from its commit until it is \
             recorded. CPU is per 1,000 deliveries, without this program's own.",
            extent.deliveries, extent.endpoints_of_big, extent.small
        ),
    );
    let yard = Deployment::on_postgres(bench.servers, &Yard::silent()).await?;
    let inserts = bench.bare_inserts(&yard, BYTES).await?;
    rows::write(bench, &yard, extent).await?;
    bench.servers.settle().await?;
    let store = yard.store().await?;
    let queue = store.outcome_queue(QueueOptions::default())?;
    let lessee = Lessee { store, queue };
    table.rows.push(inserts.clone());
    for sweep in SWEEPS {
        let what = format!("sweeps of {sweep}");
        bench.progress.on(&what);
        // The first connects and prepares.
        lessee.turn(1).await?;
        let meter = Meter::begin(yard.parts());
        let drained = lessee.drain(bench, extent, sweep).await?;
        let row = Row::new(what)
            .at_rate(drained.deliveries, drained.took)
            .with_latencies(&drained.latencies)
            .per_thousand(meter.end());
        let row = row.against(&inserts);
        if sweep == SWEEPS[0] {
            table.goals.extend(goals(&row, &drained));
        }
        table.rows.push(row);
        table.notes.push(drained.told(sweep, extent));
        bench.progress.done();
    }
    let newcomers = newcomers(bench, &yard, &lessee).await?;
    table.rows.push(newcomers);
    drop(lessee);
    yard.stop().await?;
    Ok(table)
}

/// Who leases deliveries and records them.
struct Lessee {
    store: Store,
    queue: OutcomeQueue,
}

/// What was leased and recorded.
struct Drained {
    deliveries: u64,
    took: Duration,
    /// Of sweeps with their recording.
    latencies: Latencies,
    of_big: u64,
    /// When the first of a small workspace's was recorded.
    first: Option<Duration>,
    /// When the last of the small workspaces had its first.
    all: Option<Duration>,
}

impl Lessee {
    /// One sweep, recorded. It may find nothing: lanes that were emptied are looked at again, and may stand before others.
    async fn turn(&self, limit: i64) -> Result<Vec<Job>> {
        const HOLD: Duration = Duration::from_secs(20);
        let lease = Uuid::new_v4();
        let sweep = self
            .store
            .lease_due(wire::Instant::now(), limit, (lease, HOLD), Vec::new())
            .await?;
        let outcomes = sweep
            .jobs
            .iter()
            .map(|job| self.queue.record(delivered(job, lease)));
        let recorded = try_join_all(outcomes).await?;
        ensure!(
            recorded.iter().all(|recorded| recorded.moved),
            "a delivery was leased that could not be recorded"
        );
        ensure!(
            sweep.more || !sweep.jobs.is_empty(),
            "nothing is due although much is left"
        );
        Ok(sweep.jobs)
    }

    /// Goes on for the time of a measurement, or until a quarter of what the small workspaces have is done: once they run dry,
    /// the rest is one workspace's by right.
    async fn drain(&self, bench: &Bench<'_>, extent: Extent, limit: i64) -> Result<Drained> {
        let enough = extent.of_small() / 4;
        let mut served = HashSet::new();
        let mut drained = Drained {
            deliveries: 0,
            took: Duration::ZERO,
            latencies: Latencies::new(),
            of_big: 0,
            first: None,
            all: None,
        };
        let started = Instant::now();
        while started.elapsed() < bench.effort.time() && drained.deliveries - drained.of_big < enough {
            let began = Instant::now();
            let jobs = self.turn(limit).await?;
            drained.latencies.record(began.elapsed());
            for job in &jobs {
                drained.deliveries += 1;
                if job.workspace_id.as_str() == BIG {
                    drained.of_big += 1;
                    continue;
                }
                drained.first.get_or_insert_with(|| started.elapsed());
                if served.insert(job.workspace_id.clone()) && served.len() as u64 == extent.small {
                    drained.all = Some(started.elapsed());
                }
            }
        }
        drained.took = started.elapsed();
        Ok(drained)
    }
}

impl Drained {
    /// The largest workspace's share of what was leased, in percent.
    #[expect(clippy::cast_precision_loss, reason = "no run counts to 2^52")]
    fn share(&self) -> f64 {
        100.0 * self.of_big as f64 / self.deliveries.max(1) as f64
    }

    fn told(&self, sweep: i64, extent: Extent) -> String {
        let at = |time: Option<Duration>| {
            time.map_or_else(
                || "never".to_owned(),
                |time| format!("after {:.0} ms", time.as_secs_f64() * 1_000.0),
            )
        };
        format!(
            "Sweeps of {sweep}: the workspace with nine tenths had {:.2} % of what was leased; the first of the {} others was served \
             {}, the last of them {}.",
            self.share(),
            extent.small,
            at(self.first),
            at(self.all)
        )
    }
}

fn goals(row: &Row, drained: &Drained) -> [Goal; 3] {
    let leased = (10_000.0, None);
    let first = drained.first.map(|first| first.as_secs_f64() * 1_000.0);
    [
        Goal::at_least("retries leased and recorded", "/s", leased, row.per_second).beside(row),
        Goal::at_most(
            "the share of the largest of many workspaces",
            "%",
            (3.0, None),
            Some(drained.share()),
        ),
        Goal::at_most(
            "until the first small workspace is served",
            "ms",
            (1_000.0, None),
            first,
        ),
    ]
}

/// From the commit of a new workspace's first delivery until it is recorded, while the others go on.
async fn newcomers(bench: &Bench<'_>, yard: &Deployment<'_>, lessee: &Lessee) -> Result<Row> {
    let [sweep, _] = SWEEPS;
    let what = format!("a newcomer beside them, sweeps of {sweep}");
    bench.progress.on(&what);
    let latencies = Latencies::new();
    let (started, mut deliveries) = (Instant::now(), 0);
    for number in 0..bench.effort.pick(10, 100) {
        let workspace = rows::newcomer(yard, number).await?;
        let began = Instant::now();
        loop {
            let jobs = lessee.turn(sweep).await?;
            deliveries += jobs.len() as u64;
            if jobs.iter().any(|job| job.workspace_id.as_str() == workspace) {
                break;
            }
        }
        latencies.record(began.elapsed());
    }
    bench.progress.done();
    Ok(Row::new(what)
        .at_rate(deliveries, started.elapsed())
        .with_latencies(&latencies))
}

/// A success, with headers and an answer of the usual length.
fn delivered(job: &Job, lease: Uuid) -> Outcome {
    let now = wire::Instant::now();
    Outcome {
        order_key: None,
        delivery_id: job.delivery_id,
        lease,
        state: DeliveryState::Delivered,
        reason: None,
        due_at: None,
        attempt: NewAttempt {
            id: AttemptId::generate(),
            number: job.number(),
            response_status: Some(200),
            duration_ms: 3,
            error_kind: None,
            error_message: None,
            request_headers: Bytes::from_static(&[b' '; 400]),
            response_headers: Bytes::from_static(br#"[["content-type","application/json"]]"#),
            response_body: Bytes::from_static(b"{}"),
            created_at: now,
        },
        at: now,
        endpoint_id: job.endpoint_id.clone(),
        counts: true,
        is_made: true,
        is_probe: false,
        answered: Some(Answered::Well),
        asked: None,
        ceiling: 10,
        random: 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_what_was_leased() {
        let drained = |of_big, deliveries| Drained {
            deliveries,
            took: Duration::from_secs(1),
            latencies: Latencies::new(),
            of_big,
            first: Some(Duration::from_millis(7)),
            all: None,
        };
        assert!((drained(3, 300).share() - 1.0).abs() < 1e-9);
        assert!(drained(0, 0).share().abs() < 1e-9);
        let extent = Extent {
            deliveries: 1_000,
            small: 9,
            endpoints_of_big: 1,
        };
        let told = drained(3, 300).told(128, extent);
        assert!(
            told.contains("1.00 %") && told.contains("after 7 ms") && told.contains("never"),
            "{told}"
        );
    }
}
