//! Events a second from the door to the receiver and the ledger.

use super::{BYTES, Bench, passage};
use crate::clock::Clock;
use crate::deployment::{Deployment, Role};
use crate::receiver::Receiver;
use crate::report::{Goal, Table};
use crate::yard::Yard;
use anyhow::Result;

/// The client, the inserts, and two yards.
pub(super) const MEASUREMENTS: u64 = 4;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let mut table = Table::new(
        "End to end",
        "Events a second, from the door until they are delivered and recorded as delivered: as many as can be with at most 1,000 \
         under way, 512 bytes each, to one endpoint. Latency is from when a request was due to its arrival at the receiver; it is \
         what 1,000 under way make of it.",
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let yard = Yard::with_endpoint(&receiver.url("/hooks"));
    let client = bench.bare_client(&receiver, clock).await?;

    let mut distributed = Deployment::on_postgres(bench.servers, &yard).await?;
    distributed.start(&Role::EVENT_PATH).await?;
    let inserts = bench.bare_inserts(&distributed, BYTES).await?;
    bench.servers.settle().await?;
    let what = "Postgres and RabbitMQ";
    let row = passage::sustain(bench, what, &distributed, &receiver, clock).await?;
    let distributed_row = row.against(&client).against(&inserts);
    passage::nothing_is_missing(&distributed).await?;
    distributed.stop().await?;

    let mut embedded = Deployment::on_sqlite(&yard)?;
    embedded.start(&[Role::Dev]).await?;
    let what = "SQLite, all in one process";
    let row = passage::sustain(bench, what, &embedded, &receiver, clock).await?;
    let embedded_row = row.against(&client);
    passage::nothing_is_missing(&embedded).await?;
    embedded.stop().await?;
    table.goals = vec![
        Goal::at_least(
            "end to end, Postgres and RabbitMQ",
            "/s",
            (3_000.0, Some(7_000.0)),
            distributed_row.per_second,
        )
        .beside(&distributed_row),
        Goal::at_most(
            "the memory of all in one process under full load",
            "MiB",
            (150.0, Some(100.0)),
            embedded_row.memory_mib("all in one"),
        ),
    ];
    table.rows = vec![client, inserts, distributed_row, embedded_row];
    Ok(table)
}
