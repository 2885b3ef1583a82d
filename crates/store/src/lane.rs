//! Lanes: when to look for an endpoint's due deliveries, and how many of them to take. Pure.
//!
//! # Motivation
//!
//! Were all due deliveries one queue, an endpoint that is down would put its backlog before everybody's, and the tenant
//! with the most deliveries would have all the slots.
//!
//! # Theory of operation
//!
//! An endpoint's lane is ready at a time. Whoever makes a delivery that waits sets that time back in the same
//! transaction, and so does whoever gives one back. A worker locks the lanes that are ready, leases their deliveries **in a
//! later statement**, and then says when each is ready again. The lock is what keeps deliveries from being stranded: a
//! maker that came first is seen by the later statement, and one that comes later finds the lock, waits, and sets back
//! what the worker has set. Therefore a maker touches the row even when it has nothing to change in it, and a worker
//! passes by a lane that is locked.
//!
//! A lane sleeps past ten seconds only after ten seconds of emptiness. The lock alone would do; this bounds what a fault in
//! one of the makers could cost.

use crate::sql::{Maybe, Stamp, StoredText};
use diesel::Queryable;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use wire::circuit::{Circuit, CircuitState, LONGEST_WAIT};
use wire::{EndpointId, Instant, WorkspaceId};

/// How long a lane must have been empty before it sleeps for longer than this.
const WAKEFUL: Duration = Duration::from_secs(10);

/// How soon a lane is looked at that has as many in flight as it may. What frees a slot of it says so before.
const BUSY: Duration = Duration::from_millis(250);

/// How long a probe is waited for: the longest attempt, and its recording.
const PROBE: Duration = Duration::from_secs(90);

/// A lane that a worker has locked.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Lane {
    #[diesel(deserialize_as = StoredText)]
    pub(crate) endpoint_id: EndpointId,
    #[diesel(deserialize_as = StoredText)]
    pub(crate) workspace_id: WorkspaceId,
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub(crate) idle_since: Option<Instant>,
    pub(crate) circuit: String,
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub(crate) probe_at: Option<Instant>,
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub(crate) waits_since: Option<Instant>,
    pub(crate) max_in_flight: Option<i32>,
}

impl Lane {
    pub(crate) fn is_open(&self) -> bool {
        self.circuit == "open"
    }

    /// Whether its circuit is open for so long that deliveries which waited all the time are given up.
    pub(crate) fn is_past_waiting(&self, now: Instant) -> bool {
        self.is_open()
            && self
                .waits_since
                .is_some_and(|since| now.since(since) >= LONGEST_WAIT)
    }

    /// Fresh deliveries go first while the endpoint recovers.
    pub(crate) fn is_recovering(&self) -> bool {
        self.circuit == "half_open"
    }

    /// Whether it matters how many leases the endpoint has.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_in_flight.is_some() || self.circuit != "closed"
    }

    /// Whether what is leased now is a probe.
    pub(crate) fn is_probed(&self, now: Instant) -> bool {
        self.is_open() && self.probe_at.is_none_or(|at| at <= now)
    }

    /// How many may be leased when `in_flight` are, and at the most `most`.
    pub(crate) fn free(&self, now: Instant, in_flight: usize, most: usize) -> usize {
        if self.is_open() {
            // A probe that is under way pushed `probe_at` back, so what is in flight is of before.
            return usize::from(self.is_probed(now)).min(most);
        }
        match self.max_in_flight {
            None if !self.is_limited() => most,
            limit => {
                let limit = usize::try_from(limit.unwrap_or(1)).unwrap_or(1).max(1);
                limit.saturating_sub(in_flight).min(most)
            }
        }
    }

    /// What to write after `leased` of it were leased at `now`, so that `in_flight` are, and the next is due at `next_due`.
    ///
    /// What is left of a lane that could go on at once is left for want of room, and one with `has_overdue` has more to give
    /// up than was. Any other is not ready before it can, so that a worker which looks on until nothing is ready comes to an
    /// end.
    pub(crate) fn after(
        &self,
        now: Instant,
        leased: usize,
        in_flight: usize,
        next_due: Option<Instant>,
        has_overdue: bool,
    ) -> Looked {
        let probe_at = if self.is_probed(now) && leased > 0 {
            Some(now + PROBE)
        } else {
            self.probe_at
        };
        let not_before = if has_overdue {
            now
        } else if self.is_open() {
            probe_at.unwrap_or(now)
        } else if self.is_limited() && self.free(now, in_flight, 1) == 0 {
            now + BUSY
        } else {
            now
        };
        let idle_since = if leased > 0 { None } else { self.idle_since };
        let (ready_at, idle_since) = next_look(now, next_due, idle_since, not_before);
        Looked {
            ready_at,
            idle_since,
            probe_at,
        }
    }
}

/// What a worker writes into a lane before it lets go of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) ready_at: Option<Instant>,
    pub(crate) idle_since: Option<Instant>,
    pub(crate) probe_at: Option<Instant>,
}

/// When a lane is looked at again, and since when it has been empty.
pub(crate) fn next_look(
    now: Instant,
    next_due: Option<Instant>,
    idle_since: Option<Instant>,
    not_before: Instant,
) -> (Option<Instant>, Option<Instant>) {
    if next_due.is_some_and(|due| due <= now) {
        return (Some(not_before.max(now)), None);
    }
    let since = idle_since.unwrap_or(now);
    let wakeful_until = since + WAKEFUL;
    if now >= wakeful_until {
        return (next_due, Some(since));
    }
    let soon = next_due.map_or(wakeful_until, |due| due.min(wakeful_until));
    (Some(soon), Some(since))
}

/// Shares `room` out among lanes, each of which may take up to its `free`: one in turn for each workspace, and within a
/// workspace one in turn for each lane. Returns each lane's share.
pub(crate) fn share(lanes: &[Lane], free: &[usize], room: usize) -> Vec<usize> {
    let mut shares = vec![0; lanes.len()];
    let mut places: HashMap<&WorkspaceId, usize> = HashMap::new();
    // Each workspace's lanes with room, in the order in which they have been ready.
    let mut turns: Vec<VecDeque<usize>> = Vec::new();
    for (index, (lane, free)) in lanes.iter().zip(free).enumerate() {
        if *free > 0 {
            let place = *places.entry(&lane.workspace_id).or_insert_with(|| {
                turns.push(VecDeque::new());
                turns.len() - 1
            });
            if let Some(turn) = turns.get_mut(place) {
                turn.push_back(index);
            }
        }
    }
    let mut left = room;
    while left > 0 && !turns.is_empty() {
        for turn in &mut turns {
            if left == 0 {
                break;
            }
            let Some(index) = turn.pop_front() else { continue };
            if let (Some(share), Some(free)) = (shares.get_mut(index), free.get(index)) {
                *share += 1;
                left -= 1;
                if *share < *free {
                    turn.push_back(index);
                }
            }
        }
        turns.retain(|turn| !turn.is_empty());
    }
    shares
}

/// A change of an endpoint's health that an outcome brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneNews {
    /// What it is now.
    pub circuit: Circuit,
    /// Whether all deliveries went before.
    pub was_free: bool,
    /// What it was before.
    pub was: CircuitState,
    /// What is to be told.
    pub turn: wire::circuit::Turn,
}

#[cfg(test)]
mod tests;
