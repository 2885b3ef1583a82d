//! What a handshake wants to find in a request before it is one.

use serde::Deserialize;
use serde_json::Value;

use crate::request::Request;
use crate::select::Selector;

/// A value of the `when:` of a handshake. Numbers and booleans compare by their spelling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Wanted {
    /// `"*"`: anything that is not empty.
    Anything,
    Text(String),
    /// `"?text"`: this text, or nothing.
    TextIfAny(String),
    /// `[]`: a JSON array without elements.
    EmptyArray,
}

impl Wanted {
    /// Whether `place` has this value. What is repeated where one is expected is no value.
    pub(crate) fn is_at(&self, place: &Selector, request: &Request<'_>) -> bool {
        let found = || place.find(request, &[]).ok().flatten();
        match self {
            Self::Anything => found().is_some(),
            Self::Text(text) => found().is_some_and(|found| found.as_ref() == text.as_bytes()),
            Self::TextIfAny(text) => found().is_none_or(|found| found.as_ref() == text.as_bytes()),
            Self::EmptyArray => place.is_empty_array(request),
        }
    }
}

impl TryFrom<Value> for Wanted {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(text) if text == "*" => Ok(Self::Anything),
            Value::String(text) => Ok(match text.strip_prefix('?') {
                Some(text) => Self::TextIfAny(text.to_owned()),
                None => Self::Text(text),
            }),
            Value::Number(_) | Value::Bool(_) => Ok(Self::Text(value.to_string())),
            Value::Array(items) if items.is_empty() => Ok(Self::EmptyArray),
            _ => Err("only a text, a number, a boolean or `[]` can be compared with"),
        }
    }
}
