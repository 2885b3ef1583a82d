//! Latencies at rates that are far from the highest.

use super::{BYTES, Bench, PATIENCE};
use crate::bare;
use crate::clock::Clock;
use crate::cost::{Meter, Part};
use crate::deployment::{Deployment, Role};
use crate::load::{self, Load, Shot};
use crate::processes;
use crate::receiver::Receiver;
use crate::report::{Row, Table};
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
        let bare = |what: &str| format!("{what}, {rate}/s");
        let taken = plain(
            bench,
            &bare("the bare handler"),
            address,
            &shot,
            &load,
            vec![handler.clone()],
        )
        .await?;
        let received = bare("the bare receiver");
        let received = plain(bench, &received, receiver.address, &shot, &load, Vec::new()).await?;
        table.rows.extend([taken.clone(), received.clone()]);
        for (ledger, deployment) in [("Postgres", &distributed), ("SQLite", &embedded)] {
            receiver.reset();
            let what = format!("{ledger}, {rate}/s, accepted");
            let accepted = bench.accept(&what, deployment, &shot, load.clone()).await?;
            let arrived = arrivals(&receiver, bench, rate, &accepted).await?;
            let delivered = Row {
                count: arrived,
                ..Row::new(format!("{ledger}, {rate}/s, delivered")).with_latencies(&receiver.latencies())
            };
            table.rows.push(accepted.against_p99(&taken));
            table.rows.push(delivered.against_p99(&received));
        }
    }
    distributed.stop().await?;
    embedded.stop().await?;
    Ok(table)
}

/// Waits until those of the warm-up and those that count have all arrived.
async fn arrivals(receiver: &Receiver, bench: &Bench<'_>, rate: u32, accepted: &Row) -> Result<u64> {
    let warm = u64::from(rate) * u64::try_from(bench.effort.warm_up().as_millis())? / 1_000;
    receiver.until(warm + accepted.count, PATIENCE).await?;
    Ok(accepted.count)
}

async fn plain(
    bench: &Bench<'_>,
    what: &str,
    address: SocketAddr,
    shot: &Arc<Shot>,
    load: &Load,
    parts: Vec<Part>,
) -> Result<Row> {
    bench.progress.on(what);
    load::send(address, shot, load.clone().lasting(bench.effort.warm_up())).await?;
    let meter = Meter::begin(parts);
    let outcome = load::send(address, shot, load.clone()).await?;
    bench.progress.done();
    Ok(Row::of(what, &outcome).per_thousand(meter.end()).bare())
}
