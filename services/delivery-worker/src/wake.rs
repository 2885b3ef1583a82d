//! Wakes lanes that sleep though a delivery of theirs waits: nobody may have told them, as a process of an earlier version
//! does not.

use crate::worker::Worker;
use boot::Shutdown;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use store::Error;
use wire::Instant;

/// How often all endpoints are asked about for which deliveries wait: one look-up each.
const EVERY: Duration = Duration::from_mins(1);

/// Endpoints that one statement asks about, and the pause after it.
const AT_ONCE: i64 = 500;
const PACE: Duration = Duration::from_millis(100);

/// Looks at once, and then every minute, until the process stops.
pub(crate) async fn wake(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            looked = all(&worker) => match looked {
                Ok(0) => {}
                Ok(woken) => {
                    tracing::warn!(woken, "lanes slept though deliveries of theirs were waiting; they are looked at now");
                    worker.relieved.notify_one();
                }
                Err(error) => tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "lanes that sleep cannot be looked for now; trying again in a minute"
                ),
            },
        }
        // Not to the beat of the other workers.
        let pause = EVERY.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn all(worker: &Worker) -> Result<usize, Error> {
    let (mut woken, mut after) = (0, None);
    loop {
        let awake = worker.store.wake_lanes(after, AT_ONCE, Instant::now()).await?;
        woken += awake.woken;
        after = awake.next;
        if after.is_none() {
            return Ok(woken);
        }
        tokio::time::sleep(PACE).await;
    }
}
