//! Recoveries' own rows, and the deliveries that they go through.

use super::super::Conn;
use super::super::schema::{deliveries, recoveries};
use crate::partitions::first_of;
use crate::recoveries::Candidate;
use crate::sql::{Maybe, Stamp, StoredText, Uid};
use crate::{Error, Recovery, RecoveryLease, Steering};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, Queryable, RunQueryDsl};
use std::time::Duration;
use wire::resource::RecoverySpec;
use wire::{DeliveryId, Instant, RecoveryId, RecoveryState, WorkspaceId};

/// Recoveries that are tried when others were faster.
const TRIED: i64 = 5;

/// What may be sent again, by the words of its index.
pub(super) const RECOVERABLE: &str = "(state = 'dead_letter' OR state = 'failed') AND recovery_id IS NULL";

/// What failed in a workspace after the delivery `after`, of events of this time, oldest first.
pub(crate) fn scan(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    (from, until): (Option<Instant>, Option<Instant>),
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Candidate>, Error> {
    let mut query = deliveries::table
        .filter(deliveries::workspace_id.eq(workspace.as_str()))
        .filter(sql::<Bool>(RECOVERABLE))
        .order(deliveries::id)
        .limit(limit)
        .select((
            deliveries::id,
            deliveries::event_id,
            deliveries::endpoint_id,
            deliveries::route_id,
            deliveries::event_type,
            deliveries::state,
            deliveries::error_kind,
            deliveries::created_at,
        ))
        .into_boxed();
    // One bound from below: SQLite uses but one of two.
    query = match (after, from) {
        (Some(after), _) => query.filter(deliveries::id.gt(Uid::from(after))),
        (None, Some(from)) => query.filter(deliveries::id.ge(Uid(first_of(from)))),
        (None, None) => query,
    };
    if let Some(until) = until {
        query = query.filter(deliveries::id.lt(Uid(first_of(until))));
    }
    Ok(query.load(conn)?)
}

type Columns = (
    recoveries::id,
    recoveries::workspace_id,
    recoveries::spec,
    recoveries::state,
    (
        recoveries::total,
        recoveries::recovered,
        recoveries::skipped,
        recoveries::deferred,
    ),
    (
        recoveries::created_at,
        recoveries::started_at,
        recoveries::ended_at,
        recoveries::updated_at,
    ),
);

const COLUMNS: Columns = (
    recoveries::id,
    recoveries::workspace_id,
    recoveries::spec,
    recoveries::state,
    (
        recoveries::total,
        recoveries::recovered,
        recoveries::skipped,
        recoveries::deferred,
    ),
    (
        recoveries::created_at,
        recoveries::started_at,
        recoveries::ended_at,
        recoveries::updated_at,
    ),
);

#[derive(Queryable)]
struct Row {
    id: Uid,
    workspace_id: StoredText,
    spec: String,
    state: String,
    counts: (i64, i64, i64, i64),
    times: (Stamp, Maybe<Stamp>, Maybe<Stamp>, Stamp),
}

impl Row {
    fn open(self) -> Result<Recovery, Error> {
        let (total, recovered, skipped, deferred) = self.counts;
        let (Stamp(created_at), started_at, ended_at, Stamp(updated_at)) = self.times;
        let corrupt = |source| Error::Corrupt {
            what: "the state of a recovery",
            source,
        };
        Ok(Recovery {
            id: self.id.into(),
            workspace_id: self.workspace_id.into(),
            spec: crate::catalog::from_json("spec of a recovery", &self.spec)?,
            state: self
                .state
                .parse()
                .map_err(|error: wire::UnknownState| corrupt(error.into()))?,
            total,
            recovered,
            skipped,
            deferred,
            created_at,
            started_at: started_at.into(),
            ended_at: ended_at.into(),
            updated_at,
        })
    }
}

pub(crate) fn insert(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: RecoveryId,
    spec: &RecoverySpec,
    now: Instant,
) -> Result<(), Error> {
    let spec = serde_json::to_string(spec).expect("a recovery's spec has text keys and whole numbers");
    diesel::insert_into(recoveries::table)
        .values((
            recoveries::id.eq(Uid::from(id)),
            recoveries::workspace_id.eq(workspace.as_str()),
            recoveries::spec.eq(spec),
            recoveries::state.eq(RecoveryState::Saved.as_str()),
            recoveries::created_at.eq(Stamp(now)),
            recoveries::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    Ok(())
}

pub(crate) fn find(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: RecoveryId,
) -> Result<Option<Recovery>, Error> {
    let row: Option<Row> = recoveries::table
        .find(Uid::from(id))
        .filter(recoveries::workspace_id.eq(workspace.as_str()))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(Row::open).transpose()
}

pub(crate) fn list(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    before: Option<RecoveryId>,
    limit: i64,
) -> Result<Vec<Recovery>, Error> {
    let mut query = recoveries::table
        .filter(recoveries::workspace_id.eq(workspace.as_str()))
        .order(recoveries::id.desc())
        .limit(limit)
        .select(COLUMNS)
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(recoveries::id.lt(Uid::from(before)));
    }
    let rows: Vec<Row> = query.load(conn)?;
    rows.into_iter().map(Row::open).collect()
}

/// Does what an operator wishes; says whether the state allowed it. Whoever has the lease loses it.
pub(crate) fn steer(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: RecoveryId,
    steering: Steering,
    now: Instant,
) -> Result<bool, Error> {
    let (from, to): (&[&str], RecoveryState) = match steering {
        Steering::Start { .. } => (&["saved"], RecoveryState::Running),
        Steering::Pause => (&["running"], RecoveryState::Paused),
        Steering::Resume => (&["paused"], RecoveryState::Running),
        Steering::Cancel => (&["saved", "running", "paused"], RecoveryState::Cancelled),
    };
    let row = recoveries::table
        .find(Uid::from(id))
        .filter(recoveries::workspace_id.eq(workspace.as_str()))
        .filter(recoveries::state.eq_any(from.iter().copied()));
    let is_running = to == RecoveryState::Running;
    let moved = diesel::update(row)
        .set((
            recoveries::state.eq(to.as_str()),
            recoveries::fence.eq(recoveries::fence + 1),
            recoveries::lease_until.eq(None::<Stamp>),
            recoveries::next_at.eq(is_running.then_some(Stamp(now))),
            recoveries::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    if moved == 0 {
        return Ok(false);
    }
    let row = recoveries::table.find(Uid::from(id));
    match steering {
        Steering::Start { total } => diesel::update(row)
            .set((
                recoveries::total.eq(total),
                recoveries::started_at.eq(Some(Stamp(now))),
            ))
            .execute(conn)?,
        Steering::Cancel => diesel::update(row)
            .set(recoveries::ended_at.eq(Some(Stamp(now))))
            .execute(conn)?,
        Steering::Pause | Steering::Resume => 0,
    };
    Ok(true)
}

/// When the next batch is due that nobody has in hand.
pub(crate) fn next_at(conn: &mut Conn) -> Result<Option<Instant>, Error> {
    let next: Option<Option<Stamp>> = recoveries::table
        .filter(super::in_state("running"))
        .filter(recoveries::next_at.is_not_null())
        .filter(recoveries::lease_until.is_null())
        .order(recoveries::next_at)
        .select(recoveries::next_at)
        .first(conn)
        .optional()?;
    Ok(next.flatten().map(Instant::from))
}

pub(crate) fn take(conn: &mut Conn, now: Instant, hold: Duration) -> Result<Option<RecoveryLease>, Error> {
    let due: Vec<(Uid, i64)> = recoveries::table
        .filter(super::in_state("running"))
        .filter(recoveries::next_at.le(Some(Stamp(now))))
        .filter(
            recoveries::lease_until
                .is_null()
                .or(recoveries::lease_until.lt(Some(Stamp(now)))),
        )
        .order(recoveries::next_at)
        .limit(TRIED)
        .select((recoveries::id, recoveries::fence))
        .load(conn)?;
    for (id, fence) in due {
        let unchanged = recoveries::table
            .filter(recoveries::id.eq(id))
            .filter(recoveries::fence.eq(fence))
            .filter(recoveries::state.eq("running"));
        let taken = diesel::update(unchanged)
            .set((
                recoveries::fence.eq(fence + 1),
                recoveries::lease_until.eq(Some(Stamp(now + hold))),
            ))
            .execute(conn)?;
        if taken > 0 {
            return Ok(Some(RecoveryLease {
                id: id.into(),
                fence: fence + 1,
            }));
        }
    }
    Ok(None)
}
