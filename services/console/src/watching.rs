//! Shows what waits as gauges: alarms and scaling go by them.
//!
//! Every console shows the same, of the whole yard.

use boot::metrics;
use std::time::Duration;
use store::{Backlog, Store, Waiting};
use wire::{Instant, Queue};

/// How often it is counted. Metrics are rarely collected more often.
const EVERY: Duration = Duration::from_secs(15);

/// Runs until the process stops. What cannot be counted is counted the next time.
///
/// A row that has waited for `patience` is one that no message is on its way for.
pub(crate) async fn run(store: Store, patience: Duration, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = beat.tick() => {}
        }
        let now = Instant::now();
        match store.backlog(now, patience).await {
            Ok(backlog) => show(backlog, now),
            Err(error) => tracing::warn!(
                error.chain = &error as &dyn std::error::Error,
                "what waits could not be counted; its gauges stay as they are"
            ),
        }
    }
}

fn show(backlog: Backlog, now: Instant) {
    let of = |queue, waiting: Waiting, unpublished| {
        let oldest = waiting.since.map_or(Duration::ZERO, |since| now.since(since));
        metrics::backlog(queue, waiting.depth, oldest);
        metrics::unpublished(queue, unpublished);
    };
    let unpublished = backlog.unpublished;
    of(Queue::Route, backlog.events, unpublished.events);
    of(Queue::Deliver, backlog.deliveries, unpublished.deliveries);
    of(Queue::Run, backlog.runs, unpublished.runs);
    metrics::dead_letters(backlog.dead_letters);
    metrics::circuits_open(backlog.open_circuits);
    metrics::recovery_progress(backlog.recoveries.share());
}
