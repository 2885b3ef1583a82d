//! What endpoints that never answer cost those that do.

use super::{BYTES, Bench, PATIENCE};
use crate::clock::Clock;
use crate::cost::Meter;
use crate::deployment::{Deployment, Role};
use crate::latencies::Latencies;
use crate::load::{self, Load, Shot};
use crate::receiver::Receiver;
use crate::report::{Goal, Row, Table};
use crate::yard::{self, Yard};
use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::time::Duration;

/// Without, with few, with many.
pub(super) const MEASUREMENTS: u64 = 3;

const RATE: u32 = 200;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let endpoints = bench.effort.pick(100, 1_000);
    let many = bench.effort.pick(10, 100);
    let timeout = timeout(bench);
    let mut table = Table::new(
        "Hanging endpoints",
        &format!(
            "{RATE} events a second (open loop) at door 3 to {endpoints} endpoints in turn, some of which take a request and never \
             answer it. Latency is from when a request was due to its arrival, at the others alone; one worker, 256 slots, and a \
             timeout of {timeout:?}."
        ),
    );
    let mut without: Option<Row> = None;
    for hanging in [0, 1, many] {
        let (mut row, held) = measure(bench, endpoints, hanging).await?;
        if let Some(without) = &without {
            row = row.against_p99(without);
            let what = if hanging == 1 {
                "p99 of the others beside one that hangs"
            } else {
                "p99 of the others beside a tenth that hangs"
            };
            let goal = Goal::at_most(what, "× none hanging", (1.2, Some(1.2)), row.p99_ratio());
            table.goals.push(goal);
            table.notes.push(told(hanging, &held, timeout)?);
        }
        without.get_or_insert_with(|| row.clone());
        table.rows.push(row);
    }
    Ok(table)
}

/// How long endpoints have to answer: by default 15 s, of which a quick run does not see the end.
fn timeout(bench: &Bench<'_>) -> Duration {
    bench.effort.pick(Duration::from_secs(1), Duration::from_secs(15))
}

/// What shows that they did hang.
fn told(hanging: usize, held: &Latencies, timeout: Duration) -> Result<String> {
    let count = held.count();
    let median = held.quantile(0.5);
    let median = median.with_context(|| format!("nothing hung at {hanging} endpoints that hang"))?;
    ensure!(
        median >= timeout * 9 / 10,
        "what hangs was given up after {median:?}, long before {timeout:?}"
    );
    Ok(format!(
        "{hanging} that hang held {count} requests until the worker gave them up, after {:.1} s (p50).",
        median.as_secs_f64()
    ))
}

async fn measure(bench: &Bench<'_>, endpoints: usize, hanging: usize) -> Result<(Row, Latencies)> {
    let what = format!("{hanging} of {endpoints} hang");
    bench.progress.on(&what);
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let url = |number: usize| {
        let manner = if number < hanging { "hang" } else { "hooks" };
        receiver.url(&format!("/{manner}/{number}"))
    };
    let urls: Vec<String> = (0..endpoints).map(url).collect();
    let timeout = timeout(bench);
    let yard = Yard::with_endpoints(&urls, timeout);
    let mut yard = Deployment::on_postgres(bench.servers, &yard).await?;
    yard.start(&Role::EVENT_PATH).await?;
    bench.servers.settle().await?;
    let shot = Arc::new(Shot::stamped(yard::send_door(endpoints), BYTES, clock));
    // Long enough for what hangs to take every slot that it can get, and for the first to be given up and come again. There
    // is no warm-up, because it would begin that.
    let load = Load::open(RATE, (bench.effort.time() * 3).max(timeout * 2));
    let meter = Meter::begin(yard.parts());
    let outcome = load::send(yard.doors, &shot, load).await?;
    receiver
        .until(others(outcome.accepted, endpoints, hanging), PATIENCE)
        .await?;
    let row = Row::new(what)
        .at_rate(outcome.accepted, outcome.took)
        .with_latencies(&receiver.latencies())
        .per_thousand(meter.end());
    bench.progress.done();
    let held = receiver.held();
    yard.stop().await?;
    let row = Row {
        refused: outcome.refused,
        ..row
    };
    Ok((row, held))
}

/// Of so many events to endpoints in turn, those to endpoints that answer. The first of a round are those that hang.
fn others(events: u64, endpoints: usize, hanging: usize) -> u64 {
    let [endpoints, hanging] = [endpoints, hanging].map(|number| number as u64);
    let (rounds, rest) = (events / endpoints, events % endpoints);
    rounds * (endpoints - hanging) + rest.saturating_sub(hanging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_endpoints_of_each_round_hang() {
        assert_eq!(others(1_000, 100, 10), 900);
        assert_eq!(others(105, 100, 10), 90);
        assert_eq!(others(115, 100, 10), 95);
        assert_eq!(others(7, 100, 0), 7);
    }
}
