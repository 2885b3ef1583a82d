//! Writing an attempt's outcome down, and what follows for the endpoint.

use crate::worker::Worker;
use boot::Backoff;
use boot::metrics;
use std::error::Error as StdError;
use store::{Edit, Error, Outcome, QueueError};
use wire::{Change, DeliveryState, EndpointId, Instant};

/// Records an outcome. When the ledger does not take it, tries again until the lease is over: then the delivery is
/// somebody else's, who makes the attempt again.
pub(crate) async fn record(worker: &Worker, outcome: Outcome, received_at: Instant, until: Instant) {
    let state = outcome.state;
    let mut backoff = Backoff::new();
    loop {
        let error = match worker.outcomes.record(outcome.clone()).await {
            Ok(true) => {
                metrics::delivery_ended(state);
                if state == DeliveryState::Delivered {
                    metrics::delivery_end_to_end(outcome.at.since(received_at));
                }
                return;
            }
            Ok(false) => {
                // The attempt is kept. Its delivery is moved by whoever has the lease now, or was moved by this very
                // outcome when an answer of the ledger's got lost.
                tracing::info!("the lease was lost before the outcome was recorded");
                return;
            }
            Err(error) => error,
        };
        let pause = backoff.next(rand::random());
        if !is_worth_another_try(&error) || Instant::now() + pause > until {
            tracing::error!(
                delivery.state = %state,
                error.chain = &error as &dyn StdError,
                "an outcome could not be recorded; the delivery is attempted again when its lease runs out"
            );
            return;
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

/// Disables an endpoint that answered 410, and tells everybody. Its other deliveries are held.
pub(crate) async fn disable(worker: &Worker, id: &EndpointId) {
    match try_to_disable(worker, id).await {
        Ok(None) => {}
        Ok(Some(change)) => {
            tracing::warn!(endpoint.id = %id, "an endpoint answered 410 and is disabled");
            worker.recipients.forget();
            if let Err(error) = worker.conveyor.announce(&change).await {
                tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "other processes find out later that an endpoint is disabled"
                );
            }
        }
        Err(error) => tracing::error!(
            endpoint.id = %id,
            error.chain = &error as &dyn StdError,
            "an endpoint answered 410 and could not be disabled; its next 410 will"
        ),
    }
}

async fn try_to_disable(worker: &Worker, id: &EndpointId) -> Result<Option<Change>, Error> {
    let found = worker.store.endpoint(id).await?;
    let Some(mut endpoint) = found.filter(|found| found.spec.enabled && found.deleted_at.is_none()) else {
        return Ok(None);
    };
    let now = Instant::now();
    let workspace = Some(endpoint.workspace_id.clone());
    endpoint.spec.enabled = false;
    endpoint.updated_at = now;
    worker.store.edit(vec![Edit::Endpoint(endpoint)], now).await?;
    Ok(Some(Change { workspace }))
}
