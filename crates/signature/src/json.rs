//! Reads single values out of a JSON body without building a tree of it.
//!
//! A body may be megabytes and every event is asked for an id and a type, so a value is found by
//! walking along its pointer and skipping the rest. The whole text must still be well-formed.
//! Of a repeated key the last value counts, as in every common parser, so that what was verified
//! is what the receiver will read.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An RFC 6901 pointer whose segments may be `*`: every element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Every,
}

impl Pointer {
    /// Reads `/a/0/b~1c`; nothing if it does not begin with a slash.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments = text.strip_prefix('/')?.split('/').map(|segment| match segment {
            "*" => Segment::Every,
            key => Segment::Key(key.replace("~1", "/").replace("~0", "~")),
        });
        Some(Self(segments.collect()))
    }

    /// True if one pointer can find many values.
    pub(crate) fn is_many(&self) -> bool {
        self.0.contains(&Segment::Every)
    }

    /// The scalars at this pointer as text; `None` where a branch of `*` lacks it.
    ///
    /// Numbers keep their spelling, so that `1.50` is signed as `1.50`.
    pub(crate) fn find(&self, body: &[u8]) -> Vec<Option<String>> {
        self.read(body, scalar_text)
    }

    /// Whether an array without elements is at this pointer.
    pub(crate) fn is_empty_array(&self, body: &[u8]) -> bool {
        let found = self.read(body, |raw| {
            let inside = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            Ok(inside
                .filter(|text| text.trim_ascii().is_empty())
                .map(str::to_owned))
        });
        matches!(found.as_slice(), [Some(_)])
    }

    fn read(&self, body: &[u8], read: Read) -> Vec<Option<String>> {
        let mut found = Vec::new();
        let mut json = serde_json::Deserializer::from_slice(body);
        let walk = Walk {
            path: &self.0,
            read,
            found: &mut found,
        };
        if walk.deserialize(&mut json).and_then(|()| json.end()).is_err() {
            return Vec::new();
        }
        found
    }

    /// The one scalar at this pointer.
    pub(crate) fn find_one(&self, body: &[u8]) -> Option<String> {
        self.find(body).pop().flatten()
    }
}

/// The first key of the object that is the body, other than `except`.
pub(crate) fn first_key_not(body: &[u8], except: &str) -> Option<String> {
    struct Keys<'a>(&'a str);
    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut first = None;
            while let Some(key) = map.next_key::<String>()? {
                map.next_value::<IgnoredAny>()?;
                if first.is_none() && key != self.0 {
                    first = Some(key);
                }
            }
            Ok(first)
        }
    }
    serde_json::Deserializer::from_slice(body)
        .deserialize_map(Keys(except))
        .ok()
        .flatten()
}

/// What is looked for at the end of a pointer: how the text of a JSON value is read.
type Read = fn(&str) -> Result<Option<String>, serde_json::Error>;

/// One step along a pointer.
struct Walk<'p, 'f> {
    path: &'p [Segment],
    read: Read,
    found: &'f mut Vec<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            let raw = <&RawValue>::deserialize(json)?;
            let value = (self.read)(raw.get()).map_err(D::Error::custom)?;
            self.found.push(value);
            return Ok(());
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array on the way to the value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), path)) = self.path.split_first() else {
            return Err(A::Error::custom("`*` wants an array"));
        };
        let before = self.found.len();
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                self.found.truncate(before);
                map.next_value_seed(Walk {
                    path,
                    read: self.read,
                    found: &mut *self.found,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if self.found.len() == before {
            self.found.push(None);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((segment, path)) = self.path.split_first() else {
            return Err(A::Error::custom("a scalar was expected"));
        };
        let wanted = match segment {
            Segment::Every => None,
            Segment::Key(key) => Some(key.parse::<usize>().map_err(A::Error::custom)?),
        };
        for index in 0_usize.. {
            let step = Walk {
                path,
                read: self.read,
                found: &mut *self.found,
            };
            let more = if wanted.is_none_or(|wanted| wanted == index) {
                seq.next_element_seed(step)?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// The text of a string, number or boolean; nothing for `null`, objects and arrays.
fn scalar_text(raw: &str) -> Result<Option<String>, serde_json::Error> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some),
        Some(b'{' | b'[' | b'n') | None => Ok(None),
        Some(_) => Ok(Some(raw.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pointer: &str, body: &str) -> Option<String> {
        Pointer::parse(pointer)
            .expect("a pointer")
            .find_one(body.as_bytes())
    }

    #[test]
    fn a_pointer_finds_a_scalar_with_its_spelling() {
        let body = r#"{"a":[{"b/c":1.50},{"b/c":"é\n"}],"t":true,"n":null,"o":{}}"#;
        assert_eq!(find("/a/0/b~1c", body).as_deref(), Some("1.50"));
        assert_eq!(find("/a/1/b~1c", body).as_deref(), Some("é\n"));
        assert_eq!(find("/t", body).as_deref(), Some("true"));
        for absent in ["/n", "/o", "/a", "/x", "/a/2/b~1c", "/t/x", "/a/x"] {
            assert_eq!(find(absent, body), None, "{absent}");
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_value_counts() {
        assert_eq!(find("/a", r#"{"a":1,"b":2,"a":3}"#).as_deref(), Some("3"));
    }

    #[test]
    fn a_body_that_is_not_one_json_text_has_no_values() {
        for broken in [r#"{"a":1"#, r#"{"a":1} x"#, "", "\u{0}", r#"{"a":1,}"#, "[1]"] {
            assert_eq!(find("/a", broken), None, "{broken}");
        }
    }

    #[test]
    fn a_star_visits_every_element_and_reports_those_that_lack_the_value() {
        let pointer = Pointer::parse("/v/*/s").expect("a pointer");
        let found = pointer.find(br#"{"v":[{"s":"x"},{},{"s":"y"}]}"#);
        assert_eq!(found, [Some("x".to_owned()), None, Some("y".to_owned())]);
        assert_eq!(
            pointer.find(br#"{"v":[]}"#),
            [None],
            "an empty array has not one of them"
        );
    }

    #[test]
    fn an_empty_array_is_told_from_a_full_one_and_from_none() {
        let is_empty = |body: &str| {
            let pointer = Pointer::parse("/a").expect("a pointer");
            pointer.is_empty_array(body.as_bytes())
        };
        assert!(is_empty(r#"{"a":[]}"#) && is_empty("{\"a\" : [ \n ] }"));
        for other in [
            r#"{"a":[[]]}"#,
            r#"{"a":"[]"}"#,
            r#"{"a":{}}"#,
            r#"{"a":null}"#,
            r#"{"a":[],"a":[1]}"#,
            r#"{"a":[]"#,
            "[]",
            "",
        ] {
            assert!(!is_empty(other), "{other}");
        }
    }

    #[test]
    fn a_deeply_nested_body_is_skipped_without_recursion() {
        let body = format!(r#"{{"a":{}{},"b":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(find("/b", &body).as_deref(), Some("1"));
    }

    #[test]
    fn the_first_key_other_than_the_known_one_names_the_event() {
        assert_eq!(
            first_key_not(br#"{"update_id":1,"message":{}}"#, "update_id").as_deref(),
            Some("message")
        );
        assert_eq!(first_key_not(br#"{"update_id":1}"#, "update_id"), None);
        assert_eq!(first_key_not(b"[]", "x"), None);
    }
}
