//! Recoveries: deliveries that failed are sent again, at a pace, by whichever process has the lease.
//!
//! # Theory of operation
//!
//! A recovery goes through the deliveries of its workspace that failed before it was started, by their ids and thus by
//! their events' time, and makes another delivery of each that its filter takes, under an id that both have in common: a
//! batch that is done twice makes nothing twice. The batch, the mark on each delivery that says by what it was sent again,
//! and the place that was reached are one transaction. It begins by writing to the recovery's own row under the fence of
//! the lease, so that of two processes that both believe to have it, one does nothing.
//!
//! Fresh traffic goes first: a delivery whose endpoint has a queue is left for another pass over what is left, and those
//! passes become rarer while they send nothing, so that an endpoint which holds its deliveries may keep a recovery waiting
//! for as long as it likes. What fails again is a dead letter of its own, and younger than the recovery, which therefore ends.

use crate::connect::{Ledger, read, write};
use crate::sql::{Maybe, Stamp, StoredText, Uid};
use crate::sweep::LONGEST_SWEEP;
use crate::{
    Advance, DeadLetters, Error, Page, Recovery, RecoveryLease, RecoveryPreview, Store, postgres, sqlite,
};
use diesel::Queryable;
use std::time::Duration;
use wire::resource::RecoverySpec;
use wire::{DeliveryId, DeliveryState, EndpointId, EventId, Instant, RecoveryId, RouteId, WorkspaceId};

/// The most recoveries in one page.
const LONGEST_PAGE: i64 = 1_000;
/// How many deliveries a preview looks at.
const COUNTED: usize = 100_000;
/// How many of them are read at once.
const COUNTED_AT_ONCE: i64 = 2_000;
/// How many of those that match it shows.
const SAMPLE: usize = 10;
/// Dead letters that are counted, and groups of them that are shown.
pub(crate) const LETTERS: i64 = 100_000;
pub(crate) const GROUPS: i64 = 200;

/// A delivery that may be sent again.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Candidate {
    #[diesel(deserialize_as = Uid)]
    pub(crate) id: DeliveryId,
    #[diesel(deserialize_as = Uid)]
    pub(crate) event_id: EventId,
    #[diesel(deserialize_as = StoredText)]
    pub(crate) endpoint_id: EndpointId,
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub(crate) route_id: Option<RouteId>,
    pub(crate) event_type: Option<String>,
    #[diesel(deserialize_as = String)]
    pub(crate) state: DeliveryState,
    pub(crate) error_kind: Option<String>,
    #[diesel(deserialize_as = Stamp)]
    pub(crate) created_at: Instant,
    pub(crate) order_key: Option<String>,
}

impl Candidate {
    /// Whether a recovery that began then sends it again: what was made since may be the recovery's own.
    pub(crate) fn is_taken_by(&self, spec: &RecoverySpec, began: Instant) -> bool {
        self.created_at <= began
            && spec.matches(
                &self.endpoint_id,
                self.state,
                self.error_kind.as_deref(),
                self.event_type.as_deref(),
            )
    }
}

impl Store {
    /// Looks at what a recovery would send again if it were started at `now`; changes nothing.
    pub async fn preview_recovery(
        &self,
        workspace: &WorkspaceId,
        spec: RecoverySpec,
        now: Instant,
    ) -> Result<RecoveryPreview, Error> {
        let mut preview = RecoveryPreview::default();
        let mut sample = Vec::new();
        let mut after: Option<DeliveryId> = None;
        let mut looked_at = 0;
        while looked_at < COUNTED {
            let (of, range) = (workspace.clone(), (spec.from, spec.until));
            let rows = read!(self, |conn, queries| queries::recoveries::scan(
                conn,
                &of,
                range,
                after,
                COUNTED_AT_ONCE
            ))?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < COUNTED_AT_ONCE);
            looked_at += rows.len();
            after = rows.last().map(|row| row.id);
            for row in rows.iter().filter(|row| row.is_taken_by(&spec, now)) {
                preview.count += 1;
                let at = row.id.instant();
                preview.oldest.get_or_insert(at);
                preview.newest = Some(at);
                if sample.len() < SAMPLE {
                    sample.push(row.id);
                }
            }
            if is_last {
                preview.is_complete = true;
                break;
            }
        }
        for id in sample {
            preview.sample.extend(self.delivery(workspace, id).await?);
        }
        Ok(preview)
    }

    /// One recovery.
    pub async fn recovery(&self, workspace: &WorkspaceId, id: RecoveryId) -> Result<Option<Recovery>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::recoveries::find(
            conn, &workspace, id
        ))
    }

    /// A workspace's recoveries before `before`, newest first.
    pub async fn recoveries(
        &self,
        workspace: &WorkspaceId,
        before: Option<RecoveryId>,
        limit: i64,
    ) -> Result<Page<Recovery>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::recoveries::list(
            conn,
            &workspace,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// Takes the recovery whose next batch waits longest, for `hold`; none when none is due.
    pub async fn take_recovery(&self, now: Instant, hold: Duration) -> Result<Option<RecoveryLease>, Error> {
        write!(self, |conn, queries| queries::recoveries::take(conn, now, hold))
    }

    /// When the next batch of a recovery is due that nobody has in hand; none while none runs.
    pub async fn next_recovery_at(&self) -> Result<Option<Instant>, Error> {
        read!(self, |conn, queries| queries::recoveries::next_at(conn))
    }

    /// Does one batch of a recovery, and gives the lease back.
    pub async fn advance_recovery(&self, lease: RecoveryLease, now: Instant) -> Result<Advance, Error> {
        write!(self, |conn, queries| queries::recover::advance(conn, &lease, now))
    }

    /// A workspace's dead letters that no recovery has sent again since, by endpoint, kind of error and event type: the largest
    /// groups first, and whether all were counted. `endpoint` leaves one endpoint's. A replay by hand is no recovery: the
    /// one that it replays is counted on, and a recovery sends it again.
    pub async fn dead_letters(
        &self,
        workspace: &WorkspaceId,
        endpoint: Option<EndpointId>,
    ) -> Result<(Vec<DeadLetters>, bool), Error> {
        let workspace = workspace.clone();
        let groups = match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call =
                    move |conn: &mut _| Ok(postgres::hot::dead_letters(conn, &workspace, endpoint.as_ref())?);
                ledger.read(call).await?
            }
            Ledger::Sqlite(ledger) => {
                let call =
                    move |conn: &mut _| Ok(sqlite::hot::dead_letters(conn, &workspace, endpoint.as_ref())?);
                ledger.read(call).await?
            }
        };
        let counted: i64 = groups.iter().map(|group| group.count).sum();
        let is_complete = counted <= LETTERS && i64::try_from(groups.len()).is_ok_and(|len| len < GROUPS);
        Ok((groups, is_complete))
    }
}

const _: () = assert!(
    COUNTED_AT_ONCE <= LONGEST_SWEEP,
    "a preview reads no more at once than a sweep"
);
