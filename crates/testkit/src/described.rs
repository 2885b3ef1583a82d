//! Holding what a service answers against its OpenAPI document.
//!
//! Stricter than the document, which leaves room for fields to come: an answer may have no field that is not described.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// A document to hold answers against.
#[derive(Debug)]
pub struct Described {
    document: Value,
    schemas: Mutex<HashMap<String, Arc<Validator>>>,
}

/// A request and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// `POST`
    pub method: &'a str,
    /// The path, with the query if there is one.
    pub target: &'a str,
    /// The request's body.
    pub sent: &'a [u8],
    /// The answer's status.
    pub status: u16,
    /// The answer's `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The answer's body.
    pub body: &'a [u8],
}

impl Described {
    /// By this document.
    pub fn by(mut document: Value) -> Self {
        if let Some(components) = document.get_mut("components") {
            close(components);
        }
        for item in objects(document.get_mut("paths")) {
            for operation in objects(Some(item)) {
                if let Some(responses) = operation.get_mut("responses") {
                    close(responses);
                }
            }
        }
        Self {
            document,
            schemas: Mutex::default(),
        }
    }

    /// Fails unless the answer is described; of what is done, also the request. Addresses and methods that are not
    /// described are not looked at: that they are all described is another test.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is an assertion")]
    pub fn check(&self, exchange: &Exchange<'_>) {
        if let Err(why) = self.compare(exchange) {
            let Exchange {
                method,
                target,
                status,
                body,
                ..
            } = exchange;
            let body = String::from_utf8_lossy(body);
            panic!("not as described: {method} {target} answers {status}: {why}\n{body}");
        }
    }

    fn compare(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        let (path, query) = exchange.target.split_once('?').unwrap_or((exchange.target, ""));
        let Some((template, item)) = self.item(path) else {
            return Ok(());
        };
        let method = exchange.method.to_lowercase();
        let Some(operation) = item.get(&method) else {
            return Ok(());
        };
        let place = format!("{method} {template}");
        let status = exchange.status.to_string();
        let response = operation.pointer("/responses").and_then(|all| all.get(&status));
        let response = self.resolved(response.ok_or("this status is not described")?);
        if !exchange.body.is_empty() {
            let media = media_type(exchange.content_type);
            let content = response.pointer("/content").and_then(|all| all.get(media));
            let content = content.ok_or_else(|| format!("the media type `{media}` is not described"))?;
            if media == "application/json" {
                self.validate(&format!("{place} {status}"), content, exchange.body)?;
            }
        }
        // 207 says that some of it was not done.
        if (200..207).contains(&exchange.status) {
            self.compare_request(&place, operation, query, exchange.sent)?;
        }
        Ok(())
    }

    /// What was done was asked for as described.
    fn compare_request(
        &self,
        place: &str,
        operation: &Value,
        query: &str,
        sent: &[u8],
    ) -> Result<(), String> {
        let known: Vec<&str> = list(operation.get("parameters"))
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
            // Where no query is described, any is taken.
            if !known.is_empty() && !known.contains(&name.as_ref()) {
                return Err(format!("the query parameter `{name}` is not described"));
            }
        }
        let Some(body) = operation.get("requestBody") else {
            return Ok(());
        };
        let content = body.pointer("/content/application~1json");
        match content.filter(|_| serde_json::from_slice::<Value>(sent).is_ok()) {
            Some(content) => self
                .validate(&format!("{place} request"), content, sent)
                .map_err(|why| format!("the request is described otherwise: {why}")),
            None if sent.is_empty() && body["required"] == json!(true) => {
                Err("the request has no body, which is described as required".to_owned())
            }
            None => Ok(()),
        }
    }

    /// The described path that fits best: the one with the fewest parameters.
    fn item(&self, path: &str) -> Option<(&str, &Map<String, Value>)> {
        let paths = self.document.get("paths")?.as_object()?;
        paths
            .iter()
            .filter_map(|(template, item)| Some((fit(template, path)?, template, item.as_object()?)))
            .min_by_key(|(parameters, ..)| *parameters)
            .map(|(_, template, item)| (template.as_str(), item))
    }

    /// Where an answer stands once for many operations, that one.
    fn resolved<'a>(&'a self, response: &'a Value) -> &'a Value {
        let reference = response.get("$ref").and_then(Value::as_str);
        reference
            .and_then(|reference| self.document.pointer(reference.strip_prefix('#')?))
            .unwrap_or(response)
    }

    fn validate(&self, place: &str, content: &Value, body: &[u8]) -> Result<(), String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        let mut errors = String::new();
        for error in self.schema(place, content)?.iter_errors(&body) {
            // Writing to a text cannot fail.
            let _ = write!(errors, "\n  {} at `{}`", error, error.instance_path());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn schema(&self, place: &str, content: &Value) -> Result<Arc<Validator>, String> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemas.get(place) {
            return Ok(Arc::clone(known));
        }
        let mut schema = content["schema"].clone();
        if let Some(schema) = schema.as_object_mut() {
            let named = self.document.pointer("/components/schemas");
            let named = named.cloned().unwrap_or_else(|| json!({}));
            schema.insert("components".to_owned(), json!({ "schemas": named }));
        }
        let built = jsonschema::validator_for(&schema).map_err(|error| format!("{place}: {error}"))?;
        let built = Arc::new(built);
        schemas.insert(place.to_owned(), Arc::clone(&built));
        Ok(built)
    }
}

/// Refuses fields that are not described, at every depth.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(entries) => entries.iter_mut().for_each(close),
        _ => {}
    }
}

/// How many parameters a template has, if the path fits it.
fn fit(template: &str, path: &str) -> Option<usize> {
    let (wanted, given) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != given.clone().count() {
        return None;
    }
    wanted.zip(given).try_fold(0, |parameters, (wanted, given)| {
        if wanted.starts_with('{') {
            (!given.is_empty()).then_some(parameters + 1)
        } else {
            (wanted == given).then_some(parameters)
        }
    })
}

fn media_type(content_type: Option<&str>) -> &str {
    let content_type = content_type.unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim()
}

fn objects(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|fields| fields.values_mut())
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Described {
        Described::by(json!({
            "paths": {
                "/a/{id}": {"post": {
                    "parameters": [{"name": "dry", "in": "query"}],
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
                        "404": {"$ref": "#/components/responses/none"}}}},
                "/a/b": {"post": {"responses": {"204": {}}}},
            },
            "components": {
                "schemas": {"A": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
                "responses": {"none": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        }))
    }

    fn compare(target: &str, sent: &str, status: u16, body: &str) -> Result<(), String> {
        described().compare(&Exchange {
            method: "POST",
            target,
            sent: sent.as_bytes(),
            status,
            content_type: Some("application/json; charset=utf-8"),
            body: body.as_bytes(),
        })
    }

    #[test]
    fn what_is_as_described_passes() {
        assert_eq!(compare("/a/1?dry=true", "{}", 200, r#"{"id":"1"}"#), Ok(()));
        assert_eq!(compare("/a/1", "", 404, "{}"), Ok(()));
        assert_eq!(compare("/a/b", "", 204, ""), Ok(()));
        assert_eq!(compare("/elsewhere", "", 500, ""), Ok(()));
    }

    #[test]
    fn everything_else_is_told() {
        for (target, sent, status, body) in [
            ("/a/1", "{}", 201, "{}"),
            ("/a/1", "{}", 200, "{}"),
            ("/a/1", "{}", 200, r#"{"id":1}"#),
            ("/a/1", "{}", 200, r#"{"id":"1","more":1}"#),
            ("/a/1", "[]", 200, r#"{"id":"1"}"#),
            ("/a/1", "", 200, r#"{"id":"1"}"#),
            ("/a/1?wet=1", "{}", 200, r#"{"id":"1"}"#),
            ("/a/b", "", 204, "{}"),
            ("/a/b", "", 200, ""),
        ] {
            assert!(
                compare(target, sent, status, body).is_err(),
                "{target} {status} {body}"
            );
        }
    }
}
