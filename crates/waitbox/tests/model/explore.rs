//! All states that can be reached.

use crate::actors::{Actor, Router, Runner};
use crate::ledger::{Event, Ledger};
use std::collections::HashSet;

/// More than the largest setting has. A model that has no end runs into it.
const MOST_STATES: usize = 2_000_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) runs: u8,
    pub(crate) events: u8,
    pub(crate) routers: u8,
    pub(crate) is_broadcast: bool,
    pub(crate) looks_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    ledger: Ledger,
    actors: Vec<Actor>,
}

pub(crate) struct Found {
    /// The ledger where nobody has anything left to do, each that there is once.
    pub(crate) ends: HashSet<Ledger>,
}

impl Ledger {
    pub(crate) fn inboxes(&self) -> Vec<Vec<u8>> {
        let of = |run: u8| self.inbox.iter().filter(move |row| row.0 == run);
        let runs = 0..u8::try_from(self.waits.len()).unwrap();
        runs.map(|run| of(run).map(|row| row.1).collect()).collect()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waits.iter().filter(|waits| **waits).count()
    }

    pub(crate) fn is_seen_by_routes(&self, event: u8) -> bool {
        self.events[usize::from(event)] == Event::Routed
    }
}

pub(crate) fn explore(setting: Setting) -> Found {
    let mut actors = vec![Actor::Sender { next: 0 }];
    actors.extend((0..setting.routers).map(|_| Actor::Router(Router::new())));
    actors.extend((0..setting.runs).map(|run| Actor::Runner(Runner::Begins { run })));
    let first = State {
        ledger: Ledger {
            events: vec![Event::Absent; usize::from(setting.events)],
            waits: vec![false; usize::from(setting.runs)],
            inbox: Vec::new(),
            is_broadcast: setting.is_broadcast,
        },
        actors,
    };
    let (mut seen, mut open) = (HashSet::from([first.clone()]), vec![first]);
    let mut ends = HashSet::new();
    while let Some(state) = open.pop() {
        assert!(seen.len() <= MOST_STATES, "the model has no end: {setting:?}");
        let mut has_stepped = false;
        for (place, actor) in state.actors.iter().enumerate() {
            if actor.is_done(&state.ledger) {
                continue;
            }
            let Some((after, ledger)) = actor.step(&state.ledger, setting.looks_back) else {
                continue;
            };
            assert!(
                after != *actor,
                "a step leads to a later place: {actor:?} in {:?}",
                state.ledger
            );
            has_stepped = true;
            let mut next = State {
                ledger,
                actors: state.actors.clone(),
            };
            next.actors[place] = after;
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
        if !has_stepped {
            ends.insert(sweep(state.ledger));
        }
    }
    assert!(!ends.is_empty());
    Found { ends }
}

/// What is left is routed by a sweep, with nobody else about. It takes as many rounds as there are events, and a few.
fn sweep(mut ledger: Ledger) -> Ledger {
    for _ in 0..4 {
        let mut router = Actor::Router(Router::new());
        // A router makes two steps a try, and has two tries an event.
        for _ in 0..4 * ledger.events.len() {
            if router.is_done(&ledger) {
                break;
            }
            let Some((after, next)) = router.step(&ledger, true) else {
                break;
            };
            (router, ledger) = (after, next);
        }
    }
    let is_left = |event: &Event| *event == Event::Accepted;
    assert!(
        !ledger.events.iter().any(is_left),
        "an event is never routed: {ledger:?}"
    );
    ledger
}
