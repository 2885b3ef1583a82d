//! JSON Schemas: of inputs, outputs and the context.
//!
//! A schema stands on its own: nothing is fetched for it. Its patterns are matched in linear time; what only a
//! backtracking engine can match (look-around, back-references) is refused when it is saved. What data is checked
//! against is bounded as well: a schema of some lines that refers to each of its parts twice would be visited 2^n
//! times, and one that refers to itself as often as the data is deep.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;
use thiserror::Error;

/// The largest schema, in bytes of its JSON.
const LARGEST: usize = 64 << 10;
/// The largest program that one pattern may become, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;
/// The most parts that a schema may have once each reference stands for what it leads to.
const MOST_PARTS: u64 = 10_000;

/// Why a schema cannot be used. Each is a sentence that begins with what the schema is called.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SchemaError {
    /// A number, a text or the like.
    #[error("must be a JSON Schema, which is an object; write for example `{{type: object}}`")]
    Shape,
    /// Over [`LARGEST`].
    #[error("must be at most {LARGEST} bytes as JSON; shorten it")]
    TooLarge,
    /// Not of JSON Schema.
    #[error("is no JSON Schema that can be used, at `{at}`: {reason}")]
    Invalid {
        /// A JSON pointer in the schema.
        at: String,
        /// What the library says.
        reason: String,
    },
    /// Over [`MOST_PARTS`].
    #[error("has more than {MOST_PARTS} parts once each reference stands for what it leads to; simplify it")]
    TooManyParts,
    /// A reference to what it stands in.
    #[error(
        "refers to itself by `{0}`, which data cannot be checked with in bounded time; write out how deep it goes"
    )]
    Recursive(String),
    /// A reference to anything but a part.
    #[error("has the reference `{0}`; it must be `#/` and a path in this schema, such as `#/$defs/address`")]
    Reference(String),
    /// A keyword that changes what references mean.
    #[error("has `{0}` inside, which is not available; remove it, and refer by `#/` and a path")]
    Keyword(String),
}

/// Whether a schema can be used.
pub(crate) fn check(schema: &Value) -> Result<(), SchemaError> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Err(SchemaError::Shape);
    }
    if schema.to_string().len() > LARGEST {
        return Err(SchemaError::TooLarge);
    }
    let parts = Parts {
        whole: schema,
        is_old: schema.get("$schema").is_some_and(is_old),
        counted: HashMap::new(),
    };
    if parts.count()? > MOST_PARTS {
        return Err(SchemaError::TooManyParts);
    }
    compile(schema).map(|_| ())
}

/// Compiles a schema.
pub(crate) fn compile(schema: &Value) -> Result<Validator, SchemaError> {
    let patterns = PatternOptions::regex()
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN);
    jsonschema::options()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| SchemaError::Invalid {
            at: format!("/{}", error.instance_path().as_str().trim_start_matches('/')),
            reason: error.to_string(),
        })
}

/// Whether a schema is of draft 4 or before, where `id` is what `$id` became.
fn is_old(language: &Value) -> bool {
    let language = language.as_str().unwrap_or_default();
    ["draft-03", "draft-04"].iter().any(|old| language.contains(old))
}

/// Counts what there is to visit in a schema.
struct Parts<'a> {
    whole: &'a Value,
    is_old: bool,
    /// By the references that lead there; none while one is being counted.
    counted: HashMap<&'a str, Option<u64>>,
}

impl<'a> Parts<'a> {
    fn count(mut self) -> Result<u64, SchemaError> {
        self.counted.insert("#", None);
        // The schema as a whole may have a name, and say what language it is in.
        let mut count: u64 = 1;
        for (name, field) in self.whole.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "$id" | "id" | "$schema") {
                count = count.saturating_add(self.field(name, field)?);
            }
        }
        Ok(count)
    }

    /// Keywords that hold data are counted like those that hold schemas: too many is on the safe side.
    fn of(&mut self, value: &'a Value) -> Result<u64, SchemaError> {
        let mut count: u64 = 1;
        match value {
            Value::Array(items) => {
                for item in items {
                    count = count.saturating_add(self.of(item)?);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    count = count.saturating_add(self.field(name, field)?);
                }
            }
            _ => {}
        }
        Ok(count)
    }

    fn field(&mut self, name: &str, field: &'a Value) -> Result<u64, SchemaError> {
        match (name, field) {
            ("$ref", Value::String(reference)) => self.behind(reference),
            ("$id" | "$schema" | "$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                Err(SchemaError::Keyword(name.to_owned()))
            }
            ("id", Value::String(_)) if self.is_old => Err(SchemaError::Keyword(name.to_owned())),
            _ => self.of(field),
        }
    }

    fn behind(&mut self, reference: &'a str) -> Result<u64, SchemaError> {
        match self.counted.get(reference) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err(SchemaError::Recursive(reference.to_owned())),
            None => {}
        }
        let path = reference.strip_prefix('#');
        let target = path.and_then(|path| self.whole.pointer(path));
        let target = target.ok_or_else(|| SchemaError::Reference(reference.to_owned()))?;
        self.counted.insert(reference, None);
        let count = self.of(target)?;
        self.counted.insert(reference, Some(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_stands_on_its_own_and_is_bounded() {
        for good in [
            json!(true),
            json!({}),
            json!({"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": ["string", "null"]}),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        let double = |to: &str| json!({"allOf": [{"$ref": format!("#/$defs/{to}")}, {"$ref": format!("#/$defs/{to}")}]});
        let mut defs = serde_json::Map::new();
        for level in 0..40 {
            defs.insert(format!("a{level}"), double(&format!("a{}", level + 1)));
        }
        defs.insert("a40".to_owned(), json!({}));
        for bad in [
            json!(7),
            json!(null),
            json!({"type": "text"}),
            json!({"$ref": "https://schemas.example/a.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$ref": "#/$defs/none"}),
            json!({"properties": {"a": {"$ref": "#"}}}),
            json!({"pattern": "("}),
            json!({"pattern": "(?=a)b"}),
            json!({"pattern": "(a{1000}){1000}"}),
            json!({"$defs": defs, "$ref": "#/$defs/a0"}),
            json!({"$defs": {"a": {"$id": "https://x.example/"}}}),
            json!({"properties": {"a": {"$dynamicRef": "#"}}}),
        ] {
            assert!(check(&bad).is_err(), "{bad:.100}");
        }
    }
}
