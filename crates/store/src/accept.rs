//! Accepting: one statement per batch writes the claims and the events of everything that arrived meanwhile.
//!
//! # Theory of operation
//!
//! [`AcceptQueue`] is a thread with a connection of its own. Of the rows that share an idempotency key within a batch,
//! the first leads and the others follow: the statement would refuse two rows with one key (SQLSTATE 21000), and the
//! followers' answer is the leader's anyway. The leaders are sorted by key, so that two gateways lock in one order.
//!
//! The statement inserts the claims, takes over expired ones (exactly one racer can), inserts the events of those who
//! won, and returns them. Whoever lost cannot see the winner's row in the same snapshot, so a second statement reads it:
//! the row's own id means that an earlier try of this very batch was committed after all, any other is a replay.

use crate::sql::Uid;
use crate::write::{BatchError, Writer};
use crate::{Error, NewEvent, QueueError, QueueOptions, Store, postgres, sqlite};
use batcher::Batcher;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use wire::{EventId, Instant};

/// How many rows of one batch may share a key; more are refused as an overload.
const FOLLOWERS: usize = 64;

/// How often a row is tried again when the claim it lost to expired in between.
const VANISHED: u32 = 3;

/// What an idempotency key claims.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// What the key is unique in, such as a source's id.
    pub scope: String,
    /// The key, 1 to 255 bytes.
    pub key: String,
    /// SHA-256 of what must be the same in a repeat.
    pub fingerprint: Option<[u8; 32]>,
    /// How long the key counts from now, on the database's clock.
    pub window: Duration,
}

/// One request to be accepted.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Its idempotency key; none: always a new event.
    pub claim: Option<NewClaim>,
    /// What to record.
    pub event: NewEvent,
}

/// What became of a request. Either way its event is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It was recorded.
    Created,
    /// Its key was taken.
    Replayed {
        /// What the first request recorded.
        event_id: EventId,
        /// When the first request was received.
        accepted_at: Instant,
        /// Whether the fingerprints are the same.
        same: bool,
    },
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The queue is full, or too many share its key right now. Nothing was written.
    #[error("too many requests wait to be recorded")]
    Overloaded,
    /// The ledger does not answer, or the outcome is unknown. Safe to send again with the same key.
    #[error("the ledger does not answer")]
    Unavailable(#[source] Arc<Error>),
    /// The process is stopping. Nothing was written.
    #[error("the service is stopping")]
    Closing,
    /// The outcome is unknown because the writer failed.
    #[error("the outcome of recording is unknown")]
    Unknown,
    /// The row itself was refused, which is a fault of ours.
    #[error("the ledger refused the event")]
    Refused(#[source] Arc<Error>),
}

impl From<QueueError> for AcceptError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Overloaded => Self::Overloaded,
            QueueError::Closing => Self::Closing,
            QueueError::Unknown => Self::Unknown,
            QueueError::Ledger(error) => Self::Unavailable(error),
        }
    }
}

/// A handle to the accepting thread; clones share it.
#[derive(Debug, Clone)]
pub struct AcceptQueue(Batcher<Acceptance, Result<Accepted, AcceptError>>);

impl Store {
    /// Starts a thread that accepts.
    pub fn accept_queue(&self, options: QueueOptions) -> Result<AcceptQueue, Error> {
        let mut writer = Writer::of(self);
        Batcher::spawn("accept", options.into(), move |rows| accept(&mut writer, rows))
            .map(AcceptQueue)
            .map_err(Error::Thread)
    }
}

impl AcceptQueue {
    /// Records the request, or finds that its key was taken.
    ///
    /// Returns after the commit. Dropping the future cancels nothing: the row is written all the same.
    pub async fn accept(&self, row: Acceptance) -> Result<Accepted, AcceptError> {
        self.0.submit(row).await.map_err(QueueError::from)?
    }

    /// How many requests wait to be recorded.
    pub fn depth(&self) -> usize {
        self.0.depth()
    }
}

/// A row that leads those of its batch with the same key.
pub(crate) struct Leader {
    pub(crate) row: Acceptance,
    /// SHA-256 of the key.
    pub(crate) key_hash: [u8; 32],
    /// How many followers there are, and how many of them differ in fingerprint: what the claim counts.
    pub(crate) repeats: i32,
    pub(crate) mismatches: i32,
}

/// What the database says of a leader.
#[derive(Debug, Clone)]
pub(crate) enum Claimed {
    /// Its event was inserted, now or by an earlier try of this batch.
    Won,
    /// Another event holds the claim.
    Lost {
        event_id: Uid,
        accepted_at: Instant,
        fingerprint: Option<Vec<u8>>,
    },
    /// The claim it lost to is gone already.
    Vanished,
}

/// Why a leader was not written.
enum Unwritten {
    Unavailable(Arc<Error>),
    Refused(Arc<Error>),
}

type Answer = Result<Accepted, AcceptError>;

/// Writes one batch.
fn accept(writer: &mut Writer, rows: Vec<Acceptance>) -> Vec<Answer> {
    let count = rows.len();
    let plan = Plan::of(rows);
    let claimed = claim(writer, &plan.leaders);
    let mut answers: Vec<Option<Answer>> = std::iter::repeat_with(|| None).take(count).collect();
    for ((leader, members), claimed) in plan.leaders.iter().zip(&plan.members).zip(claimed) {
        for (rank, member) in members.iter().enumerate() {
            if let Some(slot) = answers.get_mut(member.index) {
                *slot = Some(answer(leader, member, rank, &claimed));
            }
        }
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Err(AcceptError::Overloaded)))
        .collect()
}

/// Where a leader or a follower stood in the batch, and its fingerprint.
struct Member {
    index: usize,
    fingerprint: Option<[u8; 32]>,
}

struct Plan {
    leaders: Vec<Leader>,
    /// For each leader: itself, then its followers.
    members: Vec<Vec<Member>>,
}

impl Plan {
    /// Groups the rows by key and sorts the groups. Rows over [`FOLLOWERS`] are left out.
    fn of(rows: Vec<Acceptance>) -> Self {
        let mut groups: Vec<(Leader, Vec<Member>)> = Vec::with_capacity(rows.len());
        let mut by_key: HashMap<(String, [u8; 32]), usize> = HashMap::new();
        for (index, row) in rows.into_iter().enumerate() {
            let fingerprint = row.claim.as_ref().and_then(|claim| claim.fingerprint);
            let key_hash = row
                .claim
                .as_ref()
                .map(|claim| <[u8; 32]>::from(Sha256::digest(claim.key.as_bytes())));
            let name = row
                .claim
                .as_ref()
                .zip(key_hash)
                .map(|(claim, hash)| (claim.scope.clone(), hash));
            let led = name
                .as_ref()
                .and_then(|name| by_key.get(name))
                .and_then(|&group| groups.get_mut(group));
            if let Some((leader, members)) = led {
                if members.len() <= FOLLOWERS {
                    leader.repeats += 1;
                    leader.mismatches += i32::from(differs(
                        members.first().and_then(|first| first.fingerprint),
                        fingerprint,
                    ));
                    members.push(Member { index, fingerprint });
                }
                continue;
            }
            if let Some(name) = name {
                by_key.insert(name, groups.len());
            }
            let leader = Leader {
                row,
                key_hash: key_hash.unwrap_or_default(),
                repeats: 0,
                mismatches: 0,
            };
            groups.push((leader, vec![Member { index, fingerprint }]));
        }
        groups.sort_by(|(one, _), (two, _)| one.order().cmp(&two.order()));
        let (leaders, members) = groups.into_iter().unzip();
        Self { leaders, members }
    }
}

impl Leader {
    fn order(&self) -> (Option<&str>, [u8; 32]) {
        (
            self.row.claim.as_ref().map(|claim| claim.scope.as_str()),
            self.key_hash,
        )
    }
}

fn differs(one: Option<[u8; 32]>, two: Option<[u8; 32]>) -> bool {
    matches!((one, two), (Some(one), Some(two)) if one != two)
}

/// Asks the database for all leaders at once, and one by one when one of them spoils the batch.
fn claim(writer: &mut Writer, leaders: &[Leader]) -> Vec<Result<Claimed, Unwritten>> {
    match try_claim(writer, leaders) {
        Ok(claimed) => claimed.into_iter().map(Ok).collect(),
        Err(BatchError::Batch(error)) => {
            let error = Arc::new(error);
            leaders
                .iter()
                .map(|_| Err(Unwritten::Unavailable(Arc::clone(&error))))
                .collect()
        }
        Err(BatchError::Row(error)) => match leaders {
            [leader] => {
                tracing::error!(event.id = %leader.row.event.id, error = %error, "the ledger refused an event");
                vec![Err(Unwritten::Refused(Arc::new(error)))]
            }
            _ => leaders
                .chunks(1)
                .flat_map(|leader| claim(writer, leader))
                .collect(),
        },
    }
}

fn try_claim(writer: &mut Writer, leaders: &[Leader]) -> Result<Vec<Claimed>, BatchError> {
    let mut claimed: Vec<Claimed> = leaders.iter().map(|_| Claimed::Vanished).collect();
    for _ in 0..VANISHED {
        let open: Vec<usize> = claimed
            .iter()
            .enumerate()
            .filter(|(_, claimed)| matches!(claimed, Claimed::Vanished))
            .map(|(index, _)| index)
            .collect();
        if open.is_empty() {
            break;
        }
        let rows: Vec<&Leader> = open.iter().filter_map(|&index| leaders.get(index)).collect();
        let found = writer.run(
            |conn| postgres::hot::accept(conn, &rows),
            |conn| sqlite::hot::accept(conn, &rows),
        )?;
        for (index, found) in open.into_iter().zip(found) {
            if let Some(slot) = claimed.get_mut(index) {
                *slot = found;
            }
        }
    }
    Ok(claimed)
}

/// What one row of a group is told.
fn answer(leader: &Leader, member: &Member, rank: usize, claimed: &Result<Claimed, Unwritten>) -> Answer {
    match claimed {
        Ok(Claimed::Won) if rank == 0 => Ok(Accepted::Created),
        Ok(Claimed::Won) => Ok(Accepted::Replayed {
            event_id: leader.row.event.id,
            accepted_at: leader.row.event.received_at,
            same: !differs(
                leader.row.claim.as_ref().and_then(|claim| claim.fingerprint),
                member.fingerprint,
            ),
        }),
        Ok(Claimed::Lost {
            event_id,
            accepted_at,
            fingerprint,
        }) => Ok(Accepted::Replayed {
            event_id: (*event_id).into(),
            accepted_at: *accepted_at,
            same: match (fingerprint, member.fingerprint) {
                (Some(first), Some(mine)) => first.as_slice() == mine,
                _ => true,
            },
        }),
        Ok(Claimed::Vanished) => Err(AcceptError::Overloaded),
        Err(Unwritten::Unavailable(error)) => Err(AcceptError::Unavailable(Arc::clone(error))),
        Err(Unwritten::Refused(error)) => Err(AcceptError::Refused(Arc::clone(error))),
    }
}
