//! The router: event → decision → deliveries and runs.
//!
//! It takes references to accepted events off the conveyor, or finds the events itself when nobody named them, decides
//! each against its workspace's routes, writes what was decided in one statement, and tells the workers.
//!
//! # Theory of operation
//!
//! - **Offering**: a run that waits for an event gets it first, and what it takes for itself no route sees. The gift is
//!   written with the decision; when the wait is gone by then, the event is decided anew.
//! - **Deciding** is pure ([`routing`]): the event, the routes and what their expressions yielded come to deliveries, runs
//!   and a trace that says why, with the same ids each time. Expressions run in the jail of [`expression`], all of a
//!   workspace's batch in one request.
//! - **Writing** moves an event out of `accepted` and makes its rows, or neither. Whoever writes first has routed it, so
//!   there are no locks, and any number of routers may hold the same event.
//! - **Telling** is a courtesy: a first attempt is leased for the worker that gets the reference; when the conveyor does
//!   not take it, the lease is given back and a sweep of the workers' finds the delivery. No attempt is used up.
//! - **Failing**: when the ledger does not answer, nothing more is taken, and the same events are tried again after a
//!   pause. Nothing is ever handed back to the conveyor, where it would circle. An event that fails by itself five times
//!   is quarantined, visibly.
//!
//! # What it must never do
//!
//! Deliver, verify or accept; run an expression in its own process; send a body or a secret over the conveyor.

mod apart;
mod consume;
mod pace;
mod route;
mod sweep;
mod tables;
mod underway;
mod waiting;

use boot::Platform;
use expression::Jail;
use route::Router;
use std::sync::Arc;
use store::{QueueError, QueueOptions};
use tables::Tables;
use underway::Underway;
use wire::Queue;

/// Why the router did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread that writes decisions could not be started.
    #[error("the router cannot start its writer")]
    Writer(#[source] store::Error),
}

/// Why nothing can be routed now. Trying again will help.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the ledger cannot be read")]
    Ledger(#[source] Arc<store::Error>),
    #[error("decisions cannot be written")]
    Queue(#[source] QueueError),
}

impl Failure {
    /// Whether trying again may not help, if it is one event of a batch that brings it about.
    fn may_be_of_one(&self) -> bool {
        matches!(self, Self::Ledger(error) if !error.is_transient())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Ledger(Arc::new(error))
    }
}

impl From<Arc<store::Error>> for Failure {
    fn from(error: Arc<store::Error>) -> Self {
        Self::Ledger(error)
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

/// Starts routing: spawns the router's tasks and returns. They end with the process.
///
/// `jail` evaluates the routes' expressions; the process's `main` must have called
/// [`expression::worker::run_if_requested`].
pub fn start(platform: &Platform, jail: Jail) -> Result<(), Error> {
    let settings = platform.settings.router.clone();
    let batch = settings.batch.get();
    let options = QueueOptions {
        // All that can be under way: a message of the gateway's goes in whole, however few a batch is to have.
        capacity: batch
            .saturating_add(consume::REFERENCES)
            .saturating_mul(2 * consume::BATCHES),
        max_batch: batch,
        written: Some(boot::metrics::batch_written),
    };
    let router = Arc::new(Router {
        store: platform.store.clone(),
        conveyor: platform.conveyor.clone(),
        jail,
        decided: platform.store.routing_queue(options).map_err(Error::Writer)?,
        tables: Tables::new(platform.store.clone()),
        underway: Underway::default(),
        lease: platform.settings.delivery.lease,
    });
    let shutdown = platform.shutdown.clone();
    platform
        .tasks
        .spawn("router.changes", follow(Arc::clone(&router), shutdown.clone()));
    let consumer = platform.conveyor.consume(Queue::Route, consume::PREFETCH);
    platform.tasks.spawn(
        "router.consume",
        consume::consume(Arc::clone(&router), consumer, batch, shutdown.clone()),
    );
    platform
        .tasks
        .spawn("router.sweep", sweep::sweep(router, settings, shutdown));
    Ok(())
}

/// Forgets the tables whenever something changes.
async fn follow(router: Arc<Router>, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut changes = router.conveyor.changes();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            change = changes.next() => match change {
                Some(_change) => router.tables.forget(),
                None => return,
            },
        }
    }
}
