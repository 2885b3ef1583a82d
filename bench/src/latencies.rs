//! Latencies that many tasks record.

use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ten minutes, in microseconds: more than anything here waits.
const MOST: u64 = 600_000_000;

/// Latencies, to a microsecond or three digits. Clones record into the same.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Arc<Mutex<Histogram<u64>>>);

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, MOST, 3)
            .expect("the bounds are right, because they are constants and the tests make one");
        Self(Arc::new(Mutex::new(histogram)))
    }

    pub(crate) fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MOST);
        self.lock().saturating_record(micros.max(1));
    }

    /// The latency that this share of them did not exceed; none when there are none.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let histogram = self.lock();
        (!histogram.is_empty()).then(|| Duration::from_micros(histogram.value_at_quantile(share)))
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.lock().len()
    }

    /// Forgets them.
    pub(crate) fn clear(&self) {
        self.lock().reset();
    }

    /// A lock is held for nanoseconds: cheaper than a histogram, and a merge, for each connection.
    fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let latencies = Latencies::new();
        for millis in millis {
            latencies.record(Duration::from_millis(millis));
        }
        latencies
    }

    #[test]
    fn a_quantile_is_what_that_share_did_not_exceed() {
        let latencies = of(1..=1_000);
        for (share, millis) in [(0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1_000)] {
            let found = latencies.quantile(share).unwrap().as_micros();
            let exact = u128::from(millis * 1_000_u64);
            assert!(
                found.abs_diff(exact) * 1_000 <= exact,
                "{share}: {found} µs instead of {exact}"
            );
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_one_is_every_quantile() {
        assert_eq!(of([]).quantile(0.5), None);
        let one = of([7]);
        assert_eq!(one.quantile(0.001), one.quantile(0.999));
        one.clear();
        assert_eq!(one.quantile(0.5), None);
    }

    #[test]
    fn what_is_beyond_the_bounds_is_kept_at_the_bound() {
        let latencies = of([3_600_000]);
        latencies.record(Duration::ZERO);
        assert!(latencies.quantile(1.0).unwrap() >= Duration::from_mins(9));
        assert_eq!(latencies.quantile(0.1), Some(Duration::from_micros(1)));
    }
}
