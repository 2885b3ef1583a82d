//! Plain paths such as `.type` or `.data.items[0].id`, without jq.
//!
//! *Motivation.* A gateway finds an event's type and dedupe id with such a path, once per request. A trip to the
//! worker costs two switches of processes; looking the path up costs a microsecond or two.
//!
//! *Theory of operation.* A plain path cannot loop, allocate or fail to end: it takes one pass over the input, no
//! stack but its own length, and copies nothing but the answer. So it needs no jail. Whatever is not certainly a plain
//! path, and whatever `serde_json` reads less exactly than jaq, is left to jq. A property checks that both agree.

use std::fmt;

use serde::{
    Deserialize as _,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{ExpressionError, Limits, NotJson, Output, input::validate};

/// The longest path that is looked up here. `serde_json` itself stops at 128.
const SEGMENTS: usize = 16;

/// The largest index that is looked up here.
const INDEX_DIGITS: usize = 9;

/// A program that only looks up one place of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlainPath<'p> {
    segments: Vec<Segment<'p>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> PlainPath<'p> {
    /// Reads a program that is a plain path and nothing else.
    pub(crate) fn parse(program: &'p str) -> Option<Self> {
        let mut rest = program.trim_ascii();
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = match rest.strip_prefix('.') {
                Some(dotted) if dotted.starts_with('"') => quoted(dotted)?,
                Some(dotted) if dotted.starts_with('[') && segments.is_empty() => bracketed(dotted)?,
                Some(dotted) => named(dotted)?,
                None if segments.is_empty() => return None,
                None => bracketed(rest)?,
            };
            segments.push(segment);
            rest = after;
        }
        (1..=SEGMENTS)
            .contains(&segments.len())
            .then_some(Self { segments })
    }

    /// Looks the path up for [`Want::Text`](crate::Want::Text). `None`: only jq can tell.
    pub(crate) fn text(&self, json: &[u8], limits: &Limits) -> Option<Result<Output, ExpressionError>> {
        let json = match validate(json, limits) {
            Ok(json) => json,
            Err(error) => return Some(Err(error)),
        };
        let lookup = Lookup {
            segments: &self.segments,
        };
        match lookup
            .deserialize(&mut serde_json::Deserializer::from_str(json))
            .ok()?
        {
            Found::Nothing => Some(Ok(Output::Text(None))),
            // jq has the words for it.
            Found::Wrong => None,
            Found::Leaf(leaf) => convert(leaf, limits),
        }
    }
}

fn named(rest: &str) -> Option<(Segment<'_>, &str)> {
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins_well.then_some((Segment::Key(name), after))
}

fn quoted(rest: &str) -> Option<(Segment<'_>, &str)> {
    let (name, after) = rest.strip_prefix('"')?.split_once('"')?;
    (!name.contains('\\')).then_some((Segment::Key(name), after))
}

fn bracketed(rest: &str) -> Option<(Segment<'_>, &str)> {
    let inside = rest.strip_prefix('[')?;
    let (segment, after) = if inside.starts_with('"') {
        quoted(inside)?
    } else {
        let end = inside.find(|c: char| !c.is_ascii_digit())?;
        let (digits, after) = inside.split_at(end);
        if digits.len() > INDEX_DIGITS {
            return None;
        }
        (Segment::Index(digits.parse().ok()?), after)
    };
    Some((segment, after.strip_prefix(']')?))
}

fn convert(leaf: &RawValue, limits: &Limits) -> Option<Result<Output, ExpressionError>> {
    let json = leaf.get();
    match json.as_bytes().first()? {
        b'"' => {
            // Half a surrogate pair is an error here and a replacement character in jq.
            let text: String = serde_json::from_str(json).ok()?;
            Some(if text.contains('\0') {
                Err(NotJson::NulText.into())
            } else if text.len() > limits.output_bytes {
                Err(ExpressionError::OutputTooLarge {
                    limit: limits.output_bytes,
                })
            } else {
                Ok(Output::Text(Some(text)))
            })
        }
        b'n' => Some(Ok(Output::Text(None))),
        // jaq keeps decimals and integers of any size as they stand; only minus zero has another name.
        b'-' | b'0'..=b'9' => Some(Ok(Output::Text(Some(if json == "-0" {
            "0".to_owned()
        } else {
            json.to_owned()
        })))),
        // The error shows the value, and jaq writes it its own way.
        _ => None,
    }
}

/// What stands at the path.
#[derive(Debug)]
enum Found<'de> {
    Nothing,
    Leaf(&'de RawValue),
    /// A key of what is no object, or an index of what is no array.
    Wrong,
}

#[derive(Clone, Copy)]
struct Lookup<'p> {
    segments: &'p [Segment<'p>],
}

impl<'de> DeserializeSeed<'de> for Lookup<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        if self.segments.is_empty() {
            return <&RawValue>::deserialize(deserializer).map(Found::Leaf);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lookup<'_> {
    type Value = Found<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Wrong)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::Wrong)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::Wrong)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Wrong)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found<'de>, E> {
        Ok(Found::Wrong)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Found<'de>, A::Error> {
        let (wanted, mut found) = match self.segments {
            [Segment::Index(index), ..] => (Some(*index), Found::Nothing),
            _ => (None, Found::Wrong),
        };
        let rest = Lookup {
            segments: self.segments.get(1..).unwrap_or_default(),
        };
        for index in 0.. {
            if wanted == Some(index) {
                match values.next_element_seed(rest)? {
                    Some(value) => found = value,
                    None => break,
                }
            } else if values.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found<'de>, A::Error> {
        let wanted = match self.segments {
            [Segment::Key(key), ..] => Some(*key),
            // jaq has objects with any keys, so a number is only one that is not there.
            _ => None,
        };
        let rest = Lookup {
            segments: self.segments.get(1..).unwrap_or_default(),
        };
        let mut found = Found::Nothing;
        while let Some(is_wanted) = entries.next_key_seed(IsKey(wanted))? {
            if is_wanted {
                // The last of equal keys wins, as in jq.
                found = entries.next_value_seed(rest)?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a key without keeping it.
struct IsKey<'p>(Option<&'p str>);

impl<'de> DeserializeSeed<'de> for IsKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(self.0 == Some(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Want, engine::Engine, input};

    #[test]
    fn only_plain_paths_are_taken() {
        for program in [
            ".a",
            " .type\n",
            ".a.b_2",
            ".\"a b\".c",
            ".[\"a\"][0].b",
            ".a[\"b\"][12]",
            ".and.if",
        ] {
            assert!(PlainPath::parse(program).is_some(), "{program}");
        }
        for program in [
            "",
            ".",
            "..",
            ".a.",
            "a",
            ".a?",
            ".a | .b",
            ".a[-1]",
            ".a[]",
            ".a[0",
            ".a.[0]",
            ".\"\\u0061\"",
            ".a[0:1]",
            ".1",
            ".é",
            ".a[9999999999]",
            "[0]",
            ".a // 1",
            "..a",
            ".a #x",
        ] {
            assert_eq!(PlainPath::parse(program), None, "{program}");
        }
        assert_eq!(PlainPath::parse(&".a".repeat(17)), None);
    }

    fn jq(program: &str, json: &str) -> Result<Output, ExpressionError> {
        let mut engine = Engine::new(Limits::default());
        let program = engine.program(program)?;
        let text = validate(json.as_bytes(), &Limits::default())?;
        engine.run(&program, input::parse(text)?, Want::Text)
    }

    /// Compares with jq where jq is not asked, and says whether that is so.
    fn assert_agree(program: &str, json: &str) -> bool {
        let path = PlainPath::parse(program).expect("the program is a plain path");
        let plain = path.text(json.as_bytes(), &Limits::default());
        let is_plain = plain.is_some();
        assert_eq!(
            plain.unwrap_or_else(|| jq(program, json)),
            jq(program, json),
            "{program} on {json}"
        );
        is_plain
    }

    #[test]
    fn the_odd_corners_are_those_of_jq() {
        for (program, json) in [
            (".a", r#"{"a": 1, "a": "last"}"#),
            (".a.b", r#"{"a": 1, "a": {"b": "x"}}"#),
            (".a.b", r#"{"a": {"b": "x"}, "a": null}"#),
            (".a.b", r#"{"a": null}"#),
            (".a[1]", r#"{"a": [1, 2, 3]}"#),
            (".a[3]", r#"{"a": [1, 2, 3]}"#),
            (".[0]", r#"{"0": 1}"#),
            (".a", r#"{"a": -0}"#),
            (".a", r#"{"a": -0.0}"#),
            (".a", r#"{"a": 1e400}"#),
            (".a", r#"{"a": 123456789012345678901234567890.50}"#),
            (".a", r#"{"\u0061": "\ud83d\ude00"}"#),
            (".a", r#"{"a": "\u0000"}"#),
            (".a", "{\"a\": 1"),
        ] {
            assert!(assert_agree(program, json), "{program} on {json} is left to jq");
        }
        for (program, json) in [
            (".a", r#"{"a": "\ud800"}"#),
            (".a", r#"{"\ud800": 1}"#),
            (".a", r#"{"a": [1]}"#),
            (".a", "[1]"),
            (".a", "\"text\""),
            (".[0]", "\"text\""),
        ] {
            assert!(
                !assert_agree(program, json),
                "{program} on {json} is not left to jq"
            );
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text is JSON")),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| format!("[{}]", values.join(", "))),
                proptest::collection::vec(("[ab]", inner), 0..4).prop_map(|entries| {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(key, value)| format!("\"{key}\": {value}"))
                        .collect();
                    format!("{{{}}}", entries.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_plain_path_finds_what_jq_finds(
            json in json(),
            program in "(\\.a|\\.\"b\"|\\.b)(\\.[ab]|\\[\"a\"\\]|\\[[0-3]\\]){0,3}",
        ) {
            assert_agree(&program, &json);
        }
    }
}
