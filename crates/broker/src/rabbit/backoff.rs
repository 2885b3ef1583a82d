//! Pauses between attempts: growing, bounded, and different in every process, so that a returning broker is not
//! greeted by all at once.

use std::time::Duration;

/// The first pause at most.
const FIRST: Duration = Duration::from_millis(100);

/// Every pause at most: how much longer than the broker itself an outage lasts.
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling pauses with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next pause: from half of the bound to all of it.
    pub(super) fn pause(&mut self) -> Duration {
        let bound = self.next;
        self.next = (bound * 2).min(LONGEST);
        bound.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }

    /// After a success: what fails next fails for the first time.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over_after_a_success() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..12).map(|_| backoff.pause()).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= FIRST / 2 && *pause <= LONGEST)
        );
        assert!(pauses[11] >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
