//! What follows for an endpoint from what its attempts came to.

use crate::notice;
use crate::worker::Worker;
use std::error::Error as StdError;
use store::{Endpoint, LaneNews};
use wire::circuit::{CircuitState, Turn};
use wire::{Change, EndpointId, Instant, WorkspaceId};

/// Why an endpoint that answered 410 holds its deliveries.
pub(crate) const GONE: &str = "gone";

/// Why an endpoint holds them whose every attempt failed for days.
const FAILING: &str = "failing";

/// Heeds a change of an endpoint's health: what waits here for a circuit that opened is given back, and what may go now is
/// looked for.
pub(crate) async fn heed(
    worker: &Worker,
    workspace: &WorkspaceId,
    (endpoint, as_read): (&EndpointId, Option<&Endpoint>),
    news: &LaneNews,
) {
    match news.turn {
        Turn::None => {}
        Turn::Opened => tracing::warn!(
            endpoint.id = %endpoint,
            "an endpoint's circuit opened: its deliveries wait, and a probe tests it now and then"
        ),
        Turn::Recovered { opened_at } => {
            tracing::info!(
                endpoint.id = %endpoint,
                "an endpoint recovered: its deliveries go again"
            );
            let event = notice::recovered(workspace, endpoint, opened_at, Instant::now());
            notice::raise(worker, event).await;
        }
        Turn::GivenUp => {
            if let Some(as_read) = as_read {
                disable(worker, as_read, FAILING).await;
            }
        }
    }
    let is_limited_now = news.was_free && !news.circuit.is_free();
    let is_open = news.circuit.state == CircuitState::Open;
    if is_limited_now || is_open {
        // Those that were leased while it was free were not counted against its limit, and at an open circuit they wait. Which
        // another worker may have opened, and deliveries that were leased before go on to come in.
        worker.put_back(endpoint).await;
    }
    if !is_open {
        worker.relieved.notify_one();
    }
}

/// Disables an endpoint that is still what it was when its attempt began, and tells everybody. Its other deliveries are held.
///
/// One that was changed since may have another address, of which the attempt says nothing. Of many workers, one alone does it.
pub(crate) async fn disable(worker: &Worker, as_read: &Endpoint, reason: &'static str) {
    let (id, now) = (&as_read.id, Instant::now());
    let disabled = worker
        .store
        .disable_endpoint(id.clone(), as_read.updated_at, reason, now)
        .await;
    match disabled {
        Ok(None) => {}
        Ok(Some(workspace)) => {
            tracing::warn!(endpoint.id = %id, reason, "an endpoint is disabled, and holds its deliveries");
            worker.recipients.forget();
            let event = notice::disabled(&workspace, id, reason, now);
            notice::raise(worker, event).await;
            let change = Change {
                workspace: Some(workspace),
            };
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
            reason,
            "an endpoint could not be disabled; its next failure will"
        ),
    }
}
