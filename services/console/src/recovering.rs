//! Works on recoveries that run: a batch at a time, whichever is due.
//!
//! Every console does this. The lease keeps two of them from one batch, and its fence keeps one that was thought dead from
//! doing harm when it comes back.

use boot::metrics;
use std::time::Duration;
use store::{Advance, Error, Store};
use wire::Instant;

/// How often a batch is looked for when none is known to be due sooner: another console may start a recovery.
const EVERY: Duration = Duration::from_millis(500);
/// The shortest pause between two looks: another console may have the batch that seems to be due.
const SHORTEST: Duration = Duration::from_millis(20);
/// How long a process that died is waited for: a batch takes far less.
const HOLD: Duration = Duration::from_secs(30);
/// The pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs until the process stops. What is in hand is one transaction, which is finished before that.
pub(crate) async fn run(store: Store, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        let pause = match advance(&store, Instant::now()).await {
            Ok(true) if stopping.is_cancelled() => return,
            Ok(true) => continue,
            Ok(false) => until_next(&store, Instant::now()).await,
            Err(error) => {
                tracing::warn!(
                    error.chain = &error as &dyn std::error::Error,
                    "recoveries cannot be worked on now; trying again in {} ms",
                    AFTER_FAILURE.as_millis()
                );
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How long to wait for the next batch.
async fn until_next(store: &Store, now: Instant) -> Duration {
    match store.next_recovery_at().await {
        Ok(Some(at)) => at.since(now).clamp(SHORTEST, EVERY),
        // Whatever is wrong, the next batch says so.
        Ok(None) | Err(_) => EVERY,
    }
}

/// Does one batch of the recovery that waits longest; says whether one was due.
async fn advance(store: &Store, now: Instant) -> Result<bool, Error> {
    let Some(lease) = store.take_recovery(now, HOLD).await? else {
        return Ok(false);
    };
    let id = lease.id;
    match store.advance_recovery(lease, now).await? {
        Advance::Completed(sent) => {
            metrics::deliveries_recovered(sent);
            tracing::info!(recovery.id = %id, sent, "a recovery is completed");
        }
        Advance::Sent(sent) => {
            metrics::deliveries_recovered(sent);
            tracing::debug!(recovery.id = %id, sent, "a recovery goes on");
        }
        Advance::Lost => tracing::debug!(recovery.id = %id, "a recovery was stopped, or is another's"),
    }
    Ok(true)
}
