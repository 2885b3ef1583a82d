//! Programs that were stopped lately, and how long they are left alone.
//!
//! Each program that does not end costs a worker three seconds per event, and its tenant may have a thousand events.
//! So a program has a budget: three stopped evaluations at once, and one more every half a minute. Beyond it the
//! program is answered at once, and what is left of the workers belongs to the others. That an evaluation succeeded in
//! between counts for nothing, or every other event would buy a hostile program its next three seconds.
//!
//! A guest's program may be many runs at once, of which one is hostile: there the budget is each run's own
//! ([`Account`](crate::Account)). All runs of a program that was stopped lately share what workers are left when one is kept
//! for everybody else.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How many stopped evaluations a program may have at once.
const BUDGET: u32 = 3;

/// How long until one of them is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// How many programs are remembered, at most. Beyond it the least guilty is forgotten.
const REMEMBERED: usize = 1024;

/// Programs that were stopped lately.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// When each account will have been forgiven everything.
    clean_at: HashMap<Arc<str>, Instant>,
    /// When each guest's program was stopped last.
    stopped_at: HashMap<Arc<str>, Instant>,
    /// When the last of them was.
    last_stop: Option<Instant>,
}

impl Suspects {
    /// Says how long a program must wait, if it must.
    pub(crate) fn wait(&self, program: &str, now: Instant) -> Option<Duration> {
        let debt = self.clean_at.get(program)?.checked_duration_since(now)?;
        debt.checked_sub(FORGIVEN_AFTER * (BUDGET - 1))
            .filter(|wait| !wait.is_zero())
    }

    /// Whether one of a guest's programs was stopped lately. Does not look at the program's text while none was.
    pub(crate) fn is_suspected(&self, program: &str, now: Instant) -> bool {
        let is_fresh = |stopped: &Instant| now.saturating_duration_since(*stopped) < FORGIVEN_AFTER;
        self.last_stop.as_ref().is_some_and(is_fresh) && self.stopped_at.get(program).is_some_and(is_fresh)
    }

    /// Remembers that one of a guest's programs was stopped, whoever is to blame.
    pub(crate) fn suspect(&mut self, program: &Arc<str>, now: Instant) {
        let is_fresh = |stopped: &Instant| now.saturating_duration_since(*stopped) < FORGIVEN_AFTER;
        self.stopped_at.retain(|_, stopped| is_fresh(stopped));
        if self.stopped_at.len() < REMEMBERED || self.stopped_at.contains_key(program) {
            self.stopped_at.insert(Arc::clone(program), now);
            self.last_stop = Some(now);
        }
    }

    /// Remembers that an account was stopped.
    pub(crate) fn record(&mut self, program: &Arc<str>, now: Instant) {
        self.clean_at.retain(|_, clean_at| *clean_at > now);
        if self.clean_at.len() >= REMEMBERED && !self.clean_at.contains_key(program) {
            let least = self
                .clean_at
                .iter()
                .min_by_key(|(_, clean_at)| **clean_at)
                .map(|(least, _)| Arc::clone(least));
            least.map(|least| self.clean_at.remove(&least));
        }
        let clean_at = self.clean_at.entry(Arc::clone(program)).or_insert(now);
        *clean_at += FORGIVEN_AFTER;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_budget_is_three_at_once_and_one_each_half_minute() {
        let (mut suspects, program, start) = (Suspects::default(), Arc::from("def f: f; f"), Instant::now());
        for _ in 0..2 {
            suspects.record(&program, start);
            assert_eq!(suspects.wait(&program, start), None);
        }
        suspects.record(&program, start);
        assert_eq!(suspects.wait(&program, start), Some(FORGIVEN_AFTER));
        assert_eq!(suspects.wait(".a", start), None);

        let later = start + FORGIVEN_AFTER;
        assert_eq!(suspects.wait(&program, later), None);
        suspects.record(&program, later);
        assert_eq!(suspects.wait(&program, later), Some(FORGIVEN_AFTER));
        assert_eq!(suspects.wait(&program, later + FORGIVEN_AFTER * 3), None);
    }

    #[test]
    fn a_program_is_suspected_for_half_a_minute_after_its_last_stop() {
        let (mut suspects, program, start) = (Suspects::default(), Arc::from("document: {}"), Instant::now());
        assert!(!suspects.is_suspected(&program, start));
        suspects.suspect(&program, start);
        suspects.suspect(&program, start + FORGIVEN_AFTER / 2);
        assert!(suspects.is_suspected(&program, start + FORGIVEN_AFTER));
        assert!(!suspects.is_suspected("another", start));
        assert!(!suspects.is_suspected(&program, start + FORGIVEN_AFTER * 2));
        for number in 0..2 * REMEMBERED {
            suspects.suspect(&Arc::from(number.to_string()), start + FORGIVEN_AFTER);
        }
        assert_eq!(suspects.stopped_at.len(), REMEMBERED);
    }

    #[test]
    fn the_least_guilty_is_forgotten_when_too_many_are_remembered() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        let worst = Arc::from("worst");
        (0..3).for_each(|_| suspects.record(&worst, now));
        for number in 0..2 * REMEMBERED {
            suspects.record(&Arc::from(number.to_string()), now);
        }
        assert_eq!(suspects.clean_at.len(), REMEMBERED);
        assert!(suspects.wait(&worst, now).is_some());
    }

    proptest! {
        #[test]
        fn over_any_time_the_cost_of_a_program_is_bounded(pauses in proptest::collection::vec(0..40u64, 1..60)) {
            let (mut suspects, program, start) = (Suspects::default(), Arc::from("x"), Instant::now());
            let (mut elapsed, mut stopped) = (Duration::ZERO, 0);
            for pause in pauses {
                elapsed += Duration::from_secs(pause);
                if suspects.wait(&program, start + elapsed).is_none() {
                    suspects.record(&program, start + elapsed);
                    stopped += 1;
                }
            }
            let forgiven = elapsed.as_secs() / FORGIVEN_AFTER.as_secs();
            prop_assert!(stopped <= u64::from(BUDGET) + forgiven);
        }
    }
}
