//! Between `serde_json`'s values and jaq's.

use std::sync::Arc;

use jaq_json::{Map, Num, Val};
use serde_json::{Number, Value};

use crate::{
    ExpressionError, Limits, NotJson,
    output::{number_text, text},
};

/// Turns JSON into what a program reads.
pub(crate) fn from_value(value: &Value) -> Result<Val, ExpressionError> {
    Ok(match value {
        Value::Null => Val::Null,
        Value::Bool(answer) => Val::Bool(*answer),
        Value::Number(number) => Val::Num(from_number(number)),
        Value::String(text) => Val::from(text.clone()),
        Value::Array(items) => Val::Arr(Arc::new(items.iter().map(from_value).collect::<Result<_, _>>()?)),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| Ok((Val::from(name.clone()), from_value(value)?)));
            Val::Obj(Arc::new(fields.collect::<Result<Map<_, _>, ExpressionError>>()?))
        }
    })
}

fn from_number(number: &Number) -> Num {
    if let Some(integer) = number.as_i64() {
        Num::from_integral(integer)
    } else if let Some(integer) = number.as_u64() {
        Num::from_integral(integer)
    } else {
        Num::Float(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// Turns what a program yields into JSON, or says what in it is none.
pub(crate) fn to_value(value: &Val, limits: &Limits) -> Result<Value, ExpressionError> {
    let mut room = limits.output_bytes;
    convert(value, limits, 0, &mut room)
}

fn convert(value: &Val, limits: &Limits, depth: usize, room: &mut usize) -> Result<Value, ExpressionError> {
    if depth > limits.depth {
        return Err(NotJson::TooDeep.into());
    }
    let mut take = |bytes: usize| {
        *room = room.checked_sub(bytes).ok_or(ExpressionError::OutputTooLarge {
            limit: limits.output_bytes,
        })?;
        Ok::<(), ExpressionError>(())
    };
    Ok(match value {
        Val::Null => {
            take(4)?;
            Value::Null
        }
        Val::Bool(answer) => {
            take(4)?;
            Value::Bool(*answer)
        }
        Val::Num(number) => {
            let written = number_text(number)?;
            take(written.len())?;
            // What has more digits than a double holds is rounded: a run's data are JSON as most readers read it.
            let number: Number = serde_json::from_str(&written).map_err(|_too_large| NotJson::NonFinite)?;
            Value::Number(number)
        }
        Val::BStr(_) => return Err(NotJson::Bytes.into()),
        Val::TStr(bytes) => {
            let text = text(bytes)?;
            take(text.len() + 2)?;
            Value::String(text.to_owned())
        }
        Val::Arr(items) => {
            take(items.len() + 2)?;
            let items = items.iter().map(|item| convert(item, limits, depth + 1, room));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Val::Obj(fields) => {
            take(2 * fields.len() + 2)?;
            let fields = fields.iter().map(|(name, value)| {
                let Val::TStr(name) = name else {
                    return Err(NotJson::NonStringKey.into());
                };
                let name = text(name)?;
                *room = room.saturating_sub(name.len());
                Ok((name.to_owned(), convert(value, limits, depth + 1, room)?))
            });
            Value::Object(fields.collect::<Result<_, ExpressionError>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn back(value: &Value) -> Result<Value, ExpressionError> {
        to_value(&from_value(value)?, &Limits::default())
    }

    #[test]
    fn numbers_keep_their_kind() {
        for value in [
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(0.5),
            json!(1e300),
        ] {
            assert_eq!(back(&value).unwrap(), value);
        }
        // jq's numbers are doubles: 1.0 is 1.
        assert_eq!(back(&json!(1.0)).unwrap(), json!(1));
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        let limits = Limits {
            output_bytes: 100,
            ..Limits::default()
        };
        let kind = |value: &Val| to_value(value, &limits).map_err(|error| error.kind());
        assert_eq!(kind(&Val::from(f64::NAN)), Err("not_json"));
        assert_eq!(kind(&Val::from("a\0".to_owned())), Err("not_json"));
        assert_eq!(kind(&Val::from("x".repeat(99))), Err("output_too_large"));
        let deep = (0..200).fold(Val::Null, |inner, _| Val::Arr(Arc::new(vec![inner])));
        assert_eq!(
            to_value(&deep, &Limits::default()).map_err(|error| error.kind()),
            Err("not_json")
        );
    }

    proptest! {
        #[test]
        fn any_json_survives(text in "[^\0]{0,9}", number: i64, answer: bool) {
            let value = json!({text.clone(): [number, {"a": text, "b": answer}, null]});
            prop_assert_eq!(back(&value).unwrap(), value);
        }
    }
}
