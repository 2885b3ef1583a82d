//! What doing nothing costs.

use super::Bench;
use crate::cost::Meter;
use crate::deployment::{Deployment, Role};
use crate::report::{CpuUnit, Row, Table};
use crate::yard::Yard;
use anyhow::Result;
use std::time::Duration;

/// Two yards.
pub(super) const MEASUREMENTS: u64 = 2;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "Idle",
        "A yard that nothing is sent to: shares of a core, and memory.",
    );
    table.cpu = CpuUnit::PercentOfACore;
    let yard = Yard::silent();
    let mut distributed = Deployment::on_postgres(bench.servers, &yard).await?;
    distributed
        .start(&[Role::Gateway, Role::Router, Role::Worker, Role::Runner])
        .await?;
    table
        .rows
        .push(rest(bench, "Postgres and RabbitMQ", &distributed).await?);
    distributed.stop().await?;
    let mut embedded = Deployment::on_sqlite(&yard)?;
    embedded.start(&[Role::Dev]).await?;
    table
        .rows
        .push(rest(bench, "SQLite, all in one process", &embedded).await?);
    embedded.stop().await?;
    Ok(table)
}

async fn rest(bench: &Bench<'_>, what: &str, yard: &Deployment<'_>) -> Result<Row> {
    bench.progress.on(what);
    bench.servers.settle().await?;
    // What starting left to do.
    tokio::time::sleep(
        bench
            .effort
            .pick(Duration::from_millis(500), Duration::from_secs(5)),
    )
    .await;
    // A tick is a hundredth of a second: of a share of 0.1 %, twenty seconds hold two.
    let time = bench.effort.pick(Duration::from_secs(2), bench.effort.time() * 3);
    let meter = Meter::begin(yard.parts());
    tokio::time::sleep(time).await;
    let row = Row::new(what).per_time(meter.end(), time);
    bench.progress.done();
    Ok(row)
}
