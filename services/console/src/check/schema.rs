//! JSON Schemas: of event types' payloads and of playbooks' inputs.
//!
//! A schema stands on its own: nothing is fetched for it. Its patterns are matched in linear time, so that no input can
//! make one slow; what only a backtracking engine can match (look-around, back-references) is refused when it is saved.
//!
//! Those of inputs are looked at by the playbooks' engine, which also bounds how often their parts are visited.

use super::kind;
use super::value::Refused;
use crate::Problem;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The largest schema, in bytes of its JSON.
const LARGEST_SCHEMA: usize = 64 << 10;
/// The largest program that one pattern may become, in bytes, to be saved.
const LARGEST_PATTERN: usize = 256 << 10;
/// The same of a schema that was saved: the engine's limit, whose schemas of inputs come here as well.
const LARGEST_SAVED_PATTERN: usize = 1 << 20;
/// How many patterns a schema may have: each is compiled, and kept for as long as the schema is looked at.
const MOST_PATTERNS: usize = 200;
/// More mistakes than this are not told.
const MOST_ISSUES: usize = 100;

/// A schema that compiles.
pub(crate) fn schema(value: &Value) -> Result<Value, Refused> {
    if !matches!(value, Value::Object(_) | Value::Bool(_)) {
        return Err(Refused(format!("must be a JSON Schema, not {}", kind(value))));
    }
    if value.to_string().len() > LARGEST_SCHEMA {
        return Err(Refused(format!("must be at most {LARGEST_SCHEMA} bytes as JSON")));
    }
    if patterns(value) > MOST_PATTERNS {
        return Err(Refused(format!("may have at most {MOST_PATTERNS} patterns")));
    }
    compile(value, LARGEST_PATTERN).map(|_validator| value.clone())
}

/// How many patterns are in a schema; more, where a property has the name of a keyword.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(by_pattern)) => by_pattern.len() + patterns(value),
                _ => patterns(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(patterns).sum(),
        _ => 0,
    }
}

/// What is wrong with an instance, each with its JSON pointer.
///
/// Fails when the schema does not compile, which [`schema`] refuses to save.
pub(crate) fn issues(schema: &Value, instance: &Value) -> Result<Vec<Problem>, Refused> {
    let validator = compile(schema, LARGEST_SAVED_PATTERN)?;
    let issues = validator.iter_errors(instance).take(MOST_ISSUES);
    // Without the instance: it may hold secrets, and be long.
    Ok(issues
        .map(|error| Problem::new(error.instance_path().as_str(), error.masked().to_string()))
        .collect())
}

fn compile(schema: &Value, largest_pattern: usize) -> Result<Validator, Refused> {
    let patterns = PatternOptions::regex()
        .size_limit(largest_pattern)
        .dfa_size_limit(largest_pattern);
    jsonschema::options()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|error| {
            let at = error.instance_path().as_str();
            let at = if at.is_empty() {
                String::new()
            } else {
                format!(" at `{at}`")
            };
            Refused(format!("is no JSON Schema that can be used{at}: {error}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_stands_on_its_own() {
        for good in [
            json!(true),
            json!({}),
            json!({"type": "object", "$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": ["string", "null"]}),
            json!({"pattern": "^[a-z]+$"}),
        ] {
            assert_eq!(schema(&good), Ok(good.clone()));
        }
        for bad in [
            json!(7),
            json!(null),
            json!({"type": "text"}),
            json!({"$ref": "https://schemas.example/a.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$ref": "#/$defs/none"}),
            json!({"pattern": "("}),
            json!({"pattern": "(?=a)b"}),
            json!({"pattern": r"(a)\1"}),
            json!({"pattern": "(a{1000}){1000}"}),
        ] {
            assert!(schema(&bad).is_err(), "{bad}");
        }
        let many = |count: usize| {
            let all: Vec<Value> = (0..count)
                .map(|number| json!({"pattern": format!("[ab]{{{number}}}")}))
                .collect();
            json!({"anyOf": all, "patternProperties": {"^a": {"pattern": "b"}}})
        };
        assert!(schema(&many(MOST_PATTERNS - 2)).is_ok());
        let told = schema(&many(MOST_PATTERNS - 1)).unwrap_err();
        assert!(told.0.contains("at most 200 patterns"), "{told:?}");
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_ends() {
        for round in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"properties": {"a": {"$ref": "#"}}}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ] {
            if schema(&round).is_ok() {
                assert!(issues(&round, &json!({"a": {"a": {}}})).is_ok());
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_pointer_and_without_its_value() {
        let schema =
            json!({"type": "object", "required": ["b"], "properties": {"a": {"items": {"type": "integer"}}}});
        let issues = issues(&schema, &json!({"a": [1, "hunter2"]})).unwrap();
        let mut paths: Vec<&str> = issues.iter().map(|issue| issue.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["", "/a/1"]);
        assert!(
            issues.iter().all(|issue| !issue.message.contains("hunter2")),
            "{issues:?}"
        );
    }
}
