//! The `Retry-After` header: how long a receiver asks to be left alone (RFC 9110 §10.2.3).

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use std::time::Duration;
use wire::Instant;

/// The three forms of a date in HTTP (RFC 9110 §5.6.7): today's, RFC 850's and asctime's.
const DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// Reads a value; `None` for nonsense, which is ignored. A date that has passed asks for no wait at all.
///
/// The wait is not capped here: [`wire::RetryPolicy::next`] does that.
pub(crate) fn parse(value: &str, now: Instant) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a wish for a long wait.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = DATES.iter().find_map(|form| {
        let parsed = strtime::parse(form, value).ok()?;
        parsed.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()
    })?;
    let date = Instant::from_unix_micros(date.timestamp().as_microsecond());
    Some(date.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1994-11-06T08:49:37Z, the date of RFC 9110's examples.
    const EXAMPLE: i64 = 784_111_777;

    fn before(seconds: i64) -> Instant {
        Instant::from_unix_micros((EXAMPLE - seconds) * 1_000_000)
    }

    #[test]
    fn seconds_are_read_as_they_stand() {
        for (value, seconds) in [("0", 0), ("120", 120), (" 7\t", 7), ("007", 7)] {
            assert_eq!(
                parse(value, before(0)),
                Some(Duration::from_secs(seconds)),
                "{value:?}"
            );
        }
        assert_eq!(
            parse("99999999999999999999999", before(0)),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn each_form_of_a_date_is_read() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                parse(value, before(90)),
                Some(Duration::from_secs(90)),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_date_that_has_passed_asks_for_no_wait() {
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:49:37 GMT", before(-5)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn nonsense_is_ignored() {
        for value in [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "12 s",
            "soon",
            "٣",
            "Sun, 06 Nov 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT and more",
        ] {
            assert_eq!(parse(value, before(0)), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_receiver_sends_is_read_without_a_panic(value in ".{0,40}", micros in any::<i64>()) {
            let _read = parse(&value, Instant::from_unix_micros(micros));
        }

        #[test]
        fn every_whole_number_of_seconds_is_read(seconds in any::<u64>(), micros in any::<i64>()) {
            let read = parse(&seconds.to_string(), Instant::from_unix_micros(micros));
            prop_assert_eq!(read, Some(Duration::from_secs(seconds)));
        }

        #[test]
        fn a_date_is_the_wait_until_then(now in 0_i64..4_000_000_000, wait in 0_i64..10_000_000) {
            let date = jiff::Timestamp::from_second(now + wait).unwrap();
            let text = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let read = parse(&text, Instant::from_unix_micros(now * 1_000_000));
            prop_assert_eq!(read, Some(Duration::from_secs(u64::try_from(wait).unwrap())));
        }
    }
}
