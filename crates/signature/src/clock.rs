//! Timestamps of senders, and how far they are from now.

use jiff::Timestamp;
use serde::Deserialize;

use crate::reason::Reason;
use crate::select::Selector;
use crate::trail::shown;
use crate::verdict::Check;

/// How a sender writes its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Unit {
    /// Seconds since 1970.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds since 1970.
    #[serde(rename = "ms")]
    Milliseconds,
    /// An RFC 3339 time.
    #[serde(rename = "rfc3339")]
    Rfc3339,
    /// Any of the three.
    #[serde(rename = "auto")]
    Auto,
}

/// The compiled `timestamp:` of a scheme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimestampRule {
    pub(crate) from: Selector,
    #[serde(default)]
    pub(crate) unit: Unit,
    /// In seconds, both ways. Without it any time is in order, as long as it is one.
    tolerance: Option<u32>,
}

impl TimestampRule {
    /// Refuses a time that is absent, no time, or too far from now.
    pub(crate) fn check(&self, check: &mut Check<'_>, keys: &[(&str, &str)]) -> Result<(), Reason> {
        let Some(text) = self.from.find(check.request, keys)? else {
            check
                .trail
                .note("timestamp", || format!("{} is absent", self.from));
            return Err(Reason::TimestampMissing);
        };
        let sent_ms = self.unit.parse(&text).inspect_err(|_| {
            check.trail.note("timestamp", || {
                format!("{}: `{}` is not a time", self.from, shown(&text))
            });
        })?;
        let age_ms = check.now_ms.saturating_sub(sent_ms);
        check.trail.note("timestamp", || {
            let size_ms = age_ms.unsigned_abs();
            let age = format!("{}.{:03} s", size_ms / 1000, size_ms % 1000);
            let side = if age_ms < 0 { "ahead of this clock" } else { "old" };
            let limit = self.tolerance.map_or_else(
                || "any age is allowed".to_owned(),
                |limit| format!("at most {limit} s"),
            );
            format!("{}: {}, {age} {side}, {limit}", self.from, shown(&text))
        });
        match self.tolerance {
            Some(limit) if age_ms.unsigned_abs() > u64::from(limit).saturating_mul(1000) => {
                Err(Reason::TimestampOutOfTolerance)
            }
            _ => Ok(()),
        }
    }
}

/// From here on a number counts milliseconds: as seconds it would be the year 5138.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// The longest number that is read; a longer one is no time of this millennium in any unit.
const MAX_DIGITS: usize = 16;

impl Unit {
    /// The time in milliseconds since 1970.
    pub(crate) fn parse(self, text: &[u8]) -> Result<i64, Reason> {
        let number = || digits(text);
        let parsed = match self {
            Self::Seconds => number().map(|seconds| seconds.saturating_mul(1000)),
            Self::Milliseconds => number(),
            Self::Rfc3339 => rfc3339(text),
            Self::Auto => number()
                .map(|number| {
                    if number < FIRST_MILLISECONDS {
                        number.saturating_mul(1000)
                    } else {
                        number
                    }
                })
                .or_else(|| rfc3339(text)),
        };
        parsed.ok_or(Reason::TimestampMalformed)
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > MAX_DIGITS || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// RFC 3339 only: the parser would also take a space for the `T`, a bare hour or a zone's name.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let has_date_and_time = text.get(10).is_some_and(|byte| matches!(byte, b'T' | b't'))
        && text.get(16) == Some(&b':')
        && text.get(4) == Some(&b'-');
    let plain = |byte: &u8| byte.is_ascii_digit() || b"TtZz:.+-".contains(byte);
    if !has_date_and_time || text.len() > 40 || !text.iter().all(plain) {
        return None;
    }
    let time: Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_790_000_000_000;

    #[test]
    fn each_unit_reads_its_own_writing() {
        assert_eq!(Unit::Seconds.parse(b"1790000000"), Ok(MS));
        assert_eq!(Unit::Milliseconds.parse(b"1790000000000"), Ok(MS));
        assert_eq!(Unit::Rfc3339.parse(b"2026-09-21T14:13:20Z"), Ok(MS));
        assert_eq!(
            Unit::Rfc3339.parse(b"2026-09-21T07:13:20.250-07:00"),
            Ok(MS + 250)
        );
        for text in [&b"1790000000"[..], b"1790000000000", b"2026-09-21T14:13:20Z"] {
            assert_eq!(Unit::Auto.parse(text), Ok(MS));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "yesterday",
            "+1",
            "-1",
            " 1",
            "1.5",
            "1e9",
            "12345678901234567",
            "１",
        ] {
            for unit in [Unit::Seconds, Unit::Milliseconds, Unit::Rfc3339, Unit::Auto] {
                assert_eq!(
                    unit.parse(text.as_bytes()),
                    Err(Reason::TimestampMalformed),
                    "{text:?}"
                );
            }
        }
        for text in [
            "2026-09-21",
            "2026-09-21 14:13:20Z",
            "2026-09-21T14:13:20",
            "2026-13-21T14:13:20Z",
            "2026-09-21T14Z",
        ] {
            assert_eq!(
                Unit::Rfc3339.parse(text.as_bytes()),
                Err(Reason::TimestampMalformed),
                "{text:?}"
            );
        }
    }
}
