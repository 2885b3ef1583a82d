//! The console: the management API, configuration as code, and the pages that operators look at.
//!
//! It reads the ledger for people and their programs, and it is the one service that changes what is configured. It sits
//! beside the path of an event, never on it: senders and receivers notice nothing when it is down.
//!
//! - [`api`](configure) answers `/management/v1/…`: one module per resource, each handler thin.
//! - `check` says what may be configured; the management API and [`apply`] share it, so that neither lets in what the
//!   other refuses.
//! - `show` says what things look like from outside. No secret has a field there, save the one answer that shows it.
//! - [`housekeeping`] does what nobody asks for: partitions ahead of time, what has expired out of the way,
//!   and the batches of recoveries.
//!
//! # What it must never do
//!
//! Show a workspace to the token of another one; keep or log a token; change what is configured without announcing it;
//! answer 2xx before the ledger has it; do what somebody asks for without an entry of the audit.

pub mod apply;
pub mod housekeeping;

mod access;
mod again;
mod api;
mod cancel;
mod check;
mod doors;
mod error;
mod expiring;
mod page;
mod portal;
mod problem;
mod recovering;
mod secret;
mod show;
mod watching;
mod yaml;

pub use api::{api, configure, not_found};
pub use check::Checks;
pub use check::documents::fetch as fetch_documents;
pub use error::Error;
pub use problem::Problem;

use broker::Conveyor;
use std::sync::Arc;
use std::time::Duration;
use store::{AcceptQueue, Acceptance, Actor, AuditEntry, OnRecord, QueueOptions, Store};
use tokio::sync::OnceCell;
use wire::{Change, Message, Queue, Reference, RunId, WorkspaceId};

/// How long an answer waits for the announcement of a change: caches forget by themselves soon after.
const ANNOUNCING: Duration = Duration::from_secs(1);

/// How many things that operators start by hand may wait to be recorded.
const MOST_BY_HAND: usize = 64;

/// The console's parts; one per process, shared by its HTTP workers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Console(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    store: Store,
    conveyor: Conveyor,
    checks: Checks,
    /// How the outside reaches the console, and who may open every workspace.
    settings: boot::settings::Console,
    access: access::Access,
    /// Records what operators start by hand; its thread starts with the first of them.
    accepts: OnceCell<AcceptQueue>,
    doors: doors::Doors,
}

impl Console {
    /// Puts the parts together. The settings' `operator_token` opens every workspace, and makes new ones.
    pub fn new(store: Store, conveyor: Conveyor, checks: Checks, settings: &boot::settings::Console) -> Self {
        Self(Arc::new(Parts {
            access: access::Access::new(store.clone()),
            accepts: OnceCell::new(),
            doors: doors::Doors::at(&settings.gateway_url),
            store,
            conveyor,
            checks,
            settings: settings.clone(),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn checks(&self) -> &Checks {
        &self.0.checks
    }

    pub(crate) fn doors(&self) -> &doors::Doors {
        &self.0.doors
    }

    pub(crate) fn settings(&self) -> &boot::settings::Console {
        &self.0.settings
    }

    /// Saves what was configured, with who did it, and tells every process of it.
    pub(crate) async fn edit(&self, entry: AuditEntry, edits: Vec<store::Edit>) -> Result<(), Error> {
        let workspace = entry.workspace_id.clone();
        self.on_record(entry).edit(edits, wire::Instant::now()).await?;
        self.changed(&workspace).await;
        Ok(())
    }

    /// For doing what the entry tells.
    pub(crate) fn on_record(&self, entry: AuditEntry) -> OnRecord<'_> {
        self.store().on_record(vec![entry])
    }

    /// Keeps who did what another process or another transaction has done by now, so this cannot fail.
    pub(crate) async fn keep(&self, entry: AuditEntry) {
        let (action, target) = (entry.action.clone(), entry.target_id.clone());
        if let Err(error) = self.on_record(entry).keep().await {
            tracing::error!(
                audit.action = action,
                audit.target = target,
                error.chain = &error as &dyn std::error::Error,
                "an entry of the audit is lost"
            );
        }
    }

    /// Tells every process that something configured changed.
    pub(crate) async fn changed(&self, workspace: &WorkspaceId) {
        self.0.access.forget();
        announce(&self.0.conveyor, workspace).await;
    }

    /// Records an event that an operator makes by hand, and what becomes of it.
    pub(crate) async fn record(&self, row: Acceptance) -> Result<(), Error> {
        let start = async || {
            self.store().accept_queue(QueueOptions {
                capacity: MOST_BY_HAND,
                written: Some(boot::metrics::batch_written),
                ..QueueOptions::default()
            })
        };
        let accepts = self.0.accepts.get_or_try_init(start).await?;
        accepts.accept(row).await.map(drop).map_err(Error::Record)
    }

    /// Tells the runner of a run. The ledger has it by now, so this cannot fail: a sweep finds it some seconds later.
    pub(crate) async fn tell_runner(&self, id: RunId) {
        let message = Message::new(vec![Reference::Run { id }], None);
        let telling = boot::metrics::publish(&self.0.conveyor, Queue::Run, &message);
        if !matches!(tokio::time::timeout(ANNOUNCING, telling).await, Ok(Ok(()))) {
            tracing::warn!(run.id = %id, "the runner was not told of a run; its sweep finds it");
        }
    }

    /// Has runs end that go on.
    pub(crate) async fn cancel_runs(&self, of: store::RunsOf) -> Result<(), Error> {
        cancel::runs(self.store(), &self.0.conveyor, &of).await
    }

    /// Executes a plan: see [`apply::Plan::execute`].
    pub(crate) async fn execute(&self, plan: apply::Plan, actor: &Actor) -> Result<apply::Applied, Error> {
        let applied = plan.execute(actor, &self.0.store, &self.0.conveyor).await;
        self.0.access.forget();
        applied
    }
}

/// Tells every process that something configured changed. The ledger has it by now, so this cannot fail: who does not
/// hear of it finds out when its cache expires.
pub(crate) async fn announce(conveyor: &Conveyor, workspace: &WorkspaceId) {
    let change = Change {
        workspace: Some(workspace.clone()),
    };
    match tokio::time::timeout(ANNOUNCING, conveyor.announce(&change)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(
                workspace.id = %workspace,
                error.chain = &error as &dyn std::error::Error,
                "a change was not announced; caches find out when they expire"
            );
        }
        Err(_elapsed) => {
            tracing::warn!(workspace.id = %workspace, "a change was not announced in time; caches find out when they expire");
        }
    }
}
