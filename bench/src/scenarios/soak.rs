//! Whether memory grows under a load that does not.

use super::{BYTES, Bench, PATIENCE, passage};
use crate::clock::Clock;
use crate::cost::{self, Meter, Part};
use crate::deployment::{Deployment, Role};
use crate::load::{self, Load, Shot};
use crate::receiver::Receiver;
use crate::report::{Memory, Row, Samples, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two yards.
pub(super) const MEASUREMENTS: u64 = 2;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let (time, rate) = (bench.effort.soak(), bench.effort.steady);
    let mut table = Table::new(
        "Memory over time",
        &format!(
            "{rate} events a second (open loop) end to end for {time:?}, into two yards at the same time, so that theirs are no latencies \
             to compare. What is resident of each process is sampled each second; after it is some seconds after the last was \
             delivered. The slope is that of the straight line nearest to the samples of the second half. Postgres and RabbitMQ keep \
             what they were given and cache it, so theirs is no leak."
        ),
    );
    let clock = Clock::start();
    let receivers = [Receiver::start(clock)?, Receiver::start(clock)?];
    let [yard, other] = receivers
        .each_ref()
        .map(|it| Yard::with_endpoint(&it.url("/hooks")));
    let mut distributed = Deployment::on_postgres(bench.servers, &yard).await?;
    let roles = [Role::Gateway, Role::Router, Role::Worker, Role::Runner];
    distributed.start(&roles).await?;
    let mut embedded = Deployment::on_sqlite(&other)?;
    embedded.start(&[Role::Dev]).await?;
    bench.servers.settle().await?;
    let [receiver, other] = &receivers;
    let soaked = tokio::try_join!(
        soak(bench, "Postgres and RabbitMQ", (&distributed, receiver), clock),
        soak(bench, "SQLite", (&embedded, other), clock),
    )?;
    for (row, memory) in <[_; 2]>::from(soaked) {
        table.rows.push(row);
        table.memory.extend(memory);
    }
    distributed.stop().await?;
    embedded.stop().await?;
    Ok(table)
}

async fn soak(
    bench: &Bench<'_>,
    what: &str,
    (yard, receiver): (&Deployment<'_>, &Receiver),
    clock: Clock,
) -> Result<(Row, Vec<Memory>)> {
    bench.progress.on(what);
    let parts = yard.parts();
    let shot = Arc::new(Shot::stamped(yard::token_door(), BYTES, clock));
    let meter = Meter::begin(parts.clone());
    let load = Load::open(bench.effort.steady, bench.effort.soak());
    let sending = load::send(yard.doors, &shot, load);
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
    let rest = bench.effort.pick(Duration::from_secs(1), Duration::from_secs(20));
    tokio::time::sleep(rest).await;
    let resident = parts.iter().zip(samples).zip(cost::resident(&parts));
    let memory = resident.filter_map(|((part, samples), after)| {
        let name = format!("{what}: {}", part.name);
        samples.memory(name, after?)
    });
    bench.progress.done();
    Ok((row, memory.collect()))
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
