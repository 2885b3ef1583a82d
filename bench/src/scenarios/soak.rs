//! Whether memory grows under a load that does not.

use super::{BYTES, Bench, PATIENCE, passage};
use crate::clock::Clock;
use crate::cost::{self, Meter, Part};
use crate::deployment::{Deployment, Role};
use crate::load::{self, Load, Shot};
use crate::receiver::Receiver;
use crate::report::{Row, Samples, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two yards.
pub(super) const MEASUREMENTS: u64 = 2;

/// Far from the highest: what grows, grows without a backlog.
const RATE: u32 = 200;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let time = bench.effort.soak();
    let mut table = Table::new(
        "Memory over time",
        &format!(
            "{RATE} events a second (open loop) end to end for {time:?}. What is resident of each process is sampled each second; \
             after it is some seconds after the last was delivered. The slope is that of the straight line nearest to the samples of \
             the second half. Postgres and RabbitMQ keep what they were given and cache it, so theirs is no leak."
        ),
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let yard = Yard::with_endpoint(&receiver.url("/hooks"));
    let mut distributed = Deployment::on_postgres(bench.servers, &yard).await?;
    let roles = [Role::Gateway, Role::Router, Role::Worker, Role::Runner];
    distributed.start(&roles).await?;
    soak(
        bench,
        &mut table,
        "Postgres and RabbitMQ",
        (&distributed, &receiver),
        clock,
    )
    .await?;
    distributed.stop().await?;
    let mut embedded = Deployment::on_sqlite(&yard)?;
    embedded.start(&[Role::Dev]).await?;
    soak(bench, &mut table, "SQLite", (&embedded, &receiver), clock).await?;
    embedded.stop().await?;
    Ok(table)
}

async fn soak(
    bench: &Bench<'_>,
    table: &mut Table,
    what: &str,
    (yard, receiver): (&Deployment<'_>, &Receiver),
    clock: Clock,
) -> Result<()> {
    bench.progress.on(what);
    bench.servers.settle().await?;
    receiver.reset();
    let parts = yard.parts();
    let shot = Arc::new(Shot::stamped(yard::token_door(), BYTES, clock));
    let meter = Meter::begin(parts.clone());
    let sending = load::send(yard.doors, &shot, Load::open(RATE, bench.effort.soak()));
    let (outcome, samples) = watched(bench, what, &parts, sending).await?;
    receiver.until(outcome.accepted, PATIENCE).await?;
    yard.until(passage::UNFINISHED, 0, PATIENCE).await?;
    let row = Row {
        refused: outcome.refused,
        ..Row::new(what)
            .at_rate(outcome.accepted, outcome.took)
            .with_latencies(&receiver.latencies())
            .per_thousand(meter.end())
    };
    table.rows.push(row);
    let rest = bench.effort.pick(Duration::from_secs(1), Duration::from_secs(20));
    tokio::time::sleep(rest).await;
    for ((part, samples), after) in parts.iter().zip(samples).zip(cost::resident(&parts)) {
        let name = format!("{what}: {}", part.name);
        let memory = after.and_then(|after| samples.memory(name, after));
        table.memory.extend(memory);
    }
    bench.progress.done();
    Ok(())
}

/// Does `work`, and looks at the parts' memory meanwhile.
async fn watched<T>(
    bench: &Bench<'_>,
    what: &str,
    parts: &[Part],
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Vec<Samples>)> {
    let began = Instant::now();
    let mut samples = vec![Samples::default(); parts.len()];
    let mut tick = tokio::time::interval(EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, samples)),
            _ = tick.tick() => {
                let at = began.elapsed();
                for (samples, mib) in samples.iter_mut().zip(cost::resident(parts)) {
                    if let Some(mib) = mib {
                        samples.add(at, mib);
                    }
                }
                bench.progress.on(&format!("{what}, {} s", at.as_secs()));
            }
        }
    }
}
