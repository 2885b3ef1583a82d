//! JSON Schemas: of event types' payloads and of playbooks' inputs.
//!
//! A schema stands on its own: nothing is fetched for it. Its patterns are matched in linear time, so that no input can
//! make one slow; what only a backtracking engine can match (look-around, back-references) is refused when it is saved.
//!
//! What inputs are checked against must be bounded as well. A schema of some lines that refers to each of its parts twice
//! is visited 2^n times, and one that refers to itself twice 2^depth times; a gateway would do nothing else for hours.

use super::kind;
use super::value::Refused;
use crate::Problem;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;

/// The largest schema, in bytes of its JSON.
const LARGEST_SCHEMA: usize = 64 << 10;
/// The largest program that one pattern may become, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;
/// The most parts that a schema may have for an input once each reference stands for what it leads to.
const MOST_PARTS: u64 = 10_000;
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
    compile(value).map(|_validator| value.clone())
}

/// A schema that compiles, and that no input makes slow.
pub(crate) fn for_input(value: &Value) -> Result<Value, Refused> {
    let schema = schema(value)?;
    let parts = Parts {
        whole: value,
        is_old: value.get("$schema").is_some_and(is_old),
        counted: HashMap::new(),
    };
    if parts.count()? > MOST_PARTS {
        return Err(Refused(format!(
            "has more than {MOST_PARTS} parts once each reference stands for what it leads to"
        )));
    }
    Ok(schema)
}

fn is_old(language: &Value) -> bool {
    let language = language.as_str().unwrap_or_default();
    ["draft-03", "draft-04"].iter().any(|old| language.contains(old))
}

/// Counts what there is to visit in a schema.
struct Parts<'a> {
    whole: &'a Value,
    /// Whether it is of draft 4 or before, where `id` is what `$id` became.
    is_old: bool,
    /// By the references that lead there; none while one is being counted.
    counted: HashMap<&'a str, Option<u64>>,
}

impl<'a> Parts<'a> {
    fn count(mut self) -> Result<u64, Refused> {
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
    fn of(&mut self, value: &'a Value) -> Result<u64, Refused> {
        let mut count: u64 = 1;
        match value {
            Value::Array(elements) => {
                for element in elements {
                    count = count.saturating_add(self.of(element)?);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let parts = match (name.as_str(), field) {
                        ("$ref", Value::String(reference)) => self.behind(reference)?,
                        ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                            return Err(Refused(format!(
                                "uses `{name}`, which inputs cannot be checked with"
                            )));
                        }
                        _ => self.of(field)?,
                    };
                    count = count.saturating_add(parts);
                }
            }
            _ => {}
        }
        Ok(count)
    }

    fn field(&mut self, name: &str, field: &'a Value) -> Result<u64, Refused> {
        match (name, field) {
            ("$ref", Value::String(reference)) => self.behind(reference),
            // With a name of its own, a part resolves references in its own way.
            ("$id" | "$schema" | "$dynamicRef" | "$recursiveRef", Value::String(_)) => Err(Refused(format!(
                "has `{name}` in it, which inputs cannot be checked with"
            ))),
            ("id", Value::String(_)) if self.is_old => Err(Refused::new(
                "has `id` in it, which inputs cannot be checked with",
            )),
            _ => self.of(field),
        }
    }

    fn behind(&mut self, reference: &'a str) -> Result<u64, Refused> {
        match self.counted.get(reference) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => {
                return Err(Refused(format!(
                    "refers to itself by `{reference}`, which inputs cannot be checked with"
                )));
            }
            None => {}
        }
        let target = reference
            .strip_prefix('#')
            .and_then(|path| self.whole.pointer(path));
        let target = target.ok_or_else(|| {
            Refused(format!(
                "has the reference `{reference}`; for an input it must be `#/` and a path in this schema"
            ))
        })?;
        self.counted.insert(reference, None);
        let count = self.of(target)?;
        self.counted.insert(reference, Some(count));
        Ok(count)
    }
}

/// What is wrong with an instance, each with its JSON pointer.
///
/// Fails when the schema does not compile, which [`schema`] refuses to save.
pub(crate) fn issues(schema: &Value, instance: &Value) -> Result<Vec<Problem>, Refused> {
    let validator = compile(schema)?;
    let issues = validator.iter_errors(instance).take(MOST_ISSUES);
    // Without the instance: it may hold secrets, and be long.
    Ok(issues
        .map(|error| Problem::new(error.instance_path().as_str(), error.masked().to_string()))
        .collect())
}

fn compile(schema: &Value) -> Result<Validator, Refused> {
    let patterns = PatternOptions::regex()
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN);
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
    fn a_schema_that_an_input_makes_slow_is_none_for_inputs() {
        let level = |n: u32| json!({"allOf": [{"$ref": format!("#/$defs/a{}", n + 1)}, {"$ref": format!("#/$defs/a{}", n + 1)}]});
        let defs = |levels: u32| {
            let mut defs: serde_json::Map<String, Value> =
                (0..levels).map(|n| (format!("a{n}"), level(n))).collect();
            defs.insert(format!("a{levels}"), json!({"type": "string"}));
            json!({"$defs": defs, "$ref": "#/$defs/a0"})
        };
        let again = json!({"properties": {"a": {"$ref": "#"}}});
        let anchored = json!({"$defs": {"a": {"$anchor": "a"}}, "$ref": "#a"});
        let dynamic = json!({"$dynamicRef": "#"});
        for bad in [defs(40), again, anchored, dynamic] {
            assert!(schema(&bad).is_ok() && for_input(&bad).is_err(), "{bad}");
        }
        for good in [
            defs(5),
            json!(true),
            json!({"$ref": "#/$defs/a%20b", "$defs": {"a%20b": {}, "a b": {}}}),
        ] {
            assert_eq!(for_input(&good), Ok(good.clone()));
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
