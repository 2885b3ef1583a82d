//! Writing an attempt's outcome down.

use crate::worker::Worker;
use boot::Backoff;
use boot::metrics;
use std::error::Error as StdError;
use store::{Outcome, QueueError, Recorded};
use wire::{DeliveryState, Instant};

/// Records an outcome of an attempt of this class. When the ledger does not take it, tries again until the lease is over:
/// then the delivery is somebody else's, who makes the attempt again, and there is nothing to return.
pub(crate) async fn record(
    worker: &Worker,
    (outcome, class): (Outcome, &'static str),
    received_at: Instant,
    until: Instant,
) -> Option<Recorded> {
    let state = outcome.state;
    let mut backoff = Backoff::new();
    loop {
        let error = match worker.outcomes.record(outcome.clone()).await {
            Ok(recorded) if recorded.moved => {
                metrics::delivery_ended(state, class);
                if state == DeliveryState::Delivered {
                    metrics::delivery_end_to_end(outcome.at.since(received_at));
                }
                return Some(recorded);
            }
            Ok(recorded) => {
                // The attempt is kept. Its delivery is moved by whoever has the lease now, or was moved by this very
                // outcome when an answer of the ledger's got lost.
                tracing::info!("the lease was lost before the outcome was recorded");
                return Some(recorded);
            }
            Err(error) => error,
        };
        let pause = backoff.next(rand::random());
        if !is_worth_another_try(&error) || worker.store.now() + pause > until {
            tracing::error!(
                delivery.state = %state,
                error.chain = &error as &dyn StdError,
                "an outcome could not be recorded; the delivery is attempted again when its lease runs out"
            );
            return None;
        }
        tracing::warn!(
            error.chain = &error as &dyn StdError,
            "an outcome cannot be recorded now; trying again in {} ms",
            pause.as_millis()
        );
        tokio::time::sleep(pause).await;
    }
}

fn is_worth_another_try(error: &QueueError) -> bool {
    match error {
        QueueError::Overloaded | QueueError::Unknown => true,
        QueueError::Closing => false,
        QueueError::Ledger(error) => error.is_transient(),
    }
}
