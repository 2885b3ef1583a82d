//! From the bytes of a body to the value that a program reads.
//!
//! jaq reads a superset of JSON: comments, `NaN`, byte strings, keys that are no texts. A body in it is not JSON, and
//! receivers would not take it for such, so the text is first checked to be strictly that of RFC 8259. jaq then parses
//! it, since it keeps what `serde_json` would round: integers of any size, and decimals as they were written.

use std::str;

use jaq_json::{Val, read};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::{ExpressionError, Limits};

/// Checks that the bytes are one JSON text within the limits. Takes linear time and no stack.
pub(crate) fn validate<'t>(bytes: &'t [u8], limits: &Limits) -> Result<&'t str, ExpressionError> {
    let not_json = |reason: String| ExpressionError::InputNotJson { reason };

    if bytes.len() > limits.input_bytes {
        return Err(ExpressionError::InputTooLarge {
            length: bytes.len(),
            limit: limits.input_bytes,
        });
    }
    let text = str::from_utf8(bytes).map_err(|error| not_json(error.to_string()))?;
    if text.trim_ascii().is_empty() {
        return Err(not_json("it is empty".to_owned()));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(error.to_string()))?;

    let shape = Shape::of(text);
    if shape.depth > limits.depth {
        return Err(ExpressionError::InputTooDeep { limit: limits.depth });
    }
    if shape.longest_number > limits.number_bytes {
        return Err(ExpressionError::InputNumberTooLong {
            limit: limits.number_bytes,
        });
    }
    Ok(text)
}

/// Parses a text that [`validate`] let through.
pub(crate) fn parse(text: &str) -> Result<Val, ExpressionError> {
    read::parse_single(text.as_bytes())
        .or_else(|_| read::parse_single(replace_lone_surrogates(text).as_bytes()))
        .map_err(|error| ExpressionError::InputNotJson {
            reason: error.to_string(),
        })
}

/// Reads a JSON text as a value, as near to what [`parse`] reads as a value comes: half a surrogate pair is the
/// replacement character, and a number beyond doubles is the largest of them, as jq has it.
///
/// It evaluates nothing, and so needs no worker.
pub fn read_json(bytes: &[u8], limits: &Limits) -> Result<Value, ExpressionError> {
    let text = validate(bytes, limits)?;
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&clamp_numbers(&replace_lone_surrogates(text))))
        .map_err(|error| ExpressionError::InputNotJson {
            reason: error.to_string(),
        })
}

/// [`f64::MAX`] as JSON.
const LARGEST_DOUBLE: &str = "1.7976931348623157e308";

/// Writes the largest double for each number that is beyond it.
fn clamp_numbers(json: &str) -> String {
    let mut clamped = String::with_capacity(json.len());
    let (mut number, mut in_text, mut is_escaped) = (String::new(), false, false);
    // The space ends a number that the text ends with.
    for character in json.chars().chain([' ']) {
        if !in_text && matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E') {
            number.push(character);
            continue;
        }
        match number.parse::<f64>() {
            Ok(double) if double.is_infinite() => {
                clamped.push_str(if double < 0.0 { "-" } else { "" });
                clamped.push_str(LARGEST_DOUBLE);
            }
            // The letters of `true` and `false` are among those of numbers.
            _ => clamped.push_str(&number),
        }
        number.clear();
        if in_text {
            in_text = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
        } else {
            in_text = character == '"';
        }
        clamped.push(character);
    }
    clamped
}

/// How deep a JSON text nests and how long its longest number is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    depth: usize,
    longest_number: usize,
}

impl Shape {
    fn of(json: &str) -> Self {
        let mut shape = Self::default();
        let (mut depth, mut number, mut in_text, mut is_escaped) = (0, 0, false, false);
        for byte in json.bytes() {
            if in_text {
                in_text = is_escaped || byte != b'"';
                is_escaped = !is_escaped && byte == b'\\';
                continue;
            }
            number = if matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
                number + 1
            } else {
                0
            };
            shape.longest_number = shape.longest_number.max(number);
            match byte {
                b'"' => in_text = true,
                b'[' | b'{' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
        shape
    }
}

/// Writes `\ufffd` for each half of a surrogate pair that stands alone, as jq does.
///
/// They are JSON by its grammar (RFC 8259, section 8.2, calls them unpredictable) and no Unicode text.
pub(crate) fn replace_lone_surrogates(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        mended.push_str(before);
        let (taken, written) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, escape.get(..12)),
            (Some(0xD800..=0xDFFF), _) => (6, Some("\\ufffd")),
            (Some(_), _) => (6, escape.get(..6)),
            (None, _) => (2, escape.get(..2)),
        };
        mended.push_str(written.unwrap_or_default());
        rest = escape.get(taken..).unwrap_or_default();
    }
    mended + rest
}

/// Returns the UTF-16 unit of a text that begins with an escape such as `\u00e9`.
fn unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<String, ExpressionError> {
        parse(validate(json.as_bytes(), &Limits::default())?).map(|value| value.to_string())
    }

    #[test]
    fn jaqs_extensions_are_not_json() {
        for text in [
            "",
            " ",
            "NaN",
            "Infinity",
            "b\"x\"",
            "1 # one",
            "{1: 2}",
            "+1",
            "01",
            "1 2",
            "[1,]",
            "'a'",
            "\u{feff}1",
        ] {
            assert_eq!(
                read(text).map_err(|error| error.kind()),
                Err("input_not_json"),
                "{text:?}"
            );
        }
        let error = validate(b"\"\xff\"", &Limits::default()).expect_err("it is not UTF-8");
        assert_eq!(error.kind(), "input_not_json");
        assert!(
            read("{\"a\":1}x")
                .expect_err("a letter follows")
                .to_string()
                .contains("line 1 column 8")
        );
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        for number in [
            "123456789012345678901234567890",
            "0.10000000000000000000001",
            "1e400",
            "1.0",
            "-0.0",
        ] {
            assert_eq!(read(number).as_deref(), Ok(number));
        }
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#).as_deref(), Ok(r#"{"a":3,"b":2}"#));
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        for (json, text) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00x""#, "\u{fffd}x"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\\ud800""#, "\\ud800"),
            (r#""\ud800\n\"é""#, "\u{fffd}\n\"é"),
        ] {
            let value = parse(validate(json.as_bytes(), &Limits::default()).unwrap()).unwrap();
            assert_eq!(value, Val::utf8_str(text.to_owned()), "{json}");
        }
    }

    #[test]
    fn a_value_has_what_a_program_would_read() {
        let read = |json: &str| read_json(json.as_bytes(), &Limits::default());
        for (json, expected) in [
            (r#"{"a": [1, "x"]}"#, json!({"a": [1, "x"]})),
            (
                r#"["\ud800", true, false, null]"#,
                json!(["\u{fffd}", true, false, null]),
            ),
            (
                r#"{"1e400": -1e400, "b": 1e400}"#,
                json!({"1e400": f64::MIN, "b": f64::MAX}),
            ),
            (r#"["\"1e400", 2E+400]"#, json!(["\"1e400", f64::MAX])),
            ("1e400", json!(f64::MAX)),
        ] {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
        assert_eq!(read("{").map_err(|error| error.kind()), Err("input_not_json"));
        assert_eq!(
            read(&"9".repeat(1_025)).map_err(|error| error.kind()),
            Err("input_number_too_long")
        );
    }

    #[test]
    fn depth_and_digits_are_limited_outside_of_texts_only() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(&nested(128)).is_ok());
        assert_eq!(
            read(&nested(129)),
            Err(ExpressionError::InputTooDeep { limit: 128 })
        );
        assert_eq!(
            read(&nested(1_000_000)),
            Err(ExpressionError::InputTooDeep { limit: 128 })
        );
        assert!(read(&format!("{:?}", "[\\\"".repeat(1_000))).is_ok());

        assert!(read(&"9".repeat(1_024)).is_ok());
        assert_eq!(
            read(&"9".repeat(1_025)),
            Err(ExpressionError::InputNumberTooLong { limit: 1_024 })
        );
        assert!(read(&format!("\"{}\"", "9".repeat(2_000))).is_ok());
    }

    fn escape(units: impl Iterator<Item = u16>) -> String {
        units
            .map(|unit| format!("\\u{unit:04x}"))
            .collect::<Vec<_>>()
            .concat()
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = validate(&bytes, &Limits::default()) {
                prop_assert!(parse(text).is_ok());
            }
        }

        #[test]
        fn a_text_without_lone_surrogates_is_left_alone(text in any::<String>()) {
            let units = escape(text.encode_utf16());
            let json = format!("[\"{units}\", {}]", serde_json::to_string(&text).unwrap());
            prop_assert_eq!(replace_lone_surrogates(&json), json);
        }

        #[test]
        fn any_escapes_are_read_once_lone_surrogates_are_replaced(units in proptest::collection::vec(any::<u16>(), 0..20)) {
            let escapes = escape(units.iter().copied());
            let value = parse(validate(format!("\"{escapes}\"").as_bytes(), &Limits::default()).unwrap()).unwrap();
            prop_assert_eq!(value, Val::utf8_str(String::from_utf16_lossy(&units)));
        }
    }
}
