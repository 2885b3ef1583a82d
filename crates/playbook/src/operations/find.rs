//! Finds an operation in a document, of OpenAPI 2.0 or 3.x.

use super::{Missing, Operation, Place, parameters, server};
use crate::lower::advice;
use serde_json::{Map, Value};

/// The methods that a path may have.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// A document's version, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 2.0, called Swagger.
    Two,
    /// 3.x.
    Three,
}

/// The operation of an id.
pub(super) fn operation(uri: &str, document: &Value, id: &str) -> Result<Operation, Missing> {
    let version = version(uri, document)?;
    let mut ids = Vec::new();
    for (path, item) in document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        // One that cannot be read is not the one that is called.
        let Ok(item) = resolved(document, item) else {
            continue;
        };
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            match operation.get("operationId").and_then(Value::as_str) {
                Some(own) if own == id => {
                    return called(
                        uri,
                        document,
                        version,
                        &Way {
                            path,
                            item,
                            method,
                            operation,
                        },
                    );
                }
                Some(own) => ids.push(own),
                None => {}
            }
        }
    }
    Err(Missing::Operation {
        id: id.to_owned(),
        advice: advice(id, ids.iter().copied()),
    })
}

/// The way to an operation in its document.
pub(super) struct Way<'a> {
    pub(super) path: &'a str,
    /// What stands at the path, for all methods.
    pub(super) item: &'a Value,
    pub(super) method: &'a str,
    pub(super) operation: &'a Value,
}

fn called(uri: &str, document: &Value, version: Version, way: &Way<'_>) -> Result<Operation, Missing> {
    let base = server::base(uri, document, version, way)?;
    let given = parameters::of(document, version, way)?;
    let is_given = |name: &str| {
        let mut parameters = given.parameters.iter();
        parameters.any(|parameter| parameter.place == Place::Path && parameter.name == name)
    };
    let mut names = way
        .path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'));
    if let Some((name, _)) = names.find(|(name, _)| !is_given(name)) {
        return Err(Missing::Broken(format!(
            "has `{{{name}}}` in the path {}, and does not say what it is",
            way.path
        )));
    }
    Ok(Operation {
        method: way.method.to_ascii_uppercase(),
        uri: format!("{}{}", base.trim_end_matches('/'), way.path),
        parameters: given.parameters,
        body: given.body,
    })
}

fn version(uri: &str, document: &Value) -> Result<Version, Missing> {
    let text = |name| document.get(name).and_then(Value::as_str);
    match (text("swagger"), text("openapi")) {
        (Some("2.0"), _) => Ok(Version::Two),
        (_, Some(version)) if version.starts_with("3.") => Ok(Version::Three),
        _ => Err(Missing::Broken(format!("{uri} is none of OpenAPI 2.0 or 3.x"))),
    }
}

/// What stands behind `$ref`, which must be in the same document.
pub(super) fn resolved<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, Missing> {
    /// References to references: two are seen in the wild.
    const STEPS: usize = 8;
    let mut value = value;
    for _ in 0..STEPS {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok(value);
        };
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(Missing::Unsupported(format!(
                "the document refers to another one, `{reference}`, and only one is read; bundle them, or use `call: http`"
            )));
        };
        let target = document.pointer(pointer);
        value =
            target.ok_or_else(|| Missing::Broken(format!("refers to `{reference}`, which is not in it")))?;
    }
    Err(Missing::Broken(
        "has references that lead back to themselves".to_owned(),
    ))
}

/// A field that is an object, or none.
pub(super) fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    value.get(name)?.as_object()
}
