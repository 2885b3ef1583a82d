//! Finding events that no message named: the conveyor was away, full or emptied, or a router died.

use crate::Failure;
use crate::route::{Round, Router};
use boot::Backoff;
use boot::{Shutdown, metrics, settings};
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::sync::Arc;
use wire::{Instant, Queue, WorkspaceId};

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

/// Routes lost events batch by batch, as long as there are more and they get less. Passes by the workspaces whose events
/// cannot be routed now: they must not stand before everybody else's.
async fn sweep_all(router: &Router, settings: &settings::Router, shutdown: &Shutdown) -> Result<(), Failure> {
    let limit = i64::try_from(settings.batch.get()).unwrap_or(i64::MAX);
    let stopping = shutdown.stopping();
    let mut passed: BTreeSet<WorkspaceId> = BTreeSet::new();
    while !stopping.is_cancelled() {
        let before = Instant::now() - settings.sweep_after;
        let but = passed.iter().cloned().collect();
        let (lost, is_cut) = router.store.unrouted_events(before, but, limit).await?;
        if lost.is_empty() {
            return Ok(());
        }
        let found = lost.len();
        let of: Vec<WorkspaceId> = lost.iter().map(|event| event.workspace_id.clone()).collect();
        let round = match router.route_events(lost).await {
            Err(failure) if failure.may_be_of_one() => {
                tracing::error!(
                    found,
                    error.chain = &failure as &dyn StdError,
                    "events cannot be routed; those of other workspaces are looked for"
                );
                Round::default()
            }
            round => round?,
        };
        if round.routed == 0 {
            // Another batch has them, or nothing can be done for them now.
            passed.extend(of);
        } else {
            metrics::swept(Queue::Route, round.routed);
            tracing::info!(
                found,
                routed = round.routed,
                "a sweep routed events that no message named"
            );
        }
        passed.extend(round.passed);
        if !is_cut {
            return Ok(());
        }
    }
    Ok(())
}
