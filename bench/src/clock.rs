//! One clock for sender and receiver: requests carry its time through the yard.

use std::time::{Duration, Instant};

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What a request carries that was due at `at`: microseconds, which a double holds for centuries.
    pub(crate) fn stamp(self, at: Instant) -> u128 {
        at.saturating_duration_since(self.0).as_micros()
    }

    /// How long ago that stamp was.
    pub(crate) fn since(self, stamp: u64) -> Duration {
        self.0.elapsed().saturating_sub(Duration::from_micros(stamp))
    }
}
