//! Durations as people write them: `500ms`, `15s`, `1m 30s`, `1h`, `7d`.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration such as 500ms, 15s, 10m, 1h or 7d")]
pub struct ParseDurationError(String);

/// Reads a duration; a day is 24 hours.
pub fn parse(text: &str) -> Result<Duration, ParseDurationError> {
    let read = || -> Result<Duration, jiff::Error> {
        let span: jiff::Span = text.parse()?;
        Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())?)
    };
    let refused = ParseDurationError(text.chars().take(40).collect());
    read().or(Err(refused))
}

/// Writes a duration in its largest whole unit, down to milliseconds.
pub fn show(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis > 0 && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    if millis == 0 {
        "0s".to_owned()
    } else {
        format!("{millis}ms")
    }
}

/// For `#[serde(with = "duration")]`.
pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*span))
}

/// For `#[serde(with = "duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with = "duration::optional", default)]`.
pub mod optional {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse, show};

    /// Writes the text or null.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => serializer.serialize_some(&show(*span)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a text or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// For `#[serde(with = "duration::list")]`.
pub mod list {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse, show};

    /// Writes a list of texts.
    pub fn serialize<S: Serializer>(spans: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(spans.iter().map(|span| show(*span)))
    }

    /// Reads a list of texts.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| parse(text).map_err(serde::de::Error::custom))
            .collect()
    }
}

/// For `#[serde(with = "duration::optional_list", default)]`.
pub mod optional_list {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse};

    /// Writes a list of texts or null.
    pub fn serialize<S: Serializer>(spans: &Option<Vec<Duration>>, serializer: S) -> Result<S::Ok, S::Error> {
        match spans {
            Some(spans) => super::list::serialize(spans, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a list of texts or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<Duration>>, D::Error> {
        let texts = Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default();
        let spans: Result<Vec<Duration>, D::Error> = texts
            .iter()
            .map(|text| parse(text).map_err(serde::de::Error::custom))
            .collect();
        // No schedule is empty.
        spans.map(|spans| Some(spans).filter(|spans| !spans.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(parse("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "15", "-1s", "soon", "1s1", "1 month"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0_u64..10_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse(&show(span)), Ok(span));
        }
    }
}
