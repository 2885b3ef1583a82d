//! From the value that a program yields to what the caller asked for.
//!
//! jaq can hold what JSON cannot: NaN, byte strings, keys of any kind, texts that are not UTF-8. None of it may leave
//! the jail looking like JSON, so each is an error here. The writer stops at the limits instead of finishing first.

use std::{
    fmt::{self, Write as _},
    str,
};

use bytes::Bytes;
use jaq_json::{Num, Val};
use serde::de::IgnoredAny;

use crate::{ExpressionError, Limits, NotJson, Output, Want};

/// How much of a value an error shows.
const SHOWN_BYTES: usize = 80;

/// Integral floats below this are written as integers, as jq does; above it not all digits are known.
const LARGEST_INTEGRAL: f64 = 1e17;

/// Turns a value into what was wanted.
pub(crate) fn convert(value: &Val, want: Want, limits: &Limits) -> Result<Output, ExpressionError> {
    match (want, value) {
        (Want::Boolean, Val::Bool(answer)) => Ok(Output::Boolean(*answer)),
        (Want::Boolean, other) => Err(ExpressionError::NotBoolean {
            found: show(other, SHOWN_BYTES),
        }),
        (Want::Text, Val::Null) => Ok(Output::Text(None)),
        (Want::Text, Val::TStr(bytes)) => match text(bytes)? {
            long if long.len() > limits.output_bytes => Err(ExpressionError::OutputTooLarge {
                limit: limits.output_bytes,
            }),
            text => Ok(Output::Text(Some(text.to_owned()))),
        },
        (Want::Text, Val::Num(number)) => number_text(number).map(|number| Output::Text(Some(number))),
        (Want::Text, other) => Err(ExpressionError::NotText {
            found: show(other, SHOWN_BYTES),
        }),
        (Want::Value, value) => {
            let mut writer = Writer {
                json: Vec::new(),
                limits,
            };
            writer.value(value, 0)?;
            Ok(Output::Value(Bytes::from(writer.json)))
        }
    }
}

/// Shows a value for people, cut at a number of bytes.
pub(crate) fn show(value: &impl fmt::Display, most: usize) -> String {
    let mut shown = Shown {
        text: String::new(),
        most,
    };
    // An error only says that the rest was cut.
    if write!(shown, "{value}").is_err() {
        shown.text.push('…');
    }
    shown.text
}

struct Shown {
    text: String,
    most: usize,
}

impl fmt::Write for Shown {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.most - self.text.len();
        let cut = part.floor_char_boundary(room);
        self.text.push_str(part.get(..cut).unwrap_or_default());
        if cut < part.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Reads a text, or says why it cannot be one in JSON.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, NotJson> {
    let text = str::from_utf8(bytes).map_err(|_not_utf8| NotJson::NotUtf8)?;
    if text.contains('\0') {
        Err(NotJson::NulText)
    } else {
        Ok(text)
    }
}

/// Writes a number as JSON: integers whole, decimals as they stood in the input, floats as short as possible.
pub(crate) fn number_text(number: &Num) -> Result<String, ExpressionError> {
    match number {
        // A literal of the program may have leading zeros, which JSON does not know.
        Num::Dec(decimal) if serde_json::from_str::<IgnoredAny>(decimal).is_ok() => Ok(decimal.to_string()),
        Num::Dec(decimal) => number_text(&Num::from_dec_str(decimal)),
        Num::Float(float) if !float.is_finite() => Err(NotJson::NonFinite.into()),
        Num::Float(float) if float.fract() == 0.0 && float.abs() < LARGEST_INTEGRAL => {
            Ok(format!("{float:.0}"))
        }
        Num::Int(_) | Num::BigInt(_) | Num::Float(_) => Ok(number.to_string()),
    }
}

struct Writer<'l> {
    json: Vec<u8>,
    limits: &'l Limits,
}

impl Writer<'_> {
    fn value(&mut self, value: &Val, depth: usize) -> Result<(), ExpressionError> {
        match value {
            Val::Null => self.write(b"null"),
            Val::Bool(true) => self.write(b"true"),
            Val::Bool(false) => self.write(b"false"),
            Val::Num(number) => self.write(number_text(number)?.as_bytes()),
            Val::BStr(_) => Err(NotJson::Bytes.into()),
            Val::TStr(bytes) => self.text(bytes),
            Val::Arr(_) | Val::Obj(_) if depth == self.limits.depth => Err(NotJson::TooDeep.into()),
            Val::Arr(values) => {
                self.write(b"[")?;
                for (index, value) in values.iter().enumerate() {
                    self.comma(index)?;
                    self.value(value, depth + 1)?;
                }
                self.write(b"]")
            }
            Val::Obj(entries) => {
                self.write(b"{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.comma(index)?;
                    let Val::TStr(key) = key else {
                        return Err(NotJson::NonStringKey.into());
                    };
                    self.text(key)?;
                    self.write(b":")?;
                    self.value(value, depth + 1)?;
                }
                self.write(b"}")
            }
        }
    }

    fn comma(&mut self, index: usize) -> Result<(), ExpressionError> {
        if index == 0 { Ok(()) } else { self.write(b",") }
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), ExpressionError> {
        let text = text(bytes)?;
        self.check_room(text.len())?;
        serde_json::to_writer(&mut self.json, text).expect("a text is JSON, and a vector takes all bytes");
        self.check_room(0)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExpressionError> {
        self.check_room(bytes.len())?;
        self.json.extend_from_slice(bytes);
        Ok(())
    }

    fn check_room(&self, more: usize) -> Result<(), ExpressionError> {
        let limit = self.limits.output_bytes;
        if self.json.len().saturating_add(more) > limit {
            return Err(ExpressionError::OutputTooLarge { limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_value_is_cut_between_characters() {
        assert_eq!(show(&"größer", 4), "grö…");
        assert_eq!(show(&"größer", 3), "gr…");
        assert_eq!(show(&"größer", 8), "größer");
    }

    #[test]
    fn integral_floats_are_written_as_jq_writes_them() {
        for (float, text) in [
            (50.0, "50"),
            (-0.0, "-0"),
            (0.5, "0.5"),
            (1e16, "10000000000000000"),
            (1e17, "1e17"),
        ] {
            assert_eq!(number_text(&Num::Float(float)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_number_that_json_does_not_know_is_rewritten() {
        let decimal = |text: &str| Num::Dec(text.to_owned().into());
        assert_eq!(number_text(&decimal("007.50")).as_deref(), Ok("7.5"));
        assert_eq!(number_text(&decimal("1e400")).as_deref(), Ok("1e400"));
        assert_eq!(number_text(&decimal("01e400")), Err(NotJson::NonFinite.into()));
    }
}
