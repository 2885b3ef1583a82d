//! Latencies at rates that are far from the highest.

use super::{BYTES, Bench, PATIENCE};
use crate::bare;
use crate::clock::Clock;
use crate::cost::Part;
use crate::deployment::{Deployment, Role};
use crate::load::{Load, Shot};
use crate::processes;
use crate::receiver::Receiver;
use crate::report::{Goal, Row, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;

const RATES: [u32; 2] = [100, 300];

/// Of each rate: the handler, the receiver, two yards.
pub(super) const MEASUREMENTS: u64 = 8;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "Latency",
        "Events of 512 bytes at door 4, so many a second whatever comes back (open loop). Accepted: from when a request was due to \
         its answer. Delivered: to its arrival at the receiver.",
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let folder = tempfile::tempdir()?;
    let (program, address) = processes::start_own(&[bare::handler::ARGUMENT, yard::SECRET], folder.path())?;
    let handler = Part {
        name: "handler".to_owned(),
        pid: program.pid(),
        shares_memory: false,
    };
    let yard = Yard::with_endpoint(&receiver.url("/hooks"));
    let mut distributed = Deployment::on_postgres(bench.servers, &yard).await?;
    distributed.start(&Role::EVENT_PATH).await?;
    let mut embedded = Deployment::on_sqlite(&yard)?;
    embedded.start(&[Role::Dev]).await?;
    bench.servers.settle().await?;

    let shot = Arc::new(Shot::stamped(yard::token_door(), BYTES, clock));
    for rate in RATES {
        let load = Load::open(rate, bench.effort.time());
        let bare = async |what: &str, address: SocketAddr, parts| {
            let what = format!("{what}, {rate}/s");
            bench.warm_up(address, &shot, &load).await?;
            let row = bench.measure(&what, (address, parts), &shot, &load).await?;
            anyhow::Ok(row.bare())
        };
        let taken = bare("the bare handler", address, vec![handler.clone()]).await?;
        let arrived = bare("the bare receiver", receiver.address, Vec::new()).await?;
        table.rows.extend([taken.clone(), arrived.clone()]);
        for (ledger, deployment) in [("Postgres", &distributed), ("SQLite", &embedded)] {
            receiver.reset();
            let warm = bench.warm_up(deployment.doors, &shot, &load).await?;
            receiver.until(warm, PATIENCE).await?;
            receiver.reset();
            let what = format!("{ledger}, {rate}/s, accepted");
            let measured = (deployment.doors, deployment.parts());
            let accepted = bench.measure(&what, measured, &shot, &load).await?;
            receiver.until(accepted.count, PATIENCE).await?;
            let delivered = Row::new(format!("{ledger}, {rate}/s, delivered"));
            let delivered = delivered.with_latencies(&receiver.latencies());
            let (accepted, delivered) = (accepted.against_p99(&taken), delivered.against_p99(&arrived));
            if (ledger, rate) == ("Postgres", 300) {
                table.goals.extend(goals(&accepted, &delivered));
            }
            table.rows.extend([accepted, delivered]);
        }
    }
    distributed.stop().await?;
    embedded.stop().await?;
    Ok(table)
}

fn goals(accepted: &Row, delivered: &Row) -> [Goal; 4] {
    let goal = |what, bounds, reached| Goal::at_most(what, "ms", bounds, reached);
    [
        goal("accepted at 300/s, p50", (3.0, Some(1.5)), accepted.p50_ms),
        goal("accepted at 300/s, p99", (10.0, Some(4.0)), accepted.p99_ms).beside(accepted),
        goal("delivered at 300/s, p50", (6.0, Some(3.0)), delivered.p50_ms),
        goal("delivered at 300/s, p99", (20.0, Some(8.0)), delivered.p99_ms).beside(delivered),
    ]
}
