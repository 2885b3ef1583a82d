//! The rows that the actors share, and what the ledger checks when it writes.

use hookyard_waitbox::{Candidate, Gift, Offer};
use wire::{Instant, RunId};

/// Where an event is on its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Absent,
    Accepted,
    /// And the routes saw it.
    Routed,
    /// Without the routes.
    Taken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) events: Vec<Event>,
    /// Whether each run waits. A run waits once, for the first event that comes.
    pub(crate) waits: Vec<bool>,
    /// Run, event, and whether it is the run's alone.
    pub(crate) inbox: Vec<(u8, u8, bool)>,
    pub(crate) is_broadcast: bool,
}

pub(crate) fn run(number: u8) -> RunId {
    RunId::new(
        Instant::from_unix_micros(1_790_000_000_000_000),
        u128::from(number),
    )
}

fn number(of: RunId) -> u8 {
    (0..8).find(|number| run(*number) == of).unwrap()
}

impl Ledger {
    pub(crate) fn waits(&self) -> Vec<Candidate> {
        let waiting = (0_u8..).zip(&self.waits).filter(|(_, waits)| **waits);
        waiting
            .map(|(number, _)| Candidate {
                run: run(number),
                effect: 1,
                filter: 0,
                is_any: true,
                is_broadcast: self.is_broadcast,
            })
            .collect()
    }

    pub(crate) fn has(&self, run: u8, event: u8) -> bool {
        self.inbox.iter().any(|(of, had, _)| (*of, *had) == (run, event))
    }

    /// Who has an event alone.
    pub(crate) fn owner(&self, event: u8) -> Option<u8> {
        let mut rows = self.inbox.iter();
        rows.find(|(_, had, alone)| *had == event && *alone)
            .map(|(run, ..)| *run)
    }

    /// `RoutingQueue::route`: says whether the event was written as it was decided.
    pub(crate) fn route(&mut self, event: u8, offer: &Offer, knows_owner: bool) -> bool {
        let stands =
            |gift: &Gift| self.waits[usize::from(number(gift.run))] && !self.has(number(gift.run), event);
        let is_accepted = self.events[usize::from(event)] == Event::Accepted;
        let is_free = knows_owner || self.owner(event).is_none();
        if !is_accepted || !is_free || !offer.taken.iter().all(stands) {
            return false;
        }
        let gifts: Vec<Gift> = offer.gifts().filter(|gift| stands(gift)).copied().collect();
        for gift in gifts {
            self.put(event, &gift);
        }
        let is_exclusive = offer.taken.is_some() || knows_owner;
        self.events[usize::from(event)] = if is_exclusive { Event::Taken } else { Event::Routed };
        true
    }

    /// `Store::give`.
    pub(crate) fn give(&mut self, event: u8, gift: &Gift) {
        let of = number(gift.run);
        let is_others = gift.is_exclusive && self.owner(event).is_some();
        if self.waits[usize::from(of)] && !self.has(of, event) && !is_others {
            self.put(event, gift);
        }
    }

    fn put(&mut self, event: u8, gift: &Gift) {
        let of = number(gift.run);
        self.inbox.push((of, event, gift.is_exclusive));
        self.inbox.sort_unstable();
        self.waits[usize::from(of)] = false;
    }
}
