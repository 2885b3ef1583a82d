//! Deliveries a second when a worker comes back after it was away.

use super::{BYTES, Bench, CONNECTIONS, PATIENCE, passage};
use crate::clock::Clock;
use crate::cost::Meter;
use crate::deployment::{Deployment, Role};
use crate::load::{self, Extent, Load, Pace, Shot};
use crate::receiver::Receiver;
use crate::report::{Goal, Row, Table};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::sync::Arc;
use std::time::Instant;

/// The client, and the drain.
pub(super) const MEASUREMENTS: u64 = 2;

/// One for each event, once the router has seen it.
const ROUTED: &str = "SELECT count(*) FROM deliveries";

pub(super) async fn run(bench: &Bench<'_>) -> Result<Table> {
    let backlog = bench.effort.pick(2_000, 20_000);
    let mut table = Table::new(
        "Backlog",
        "Deliveries a second when a worker comes to what was routed while there was none, from the start of its process until all \
         are recorded. Postgres and RabbitMQ, 512 bytes each, to one endpoint. Latency has no meaning here.",
    );
    let clock = Clock::start();
    let receiver = Receiver::start(clock)?;
    let mut yard =
        Deployment::on_postgres(bench.servers, &Yard::with_endpoint(&receiver.url("/hooks"))).await?;
    let client = bench.bare_client(&receiver, clock).await?;

    let what = format!("a backlog of {backlog}");
    bench.progress.on(&what);
    yard.start(&[Role::Gateway, Role::Router]).await?;
    let shot = Arc::new(Shot::stamped(yard::token_door(), BYTES, clock));
    let load = Load {
        connections: CONNECTIONS,
        pace: Pace::Closed,
        extent: Extent::Count(backlog),
    };
    let sent = load::send(yard.doors, &shot, load).await?;
    yard.until(ROUTED, sent.accepted, PATIENCE).await?;

    let (began, mut meter) = (Instant::now(), Meter::begin(yard.parts()));
    yard.start(&[Role::Worker]).await?;
    passage::arrive(&yard, &receiver, sent.accepted).await?;
    let took = began.elapsed();
    meter.include_started(yard.parts());
    let row = Row::new(what)
        .at_rate(sent.accepted, took)
        .per_thousand(meter.end());
    bench.progress.done();
    passage::nothing_is_missing(&yard).await?;
    yard.stop().await?;
    let row = row.against(&client);
    let goal = Goal::at_least(
        "draining a backlog",
        "/s",
        (6_000.0, Some(12_000.0)),
        row.per_second,
    );
    table.goals = vec![goal.beside(&row)];
    table.rows = vec![client, row];
    Ok(table)
}
