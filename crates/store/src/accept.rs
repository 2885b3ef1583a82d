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
use crate::write::{ANSWER_TIMEOUT, BatchError, PATIENCE, Unwritten, Writer, statements, together};
use crate::{Error, NewEvent, QueueError, QueueOptions, RoutedEvent, Store, postgres, sqlite};
use batcher::Batcher;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use wire::{EventId, Instant};

/// After this a row that no batch has taken yet is given up: its sender was answered 503.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// How often a row is tried again when the claim it lost to was forgotten in between.
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
    /// What becomes of it, where that is decided already: it is recorded in the same statement. A router sees such an event
    /// only where runs may listen for it. None: a router decides.
    pub routed: Option<RoutedEvent>,
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
    /// The queue is full or too slow. Nothing was written.
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
pub struct AcceptQueue(Batcher<Waiting, Answer>);

type Answer = Result<Accepted, AcceptError>;

/// A row, and since when it waits.
struct Waiting {
    row: Acceptance,
    since: std::time::Instant,
}

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
    /// Returns after the commit. Dropping the future cancels nothing: the row is written all the same, unless it waited
    /// in vain for so long that its sender was told to send again.
    pub async fn accept(&self, row: Acceptance) -> Result<Accepted, AcceptError> {
        let since = std::time::Instant::now();
        match tokio::time::timeout(ANSWER_TIMEOUT, self.0.submit(Waiting { row, since })).await {
            Ok(answer) => answer.map_err(QueueError::from)?,
            Err(elapsed) => Err(AcceptError::Unavailable(Arc::new(Error::Unavailable(Box::new(
                elapsed,
            ))))),
        }
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
    /// The fingerprints of those that follow it.
    pub(crate) followers: Vec<Option<[u8; 32]>>,
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

/// Writes one batch. What waited for longer than its sender would is not written: nobody is there to hear of it, and the
/// time is better spent on those who wait.
fn accept(writer: &mut Writer, batch: Vec<Waiting>) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = batch.iter().map(|_| None).collect();
    let oldest = batch.iter().map(|waiting| waiting.since).min();
    let deadline = oldest.unwrap_or_else(std::time::Instant::now) + PATIENCE;
    let awaited = batch
        .into_iter()
        .enumerate()
        .filter(|(_, waiting)| waiting.since.elapsed() < GIVEN_UP);
    let plan = Plan::of(awaited.map(|(index, waiting)| (index, waiting.row)));
    let claimed = statements(&plan.leaders, Leader::bytes)
        .flat_map(|leaders| together(leaders, &mut |leaders| claim(writer, deadline, leaders)));
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
    /// Groups the rows by key and sorts the groups.
    fn of(rows: impl IntoIterator<Item = (usize, Acceptance)>) -> Self {
        let mut groups: Vec<(Leader, Vec<Member>)> = Vec::new();
        let mut by_key: HashMap<(String, [u8; 32]), usize> = HashMap::new();
        for (index, row) in rows {
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
                leader.followers.push(fingerprint);
                members.push(Member { index, fingerprint });
                continue;
            }
            if let Some(name) = name {
                by_key.insert(name, groups.len());
            }
            let leader = Leader {
                row,
                key_hash: key_hash.unwrap_or_default(),
                followers: Vec::new(),
            };
            groups.push((leader, vec![Member { index, fingerprint }]));
        }
        groups.sort_by(|(one, _), (two, _)| one.order().cmp(&two.order()));
        let (leaders, members) = groups.into_iter().unzip();
        Self { leaders, members }
    }
}

impl Leader {
    fn bytes(&self) -> usize {
        let routed = self.row.routed.as_ref().map_or(0, RoutedEvent::bytes);
        self.row.event.body.len() + self.row.event.headers.len() + routed
    }

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

/// Asks the database for all leaders at once, and again for those whose claim vanished.
fn claim(
    writer: &mut Writer,
    deadline: std::time::Instant,
    leaders: &[Leader],
) -> Result<Vec<Claimed>, BatchError> {
    let mut claimed: Vec<Claimed> = leaders.iter().map(|_| Claimed::Vanished).collect();
    for _ in 0..VANISHED {
        let (open, rows): (Vec<&mut Claimed>, Vec<&Leader>) = claimed
            .iter_mut()
            .zip(leaders)
            .filter(|(claimed, _)| matches!(claimed, Claimed::Vanished))
            .unzip();
        if rows.is_empty() {
            break;
        }
        let found = writer.run(
            deadline,
            |conn| postgres::hot::accept(conn, &rows),
            |conn| sqlite::hot::accept(conn, &rows),
        )?;
        for (slot, found) in open.into_iter().zip(found) {
            *slot = found;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRing, Settings};
    use bytes::Bytes;
    use proptest::prelude::*;
    use wire::WorkspaceId;

    fn row(claim: Option<(u8, u8, Option<u8>)>) -> Acceptance {
        let now = Instant::now();
        Acceptance {
            claim: claim.map(|(scope, key, fingerprint)| NewClaim {
                scope: format!("so_{scope}"),
                key: key.to_string(),
                fingerprint: fingerprint.map(|byte| [byte; 32]),
                window: Duration::from_hours(1),
            }),
            event: NewEvent::plain(
                EventId::new(now, rand::random()),
                WorkspaceId::from_stored("ws_acme"),
                now,
                Bytes::from_static(b"{}"),
            ),
            routed: None,
        }
    }

    fn claims() -> impl Strategy<Value = Vec<Option<(u8, u8, Option<u8>)>>> {
        let claim = (0_u8..3, 0_u8..4, proptest::option::of(0_u8..3));
        proptest::collection::vec(proptest::option::weighted(0.8, claim), 0..200)
    }

    proptest! {
        #[test]
        fn a_plan_has_every_row_once_behind_the_first_of_its_key(claims in claims()) {
            let rows: Vec<Acceptance> = claims.iter().copied().map(row).collect();
            let ids: Vec<EventId> = rows.iter().map(|row| row.event.id).collect();
            let plan = Plan::of(rows.into_iter().enumerate());
            let mut seen = vec![false; ids.len()];
            for (leader, members) in plan.leaders.iter().zip(&plan.members) {
                let indexes: Vec<usize> = members.iter().map(|member| member.index).collect();
                prop_assert!(indexes.is_sorted(), "in the order of their coming");
                prop_assert_eq!(ids[indexes[0]], leader.row.event.id);
                prop_assert_eq!(leader.followers.len(), members.len() - 1);
                for member in members {
                    prop_assert!(!std::mem::replace(&mut seen[member.index], true), "twice");
                    let claim = claims[member.index];
                    prop_assert_eq!(member.fingerprint, claim.and_then(|(_, _, byte)| byte).map(|byte| [byte; 32]));
                    let name = |claim: Option<(u8, u8, Option<u8>)>| claim.map(|(scope, key, _)| (scope, key));
                    prop_assert_eq!(name(claim), name(claims[indexes[0]]));
                }
                let fingerprints: Vec<_> = members[1..].iter().map(|member| member.fingerprint).collect();
                prop_assert_eq!(&leader.followers, &fingerprints);
            }
            prop_assert!(seen.iter().all(|seen| *seen), "left out");
        }

        #[test]
        fn leaders_have_keys_of_their_own_and_stand_in_one_order(claims in claims()) {
            let plan = Plan::of(claims.into_iter().map(row).enumerate());
            let keyed = plan.leaders.iter().filter(|leader| leader.row.claim.is_some());
            let order: Vec<_> = keyed.map(Leader::order).collect();
            prop_assert!(order.is_sorted_by(|one, two| one < two));
        }
    }

    #[tokio::test]
    async fn what_waited_for_longer_than_its_sender_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            url: format!("sqlite:{}/ledger.db", folder.path().display()).into(),
            max_connections: 1,
            acquire_timeout: Duration::from_secs(5),
        };
        let store = Store::connect(settings, KeyRing::parse(&[]).unwrap())
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let now = std::time::Instant::now();
        let (late, early) = (row(Some((1, 1, None))), row(Some((1, 1, None))));
        let (missed, awaited) = (late.event.id, early.event.id);
        let batch = vec![
            Waiting {
                row: late,
                since: now.checked_sub(GIVEN_UP).unwrap(),
            },
            Waiting {
                row: early,
                since: now,
            },
        ];
        let answers = accept(&mut Writer::of(&store), batch);
        assert!(matches!(answers[0], Err(AcceptError::Overloaded)), "{answers:?}");
        assert!(matches!(answers[1], Ok(Accepted::Created)), "{answers:?}");
        let workspace = WorkspaceId::from_stored("ws_acme");
        assert!(store.event(&workspace, missed).await.unwrap().is_none());
        assert!(store.event(&workspace, awaited).await.unwrap().is_some());
    }
}
