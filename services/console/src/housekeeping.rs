//! What nobody asks for: the ledger's partitions ahead of time, and expired claims out of the way.
//!
//! Every console runs this; two that do the same at once do no harm.

use std::time::Duration;
use store::Store;
use wire::Instant;

/// How often partitions are looked after: on Postgres a missing day refuses every event.
const PARTITIONS_EVERY: Duration = Duration::from_hours(1);
/// How many days ahead: a week of a console that is down.
const DAYS_AHEAD: u32 = 7;
/// How often expired claims are looked for.
const CLAIMS_EVERY: Duration = Duration::from_mins(1);
/// How many claims are forgotten in one transaction, which fresh requests may have to wait for.
const CLAIMS_AT_ONCE: i64 = 500;
/// The pause between two transactions while there are more.
const PACE: Duration = Duration::from_millis(200);

/// Runs until the process stops. Whatever fails is logged and tried again the next time.
pub async fn run(store: Store, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut partitions = tokio::time::interval(PARTITIONS_EVERY);
    let mut claims = tokio::time::interval(CLAIMS_EVERY);
    partitions.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    claims.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // What is in hand is one short transaction, so it is finished before the end is looked at.
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = partitions.tick() => make_partitions(&store).await,
            _ = claims.tick() => {
                while forget_claims(&store).await {
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(PACE) => {}
                    }
                }
            }
        }
    }
}

async fn make_partitions(store: &Store) {
    match store.make_partitions(Instant::now(), DAYS_AHEAD).await {
        Ok(made) if made.is_empty() => {}
        Ok(made) => tracing::info!(partitions = made.join(", "), "made partitions ahead of time"),
        Err(error) => {
            tracing::error!(
                error.chain = &error as &dyn std::error::Error,
                "partitions could not be made ahead of time; events are refused once the last one is full"
            );
        }
    }
}

/// Forgets some expired claims; says whether there may be more.
async fn forget_claims(store: &Store) -> bool {
    match store.forget_claims(Instant::now(), CLAIMS_AT_ONCE).await {
        Ok(forgotten) => i64::try_from(forgotten).is_ok_and(|forgotten| forgotten >= CLAIMS_AT_ONCE),
        Err(error) => {
            tracing::warn!(
                error.chain = &error as &dyn std::error::Error,
                "expired claims could not be forgotten"
            );
            false
        }
    }
}
