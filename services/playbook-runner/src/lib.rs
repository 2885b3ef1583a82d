//! The playbook runner: run → step → effects → journal.
//!
//! It takes runs that are ready, lets what happened to them happen, keeps what comes of it, and then does what they ask
//! for: it calls strangers' servers, waits for times and for events.
//!
//! # Theory of operation
//!
//! - **Who has a run** stands in its row: the worker, and how often it was taken. A worker shows that it is alive; what a
//!   silent one has is let go of, and whoever takes it next reads its state and issues what is pending once more. A commit of
//!   a worker that lost a run keeps nothing.
//! - **A course** ([`course`](mod@course)) is a run in hand. One event is one step of the engine is one transaction: state,
//!   journal, emitted events, waits. Effects are issued only after it.
//! - **Parking**: a run that only waits (for a time, an event, an operator) is let go of with the time of its nearest timer.
//!   What waits costs rows and no memory.
//! - **Telling**: events and operators write into a run's inbox and make a mark on its row. Whoever has the run looks for
//!   marks; of a run that nobody has the mark says that it is ready.
//! - **Ending**: nothing new is taken, short calls are finished, and the rest is let go of for others to take at once.
//!
//! # What it must never do
//!
//! Evaluate a tenant's expression in its own process; issue an effect before its state is kept; reach a server by any other
//! way than [`egress`]; let a secret into a state, a journal, an error or a log; hold a connection to the ledger during a
//! call.

mod call;
mod claim;
mod course;
mod courses;
mod heart;
mod keep;
mod listen;
pub mod project;
mod runner;
mod secrets;
mod versions;

pub use call::TIME as CALL_TIME;

use boot::Platform;
use expression::Jail;
use playbook::Engine;
use runner::{Parts, Runner};
use std::sync::Arc;
use store::QueueOptions;
use wire::Queue;

/// Why the runner did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A thread that writes to the ledger could not be started.
    #[error("the playbook runner cannot start its writers")]
    Writer(#[source] store::Error),
}

/// Starts the runner: spawns its tasks and returns. They end with the process.
///
/// Runs are stepped in `jail`; the process's `main` must have called [`playbook::run_if_requested`]. `egress` is the
/// process's one way out.
pub fn start(platform: &Platform, jail: Jail, egress: egress::Client) -> Result<(), Error> {
    let options = QueueOptions {
        written: Some(boot::metrics::batch_written),
        ..QueueOptions::default()
    };
    let commits = platform.store.commit_queue(options).map_err(Error::Writer)?;
    let slots = platform.store.slot_queue(options).map_err(Error::Writer)?;
    let runner = Arc::new(Runner::new(Parts {
        store: platform.store.clone(),
        conveyor: platform.conveyor.clone(),
        engine: Engine::new(jail.clone()),
        jail,
        egress,
        commits,
        slots,
        settings: platform.settings.playbook.clone(),
        connect_timeout: platform.settings.egress.connect_timeout,
        shutdown: platform.shutdown.clone(),
    }));
    let tasks = &platform.tasks;
    let consumer = platform.conveyor.consume(Queue::Run, claim::PREFETCH);
    tasks.spawn("playbook.heart", heart::beat(Arc::clone(&runner)));
    tasks.spawn("playbook.told", heart::tell(Arc::clone(&runner)));
    tasks.spawn("playbook.nets", heart::mend(Arc::clone(&runner)));
    tasks.spawn("playbook.consume", claim::consume(Arc::clone(&runner), consumer));
    tasks.spawn("playbook.sweep", claim::sweep(runner));
    Ok(())
}
