//! Starting attempts when it is their turn, and the end of the process.

use crate::attempt::attempt;
use crate::lines::Ticket;
use crate::worker::Worker;
use boot::Shutdown;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use tokio::task::{Id, JoinError, JoinSet};

/// What is kept of the time to drain for giving back what did not finish in it.
const GIVING_BACK: Duration = Duration::from_secs(3);

/// Attempts under way, with the tickets of those that may panic.
#[derive(Debug, Default)]
struct Attempts {
    tasks: JoinSet<()>,
    tickets: HashMap<Id, Ticket>,
}

/// Starts attempts until the process stops; then finishes those that run, and gives everything else back.
pub(crate) async fn dispatch(worker: Arc<Worker>, shutdown: Shutdown) {
    let stopping = shutdown.stopping();
    let mut attempts = Attempts::default();
    loop {
        let next = attempts.start_all(&worker);
        // A line without a rate has no next time: a turn or an end wakes it.
        let wait = next.map_or(Duration::MAX, |at| at.saturating_duration_since(Stopwatch::now()));
        tokio::select! {
            () = stopping.cancelled() => break,
            () = worker.turn.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(ended) = attempts.tasks.join_next_with_id() => attempts.end(&worker, ended),
        }
        while let Some(ended) = attempts.tasks.try_join_next_with_id() {
            attempts.end(&worker, ended);
        }
    }
    attempts.drain(&worker, shutdown.drain_timeout()).await;
}

impl Attempts {
    /// Starts all that may start; returns when a line can go on that its rate holds up.
    fn start_all(&mut self, worker: &Arc<Worker>) -> Option<Stopwatch> {
        loop {
            let (started, next) = {
                let mut lines = worker.lines();
                (lines.start(Stopwatch::now()), lines.next_start())
            };
            let Some((ticket, leased)) = started else {
                return next;
            };
            let task = attempt(Arc::clone(worker), ticket.clone(), leased);
            let handle = self.tasks.spawn(task);
            self.tickets.insert(handle.id(), ticket);
        }
    }

    fn end(&mut self, worker: &Worker, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    // One delivery must not end the process that all others go through.
                    tracing::error!(error.chain = %error, "an attempt panicked; its lease runs out, and it is tried again");
                }
                error.id()
            }
        };
        if let Some(ticket) = self.tickets.remove(&id) {
            worker.finish(&ticket);
        }
    }

    async fn drain(mut self, worker: &Worker, drain_timeout: Duration) {
        let waiting = worker.lines().close();
        let leases = waiting.into_iter().map(|ticket| (ticket.delivery, ticket.lease));
        worker.release(leases.collect()).await;

        let finishing = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.end(worker, ended);
            }
        };
        let patience = drain_timeout.saturating_sub(GIVING_BACK);
        if tokio::time::timeout(patience, finishing).await.is_ok() {
            return;
        }
        self.tasks.abort_all();
        let unfinished = worker.lines().leases();
        tracing::warn!(
            count = unfinished.len(),
            "attempts did not finish in time; other workers make them again"
        );
        worker.release(unfinished).await;
    }
}
