//! What the runner's tasks share, and how they tell others.

use crate::courses::Courses;
use crate::versions::Versions;
use boot::{Shutdown, metrics, settings};
use broker::Conveyor;
use expression::Jail;
use playbook::Engine;
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{CommitQueue, Error, HeldRun, Playbook, SlotQueue, Store};
use tokio::sync::{Notify, OnceCell, Semaphore};
use uuid::Uuid;
use wire::{EventId, Message, Queue, Reference, RunId};

/// References in one message at the most: a worker takes a whole message, and there are several workers.
const REFERENCES: usize = 64;

/// One per process.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) engine: Engine,
    pub(crate) jail: Jail,
    pub(crate) egress: egress::Client,
    pub(crate) commits: CommitQueue,
    pub(crate) slots: SlotQueue,
    pub(crate) settings: settings::Playbook,
    pub(crate) connect_timeout: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) versions: Versions,
    /// The runs in hand.
    pub(crate) courses: Courses,
    /// One for each run that there is room for.
    pub(crate) room: Arc<Semaphore>,
    /// Half as many more for runs of suspected programs.
    pub(crate) aside: Arc<Semaphore>,
    /// There is room again for those that were passed by.
    pub(crate) relieved: Notify,
    /// Whether some were passed by.
    pub(crate) is_full: AtomicBool,
    /// Set once the ledger knows this worker.
    pub(crate) born: OnceCell<()>,
    /// Who this is: new for each process, since whatever an earlier one had is for anybody to take.
    pub(crate) worker: Uuid,
    /// Its host and process, for people.
    pub(crate) name: String,
}

/// What a runner is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) engine: Engine,
    pub(crate) jail: Jail,
    pub(crate) egress: egress::Client,
    pub(crate) commits: CommitQueue,
    pub(crate) slots: SlotQueue,
    pub(crate) settings: settings::Playbook,
    pub(crate) connect_timeout: Duration,
    pub(crate) shutdown: Shutdown,
}

impl Runner {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            versions: Versions::new(parts.store.clone()),
            store: parts.store,
            conveyor: parts.conveyor,
            engine: parts.engine,
            jail: parts.jail,
            egress: parts.egress,
            commits: parts.commits,
            slots: parts.slots,
            room: Arc::new(Semaphore::new(parts.settings.slots.get())),
            aside: Arc::new(Semaphore::new(parts.settings.slots.get().div_ceil(2))),
            settings: parts.settings,
            connect_timeout: parts.connect_timeout,
            shutdown: parts.shutdown,
            courses: Courses::default(),
            relieved: Notify::new(),
            is_full: AtomicBool::new(false),
            born: OnceCell::new(),
            worker: Uuid::new_v4(),
            name: name(),
        }
    }

    /// To be told when a place was given back: those who were passed by have their turn.
    pub(crate) fn relieve(&self) {
        if self.is_full.swap(false, Ordering::AcqRel) {
            self.relieved.notify_one();
        }
    }

    /// A run's playbook as it is now; none when it was removed.
    pub(crate) async fn playbook(&self, run: &HeldRun) -> Result<Option<Playbook>, Error> {
        let found = self
            .store
            .playbook(&run.workspace_id, run.playbook_id.as_str())
            .await?;
        // It may be another's slug.
        Ok(found.filter(|playbook| playbook.id == run.playbook_id))
    }

    /// Tells the runners that something happened to these runs. What the conveyor does not take, sweeps find.
    pub(crate) async fn tell_runners(&self, ids: &[RunId]) {
        for ids in ids.chunks(REFERENCES) {
            let references = ids.iter().map(|id| Reference::Run { id: *id }).collect();
            self.publish(Queue::Run, references).await;
        }
    }

    /// Tells the routers of events that were emitted.
    pub(crate) async fn tell_routers(&self, ids: &[EventId]) {
        for ids in ids.chunks(REFERENCES) {
            let references = ids.iter().map(|id| Reference::Event { id: *id }).collect();
            self.publish(Queue::Route, references).await;
        }
    }

    async fn publish(&self, queue: Queue, references: Vec<Reference>) {
        let message = Message::new(references, boot::trace::current());
        if let Err(error) = metrics::publish(&self.conveyor, queue, &message).await {
            // The conveyor logs once that it is disconnected; a line per message would bury everything else.
            tracing::debug!(
                queue.name = queue.name(),
                error.chain = &error as &dyn StdError,
                "references were not published; a sweep will find their rows"
            );
        }
    }
}

/// Of Linux; elsewhere the process alone.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} {}", host.trim(), std::process::id())
        .trim()
        .to_owned()
}
