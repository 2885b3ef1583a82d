//! Asking for slots: those who ask at the same time are answered together, under one lock and with one commit.

use crate::connect::{read, write};
use crate::sql::Uid;
use crate::sweep::LONGEST_SWEEP;
use crate::write::{BatchError, PATIENCE, Writer, answered, together};
use crate::{Error, HeldRun, QueueError, QueueOptions, SlotLimit, Slotted, Store, postgres, sqlite};
use batcher::Batcher;
use diesel::Connection as _;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;
use wire::resource::PlaybookSpec;
use wire::{Instant, PlaybookId, RunId};

/// A handle to the thread that gives slots; clones share it.
#[derive(Debug, Clone)]
pub struct SlotQueue(Batcher<Asking, Result<Slotted, Arc<Error>>>);

/// A line that runs wait in.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) playbook: PlaybookId,
    pub(crate) key: String,
    /// How many of those who share its slots have one.
    pub(crate) used: i64,
}

/// A run whose owner asks for a slot.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) run: RunId,
    pub(crate) playbook: PlaybookId,
    pub(crate) owner: Uuid,
    pub(crate) epoch: i64,
    /// Whether it has a state of the engine's.
    pub(crate) is_begun: bool,
    pub(crate) limit: SlotLimit,
    pub(crate) at: Instant,
}

/// Where a run that has no slot belongs.
pub(crate) struct Seat<'a> {
    pub(crate) run: Uid,
    /// The playbook and the key whose slots it shares.
    pub(crate) line: (&'a PlaybookId, &'a str),
    /// None: it waits in line, and nobody has it.
    pub(crate) slot: Option<i32>,
    /// Who asks for it; none: it waits in line already.
    pub(crate) asking: Option<&'a Asking>,
}

impl SlotQueue {
    /// Takes a slot for a run that `owner` has among those of its playbook that go on, or has it wait in line: then its
    /// owner has let go of it. The first time the run gets the limit's key, and keeps it whatever later ones say.
    pub async fn take(
        &self,
        run: &HeldRun,
        owner: Uuid,
        limit: SlotLimit,
        now: Instant,
    ) -> Result<Slotted, QueueError> {
        let asking = Asking {
            run: run.id,
            playbook: run.playbook_id.clone(),
            owner,
            epoch: run.epoch,
            is_begun: run.engine.is_some(),
            limit,
            at: now,
        };
        answered(self.0.submit(asking)).await?.map_err(QueueError::Ledger)
    }
}

fn take(writer: &mut Writer, asking: &[Asking]) -> Vec<Result<Slotted, Arc<Error>>> {
    let deadline = std::time::Instant::now() + PATIENCE;
    together(asking, &mut |asking| take_together(writer, deadline, asking))
        .into_iter()
        .map(|slotted| slotted.map_err(Arc::from))
        .collect()
}

fn take_together(
    writer: &mut Writer,
    deadline: std::time::Instant,
    asking: &[Asking],
) -> Result<Vec<Slotted>, BatchError> {
    writer.run(
        deadline,
        |conn| conn.transaction(|conn| postgres::queries::slots::take(conn, asking)),
        |conn| conn.immediate_transaction(|conn| sqlite::queries::slots::take(conn, asking)),
    )
}

impl Store {
    /// Starts a thread that gives slots to runs.
    pub fn slot_queue(&self, options: QueueOptions) -> Result<SlotQueue, Error> {
        let mut writer = Writer::of(self);
        Batcher::spawn("slots", options.into(), move |asking| take(&mut writer, &asking))
            .map(SlotQueue)
            .map_err(Error::Thread)
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
