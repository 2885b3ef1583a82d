//! Which of the deliveries in hand may start: one line per endpoint, and slots that all lines share.
//!
//! # Motivation
//!
//! A slow endpoint must wait for itself alone. Were there one line for all, the endpoint that hangs would fill it. And
//! were there no lines at all, an endpoint with a backlog would have its deliveries leased and given back over and
//! over, at two writes each.
//!
//! # Theory of operation
//!
//! Each endpoint has a line that is bounded, and takes up at most `concurrency` slots: few at first, and one more with
//! each that went well, so that a hundred endpoints that hang at once do not have all slots before the first times out. The slots go round the lines that
//! can go on, one each. A line that is more than half full asks the sweep to leave its endpoint out; one that is full
//! turns deliveries away, and they stay due in the ledger, for this worker or another.
//!
//! A delivery waits, takes up a slot while its request runs, and is held without one until its outcome is recorded: the
//! ledger's latency is no receiver's. One that failed keeps its place in its line until then, though not its slot: only
//! the ledger knows whether its endpoint's circuit opens, and until it says so no more than those few are tried in vain.
//!
//! Nothing here does I/O or reads a clock.

mod line;

use crate::rate::Rate;
use line::{Line, Listed};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Instant;
use uuid::Uuid;
use wire::{DeliveryId, EndpointId};

/// How much is held at the most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Deliveries being attempted.
    pub(crate) slots: usize,
    /// Attempts at the same time that a line begins with.
    pub(crate) window: usize,
    /// Deliveries waiting in one line.
    pub(crate) line: usize,
    /// Deliveries waiting in all lines.
    pub(crate) waiting: usize,
    /// Deliveries whose outcome is being recorded.
    pub(crate) recording: usize,
    /// Bytes of everything held. The last one admitted may exceed it.
    pub(crate) bytes: usize,
}

/// What an endpoint allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Attempts at the same time.
    pub(crate) concurrency: usize,
    /// Attempts per time.
    pub(crate) rate: Option<Rate>,
}

/// A delivery that this worker has a lease on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) delivery: DeliveryId,
    pub(crate) lease: Uuid,
    pub(crate) endpoint: EndpointId,
    /// Whether a sweep brought it.
    pub(crate) is_swept: bool,
    /// Of its body.
    pub(crate) bytes: usize,
    /// Later the lease would not outlast an attempt.
    pub(crate) start_by: Instant,
}

/// What became of a delivery at the end of its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is held.
    Held,
    /// It was held already: the conveyor brought its reference twice.
    Twice,
    /// There is no room for it here.
    NoRoom,
}

/// The deliveries that a worker holds, by endpoint. `J` is what an attempt needs besides the ticket.
#[derive(Debug)]
pub(crate) struct Lines<J> {
    bounds: Bounds,
    by_endpoint: HashMap<EndpointId, Line<J>>,
    held: HashMap<DeliveryId, (Uuid, Stage)>,
    /// Lines that may be able to go on, each at most once.
    ready: VecDeque<EndpointId>,
    /// Lines that go on when their rate allows it.
    throttled: BTreeSet<(Instant, EndpointId)>,
    /// Lines that a sweep leaves out.
    crowded: HashSet<EndpointId>,
    waiting: usize,
    /// Of those waiting, how many only lack a slot.
    startable: usize,
    running: usize,
    /// Of those running, how many a sweep brought.
    running_swept: usize,
    recording: usize,
    bytes: usize,
    is_closed: bool,
    /// Whether somebody waits for room, and whether there is some since.
    relief: Relief,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
    Recording,
    /// Being recorded, with a place in its line.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relief {
    NotNeeded,
    Wanted,
    Come,
}

impl<J> Lines<J> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            by_endpoint: HashMap::new(),
            held: HashMap::new(),
            ready: VecDeque::new(),
            throttled: BTreeSet::new(),
            crowded: HashSet::new(),
            waiting: 0,
            startable: 0,
            running: 0,
            running_swept: 0,
            recording: 0,
            bytes: 0,
            is_closed: false,
            relief: Relief::NotNeeded,
        }
    }

    /// Puts a delivery at the end of its endpoint's line.
    pub(crate) fn admit(&mut self, ticket: Ticket, limits: Limits, job: J) -> Admission {
        if self.held.contains_key(&ticket.delivery) {
            return Admission::Twice;
        }
        if self.is_closed || self.waiting >= self.bounds.waiting {
            return Admission::NoRoom;
        }
        let endpoint = ticket.endpoint.clone();
        let line = self
            .by_endpoint
            .entry(endpoint.clone())
            .or_insert_with(|| Line::new(limits, self.bounds.window));
        line.limits = limits;
        if line.waiting.len() >= self.bounds.line {
            return Admission::NoRoom;
        }
        self.held.insert(ticket.delivery, (ticket.lease, Stage::Waiting));
        self.bytes += ticket.bytes;
        self.waiting += 1;
        line.waiting.push_back((ticket, job));
        if line.waiting.len() > self.bounds.line / 2 {
            self.crowded.insert(endpoint.clone());
        }
        self.settle(&endpoint);
        Admission::Held
    }

    /// Takes the next delivery that may start.
    pub(crate) fn start(&mut self, now: Instant) -> Option<(Ticket, J)> {
        self.unthrottle(now);
        while self.running < self.bounds.slots && self.recording < self.bounds.recording {
            let endpoint = self.ready.pop_front()?;
            let Some(line) = self.by_endpoint.get_mut(&endpoint) else {
                continue;
            };
            line.listed = Listed::Nowhere;
            if line.startable == 0 {
                continue;
            }
            if let Some(rate) = line.limits.rate
                && let Err(at) = line.bucket.take(rate, now)
            {
                line.listed = Listed::Throttled;
                self.settle(&endpoint);
                self.throttled.insert((at, endpoint));
                continue;
            }
            let started = line.waiting.pop_front();
            line.running += 1;
            self.running += 1;
            let is_swept = started.as_ref().is_some_and(|(ticket, _)| ticket.is_swept);
            self.running_swept += usize::from(is_swept);
            if let Some((_, stage)) = started
                .as_ref()
                .and_then(|(ticket, _)| self.held.get_mut(&ticket.delivery))
            {
                *stage = Stage::Running;
            }
            self.left(&endpoint);
            self.settle(&endpoint);
            return started;
        }
        None
    }

    /// Gives the slot of a started delivery back, while its outcome is recorded; `well` says whether it was a success.
    pub(crate) fn answered(&mut self, ticket: &Ticket, well: bool) {
        let Some((_, stage @ Stage::Running)) = self.held.get_mut(&ticket.delivery) else {
            return;
        };
        *stage = if well { Stage::Recording } else { Stage::Failed };
        self.recording += 1;
        self.running -= 1;
        self.running_swept -= usize::from(ticket.is_swept);
        if well && let Some(line) = self.by_endpoint.get_mut(&ticket.endpoint) {
            line.succeeded();
        }
        self.settle(&ticket.endpoint);
        self.relieve();
    }

    /// Lets go of a started delivery.
    pub(crate) fn finish(&mut self, ticket: &Ticket) {
        self.answered(ticket, false);
        let Some((_, stage @ (Stage::Recording | Stage::Failed))) = self.held.get(&ticket.delivery).copied()
        else {
            return;
        };
        self.held.remove(&ticket.delivery);
        self.recording -= 1;
        self.bytes -= ticket.bytes;
        if stage == Stage::Failed
            && let Some(line) = self.by_endpoint.get_mut(&ticket.endpoint)
        {
            line.failed();
        }
        self.settle(&ticket.endpoint);
        self.relieve();
    }

    /// Takes out what has waited for too long.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<Ticket> {
        self.take_waiting(|ticket| ticket.start_by <= now)
    }

    /// Takes out what waits in one line.
    pub(crate) fn take_of(&mut self, endpoint: &EndpointId) -> Vec<Ticket> {
        self.take_waiting(|ticket| ticket.endpoint == *endpoint)
    }

    /// Takes out everything that waits, and takes nothing more.
    pub(crate) fn close(&mut self) -> Vec<Ticket> {
        self.is_closed = true;
        self.take_waiting(|_| true)
    }

    /// The leases on everything that is held.
    pub(crate) fn leases(&self) -> Vec<(DeliveryId, Uuid)> {
        self.held.iter().map(|(id, (lease, _))| (*id, *lease)).collect()
    }

    /// The leases of what runs or is being recorded, which must not run out meanwhile.
    pub(crate) fn leases_in_use(&self) -> Vec<(DeliveryId, Uuid)> {
        let in_use = self
            .held
            .iter()
            .filter(|(_, (_, stage))| *stage != Stage::Waiting);
        in_use.map(|(id, (lease, _))| (*id, *lease)).collect()
    }

    /// Forgets the lines that are empty and whose rate is unused.
    pub(crate) fn forget_idle(&mut self, now: Instant) {
        self.by_endpoint.retain(|_, line| !line.is_idle(now));
    }

    /// When a line that waits for its rate can go on.
    pub(crate) fn next_start(&self) -> Option<Instant> {
        self.throttled.first().map(|(at, _)| *at)
    }

    /// How many more deliveries a sweep may bring.
    pub(crate) fn room(&self) -> usize {
        if self.bytes >= self.bounds.bytes {
            return 0;
        }
        let slots = self.bounds.slots.saturating_sub(self.running + self.startable);
        let waiting = self.bounds.waiting - self.waiting;
        let recording = self.bounds.recording.saturating_sub(self.recording);
        slots.min(waiting).min(recording)
    }

    /// How many of them at the most: a quarter of the slots is for first attempts, so that late retries that hang do not
    /// keep fresh deliveries waiting.
    pub(crate) fn room_for_swept(&self) -> usize {
        let most = (self.bounds.slots - self.bounds.slots / 4).max(1);
        self.room().min(most.saturating_sub(self.running_swept))
    }

    /// Whether there is room worth a sweep, which there is more for. If not, [`Lines::relieved`] says when there is.
    pub(crate) fn has_room_or_wants_it(&mut self) -> bool {
        let has_room = self.room_for_swept() >= self.worth_a_sweep();
        if !has_room && self.relief == Relief::NotNeeded {
            self.relief = Relief::Wanted;
        }
        has_room
    }

    /// Whether there is room for a sweep again. Says so once.
    pub(crate) fn relieved(&mut self) -> bool {
        let come = self.relief == Relief::Come;
        if come {
            self.relief = Relief::NotNeeded;
        }
        come
    }

    /// The endpoints that a sweep leaves out.
    pub(crate) fn crowded(&self) -> Vec<EndpointId> {
        self.crowded.iter().cloned().collect()
    }

    /// How many attempts run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// An eighth of the slots: one query for each slot that comes free would be too many.
    fn worth_a_sweep(&self) -> usize {
        (self.bounds.slots / 8).max(1)
    }

    fn relieve(&mut self) {
        if self.relief == Relief::Wanted && self.room_for_swept() >= self.worth_a_sweep() {
            self.relief = Relief::Come;
        }
    }

    /// Notes that a delivery left a line.
    fn left(&mut self, endpoint: &EndpointId) {
        self.waiting -= 1;
        let length = self
            .by_endpoint
            .get(endpoint)
            .map_or(0, |line| line.waiting.len());
        if length <= self.bounds.line / 2 && self.crowded.remove(endpoint) {
            self.relief = Relief::Come;
        }
    }

    /// Lines those up again whose rate allows another attempt.
    fn unthrottle(&mut self, now: Instant) {
        while self.next_start().is_some_and(|at| at <= now) {
            let Some((_, endpoint)) = self.throttled.pop_first() else {
                return;
            };
            if let Some(line) = self.by_endpoint.get_mut(&endpoint) {
                line.listed = Listed::Nowhere;
            }
            self.settle(&endpoint);
        }
    }

    /// Follows a change of a line: counts it anew, and lines it up for a slot if it has use for one.
    fn settle(&mut self, endpoint: &EndpointId) {
        let Some(line) = self.by_endpoint.get_mut(endpoint) else {
            return;
        };
        let allowed = match line.listed {
            Listed::Throttled => 0,
            Listed::Nowhere | Listed::Ready => line.allowed(),
        };
        let startable = line.waiting.len().min(allowed);
        self.startable = self.startable - line.startable + startable;
        line.startable = startable;
        if startable > 0 && line.listed == Listed::Nowhere {
            line.listed = Listed::Ready;
            self.ready.push_back(endpoint.clone());
        }
    }

    fn take_waiting(&mut self, leaves: impl Fn(&Ticket) -> bool) -> Vec<Ticket> {
        let mut taken = Vec::new();
        for line in self.by_endpoint.values_mut() {
            let (left, stays) = std::mem::take(&mut line.waiting)
                .into_iter()
                .partition(|(ticket, _)| leaves(ticket));
            line.waiting = stays;
            taken.extend(left.into_iter().map(|(ticket, _): (Ticket, J)| ticket));
        }
        for ticket in &taken {
            self.held.remove(&ticket.delivery);
            self.bytes -= ticket.bytes;
            self.left(&ticket.endpoint);
            self.settle(&ticket.endpoint);
        }
        taken
    }
}

#[cfg(test)]
mod tests;
