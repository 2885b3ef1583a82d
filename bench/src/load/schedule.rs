//! When the requests of an open loop are due.

use std::time::{Duration, Instant};

/// Requests at even distances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    started: Instant,
    per_second: u32,
}

impl Schedule {
    /// `per_second` is at least 1.
    pub(crate) fn new(started: Instant, per_second: u32) -> Self {
        Self {
            started,
            per_second: per_second.max(1),
        }
    }

    /// When a request is due. Computed from the start each time, so that no rounding adds up.
    pub(crate) fn due(self, number: u64) -> Instant {
        let rate = u64::from(self.per_second);
        let (seconds, rest) = (number / rate, number % rate);
        self.started + Duration::from_secs(seconds) + Duration::from_secs(rest) / self.per_second
    }

    /// How many are due before `time` has passed.
    pub(crate) fn count(self, time: Duration) -> u64 {
        let nanos = time.as_nanos() * u128::from(self.per_second);
        u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// How many are due at `now`, `now` included.
    pub(crate) fn due_by(self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.started);
        // A nanosecond more, because what is due exactly now counts, too.
        self.count(passed + Duration::from_nanos(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_even_distances_that_do_not_drift() {
        let started = Instant::now();
        let schedule = Schedule::new(started, 300);
        assert_eq!(schedule.due(0), started);
        assert_eq!(schedule.due(150), started + Duration::from_millis(500));
        assert_eq!(schedule.due(300 * 3_600), started + Duration::from_hours(1));
        let distance = schedule.due(1) - schedule.due(0);
        assert_eq!(distance, Duration::from_secs(1) / 300);
    }

    #[test]
    fn as_many_are_due_as_the_rate_says() {
        let started = Instant::now();
        let schedule = Schedule::new(started, 100);
        assert_eq!(schedule.count(Duration::from_secs(2)), 200);
        assert_eq!(schedule.count(Duration::ZERO), 0);
        assert_eq!(schedule.due_by(started), 1);
        assert_eq!(schedule.due_by(started + Duration::from_millis(9)), 1);
        assert_eq!(schedule.due_by(started + Duration::from_millis(10)), 2);
    }

    #[test]
    fn whatever_is_counted_as_due_is_due() {
        let started = Instant::now();
        for rate in [1, 3, 7, 300, 999, 5_000] {
            let schedule = Schedule::new(started, rate);
            for millis in [0, 1, 5, 17, 999, 1_001, 60_000] {
                let now = started + Duration::from_millis(millis);
                let due = schedule.due_by(now);
                assert!(schedule.due(due - 1) <= now, "{rate}/s at {millis} ms");
                assert!(schedule.due(due) > now, "{rate}/s at {millis} ms");
            }
        }
    }
}
