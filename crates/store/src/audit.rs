//! The audit: who did what, kept in the transaction in which it was done.
//!
//! What people and their programs do goes through [`Store::on_record`], and what the platform does by itself does not. An
//! entry is written when and only when what it tells of is done; so a refused change leaves none, and no change is made
//! without.

use crate::connect::{Ledger, read, write};
use crate::{
    AuditEntry, Control, Controlled, Edit, Error, NewDelivery, NewRun, Page, PortalSession, Steering, Store,
    postgres, sqlite,
};
use wire::resource::RecoverySpec;
use wire::{AuditId, DeliveryId, EndpointId, EventId, EventTypeId, Instant, RecoveryId, RunId, WorkspaceId};

/// The longest page; whoever asks for more gets this much.
const LONGEST_PAGE: i64 = 1_000;

/// A ledger for doing one thing of which these entries tell.
#[derive(Debug)]
pub struct OnRecord<'a> {
    store: &'a Store,
    entries: Vec<AuditEntry>,
}

/// What can come of something that somebody asks for.
trait Outcome {
    /// Whether it was done.
    fn is_done(&self) -> bool;
}

impl Outcome for () {
    fn is_done(&self) -> bool {
        true
    }
}

impl Outcome for bool {
    fn is_done(&self) -> bool {
        *self
    }
}

impl Outcome for Controlled {
    fn is_done(&self) -> bool {
        matches!(self, Self::Wished)
    }
}

/// Runs `$body` and, where it is done, keeps the entries, in one transaction.
macro_rules! kept {
    ($record:expr, |$conn:ident, $queries:ident| $body:expr) => {{
        let OnRecord { store, entries } = $record;
        write!(store, |$conn, $queries| {
            let outcome = $body?;
            if outcome.is_done() {
                $queries::audit::insert($conn, &entries)?;
            }
            Ok(outcome)
        })
    }};
}

impl Store {
    /// For doing what the entries tell.
    pub fn on_record(&self, entries: Vec<AuditEntry>) -> OnRecord<'_> {
        OnRecord { store: self, entries }
    }

    /// What was done in a workspace before `before`, newest first.
    pub async fn audit(
        &self,
        workspace: &WorkspaceId,
        before: Option<AuditId>,
        limit: i64,
    ) -> Result<Page<AuditEntry>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::audit::list(
            conn,
            &workspace,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }
}

impl OnRecord<'_> {
    /// Keeps the entries of what was done elsewhere.
    pub async fn keep(self) -> Result<(), Error> {
        kept!(self, |conn, queries| Ok::<_, Error>(()))
    }

    /// As [`Store::edit`].
    pub async fn edit(self, edits: Vec<Edit>, now: Instant) -> Result<(), Error> {
        let keyring = self.store.keyring.clone();
        kept!(self, |conn, queries| queries::edits::all(
            conn, &edits, &keyring, now
        ))
    }

    /// Ends a subscription; false when there was none.
    pub async fn unsubscribe(self, endpoint: &EndpointId, event_type: &EventTypeId) -> Result<bool, Error> {
        let (endpoint, event_type) = (endpoint.clone(), event_type.clone());
        kept!(self, |conn, queries| queries::routes::unsubscribe(
            conn,
            &endpoint,
            &event_type
        ))
    }

    /// Makes a visit to the portal, which the code with this SHA-256 opens.
    pub async fn begin_portal_session(
        self,
        session: PortalSession,
        code_hash: [u8; 32],
    ) -> Result<(), Error> {
        kept!(self, |conn, queries| queries::applications::begin_session(
            conn, &session, &code_hash
        ))
    }

    /// Makes a delivery due at once, whatever came of it before; false while a worker holds it, or when there is none.
    pub async fn retry_delivery(
        self,
        workspace: &WorkspaceId,
        id: DeliveryId,
        now: Instant,
    ) -> Result<bool, Error> {
        let workspace = workspace.clone();
        kept!(self, |conn, queries| queries::by_hand::retry(
            conn, &workspace, id, now
        ))
    }

    /// Gives a waiting delivery up; false when it was not waiting.
    pub async fn cancel_delivery(
        self,
        workspace: &WorkspaceId,
        id: DeliveryId,
        now: Instant,
    ) -> Result<bool, Error> {
        let workspace = workspace.clone();
        kept!(self, |conn, queries| queries::by_hand::cancel(
            conn, &workspace, id, now
        ))
    }

    /// Makes further deliveries and runs of an event that was routed before: replays. The sweepers pick them up. False when
    /// the event is gone meanwhile, and then nothing is made.
    pub async fn replay(
        self,
        event: EventId,
        (deliveries, runs): (Vec<NewDelivery>, Vec<NewRun>),
        now: Instant,
    ) -> Result<bool, Error> {
        let Self { store, entries } = self;
        match &*store.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut postgres::Conn| {
                    let made = postgres::hot::again(conn, event, (&deliveries, &runs), now)?;
                    if made {
                        postgres::queries::audit::insert(conn, &entries)?;
                    }
                    Ok(made)
                };
                ledger.write(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut sqlite::Conn| {
                    let made = sqlite::hot::again(conn, event, (&deliveries, &runs), now)?;
                    if made {
                        sqlite::queries::audit::insert(conn, &entries)?;
                    }
                    Ok(made)
                };
                ledger.write(call).await
            }
        }
    }

    /// Saves a recovery; it begins nothing.
    pub async fn save_recovery(
        self,
        workspace: &WorkspaceId,
        id: RecoveryId,
        spec: RecoverySpec,
        now: Instant,
    ) -> Result<(), Error> {
        let workspace = workspace.clone();
        kept!(self, |conn, queries| queries::recoveries::insert(
            conn, &workspace, id, &spec, now
        ))
    }

    /// Does what an operator wishes; false when the recovery's state does not allow it.
    pub async fn steer_recovery(
        self,
        workspace: &WorkspaceId,
        id: RecoveryId,
        steering: Steering,
        now: Instant,
    ) -> Result<bool, Error> {
        let workspace = workspace.clone();
        kept!(self, |conn, queries| queries::recoveries::steer(
            conn, &workspace, id, steering, now
        ))
    }

    /// Writes down what an operator wants of a run, for whoever runs it.
    ///
    /// - A run that has not ended can be cancelled, and paused unless it is; a paused one can be resumed; a faulted one
    ///   can be retried. Everything else is refused.
    /// - Wishes that no runner has taken in yet count: what is wished already is not written twice, and a run that is
    ///   about to pause can be resumed.
    pub async fn control_run(
        self,
        workspace: &WorkspaceId,
        id: RunId,
        control: Control,
        at: Instant,
    ) -> Result<Controlled, Error> {
        let workspace = workspace.clone();
        kept!(self, |conn, queries| queries::control::control(
            conn, &workspace, id, control, at
        ))
    }
}
