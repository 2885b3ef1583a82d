//! What data a state can hold. Whatever comes into a run is checked here.
//!
//! A state is written as JSON and read by parsers that go 128 levels deep, and no database's JSON has U+0000 in a text.
//! A value beyond that would make a state that cannot be read, or kept, and the run could never go on.

use serde_json::Value;

/// How deep a value may nest. The state around it, or a row of the journal, adds some ten levels.
const DEEPEST: usize = 64;

/// Says why a value cannot be held, if it cannot.
pub(super) fn check(value: &Value) -> Result<(), &'static str> {
    fits(value, DEEPEST)
}

fn fits(value: &Value, levels: usize) -> Result<(), &'static str> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => printable(text),
        Value::Array(_) | Value::Object(_) if levels == 0 => Err("nested deeper than 64 levels"),
        Value::Array(items) => items.iter().try_for_each(|item| fits(item, levels - 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            printable(name)?;
            fits(field, levels - 1)
        }),
    }
}

fn printable(text: &str) -> Result<(), &'static str> {
    if text.contains('\0') {
        Err("a text with U+0000 in it")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| json!([inner]))
    }

    #[test]
    fn what_cannot_be_written_and_read_does_not_fit() {
        assert_eq!(check(&nested(DEEPEST)), Ok(()));
        assert_eq!(check(&json!({"a": [1.5, "text", null]})), Ok(()));
        assert!(check(&nested(DEEPEST + 1)).is_err());
        assert!(check(&json!({"a": "b\u{0}"})).is_err());
        assert!(check(&json!({"a\u{0}": 1})).is_err());
    }
}
