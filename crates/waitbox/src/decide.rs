//! Who gets an event: a pure function of the waits that match it.

use std::collections::BTreeSet;
use wire::RunId;

/// A wait that an event may be given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whose.
    pub run: RunId,
    /// The listen's effect.
    pub effect: i32,
    /// Which of its filters.
    pub filter: i32,
    /// Whether the first message ends the listen as a whole.
    pub is_any: bool,
    /// Whether other runs and the routes see the event too.
    pub is_broadcast: bool,
}

/// An event for a run, by one of its waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gift {
    /// Who gets it.
    pub run: RunId,
    /// The listen's effect.
    pub effect: i32,
    /// Which of its filters.
    pub filter: i32,
    /// Whether the listen ends with it, so that all of its waits go.
    pub is_any: bool,
    /// Whether it is this run's alone.
    pub is_exclusive: bool,
}

/// What becomes of one event in the waitbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Who takes it, so that the routes do not see it.
    pub taken: Option<Gift>,
    /// Who is told of it besides, oldest run first.
    pub told: Vec<Gift>,
}

impl Offer {
    /// All that is given.
    pub fn gifts(&self) -> impl Iterator<Item = &Gift> {
        self.taken.iter().chain(&self.told)
    }
}

/// The waits that earlier events of a batch have used up.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    listens: BTreeSet<(RunId, i32)>,
    waits: BTreeSet<(RunId, i32, i32)>,
}

impl Spent {
    /// Whether an earlier event has it.
    pub fn has(&self, run: RunId, effect: i32, filter: i32) -> bool {
        self.listens.contains(&(run, effect)) || self.waits.contains(&(run, effect, filter))
    }

    /// Uses up what a gift is given by.
    pub fn add(&mut self, gift: &Gift) {
        if gift.is_any {
            self.listens.insert((gift.run, gift.effect));
        } else {
            self.waits.insert((gift.run, gift.effect, gift.filter));
        }
    }
}

/// Says who gets an event that all of `matching` wait for, and notes what that uses up.
///
/// An exclusive wait gives it to the run that began first, by the first of its listens; broadcast waits to each of their
/// runs. One run gets one event once, so whoever takes it is not told of it besides.
pub fn decide(matching: &[Candidate], spent: &mut Spent) -> Offer {
    let mut free: Vec<&Candidate> = matching
        .iter()
        .filter(|wait| !spent.has(wait.run, wait.effect, wait.filter))
        .collect();
    free.sort_by_key(|wait| (wait.run, wait.effect, wait.filter));
    let taken = free.iter().find(|wait| !wait.is_broadcast).map(|wait| gift(wait));
    let mut told: Vec<Gift> = Vec::new();
    for wait in free.iter().filter(|wait| wait.is_broadcast) {
        let has_it = |gift: &Gift| gift.run == wait.run;
        if !taken.as_ref().is_some_and(has_it) && !told.last().is_some_and(has_it) {
            told.push(gift(wait));
        }
    }
    let offer = Offer { taken, told };
    for gift in offer.gifts() {
        spent.add(gift);
    }
    offer
}

fn gift(wait: &Candidate) -> Gift {
    Gift {
        run: wait.run,
        effect: wait.effect,
        filter: wait.filter,
        is_any: wait.is_any,
        is_exclusive: !wait.is_broadcast,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::Instant;

    fn run(number: u32) -> RunId {
        RunId::new(
            Instant::from_unix_micros(1_790_000_000_000_000),
            u128::from(number),
        )
    }

    fn wait() -> impl Strategy<Value = Candidate> {
        (0..4_u32, 0..2_i32, 0..2_i32).prop_map(|(number, effect, filter)| Candidate {
            run: run(number),
            effect,
            filter,
            // What a listen is does not change from filter to filter.
            is_any: effect == 0,
            is_broadcast: (number + effect.unsigned_abs()) % 3 == 0,
        })
    }

    fn waits() -> impl Strategy<Value = Vec<Candidate>> {
        proptest::collection::vec(wait(), 0..10).prop_map(|mut waits| {
            waits.dedup_by_key(|wait| (wait.run, wait.effect, wait.filter));
            waits
        })
    }

    proptest! {
        #[test]
        fn the_oldest_exclusive_run_takes_an_event_alone(waits in waits()) {
            let offer = decide(&waits, &mut Spent::default());
            let oldest = waits.iter().filter(|wait| !wait.is_broadcast).map(|wait| wait.run).min();
            prop_assert_eq!(offer.taken.map(|gift| gift.run), oldest);
            prop_assert!(offer.taken.is_none_or(|gift| gift.is_exclusive));
            let mut broadcast: Vec<RunId> = waits
                .iter()
                .filter(|wait| wait.is_broadcast && Some(wait.run) != oldest)
                .map(|wait| wait.run)
                .collect();
            broadcast.sort();
            broadcast.dedup();
            let told: Vec<RunId> = offer.told.iter().map(|gift| gift.run).collect();
            prop_assert_eq!(told, broadcast);
        }

        #[test]
        fn no_wait_is_used_twice_and_no_ended_listen_hears_more(waits in waits(), events in 1..8_usize) {
            let mut spent = Spent::default();
            let mut given: Vec<Gift> = Vec::new();
            for _ in 0..events {
                let offer = decide(&waits, &mut spent);
                for gift in offer.gifts() {
                    let is_new = given.iter().all(|earlier| {
                        (earlier.run, earlier.effect) != (gift.run, gift.effect)
                            || (!gift.is_any && earlier.filter != gift.filter)
                    });
                    prop_assert!(is_new, "{:?} after {:?}", gift, given);
                    given.push(*gift);
                }
            }
        }

        #[test]
        fn the_order_in_which_waits_are_read_does_not_matter(
            (waits, shuffled) in waits().prop_flat_map(|waits| (Just(waits.clone()), Just(waits).prop_shuffle())),
        ) {
            let decided = decide(&waits, &mut Spent::default());
            prop_assert_eq!(decided, decide(&shuffled, &mut Spent::default()));
        }
    }
}
