//! What the runner takes for a step, beside the call itself.

use super::{BYTES, calls, start_runs};
use crate::clock::Clock;
use crate::cost::Meter;
use crate::deployment::{Deployment, Role};
use crate::load::Shot;
use crate::receiver::Receiver;
use crate::report::Row;
use crate::scenarios::{Bench, PATIENCE};
use crate::yard::{self, Yard};
use anyhow::Result;
use std::sync::Arc;
use std::time::Instant;

/// Runs that go on at the same time.
const ACTIVE: u64 = 16;

/// From the answer to a call to the next call of the same run: reading the answer, stepping, keeping it, sending the next.
pub(super) async fn measure(bench: &Bench<'_>, receiver: &Receiver, clock: Clock) -> Result<Row> {
    let what = "between two calls of a run, 16 active runs";
    bench.progress.on(what);
    let steps = bench.effort.pick(20, 250);
    let playbook = Yard::with_playbook(&calls(receiver, "/effect", steps));
    let mut yard = Deployment::on_postgres(bench.servers, &playbook).await?;
    yard.start(&[Role::Gateway, Role::Runner]).await?;
    bench.servers.settle().await?;
    let shot = Arc::new(Shot::stamped(yard::hook_door(), BYTES, clock));
    // The first runs of a process compile, connect and prepare.
    let warm = start_runs(&yard, &shot, ACTIVE).await?;
    yard.until(super::ENDED, warm, PATIENCE).await?;
    receiver.reset();
    let (began, meter) = (Instant::now(), Meter::begin(yard.parts()));
    let started = start_runs(&yard, &shot, ACTIVE).await?;
    receiver.until(started * steps, PATIENCE).await?;
    let row = Row::new(what)
        .at_rate(started * steps, began.elapsed())
        .with_latencies(&receiver.between_calls())
        .per_thousand(meter.end());
    bench.progress.done();
    yard.stop().await?;
    Ok(row)
}
