//! Event-type patterns of routes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A dot-separated pattern: `*` is one segment, but at the end it is the rest (one segment or more); `*` alone is
/// everything, also events without a type.
///
/// `payment.*` matches `payment.card.failed`; `*.created` matches `customer.created` but not `a.b.created`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventTypePattern(Box<str>);

/// A text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an event-type pattern is 1 to 128 characters of dot-separated segments, each `*` or a text without `*` and control characters"
)]
pub struct ParsePatternError;

impl EventTypePattern {
    /// Says whether an event of this type (or without one) matches.
    pub fn matches(&self, event_type: Option<&str>) -> bool {
        if &*self.0 == "*" {
            return true;
        }
        let Some(event_type) = event_type else {
            return false;
        };
        let mut segments = event_type.split('.');
        let mut pattern = self.0.split('.').peekable();
        while let Some(expected) = pattern.next() {
            let Some(segment) = segments.next() else {
                return false;
            };
            if expected == "*" && pattern.peek().is_none() {
                return true;
            }
            if expected != "*" && expected != segment {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Whether it names what it matches, at least by its first segment: `*` and `*.created` do not.
    pub fn names(&self) -> bool {
        !self.0.starts_with('*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventTypePattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        // Whatever a type may have: providers send `orders/create`, `repo:push` and `Push Hook`.
        let plain = |character: char| character != '*' && !character.is_control();
        let segment = |part: &str| part == "*" || (!part.is_empty() && part.chars().all(plain));
        if text.chars().count() > 128 || !text.split('.').all(segment) {
            return Err(ParsePatternError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for EventTypePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EventTypePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl Serialize for EventTypePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventTypePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        pattern
            .parse::<EventTypePattern>()
            .unwrap()
            .matches(Some(event_type))
    }

    #[test]
    fn a_star_at_the_end_is_the_rest() {
        assert!(matches("payment.*", "payment.succeeded"));
        assert!(matches("payment.*", "payment.card.failed"));
        assert!(!matches("payment.*", "payment"));
        assert!(!matches("payment.*", "payments.created"));
    }

    #[test]
    fn a_star_elsewhere_is_one_segment() {
        assert!(matches("*.created", "customer.created"));
        assert!(!matches("*.created", "eu.customer.created"));
        assert!(matches("a.*.c.*", "a.b.c.d.e"));
        assert!(!matches("a.*.c", "a.b.c.d"));
    }

    #[test]
    fn a_star_alone_also_takes_events_without_a_type() {
        assert!("*".parse::<EventTypePattern>().unwrap().matches(None));
        assert!(!"*.*".parse::<EventTypePattern>().unwrap().matches(None));
        assert!(!"a".parse::<EventTypePattern>().unwrap().matches(None));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "a*", "**", "a.\u{0}", "a\nb"] {
            assert_eq!(bad.parse::<EventTypePattern>(), Err(ParsePatternError), "{bad:?}");
        }
        assert!("é".repeat(128).parse::<EventTypePattern>().is_ok());
        assert!("é".repeat(129).parse::<EventTypePattern>().is_err());
    }

    #[test]
    fn the_types_of_providers_are_patterns() {
        for one in ["orders/create", "jira:issue_updated", "Push Hook", "repo:push"] {
            assert!(matches(one, one), "{one}");
        }
        assert!(matches("orders/create.*", "orders/create.test"));
        assert!(!matches("Push Hook", "Push"));
    }

    proptest! {
        #[test]
        fn a_type_without_stars_matches_itself_alone(one in "[a-z]{1,4}(\\.[a-z]{1,4}){0,3}", two in "[a-z]{1,4}(\\.[a-z]{1,4}){0,3}") {
            prop_assert_eq!(matches(&one, &two), one == two);
        }

        #[test]
        fn a_prefix_and_a_star_match_every_longer_type(head in "[a-z]{1,4}", rest in "[a-z]{1,4}(\\.[a-z]{1,4}){0,3}") {
            let (pattern, event_type) = (format!("{head}.*"), format!("{head}.{rest}"));
            prop_assert!(matches(&pattern, &event_type));
        }
    }
}
