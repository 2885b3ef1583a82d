//! One point in time: microseconds since the Unix epoch, RFC 3339 with milliseconds as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z: what both databases keep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time here is RFC 3339, such as 2026-11-21T12:00:00.000Z")]
pub struct ParseInstantError;

impl Instant {
    /// The wall clock. Decisions take the time as a parameter; only the edges call this.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Takes microseconds since the Unix epoch.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch; times before it are 0.
    pub fn unix_millis(self) -> u64 {
        u64::try_from(self.0.div_euclid(1_000)).unwrap_or(0)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long ago `earlier` was; zero when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Times that jiff cannot hold (beyond the year 9999) are shown at its bounds.
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        write!(formatter, "{time:.3}")
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Instant {
    type Err = ParseInstantError;

    fn from_str(text: &str) -> Result<Self, ParseInstantError> {
        let time: jiff::Timestamp = text.parse().or(Err(ParseInstantError))?;
        Ok(Self(time.as_microsecond()))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_shown_in_utc_with_milliseconds() {
        assert_eq!(
            Instant::from_unix_micros(1_790_000_000_123_456).to_string(),
            "2026-09-21T14:13:20.123Z"
        );
        assert_eq!(
            "2026-09-21T14:13:20Z".parse(),
            Ok(Instant::from_unix_micros(1_790_000_000_000_000))
        );
        assert_eq!(
            "2026-09-21T16:13:20+02:00".parse(),
            Ok(Instant::from_unix_micros(1_790_000_000_000_000))
        );
        assert_eq!("yesterday".parse::<Instant>(), Err(ParseInstantError));
    }

    proptest! {
        #[test]
        fn no_time_panics_when_shown(micros: i64) {
            prop_assert!(!Instant::from_unix_micros(micros).to_string().is_empty());
        }

        #[test]
        fn since_undoes_add(micros in 0_i64..4_000_000_000_000_000, span in 0_u64..1_000_000_000_000) {
            let at = Instant::from_unix_micros(micros);
            let span = Duration::from_micros(span);
            prop_assert_eq!((at + span).since(at), span);
            prop_assert_eq!(at.since(at + span), Duration::ZERO);
        }
    }
}
