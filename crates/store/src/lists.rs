//! What the console shows and what operators do to what is recorded.

use crate::connect::{Ledger, read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{
    Attempt, Claim, Delivery, DeliveryFilter, Error, Event, EventFilter, EventSummary, NewDelivery, Page,
    Store,
};
use crate::{postgres, sqlite};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::Duration;
use wire::{DeliveryId, EventId, Instant, WorkspaceId};

/// How many attempts of one delivery are shown: the latest. Schedules have at most 50; retries by hand and probes come on top.
const ATTEMPTS_SHOWN: i64 = 200;

/// The longest page; whoever asks for more gets this much.
const LONGEST_PAGE: i64 = 1_000;

/// A claim is forgotten this long after it expired: it expires on the database's clock, and the caller's may be ahead.
const CLAIM_GRACE: Duration = Duration::from_hours(1);

impl<Row> Page<Row> {
    /// From one row more than `limit`, which only says that there are more.
    pub(crate) fn of(mut rows: Vec<Row>, limit: i64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more }
    }
}

impl Store {
    /// One event, whole.
    pub async fn event(&self, workspace: &WorkspaceId, id: EventId) -> Result<Option<Event>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::events::find(conn, &workspace, id))
    }

    /// A workspace's events before `before`, newest first.
    pub async fn events(
        &self,
        workspace: &WorkspaceId,
        filter: EventFilter,
        before: Option<EventId>,
        limit: i64,
    ) -> Result<Page<EventSummary>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::events::list(
            conn,
            &workspace,
            &filter,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// How many deliveries and how many runs each of these events has.
    pub async fn outcomes_of(&self, events: Vec<EventId>) -> Result<HashMap<EventId, (i64, i64)>, Error> {
        let (deliveries, runs) = read!(self, |conn, queries| Ok((
            queries::deliveries::counts(conn, &events)?,
            queries::runs::counts(conn, &events)?
        )))?;
        let mut outcomes: HashMap<EventId, (i64, i64)> = HashMap::new();
        for (event, count) in deliveries {
            outcomes.entry(event).or_default().0 = count;
        }
        for (event, count) in runs {
            outcomes.entry(event).or_default().1 = count;
        }
        Ok(outcomes)
    }

    /// The idempotency key of each of these events, as far as the events are still there.
    pub async fn idempotency_keys(
        &self,
        events: Vec<EventId>,
    ) -> Result<HashMap<EventId, Option<String>>, Error> {
        read!(self, |conn, queries| queries::events::idempotency_keys(
            conn, &events
        ))
    }

    /// The claim of `key` in `scope`.
    pub async fn claim(&self, scope: &str, key: &str) -> Result<Option<Claim>, Error> {
        // Postgres would not even compare with it.
        if scope.contains('\0') {
            return Ok(None);
        }
        let scope = scope.to_owned();
        let hash = <[u8; 32]>::from(Sha256::digest(key.as_bytes()));
        read!(self, |conn, queries| queries::events::claim(conn, &scope, &hash))
    }

    /// Removes up to `limit` claims that count no more, since an hour; returns how many.
    pub async fn forget_claims(&self, now: Instant, limit: i64) -> Result<usize, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        let before = now - CLAIM_GRACE;
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::forget_claims(conn, before, limit)?);
                ledger.read(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::forget_claims(conn, before, limit)?);
                ledger.write(call).await
            }
        }
    }

    /// One delivery.
    pub async fn delivery(&self, workspace: &WorkspaceId, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::deliveries::find(
            conn, &workspace, id
        ))
    }

    /// What the delivery sends instead of its event's own bytes.
    pub async fn transformed(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        read!(self, |conn, queries| queries::deliveries::transformed(conn, id))
    }

    /// A workspace's deliveries before `before`, newest first.
    pub async fn deliveries(
        &self,
        workspace: &WorkspaceId,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Page<Delivery>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_PAGE);
        let rows = read!(self, |conn, queries| queries::deliveries::list(
            conn,
            &workspace,
            &filter,
            before,
            limit + 1
        ))?;
        Ok(Page::of(rows, limit))
    }

    /// A delivery's attempts in order.
    pub async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<Attempt>, Error> {
        read!(self, |conn, queries| queries::deliveries::attempts(
            conn,
            delivery,
            ATTEMPTS_SHOWN
        ))
    }

    /// Makes further deliveries of an event that was routed before, as given. The sweepers pick them up.
    pub async fn add_deliveries(
        &self,
        event: EventId,
        rows: Vec<NewDelivery>,
        now: Instant,
    ) -> Result<(), Error> {
        write!(self, |conn, queries| Ok(queries::deliveries::insert_all(
            conn, event, &rows, now
        )?))
    }
}
