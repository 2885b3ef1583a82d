//! What comes of a call: its answer as the task's output, or an error.

use super::errors::{self, Error};
use super::fit;
use crate::{CallFailure, HttpCall, HttpOutput, HttpRequest, Reply, secrets};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use url::Url;

/// Stands for a text with secrets in it.
const REDACTED: &str = "[redacted]";

/// What the task yields.
pub(super) fn output(
    instance: &str,
    call: &HttpCall,
    request: &HttpRequest,
    result: &Result<Reply, CallFailure>,
) -> Result<Value, Error> {
    let reply = result.as_ref().map_err(|failure| {
        let status = if failure.kind == "timeout" { 504 } else { 502 };
        let detail = format!("{}: {}", named(request), failure.message);
        errors::communication(instance, status, detail)
    })?;
    if reply.status >= 400 || (reply.status >= 300 && !call.redirect) {
        return Err(refused(instance, request, reply));
    }
    if call.output == HttpOutput::Raw {
        return Ok(Value::String(reply.body.clone()));
    }
    let content = content(reply).and_then(|content| match fit::check(&content) {
        Ok(()) => Ok(content),
        Err(reason) => Err(reason.to_owned()),
    });
    let content = content.map_err(|reason| {
        let detail = format!("{} was answered with what is {reason}", named(request));
        errors::communication(instance, 502, detail)
    })?;
    Ok(match call.output {
        HttpOutput::Response => json!({
            "request": described(request),
            "statusCode": reply.status,
            "headers": joined(&reply.headers),
            "content": content,
        }),
        HttpOutput::Content | HttpOutput::Raw => content,
    })
}

fn refused(instance: &str, request: &HttpRequest, reply: &Reply) -> Error {
    let mut detail = format!("{} was answered {}", named(request), reply.status);
    if (300..400).contains(&reply.status) {
        detail.push_str(", and `redirect` is false");
    }
    let body = BASE64_STANDARD.decode(&reply.body).ok();
    if let Some(text) = body.and_then(|body| String::from_utf8(body).ok())
        && !text.trim().is_empty()
    {
        detail.push_str(": ");
        detail.push_str(&errors::quoted(text.trim()));
    }
    errors::communication(instance, reply.status, detail)
}

/// A request as errors name it.
fn named(request: &HttpRequest) -> String {
    format!("{} {}", request.method, errors::quoted(&request.uri))
}

/// The body: JSON as its value, other text as a text, else base64. No body is null.
fn content(reply: &Reply) -> Result<Value, String> {
    if reply.body.is_empty() {
        return Ok(Value::Null);
    }
    let content_type = reply
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map_or("", |(_, value)| value.as_str());
    let body = BASE64_STANDARD
        .decode(&reply.body)
        .map_err(|error| format!("no base64: {error}"))?;
    if is_json(content_type) {
        return serde_json::from_slice(&body)
            .map_err(|error| format!("no JSON, but says that it is: {error}"));
    }
    Ok(match String::from_utf8(body) {
        Ok(text) if is_text(content_type) => Value::String(text),
        _ => Value::String(reply.body.clone()),
    })
}

/// Whether a content type is JSON: `application/json`, or one that ends so.
pub(super) fn is_json(content_type: &str) -> bool {
    let name = essence(content_type);
    name == "application/json" || name == "text/json" || name.ends_with("+json")
}

fn is_text(content_type: &str) -> bool {
    let name = essence(content_type);
    name.starts_with("text/")
        || name.ends_with("+xml")
        || name.ends_with("+yaml")
        || matches!(
            name.as_str(),
            "application/xml"
                | "application/yaml"
                | "application/javascript"
                | "application/graphql"
                | "application/x-ndjson"
                | "application/x-www-form-urlencoded"
        )
}

/// A content type without its parameters.
fn essence(content_type: &str) -> String {
    let name = content_type.split(';').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// The request as the run may see it: nothing that has a secret in it.
fn described(request: &HttpRequest) -> Value {
    let hidden = |text: &str| {
        if secrets::has_places(text) {
            REDACTED.to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut uri = request.uri.clone();
    if !request.query.is_empty()
        && let Ok(mut url) = Url::parse(&uri)
    {
        url.query_pairs_mut()
            .extend_pairs(request.query.iter().map(|(name, value)| (name, hidden(value))));
        uri = url.into();
    }
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), hidden(value)))
        .collect();
    json!({"method": request.method, "uri": uri, "headers": joined(&headers)})
}

/// Headers as an object. One that comes several times has its values joined, as RFC 9110 §5.3 allows.
fn joined(headers: &[(String, String)]) -> Value {
    let mut object: Map<String, Value> = Map::new();
    for (name, value) in headers {
        match object.get_mut(name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            _ => {
                object.insert(name.clone(), Value::String(value.clone()));
            }
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(content_type: &str, body: &[u8]) -> Reply {
        Reply {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: BASE64_STANDARD.encode(body),
        }
    }

    #[test]
    fn a_body_is_read_as_what_it_says_it_is() {
        assert_eq!(
            content(&reply("application/json; charset=utf-8", b"[1]")),
            Ok(json!([1]))
        );
        assert_eq!(content(&reply("application/problem+JSON", b"{}")), Ok(json!({})));
        assert_eq!(content(&reply("text/plain", b"[1]")), Ok(json!("[1]")));
        assert_eq!(content(&reply("image/png", b"\x89PNG")), Ok(json!("iVBORw==")));
        assert_eq!(content(&reply("text/plain", b"\xff")), Ok(json!("/w==")));
        assert_eq!(content(&reply("application/json", b"")), Ok(Value::Null));
        assert!(content(&reply("application/json", b"<html>")).is_err());
    }

    #[test]
    fn no_secret_shows_in_the_request_that_is_told() {
        let places = secrets::places(&json!({"token": null}), "9f3c");
        let secret = places["token"].as_str().unwrap().to_owned();
        let request = HttpRequest {
            method: "GET".to_owned(),
            uri: "https://x.test/a?b=1".to_owned(),
            query: vec![
                ("c d".to_owned(), "é".to_owned()),
                ("key".to_owned(), secret.clone()),
            ],
            headers: vec![
                ("X-Token".to_owned(), format!("t {secret}")),
                ("Accept".to_owned(), "a".to_owned()),
            ],
            body: None,
            authentication: None,
            key: String::new(),
            attempt: 1,
        };
        let described = described(&request);
        assert_eq!(
            described["headers"],
            json!({"X-Token": "[redacted]", "Accept": "a"})
        );
        assert_eq!(
            described["uri"],
            "https://x.test/a?b=1&c+d=%C3%A9&key=%5Bredacted%5D"
        );
        assert!(!described.to_string().contains("9f3c"));
    }
}
