//! Events from the door to the receiver and into the ledger.

use super::{BYTES, Bench, CONNECTIONS, PATIENCE};
use crate::clock::Clock;
use crate::cost::Meter;
use crate::deployment::Deployment;
use crate::load::{self, Extent, Load, Pace, Shot};
use crate::receiver::Receiver;
use crate::report::Row;
use crate::yard;
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::Instant;

/// The most events under way at once: several times what the highest rate has under way, and too few to be a backlog.
const WINDOW: usize = 1_000;

/// Zero once every delivery that there is has ended. Indexes answer it, however many have.
pub(super) const UNFINISHED: &str = "SELECT (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'scheduled_retry')) \
     + (SELECT count(*) FROM deliveries WHERE state = 'delivering')";

/// Sends as much as arrives, and returns when all of it is recorded as well.
pub(super) async fn sustain(
    bench: &Bench<'_>,
    what: &str,
    deployment: &Deployment<'_>,
    receiver: &Receiver,
    clock: Clock,
) -> Result<Row> {
    bench.progress.on(what);
    let shot = Arc::new(Shot::stamped(yard::token_door(), BYTES, clock));
    let load = |time| Load {
        connections: CONNECTIONS,
        pace: Pace::Windowed(receiver.window(WINDOW)),
        extent: Extent::Time(time),
    };
    receiver.reset();
    let warm = load::send(deployment.doors, &shot, load(bench.effort.warm_up())).await?;
    arrive(deployment, receiver, warm.accepted).await?;

    receiver.reset();
    let (began, meter) = (Instant::now(), Meter::begin(deployment.parts()));
    let outcome = load::send(deployment.doors, &shot, load(bench.effort.time())).await?;
    arrive(deployment, receiver, outcome.accepted).await?;
    let row = Row {
        refused: outcome.refused,
        ..Row::new(what)
            .at_rate(outcome.accepted, began.elapsed())
            .with_latencies(&receiver.latencies())
            .per_thousand(meter.end())
    };
    bench.progress.done();
    Ok(row)
}

/// Fails unless each recorded event has been delivered, and recorded as delivered.
pub(super) async fn nothing_is_missing(deployment: &Deployment<'_>) -> Result<()> {
    let events = deployment.count("SELECT count(*) FROM events").await?;
    let delivered = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
    let delivered = deployment.count(delivered).await?;
    ensure!(
        events == delivered,
        "of {events} events {delivered} are recorded as delivered"
    );
    Ok(())
}

/// Waits until so many have arrived and all that there are have ended.
pub(super) async fn arrive(deployment: &Deployment<'_>, receiver: &Receiver, count: u64) -> Result<()> {
    receiver.until(count, PATIENCE).await?;
    deployment.until(UNFINISHED, 0, PATIENCE).await
}
