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
//! can go on, one each, workspace by workspace ([`tenants`]). A line that is more than half full asks the sweep to leave its endpoint out; one that is full
//! turns deliveries away, and they stay due in the ledger, for this worker or another.
//!
//! A delivery waits, takes up a slot while its request runs, and is held without one until its outcome is recorded: the
//! ledger's latency is no receiver's. One that failed keeps its place in its line until then, though not its slot: only
//! the ledger knows whether its endpoint's circuit opens, and until it says so no more than those few are tried in vain.
//!
//! Nothing here does I/O or reads a clock.

mod line;
mod tenants;
mod ticket;

use crate::rate::Bucket;
use line::{Line, Listed};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;
use tenants::Tenants;
pub(crate) use ticket::{Admission, Bounds, Limits, Ticket};
use uuid::Uuid;
use wire::{DeliveryId, EndpointId, WorkspaceId};

/// The deliveries that a worker holds, by endpoint. `J` is what an attempt needs besides the ticket.
#[derive(Debug)]
pub(crate) struct Lines<J> {
    bounds: Bounds,
    by_endpoint: HashMap<EndpointId, Line<J>>,
    held: HashMap<DeliveryId, (Uuid, Stage)>,
    /// Lines that may be able to go on, by workspace.
    tenants: Tenants,
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
        let most = bounds.slots.saturating_sub(bounds.reserve).max(1);
        Self {
            bounds,
            tenants: Tenants::new(most, worth_a_sweep(bounds.slots)),
            by_endpoint: HashMap::new(),
            held: HashMap::new(),
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
        if let Some((lease, _)) = self.held.get(&ticket.delivery) {
            // Under another lease it was leased anew while what it came to is still being followed up here: nobody else would give
            // that lease back.
            return if *lease == ticket.lease {
                Admission::Twice
            } else {
                Admission::NoRoom
            };
        }
        let is_heavy = self.bytes >= self.bounds.bytes;
        if self.is_closed || is_heavy || self.waiting >= self.bounds.waiting {
            return Admission::NoRoom;
        }
        let (endpoint, workspace) = (ticket.endpoint.clone(), ticket.workspace.clone());
        if self.tenants.waiting(&workspace) >= self.bounds.waiting_each {
            return Admission::NoRoom;
        }
        let line = self
            .by_endpoint
            .entry(endpoint.clone())
            .or_insert_with(|| Line::new(workspace.clone(), limits, self.bounds.window));
        let is_paced_anew = std::mem::replace(&mut line.limits, limits).rate != limits.rate;
        if is_paced_anew {
            line.bucket = Bucket::default();
            if line.listed == Listed::Throttled {
                line.listed = Listed::Nowhere;
                self.throttled.retain(|(_, throttled)| *throttled != endpoint);
            }
        }
        let most = self.bounds.line_of(limits);
        if line.waiting.len() >= most {
            self.settle(&endpoint);
            self.crowded.insert(endpoint);
            return Admission::NoRoom;
        }
        self.held.insert(ticket.delivery, (ticket.lease, Stage::Waiting));
        self.bytes += ticket.bytes;
        self.waiting += 1;
        self.tenants.change(&workspace, |tenant| tenant.waiting += 1);
        line.waiting.push_back((ticket, job));
        if line.waiting.len() > most / 2 {
            self.crowded.insert(endpoint.clone());
        }
        self.settle(&endpoint);
        Admission::Held
    }

    /// Takes the next delivery that may start.
    pub(crate) fn start(&mut self, now: Instant) -> Option<(Ticket, J)> {
        self.unthrottle(now);
        while self.running < self.bounds.slots && self.recording < self.bounds.recording {
            let endpoint = self.tenants.next()?;
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
            let workspace = line.workspace.clone();
            self.tenants.change(&workspace, |tenant| tenant.running += 1);
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
        self.tenants
            .change(&ticket.workspace, |tenant| tenant.running -= 1);
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

    /// Takes out what waits in one line, but no probe: it goes at an open circuit.
    pub(crate) fn take_of(&mut self, endpoint: &EndpointId) -> Vec<Ticket> {
        let line = self.by_endpoint.get_mut(endpoint);
        let taken = line.map(|line| line.take(|ticket| !ticket.is_probe));
        self.let_go(taken.unwrap_or_default())
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

    /// How many more deliveries the conveyor may bring.
    pub(crate) fn room(&self) -> usize {
        self.room_beside(self.startable)
    }

    fn room_beside(&self, startable: usize) -> usize {
        if self.bytes >= self.bounds.bytes {
            return 0;
        }
        let slots = self.bounds.slots.saturating_sub(self.running + startable);
        let waiting = self.bounds.waiting - self.waiting;
        let recording = self.bounds.recording.saturating_sub(self.recording);
        slots.min(waiting).min(recording)
    }

    /// Whether slots are all that is lacking, so that what the conveyor has more of can be left to the ledger, where
    /// workspaces take turns.
    pub(crate) fn lacks_slots_alone(&self) -> bool {
        !self.is_closed && self.bytes < self.bounds.bytes && self.recording < self.bounds.recording
    }

    /// How many more a sweep may bring: a quarter of the slots is for first attempts, so that late retries that hang do not
    /// keep fresh deliveries waiting. What one workspace has more of than it may start leaves room for the others'.
    pub(crate) fn room_for_swept(&self) -> usize {
        let most = (self.bounds.slots - self.bounds.slots / 4).max(1);
        self.room_beside(self.tenants.claims())
            .min(most.saturating_sub(self.running_swept))
    }

    /// Whether there is room worth a sweep, which there is more for. If not, [`Lines::relieved`] says when there is.
    pub(crate) fn has_room_or_wants_it(&mut self) -> bool {
        let has_room = self.has_room();
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

    /// The workspaces that a sweep leaves out: they can use no slot more.
    pub(crate) fn full(&self) -> Vec<WorkspaceId> {
        self.tenants.full()
    }

    /// How many attempts run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    fn has_room(&self) -> bool {
        self.room_for_swept() >= worth_a_sweep(self.bounds.slots) && !self.tenants.is_any_pressing()
    }

    fn relieve(&mut self) {
        if self.relief == Relief::Wanted && self.has_room() {
            self.relief = Relief::Come;
        }
    }

    /// Notes that a delivery left a line.
    fn left(&mut self, endpoint: &EndpointId) {
        self.waiting -= 1;
        let Some(line) = self.by_endpoint.get(endpoint) else {
            return;
        };
        let length = line.waiting.len();
        self.tenants.change(&line.workspace, |tenant| tenant.waiting -= 1);
        if length <= self.bounds.line_of(line.limits) / 2 && self.crowded.remove(endpoint) {
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
        let before = std::mem::replace(&mut line.startable, startable);
        self.startable = self.startable - before + startable;
        let becomes_ready = startable > 0 && line.listed == Listed::Nowhere;
        if becomes_ready {
            line.listed = Listed::Ready;
        }
        if becomes_ready || before != startable {
            self.tenants.change(&line.workspace, |tenant| {
                tenant.startable = tenant.startable - before + startable;
                if becomes_ready {
                    tenant.ready.push_back(endpoint.clone());
                }
            });
        }
    }

    fn take_waiting(&mut self, leaves: impl Fn(&Ticket) -> bool) -> Vec<Ticket> {
        let lines = self.by_endpoint.values_mut();
        let taken = lines.flat_map(|line| line.take(&leaves)).collect();
        self.let_go(taken)
    }

    /// Follows that these were taken out of their lines.
    fn let_go(&mut self, taken: Vec<Ticket>) -> Vec<Ticket> {
        for ticket in &taken {
            self.held.remove(&ticket.delivery);
            self.bytes -= ticket.bytes;
            self.left(&ticket.endpoint);
            self.settle(&ticket.endpoint);
        }
        taken
    }
}

/// An eighth of the slots: one query for each slot that comes free would be too many.
fn worth_a_sweep(slots: usize) -> usize {
    (slots / 8).max(1)
}

#[cfg(test)]
mod tests;
