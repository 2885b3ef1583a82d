//! The delivery worker: delivery → attempt → outcome → next time.
//!
//! It takes leased deliveries off the conveyor, leases those that are due out of the ledger, posts each to its endpoint
//! with a Standard Webhooks signature, and records what came of it.
//!
//! # Theory of operation
//!
//! - **Leases** say who has a delivery. The router leases a first attempt for whoever gets its reference; a sweep leases
//!   what is due, lane by lane. A lease that runs out is taken back by the reaper of any worker, so a worker that dies loses nothing.
//! - **Lines** (`lines.rs`) keep endpoints apart: each has a bounded line and at most `concurrency` requests under way, at
//!   no more than its rate. What finds no room is given back at once and stays due.
//! - **Judging** ([`judge`](mod@judge)) is pure: what the receiver did and the endpoint's schedule come to the next state.
//! - **Recording** is batched and guarded by the lease: who lost it moves nothing, unless it brings a success.
//! - **Health** ([`wire::circuit`]) is kept in the ledger with an endpoint's lane, for all workers together: an endpoint that
//!   fails is left alone but for a probe now and then, and let in again little by little.
//! - **Ending**: nothing new is taken, requests under way are finished, everything else is given back.
//!
//! # What it must never do
//!
//! Reach a receiver by any other way than [`egress`]; hold a connection to the ledger during a request; log a URL, a
//! body or a signature; drop a delivery.

#[cfg(test)]
mod allocations;
mod attempt;
mod certificates;
mod dispatch;
mod health;
mod intake;
pub mod judge;
mod lines;
mod message;
mod notice;
mod outcome;
mod quota;
mod rate;
mod recipients;
mod record;
mod retry_after;
mod tokens;
mod wake;
mod worker;

use boot::Platform;
use std::sync::Arc;
use store::QueueOptions;
use wire::Queue;
use worker::{Parts, Worker};

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread that records outcomes could not be started.
    #[error("the delivery worker cannot start its writer")]
    Writer(#[source] store::Error),
}

/// Starts delivering: spawns the worker's tasks and returns. They end with the process.
///
/// `egress` is the process's one way out.
pub fn start(platform: &Platform, egress: egress::Client) -> Result<(), Error> {
    let options = QueueOptions {
        written: Some(boot::metrics::batch_written),
        ..QueueOptions::default()
    };
    let outcomes = platform.store.outcome_queue(options).map_err(Error::Writer)?;
    let notices = platform.store.accept_queue(options).map_err(Error::Writer)?;
    let worker = Arc::new(Worker::new(Parts {
        store: platform.store.clone(),
        conveyor: platform.conveyor.clone(),
        egress,
        outcomes,
        notices,
        settings: platform.settings.delivery.clone(),
        connect_timeout: platform.settings.egress.connect_timeout,
    }));
    let (tasks, shutdown) = (&platform.tasks, &platform.shutdown);
    let consumer = platform.conveyor.consume(Queue::Deliver, intake::PREFETCH);
    tasks.spawn(
        "delivery.dispatch",
        dispatch::dispatch(Arc::clone(&worker), shutdown.clone()),
    );
    tasks.spawn("delivery.changes", follow(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn(
        "delivery.tidy",
        intake::tidy(Arc::clone(&worker), shutdown.clone()),
    );
    tasks.spawn(
        "delivery.renew",
        intake::renew(Arc::clone(&worker), shutdown.clone()),
    );
    tasks.spawn(
        "delivery.reap",
        intake::reap(Arc::clone(&worker), shutdown.clone()),
    );
    tasks.spawn(
        "delivery.consume",
        intake::consume(Arc::clone(&worker), consumer, shutdown.clone()),
    );
    tasks.spawn("delivery.wake", wake::wake(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn("delivery.sweep", intake::sweep(worker, shutdown.clone()));
    Ok(())
}

/// Forgets the endpoints whenever something changes.
async fn follow(worker: Arc<Worker>, shutdown: boot::Shutdown) {
    let stopping = shutdown.stopping();
    let mut changes = worker.conveyor.changes();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            change = changes.next() => match change {
                Some(_change) => worker.recipients.forget(),
                None => return,
            },
        }
    }
}
