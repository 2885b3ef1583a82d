//! How many events of one workspace are decided at a time, so that slow expressions hold up nobody else for long.
//!
//! An evaluation is stopped only after a second, and a workspace may have thousands of events that each take nearly as long. Its
//! share of a batch is therefore decided piece by piece, and what there is no time for is left to the sweep. A piece that was
//! quick makes the next one twice as long: nearly always it is all there is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a workspace's share of a batch may take before the rest of it is left.
pub(crate) const SHARE: Duration = Duration::from_secs(5);

/// How long a piece may take for the next one to be longer.
const QUICK: Duration = Duration::from_millis(250);

/// Events of the first piece.
const FIRST: usize = 8;

/// Events of the longest.
const MOST: usize = 4_096;

/// How many events make a piece.
#[derive(Debug)]
pub(crate) struct Pace(AtomicUsize);

impl Pace {
    /// Where nothing is evaluated, there is nothing to be careful of.
    pub(crate) fn new(evaluates: bool) -> Self {
        Self(AtomicUsize::new(if evaluates { FIRST } else { MOST }))
    }

    pub(crate) fn events(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from a piece of so many events.
    pub(crate) fn took(&self, events: usize, time: Duration) {
        let next = if time <= QUICK {
            self.events().max(events.saturating_mul(2))
        } else {
            let in_time = QUICK.as_micros() * events as u128 / time.as_micros().max(1);
            usize::try_from(in_time).unwrap_or(MOST)
        };
        self.0.store(next.clamp(1, MOST), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_pieces_grow_and_slow_ones_shrink_to_what_is_quick() {
        let pace = Pace::new(true);
        let mut lengths = Vec::new();
        for _ in 0..11 {
            let events = pace.events();
            lengths.push(events);
            pace.took(events, Duration::from_millis(1));
        }
        assert_eq!(
            lengths,
            [8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 4_096]
        );
        pace.took(100, Duration::from_secs(10));
        assert_eq!(pace.events(), 2);
        pace.took(2, Duration::from_secs(2));
        assert_eq!(pace.events(), 1);
        pace.took(1, Duration::from_millis(1));
        assert_eq!(pace.events(), 2);
        assert_eq!(Pace::new(false).events(), MOST);
    }

    #[test]
    fn the_end_of_a_batch_makes_no_piece_shorter() {
        let pace = Pace::new(true);
        pace.took(8, Duration::ZERO);
        pace.took(3, Duration::ZERO);
        assert_eq!(pace.events(), 16);
    }
}
