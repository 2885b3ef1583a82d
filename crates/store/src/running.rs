//! Runs as their runners see them: who has which, and what they are told.

use crate::catalog::from_json;
use crate::connect::{Ledger, look_up, read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::{Error, HeldRun, Playbook, Store, Told, postgres, sqlite};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;
use wire::resource::{Ending, WorkspaceSpec};
use wire::{Instant, PlaybookId, RunId, WorkspaceId};

/// What one run was told that is read at once; the rest is read when this is taken in.
const LONGEST_INBOX: i64 = 1_000;

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
        look_up!(self, |conn, queries| queries::workers::inbox(
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
        let found = look_up!(self, |conn, queries| queries::playbooks::of_run(
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
}
