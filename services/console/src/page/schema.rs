//! A JSON Schema as lines that a person reads: a field each, those of objects below them.

use super::docs::Prose;
use serde_json::Value;

/// A field, or what stands where no field has a name.
#[derive(Debug)]
pub(super) struct Line {
    /// How deep it is nested.
    pub(super) depth: usize,
    /// Empty for the value as a whole.
    pub(super) name: String,
    pub(super) is_optional: bool,
    /// `text`, `list of integer`, `Endpoint or null` …
    pub(super) kind: String,
    /// The shape of the document that the kind names.
    pub(super) link: Option<String>,
    pub(super) note: Prose,
}

/// Everything that a schema says.
pub(super) fn lines(schema: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    if schema.get("properties").is_none() {
        lines.push(line(schema, "", false, 0));
    }
    below(schema, 0, &mut lines);
    lines
}

fn line(schema: &Value, name: &str, is_optional: bool, depth: usize) -> Line {
    Line {
        depth,
        name: name.to_owned(),
        is_optional,
        kind: kind(schema),
        link: reference(schema).map(str::to_owned),
        note: Prose::of(schema["description"].as_str().unwrap_or_default()),
    }
}

/// The fields of an object, of a list's entries, and of each of several shapes.
fn below(schema: &Value, depth: usize, lines: &mut Vec<Line>) {
    let required = |name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|all| all.iter().any(|one| one == name))
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        lines.push(line(field, name, !required(name), depth));
        below(field, depth + 1, lines);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            below(inner, depth, lines);
        }
    }
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        if one.get("properties").is_some() {
            lines.push(Line {
                kind: "either".to_owned(),
                ..line(one, "", false, depth)
            });
        }
        below(one, depth + 1, lines);
    }
}

/// The shape that a schema refers to, also where it may be null or is a list's.
fn reference(schema: &Value) -> Option<&str> {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next();
    }
    let parts = schema["anyOf"].as_array().into_iter().flatten();
    parts.chain(schema.get("items")).find_map(reference)
}

fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(parts) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = parts.iter().map(kind).collect();
        return joined(kinds);
    }
    if let Some(words) = schema["enum"].as_array() {
        return joined(words.iter().map(ToString::to_string).collect());
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return "anything".to_owned(),
    };
    let named = types.into_iter().map(|one| match one {
        "string" => match schema["format"].as_str() {
            Some("date-time") => "time".to_owned(),
            Some("binary") => "bytes".to_owned(),
            _ => "text".to_owned(),
        },
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        other => other.to_owned(),
    });
    joined(named.collect())
}

/// Each once: `text or null`.
fn joined(mut kinds: Vec<String>) -> String {
    kinds.dedup();
    kinds.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_told_in_words() {
        for (schema, said) in [
            (json!({}), "anything"),
            (json!({"type": ["string", "null"]}), "text or null"),
            (json!({"type": "string", "format": "date-time"}), "time"),
            (json!({"type": "string", "enum": ["a", "b"]}), "\"a\" or \"b\""),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/Route"}}),
                "list of Route",
            ),
            (
                json!({"anyOf": [{"$ref": "#/components/schemas/Route"}, {"type": "null"}]}),
                "Route or null",
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                "object of text",
            ),
        ] {
            assert_eq!(kind(&schema), said);
        }
    }

    #[test]
    fn fields_stand_below_what_they_are_of() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "integer"}}},
            "c": {"type": "array", "items": {"type": "object", "required": ["d"], "properties": {"d": {}}}}}});
        let told: Vec<_> = lines(&schema)
            .into_iter()
            .map(|line| (line.depth, line.name, line.is_optional, line.kind))
            .collect();
        let line =
            |depth, name: &str, optional, kind: &str| (depth, name.to_owned(), optional, kind.to_owned());
        assert_eq!(
            told,
            [
                line(0, "a", false, "object"),
                line(1, "b", true, "integer"),
                line(0, "c", true, "list of object"),
                line(1, "d", false, "anything"),
            ]
        );
    }
}
