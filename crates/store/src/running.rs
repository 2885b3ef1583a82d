//! Runs as their runners see them: who has which, what they are told, and who may go on.

use crate::catalog::from_json;
use crate::connect::{Ledger, read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{Error, HeldRun, Playbook, SlotLimit, Slotted, Store, Told, postgres, sqlite};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;
use wire::resource::{Ending, PlaybookSpec, WorkspaceSpec};
use wire::{Instant, PlaybookId, RunId, WorkspaceId};

/// What one run was told that is read at once; the rest is read when this is taken in.
const LONGEST_INBOX: i64 = 1_000;

/// A line that runs wait in.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) playbook: PlaybookId,
    pub(crate) key: String,
    /// How many of those who share its slots have one.
    pub(crate) used: i64,
}

impl Store {
    /// Has `worker` take up to `limit` runs that are ready at `now`, those first that have been for longest.
    pub async fn claim_runs(&self, worker: Uuid, now: Instant, limit: i64) -> Result<Vec<HeldRun>, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::claim(conn, worker, now, limit)?);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::claim(conn, worker, now, limit)?);
                ledger.write(call).await
            }
        }
    }

    /// Has `worker` take those of `ids` that are ready at `now`.
    pub async fn claim_named(
        &self,
        worker: Uuid,
        now: Instant,
        ids: Vec<RunId>,
    ) -> Result<Vec<HeldRun>, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::claim_named(conn, worker, now, &ids)?);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::claim_named(conn, worker, now, &ids)?);
                ledger.write(call).await
            }
        }
    }

    /// Says that a worker is alive, on the database's clock. `name` is for people.
    pub async fn beat(&self, worker: Uuid, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        write!(self, |conn, queries| queries::workers::beat(conn, worker, &name))
    }

    /// Lets go of all that a worker has, for others to take at once, and forgets the worker. Returns what it had.
    pub async fn retire(&self, worker: Uuid) -> Result<Vec<RunId>, Error> {
        write!(self, |conn, queries| queries::workers::retire(conn, worker))
    }

    /// Lets go of up to `limit` runs whose workers were not seen for `silence`, or are not known at all. Returns them.
    pub async fn release_silent(&self, silence: Duration, limit: i64) -> Result<Vec<RunId>, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        write!(self, |conn, queries| queries::workers::release_silent(
            conn, silence, limit
        ))
    }

    /// The runs of a worker that have been told something since it last asked. What somebody tells a run while the worker
    /// then reads its [`Store::inbox`] is read there, or is asked for the next time.
    pub async fn told(&self, worker: Uuid) -> Result<Vec<RunId>, Error> {
        let ids = read!(self, |conn, queries| queries::workers::told(conn, worker))?;
        if !ids.is_empty() {
            let ids = ids.clone();
            write!(self, |conn, queries| queries::workers::heard(conn, worker, &ids))?;
        }
        Ok(ids)
    }

    /// All runs that a worker has.
    pub async fn owned(&self, worker: Uuid) -> Result<Vec<RunId>, Error> {
        read!(self, |conn, queries| queries::workers::owned(conn, worker))
    }

    /// Lets go of these runs of a worker; they are ready at `ready_at`.
    pub async fn let_go(&self, worker: Uuid, ids: Vec<RunId>, ready_at: Instant) -> Result<usize, Error> {
        write!(self, |conn, queries| queries::workers::let_go(
            conn, worker, &ids, ready_at
        ))
    }

    /// Makes those of these runs ready that have been told something.
    pub async fn wake(&self, ids: Vec<RunId>, at: Instant) -> Result<(), Error> {
        write!(self, |conn, queries| {
            let told: HashSet<RunId> = queries::workers::inbox(conn, &ids, LONGEST_INBOX)?
                .into_iter()
                .map(|told| told.run_id)
                .collect();
            let told: Vec<RunId> = told.into_iter().collect();
            queries::control::wake(conn, &told, at)
        })
    }

    /// Reads what these runs were told and have not taken in.
    pub async fn inbox(&self, ids: Vec<RunId>) -> Result<Vec<Told>, Error> {
        read!(self, |conn, queries| queries::workers::inbox(
            conn,
            &ids,
            LONGEST_INBOX
        ))
    }

    /// Wakes up to `limit` runs that were told something longer than `patience` ago and that nobody looks after; returns
    /// how many. There should be none.
    pub async fn wake_told(&self, patience: Duration, limit: i64) -> Result<usize, Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        write!(self, |conn, queries| queries::workers::wake_told(
            conn, patience, limit
        ))
    }

    /// A run's playbook, and whether its runs are to end: it or its workspace is switched off, and says so. None when the
    /// playbook was removed.
    pub async fn playbook_of_run(
        &self,
        workspace: &WorkspaceId,
        playbook: &PlaybookId,
    ) -> Result<Option<(Playbook, bool)>, Error> {
        let (workspace, playbook) = (workspace.clone(), playbook.clone());
        let found = read!(self, |conn, queries| queries::playbooks::of_run(
            conn, &workspace, &playbook
        ))?;
        let Some((row, accepting, spec)) = found else {
            return Ok(None);
        };
        let playbook = row.open(&self.keyring)?;
        let workspace: WorkspaceSpec = from_json("spec of a workspace", &spec)?;
        let is_closed = !accepting && workspace.runs == Ending::Cancel;
        let is_disabled = !playbook.spec.enabled && playbook.spec.runs == Ending::Cancel;
        Ok(Some((playbook, is_closed || is_disabled)))
    }

    /// Takes a place for a run that `owner` has among those of its playbook that go on, or has it wait in line: then its
    /// owner has let go of it. The first time the run gets the limit's key, and keeps it whatever later ones say.
    pub async fn take_slot(
        &self,
        run: &HeldRun,
        owner: Uuid,
        limit: SlotLimit,
        now: Instant,
    ) -> Result<Slotted, Error> {
        let run = run.clone();
        write!(self, |conn, queries| queries::slots::take(
            conn, &run, owner, &limit, now
        ))
    }

    /// Lets runs go on that wait for a place although one is free: the limit was raised or is gone, or the worker that
    /// should have seen to it died. Returns them. Lines are read `limit` at a time, all of them: there may be one for each
    /// customer, and one with a free place must not lie behind others that are full.
    pub async fn refill_slots(&self, now: Instant, limit: i64) -> Result<Vec<RunId>, Error> {
        let limit = limit.clamp(1, LONGEST_SWEEP);
        let (mut woken, mut after) = (Vec::new(), None);
        loop {
            let from = after.take();
            let (lines, specs) = read!(self, |conn, queries| {
                let lines = queries::slots::lines(conn, from.as_ref(), limit)?;
                let mut ids: Vec<PlaybookId> = lines.iter().map(|line| line.playbook.clone()).collect();
                ids.dedup();
                let specs = queries::slots::specs(conn, &ids)?;
                Ok((lines, specs))
            })?;
            let limits: HashMap<PlaybookId, i32> = specs
                .into_iter()
                .filter_map(|(id, spec)| {
                    let spec: PlaybookSpec = serde_json::from_str(&spec).ok()?;
                    Some((id, i32::try_from(spec.concurrency?).unwrap_or(i32::MAX)))
                })
                .collect();
            let is_last = i64::try_from(lines.len()).is_ok_and(|count| count < limit);
            after = lines.last().cloned();
            for line in lines {
                let most = limits.get(&line.playbook).copied();
                if most.is_none_or(|most| line.used < i64::from(most)) {
                    woken.extend(self.refill(line.playbook, line.key, most, now).await?);
                }
            }
            if is_last {
                return Ok(woken);
            }
        }
    }

    async fn refill(
        &self,
        playbook: PlaybookId,
        key: String,
        most: Option<i32>,
        now: Instant,
    ) -> Result<Vec<RunId>, Error> {
        write!(self, |conn, queries| match most {
            Some(most) => queries::slots::refill(conn, &playbook, &SlotLimit { key, most }, now),
            None => queries::slots::release(conn, &playbook, &key, now),
        })
    }
}
