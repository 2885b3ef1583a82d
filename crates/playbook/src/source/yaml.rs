//! YAML by `serde-saphyr`, kept with the line and column of every value and name.

use super::node::{Field, Kind, Node, Place};
use crate::{Code, Issue};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location, Spanned};
use std::fmt;

/// How deep lists and objects may nest: as deep as expressions take their input.
const DEEPEST: usize = 128;
/// How many nodes a text may repeat by aliases: enough to share headers among calls, too few to fill the memory.
const REPEATED: usize = 20_000;

pub(super) fn parse(text: &str) -> Result<Node, Issue> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `mode: off` is a text.
        strict_booleans: true,
        // `id: 007` and `name: 1_000` are texts.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, options)
        .map(Node::from)
        .map_err(|error| issue(error.without_snippet()))
}

fn issue(error: &Error) -> Issue {
    let at = error.location().map(|at| place(&at));
    let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    // The parser says the place as well; here it is apart.
    let said = at.map_or_else(String::new, |(line, column)| {
        format!(" at line {line}, column {column}")
    });
    let message = message.strip_suffix(&said).unwrap_or(&message);
    let is_duplicate = matches!(error, Error::DuplicateMappingKey { .. });
    Issue {
        code: if is_duplicate {
            Code::DuplicateKey
        } else {
            Code::YamlSyntax
        },
        path: String::new(),
        message: if is_duplicate {
            format!("{message}; a name may stand in an object once: remove or rename one of the two")
        } else {
            format!("this is not YAML that can be read: {message}")
        },
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
    }
}

fn place(at: &Location) -> Place {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    (number(at.line()), number(at.column()))
}

impl From<Spanned<Kind>> for Node {
    fn from(spanned: Spanned<Kind>) -> Self {
        Self {
            at: place(&spanned.referenced),
            kind: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        let number = Number::from_f64(value);
        let number =
            number.ok_or_else(|| E::custom("a number that is infinite or none; JSON has no such"))?;
        Ok(Kind::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Kind, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Kind, E> {
        without_nul::<E>(&value)?;
        Ok(Kind::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            list.push(item.into());
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut fields: Vec<Field> = Vec::new();
        while let Some((name, value)) = entries.next_entry::<Spanned<String>, Spanned<Kind>>()? {
            without_nul::<A::Error>(&name.value)?;
            fields.push(Field {
                at: place(&name.referenced),
                name: name.value,
                value: value.into(),
            });
        }
        Ok(Kind::Object(fields))
    }
}

/// Databases and many receivers refuse U+0000.
fn without_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        return Err(E::custom("a text with the character U+0000"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_and_name_knows_its_place() {
        let root = parse("a: 1\nb:\n  - x\n  - c: [true]\n").unwrap();
        let Kind::Object(fields) = &root.kind else {
            panic!()
        };
        assert_eq!((fields[0].at, fields[0].value.at), ((1, 1), (1, 4)));
        let Kind::List(items) = &fields[1].value.kind else {
            panic!()
        };
        assert_eq!((items[0].at, items[1].at), ((3, 5), (4, 5)));
        assert_eq!(root.to_value(), json!({"a": 1, "b": ["x", {"c": [true]}]}));
    }

    #[test]
    fn json_has_places_too() {
        let root = parse("{\n  \"a\": {\"b\": 2.5e3}\n}").unwrap();
        let Kind::Object(fields) = &root.kind else {
            panic!()
        };
        assert_eq!((fields[0].at, fields[0].value.at), ((2, 3), (2, 8)));
        assert_eq!(root.to_value(), json!({"a": {"b": 2500.0}}));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_its_place() {
        let issue = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(
            (issue.code, issue.line, issue.column),
            (Code::DuplicateKey, Some(3), Some(1))
        );
        let issue = parse("{\"a\": {\"b\": 1, \"b\": 2}}").unwrap_err();
        assert_eq!((issue.code, issue.line), (Code::DuplicateKey, Some(1)));
    }

    #[test]
    fn broken_and_growing_texts_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let row = [format!("*a{}", level - 1).as_str(); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{row}]\n");
        }
        for bad in [
            "{",
            "a: [",
            "\t- x: 'y",
            "a: .inf",
            "a: 1\n---\nb: 2",
            "[\"\\0\"]",
            "\"\\0\": 1",
            &bomb,
        ] {
            assert_eq!(parse(bad).unwrap_err().code, Code::YamlSyntax, "{bad:.40}");
        }
        assert!(matches!(parse("").unwrap().kind, Kind::Null));
    }

    #[test]
    fn a_text_may_nest_as_deep_as_is_said_and_no_deeper() {
        let nested = || {
            let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert!(parse(&nested(DEEPEST - 1)).is_ok());
            assert_eq!(parse(&nested(DEEPEST + 1)).unwrap_err().code, Code::YamlSyntax);
            assert_eq!(parse(&"[".repeat(10_000)).unwrap_err().code, Code::YamlSyntax);
        };
        // Without optimisation, a level takes some 30 KiB of stack.
        let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(nested);
        thread.unwrap().join().unwrap();
    }
}
