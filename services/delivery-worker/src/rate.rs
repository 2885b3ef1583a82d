//! The rate limit of one endpoint: a token bucket, kept as the time at which it would be full again.

use std::time::{Duration, Instant};
use wire::resource::RateLimit;

/// The least rate there is: one attempt a day.
const LONGEST_INTERVAL: Duration = Duration::from_hours(24);

/// How often attempts may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// What one attempt uses up.
    interval: Duration,
    /// How far ahead of the steady pace a burst may run.
    tolerance: Duration,
}

impl Rate {
    /// Reads the settings; a burst is at most one second's worth, and at least one attempt.
    pub(crate) fn of(limit: RateLimit) -> Self {
        let per_second = if limit.per_second.is_finite() && limit.per_second > 0.0 {
            limit.per_second
        } else {
            0.0
        };
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(LONGEST_INTERVAL);
        let burst = limit.burst.map_or(per_second, f64::from).min(per_second).floor();
        Self {
            interval: interval.min(LONGEST_INTERVAL),
            tolerance: interval.min(LONGEST_INTERVAL).mul_f64((burst - 1.0).max(0.0)),
        }
    }

    /// How many attempts may start within this time, at the most.
    pub(crate) fn within(self, time: Duration) -> usize {
        let intervals = (self.tolerance + time).as_nanos() / self.interval.as_nanos().max(1);
        usize::try_from(intervals).unwrap_or(usize::MAX).saturating_add(1)
    }
}

/// How much of its rate an endpoint has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    /// None: full.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one attempt out, or says when there will be one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Instant> {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let earliest = full_at.checked_sub(rate.tolerance).unwrap_or(now);
        if earliest > now {
            return Err(earliest);
        }
        self.full_at = Some(full_at + rate.interval);
        Ok(())
    }

    /// Whether nothing is used up, so that it can be forgotten.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(per_second: f64, burst: Option<u32>) -> Rate {
        Rate::of(RateLimit { per_second, burst })
    }

    /// How many can be taken at once.
    fn at_once(bucket: &mut Bucket, rate: Rate, now: Instant) -> usize {
        (0..100_000)
            .take_while(|_| bucket.take(rate, now).is_ok())
            .count()
    }

    #[test]
    fn a_burst_is_one_seconds_worth_at_the_most() {
        let now = Instant::now();
        for (per_second, burst, expected) in [
            (5.0, None, 5),
            (5.0, Some(2), 2),
            (5.0, Some(50), 5),
            (5.0, Some(0), 1),
            (1.0, None, 1),
            (0.1, None, 1),
            (0.1, Some(9), 1),
        ] {
            let taken = at_once(&mut Bucket::default(), rate(per_second, burst), now);
            assert_eq!(taken, expected, "{per_second}/s, burst {burst:?}");
        }
    }

    #[test]
    fn an_empty_bucket_says_when_the_next_attempt_may_start() {
        let now = Instant::now();
        let slow = rate(0.5, None);
        let mut bucket = Bucket::default();
        bucket.take(slow, now).unwrap();
        assert_eq!(bucket.take(slow, now), Err(now + Duration::from_secs(2)));
        assert!(!bucket.is_full(now));
        assert!(bucket.is_full(now + Duration::from_secs(2)));
        assert_eq!(bucket.take(slow, now + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn rates_that_are_none_let_one_attempt_a_day_through() {
        let now = Instant::now();
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let mut bucket = Bucket::default();
            assert_eq!(
                at_once(&mut bucket, rate(per_second, None), now),
                1,
                "{per_second}"
            );
            assert_eq!(
                bucket.take(rate(per_second, None), now),
                Err(now + LONGEST_INTERVAL)
            );
        }
    }

    proptest! {
        #[test]
        fn over_any_span_no_more_start_than_the_rate_and_one_burst(
            per_second in 0.2_f64..200.0,
            pauses in proptest::collection::vec(0_u64..2_000, 1..80),
        ) {
            let rate = rate(per_second, None);
            let begin = Instant::now();
            let (mut now, mut bucket, mut taken) = (begin, Bucket::default(), 0_usize);
            for pause in pauses {
                now += Duration::from_millis(pause);
                taken += at_once(&mut bucket, rate, now);
            }
            let burst = per_second.floor().max(1.0);
            let most = (now - begin).as_secs_f64() * per_second + burst;
            prop_assert!(f64::from(u32::try_from(taken).unwrap()) <= most + 1e-6, "{taken} > {most}");
        }
    }
}
