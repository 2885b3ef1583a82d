//! Has history go whose window is over: a pass now and then, a batch at a time, with a pause after each.
//!
//! Every console does this; two that do the same at once find what the other left.

use boot::metrics;
use boot::settings::Retention;
use std::time::{Duration, Instant as Stopwatch};
use store::{Error, History, Store};
use wire::{Instant, WorkspaceId};

/// How many rows one transaction looks at, which fresh requests may have to wait for.
const AT_ONCE: i64 = 500;
/// The pause between two transactions: as long as the last one took, so that others have half of the time, within bounds.
const PACE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Workspaces whose own windows are looked at.
const WORKSPACES: i64 = 10_000;

/// Runs until the process stops. Whatever fails is logged and tried again in the next pass.
pub(crate) async fn run(store: Store, settings: Retention, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut beat = tokio::time::interval(settings.sweep_every);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = beat.tick() => {}
        }
        // A batch is one short transaction; between two of them a pass can end.
        tokio::select! {
            () = stopping.cancelled() => return,
            passed = pass(&store, &settings, Instant::now()) => if let Err(error) = passed {
                tracing::warn!(
                    error.chain = &error as &dyn std::error::Error,
                    "history whose window is over could not be removed; the next pass will"
                );
            }
        }
    }
}

/// One pass over everything: first what the yard keeps no longer, then what single workspaces do not.
pub(crate) async fn pass(store: &Store, settings: &Retention, now: Instant) -> Result<(), Error> {
    let bounds = Bounds {
        history: settings.history.map(|window| now - window),
        rejections: settings.rejections.map(|window| now - window),
        audit: settings.audit.map(|window| now - window),
    };
    sweep(store, None, bounds).await?;
    let workspaces = store.workspaces(WORKSPACES).await?;
    for workspace in &workspaces {
        let Some(window) = workspace.spec.retention else {
            continue;
        };
        // A window that is longer than the yard's has nothing left.
        let is_shorter = |yards: Option<Duration>| yards.is_none_or(|yards| window < yards);
        let bounds = Bounds {
            history: is_shorter(settings.history).then(|| now - window),
            rejections: is_shorter(settings.rejections).then(|| now - window),
            // Or whoever does what they should not could have it forgotten.
            audit: None,
        };
        sweep(store, Some(&workspace.id), bounds).await?;
    }
    Ok(())
}

/// Until when what is kept must have come.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    history: Option<Instant>,
    rejections: Option<Instant>,
    audit: Option<Instant>,
}

async fn sweep(store: &Store, workspace: Option<&WorkspaceId>, bounds: Bounds) -> Result<(), Error> {
    for history in History::ALL {
        let before = match history {
            History::Rejections => bounds.rejections,
            History::Audit => bounds.audit,
            History::Deliveries
            | History::Attempts
            | History::Events
            | History::Runs
            | History::Recoveries => bounds.history,
        };
        let Some(before) = before else { continue };
        empty(store, history, workspace, before).await?;
        if history == History::Deliveries && workspace.is_none() {
            // Whole days at once, before anything goes through them row by row.
            let dropped = store.drop_partitions(before).await?;
            metrics::partitions_dropped(dropped.len());
            if !dropped.is_empty() {
                tracing::info!(
                    partitions = dropped.join(", "),
                    "dropped partitions that nothing needs"
                );
            }
        }
    }
    Ok(())
}

async fn empty(
    store: &Store,
    history: History,
    workspace: Option<&WorkspaceId>,
    before: Instant,
) -> Result<(), Error> {
    let (mut after, mut removed) = (None, 0);
    loop {
        let began = Stopwatch::now();
        let expired = store.expire(history, workspace, before, (after, AT_ONCE)).await?;
        metrics::expired(history.as_str(), expired.removed);
        removed += expired.removed;
        after = expired.next;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(began.elapsed().clamp(PACE.0, PACE.1)).await;
    }
    if removed > 0 {
        tracing::info!(
            history.table = history.as_str(),
            workspace.id = workspace.map(WorkspaceId::as_str),
            removed,
            "history went whose window is over"
        );
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
