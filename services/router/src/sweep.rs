//! Finding events that no message named: the conveyor was away, full or emptied, or a router died.

use crate::Failure;
use crate::route::Router;
use boot::Backoff;
use boot::{Shutdown, metrics, settings};
use std::error::Error as StdError;
use std::sync::Arc;
use wire::{Instant, Queue};

/// Looks for lost events again and again, until the process stops.
pub(crate) async fn sweep(router: Arc<Router>, settings: settings::Router, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    let mut backoff = Backoff::new();
    let mut pause = settings.sweep_every.mul_f64(rand::random());
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        match sweep_all(&router, &settings, &shutdown).await {
            Ok(()) => {
                backoff = Backoff::new();
                // Not to the beat of the other routers, who would find the same events.
                pause = settings.sweep_every.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            }
            Err(failure) => {
                pause = backoff.next(rand::random()).max(settings.sweep_every);
                tracing::warn!(
                    error.chain = &failure as &dyn StdError,
                    "lost events cannot be looked for now; trying again in {} ms",
                    pause.as_millis()
                );
            }
        }
    }
}

/// Routes lost events batch by batch, as long as there are more and they get less.
async fn sweep_all(router: &Router, settings: &settings::Router, shutdown: &Shutdown) -> Result<(), Failure> {
    let limit = settings.batch.get();
    let stopping = shutdown.stopping();
    while !stopping.is_cancelled() {
        let before = Instant::now() - settings.sweep_after;
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let lost = router.store.unrouted_events(before, limit_rows).await?;
        let found = lost.len();
        if found == 0 {
            return Ok(());
        }
        metrics::swept(Queue::Route, found);
        let taken = router.route_events(lost).await?;
        tracing::info!(
            found,
            routed = taken,
            "a sweep routed events that no message named"
        );
        if found < limit || taken == 0 {
            return Ok(());
        }
    }
    Ok(())
}
