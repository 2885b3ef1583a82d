//! When a failed delivery is tried again.

use crate::Instant;
use crate::resource::duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The schedule of a delivery's attempts: as many attempts as entries, each entry the wait before its attempt.
///
/// `{"schedule": ["0s", "5s", "1m", "10m", "1h"], "jitter": 0.2}`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The wait before each attempt; the first counts from the routing.
    #[serde(with = "duration::list", default = "RetryPolicy::default_schedule")]
    pub schedule: Vec<Duration>,
    /// Each wait is multiplied by a random factor within `1 ± jitter`; 0 to 0.5.
    #[serde(default = "RetryPolicy::default_jitter")]
    pub jitter: f64,
}

/// A retry policy out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryPolicyError {
    /// No attempt at all, or too many.
    #[error("a retry schedule has 1 to 50 entries, this one has {0}")]
    Length(usize),
    /// One wait is too long.
    #[error("a wait in a retry schedule is at most 7d")]
    Wait,
    /// The jitter is not a share.
    #[error("jitter is a share from 0 to 0.5")]
    Jitter,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, not before this time.
    Retry(Instant),
    /// The schedule has no entry left.
    Exhausted,
}

impl RetryPolicy {
    /// A receiver's `Retry-After` counts up to this.
    pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

    fn default_schedule() -> Vec<Duration> {
        [0, 5, 60, 600, 3_600].map(Duration::from_secs).to_vec()
    }

    const fn default_jitter() -> f64 {
        0.2
    }

    /// Checks the bounds that [`Deserialize`] does not.
    pub fn check(&self) -> Result<(), RetryPolicyError> {
        if !(1..=50).contains(&self.schedule.len()) {
            return Err(RetryPolicyError::Length(self.schedule.len()));
        }
        if self
            .schedule
            .iter()
            .any(|wait| *wait > Duration::from_hours(7 * 24))
        {
            return Err(RetryPolicyError::Wait);
        }
        if !(0.0..=0.5).contains(&self.jitter) {
            return Err(RetryPolicyError::Jitter);
        }
        Ok(())
    }

    /// Decides what follows when `attempts` attempts were made and the last one failed at `now`.
    ///
    /// `retry_after` is what the receiver asked for: it is capped at [`Self::LONGEST_RETRY_AFTER`] and never shortens
    /// the schedule. `random` is uniform in `0.0..1.0`.
    pub fn next(&self, attempts: u32, now: Instant, retry_after: Option<Duration>, random: f64) -> Next {
        let Some(wait) = self.schedule.get(attempts as usize) else {
            return Next::Exhausted;
        };
        let factor = 1.0 + self.jitter.clamp(0.0, 0.5) * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        let asked = retry_after.unwrap_or_default().min(Self::LONGEST_RETRY_AFTER);
        Next::Retry(now + wait.mul_f64(factor).max(asked))
    }
}

impl Default for RetryPolicy {
    /// Five attempts: at once, then after 5 s, 1 min, 10 min and 1 h, each ±20 %.
    fn default() -> Self {
        Self {
            schedule: Self::default_schedule(),
            jitter: Self::default_jitter(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Instant = Instant::from_unix_micros(1_790_000_000_000_000);

    fn wait(next: Next) -> Duration {
        match next {
            Next::Retry(at) => at.since(NOW),
            Next::Exhausted => panic!("exhausted"),
        }
    }

    #[test]
    fn the_default_schedule_has_five_attempts() {
        let policy = RetryPolicy::default();
        let waits: Vec<u64> = (1..5)
            .map(|made| wait(policy.next(made, NOW, None, 0.5)).as_secs())
            .collect();
        assert_eq!(waits, [5, 60, 600, 3_600]);
        assert_eq!(policy.next(5, NOW, None, 0.5), Next::Exhausted);
        assert_eq!(policy.next(6, NOW, None, 0.5), Next::Exhausted);
    }

    #[test]
    fn retry_after_lengthens_the_wait_but_never_shortens_it() {
        let policy = RetryPolicy::default();
        assert_eq!(
            wait(policy.next(1, NOW, Some(Duration::from_secs(30)), 0.5)).as_secs(),
            30
        );
        assert_eq!(
            wait(policy.next(3, NOW, Some(Duration::from_secs(30)), 0.5)).as_secs(),
            600
        );
        assert_eq!(
            wait(policy.next(1, NOW, Some(Duration::MAX), 0.5)).as_secs(),
            3_600
        );
    }

    #[test]
    fn a_policy_out_of_bounds_is_refused() {
        let of = |schedule: Vec<u64>, jitter| {
            RetryPolicy {
                schedule: schedule.into_iter().map(Duration::from_secs).collect(),
                jitter,
            }
            .check()
        };
        assert_eq!(of(vec![], 0.1), Err(RetryPolicyError::Length(0)));
        assert_eq!(of(vec![700_000], 0.1), Err(RetryPolicyError::Wait));
        assert_eq!(of(vec![0], f64::NAN), Err(RetryPolicyError::Jitter));
        assert_eq!(of(vec![0], 0.6), Err(RetryPolicyError::Jitter));
        assert_eq!(of(vec![0], 0.5), Ok(()));
    }

    #[test]
    fn the_policy_is_written_in_words() {
        let policy: RetryPolicy = serde_json::from_str(r#"{"schedule":["0s","90s","2h"]}"#).unwrap();
        assert_eq!(policy.schedule, [0, 90, 7_200].map(Duration::from_secs));
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"schedule":["0s","90s","2h"],"jitter":0.2}"#
        );
    }

    proptest! {
        #[test]
        fn every_wait_stays_within_its_jitter(made in 1_u32..5, random in 0.0_f64..1.0) {
            let policy = RetryPolicy::default();
            let planned = policy.schedule[made as usize].as_secs_f64();
            let waited = wait(policy.next(made, NOW, None, random)).as_secs_f64();
            prop_assert!(waited >= planned * 0.799 && waited <= planned * 1.201);
        }
    }
}
