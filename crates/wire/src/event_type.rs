//! The names of registered event types.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The longest type of an event, in characters.
const LONGEST: usize = 128;

/// Whether a text can be the type of an event: 1 to 128 characters, none of them a control character. Senders choose it, and
/// playbooks.
pub fn is_event_type(text: &str) -> bool {
    (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A dotted name, such as `payment.succeeded`: 1 to 128 characters, dot-separated segments of letters, digits, `_`, `-`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventTypeName(Box<str>);

/// A text that names no event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event type is 1 to 128 characters of dot-separated segments of letters, digits, `_` and `-`")]
pub struct ParseEventTypeError;

impl EventTypeName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventTypeName {
    type Err = ParseEventTypeError;

    fn from_str(text: &str) -> Result<Self, ParseEventTypeError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let segment = |part: &str| !part.is_empty() && part.bytes().all(plain);
        if text.len() > LONGEST || !text.split('.').all(segment) {
            return Err(ParseEventTypeError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for EventTypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EventTypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl Serialize for EventTypeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventTypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventTypePattern;
    use proptest::prelude::*;

    #[test]
    fn a_name_has_dots_between_segments_and_nothing_else() {
        for good in ["a", "payment.succeeded", "A-1._", &"a".repeat(128)] {
            assert!(good.parse::<EventTypeName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "*",
            "a/b",
            "é",
            "a\u{0}",
            &"a".repeat(129),
            "!!!invalid event type!!!",
        ] {
            assert_eq!(bad.parse::<EventTypeName>(), Err(ParseEventTypeError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_a_pattern_that_matches_itself(text in "[a-zA-Z0-9_.-]{0,20}") {
            if let Ok(name) = text.parse::<EventTypeName>() {
                let pattern: EventTypePattern = name.as_str().parse().unwrap();
                prop_assert!(pattern.matches(Some(name.as_str())));
            }
        }
    }
}
