//! Who acts on the ledger, step by step.

use crate::ledger::{Event, Ledger, run};
use hookyard_waitbox::{Candidate, Spent, decide};

/// How often a router decides one event anew.
const TRIES: u8 = 2;

/// Where an actor stands. Each step leads to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// Inserts events, this one next.
    Sender {
        next: u8,
    },
    Router(Router),
    Runner(Runner),
}

/// Goes through the events once; what it leaves is for the next router.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Router {
    event: u8,
    tries: u8,
    /// The waits that it has read, and who has the event alone, when it has.
    read: Option<(Vec<Waiting>, Option<u8>)>,
}

/// A run, and whether others see the event too.
type Waiting = (wire::RunId, bool);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    Begins {
        run: u8,
    },
    LooksBack {
        run: u8,
    },
    /// Has these events left to try.
    Gives {
        run: u8,
        found: Vec<u8>,
    },
    Ended,
}

impl Router {
    pub(crate) const fn new() -> Self {
        Self {
            event: 0,
            tries: 0,
            read: None,
        }
    }
}

impl Actor {
    pub(crate) fn is_done(&self, ledger: &Ledger) -> bool {
        let all = |event: &u8| usize::from(*event) >= ledger.events.len();
        match self {
            Self::Sender { next } => all(next),
            Self::Router(router) => all(&router.event),
            Self::Runner(runner) => *runner == Runner::Ended,
        }
    }

    /// Makes the next step; none when it has to wait for another.
    pub(crate) fn step(&self, ledger: &Ledger, looks_back: bool) -> Option<(Self, Ledger)> {
        let mut ledger = ledger.clone();
        let next = match self {
            Self::Sender { next } => {
                ledger.events[usize::from(*next)] = Event::Accepted;
                Self::Sender { next: next + 1 }
            }
            Self::Router(router) => Self::Router(router.step(&mut ledger)?),
            Self::Runner(runner) => Self::Runner(runner.step(&mut ledger, looks_back)),
        };
        Some((next, ledger))
    }
}

impl Router {
    fn step(&self, ledger: &mut Ledger) -> Option<Self> {
        let event = self.event;
        let after = Self {
            event: event + 1,
            tries: 0,
            read: None,
        };
        let Some((waits, owner)) = &self.read else {
            return match ledger.events[usize::from(event)] {
                Event::Absent => None,
                Event::Routed | Event::Taken => Some(after),
                Event::Accepted => {
                    let waits = ledger
                        .waits()
                        .into_iter()
                        .map(|wait| (wait.run, wait.is_broadcast));
                    // Who has it is read only when a decision could not be written.
                    let owner = (self.tries > 0).then(|| ledger.owner(event)).flatten();
                    let mut free: Vec<Waiting> = waits.collect();
                    if self.tries > 0 {
                        free.retain(|(of, _)| {
                            !(0..8).any(|number| run(number) == *of && ledger.has(number, event))
                        });
                    }
                    Some(Self {
                        read: Some((free, owner)),
                        ..self.clone()
                    })
                }
            };
        };
        let matching: Vec<Candidate> = waits
            .iter()
            .filter(|(_, is_broadcast)| owner.is_none() || *is_broadcast)
            .map(|(run, is_broadcast)| Candidate {
                run: *run,
                effect: 1,
                filter: 0,
                is_any: true,
                is_broadcast: *is_broadcast,
            })
            .collect();
        let offer = decide(&matching, &mut Spent::default());
        let is_written = ledger.route(event, &offer, owner.is_some());
        let is_still_accepted = ledger.events[usize::from(event)] == Event::Accepted;
        if is_written || !is_still_accepted || self.tries + 1 >= TRIES {
            return Some(after);
        }
        Some(Self {
            event,
            tries: self.tries + 1,
            read: None,
        })
    }
}

impl Runner {
    fn step(&self, ledger: &mut Ledger, looks_back: bool) -> Self {
        match self {
            Self::Begins { run } => {
                ledger.waits[usize::from(*run)] = true;
                if looks_back {
                    Self::LooksBack { run: *run }
                } else {
                    Self::Ended
                }
            }
            Self::LooksBack { run } => {
                let there = (0_u8..)
                    .zip(&ledger.events)
                    .filter(|(_, event)| **event != Event::Absent);
                let found: Vec<u8> = there.map(|(number, _)| number).collect();
                Self::giving(*run, found)
            }
            Self::Gives { run: number, found } => {
                let (event, rest) = found.split_first().unwrap();
                let wait = Candidate {
                    run: run(*number),
                    effect: 1,
                    filter: 0,
                    is_any: true,
                    is_broadcast: ledger.is_broadcast,
                };
                let offer = decide(&[wait], &mut Spent::default());
                for gift in offer.gifts() {
                    ledger.give(*event, gift);
                }
                let is_satisfied = !ledger.waits[usize::from(*number)];
                Self::giving(*number, if is_satisfied { Vec::new() } else { rest.to_vec() })
            }
            Self::Ended => Self::Ended,
        }
    }

    fn giving(run: u8, found: Vec<u8>) -> Self {
        if found.is_empty() {
            Self::Ended
        } else {
            Self::Gives { run, found }
        }
    }
}
