//! What follows for an endpoint from what its attempts came to.

use crate::notice;
use crate::worker::Worker;
use std::error::Error as StdError;
use store::{Edit, Error, LaneNews};
use wire::circuit::{CircuitState, Turn};
use wire::{Change, EndpointId, Instant, WorkspaceId};

/// Why an endpoint that answered 410 holds its deliveries.
pub(crate) const GONE: &str = "gone";

/// Why an endpoint holds them whose every attempt failed for days.
const FAILING: &str = "failing";

/// Heeds a change of an endpoint's health: what waits here for a circuit that opened is given back, and what may go now is
/// looked for.
pub(crate) async fn heed(worker: &Worker, workspace: &WorkspaceId, endpoint: &EndpointId, news: &LaneNews) {
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
        Turn::GivenUp => disable(worker, endpoint, FAILING).await,
    }
    let is_limited_now = news.was_free && !news.circuit.is_free();
    let is_open_now = news.was != CircuitState::Open && news.circuit.state == CircuitState::Open;
    if is_limited_now || is_open_now {
        // Those that were leased while it was free were not counted against its limit, and at an open circuit they wait.
        worker.put_back(endpoint).await;
    }
    if news.circuit.state != CircuitState::Open {
        worker.relieved.notify_one();
    }
}

/// How often it is tried to disable an endpoint that others change.
const TRIES: u32 = 3;

/// Disables an endpoint, and tells everybody. Its other deliveries are held.
pub(crate) async fn disable(worker: &Worker, id: &EndpointId, reason: &'static str) {
    let mut disabled = try_to_disable(worker, id, reason).await;
    for _ in 1..TRIES {
        // Somebody changed it meanwhile, and may even have removed it.
        if matches!(disabled, Err(Error::Changed { .. })) {
            disabled = try_to_disable(worker, id, reason).await;
        }
    }
    match disabled {
        Ok(None) => {}
        Ok(Some(change)) => {
            tracing::warn!(endpoint.id = %id, reason, "an endpoint is disabled, and holds its deliveries");
            worker.recipients.forget();
            if let Some(workspace) = &change.workspace {
                let event = notice::disabled(workspace, id, reason, Instant::now());
                notice::raise(worker, event).await;
            }
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

async fn try_to_disable(
    worker: &Worker,
    id: &EndpointId,
    reason: &'static str,
) -> Result<Option<Change>, Error> {
    let found = worker.store.endpoint(id).await?;
    let Some(mut endpoint) = found.filter(|found| found.spec.enabled && found.deleted_at.is_none()) else {
        return Ok(None);
    };
    let now = Instant::now();
    let workspace = endpoint.workspace_id.clone();
    endpoint.spec.enabled = false;
    let since = Some(std::mem::replace(&mut endpoint.updated_at, now));
    let hold = Edit::Hold {
        endpoint: id.clone(),
        workspace: workspace.clone(),
        reason,
    };
    worker
        .store
        .edit(vec![hold, Edit::Endpoint(endpoint).over(since)], now)
        .await?;
    Ok(Some(Change {
        workspace: Some(workspace),
    }))
}
