//! Requests as their receivers would see them: the query in the URL, the credentials in a header, the secrets in their
//! places.

use super::play::NONCE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use playbook::secrets::{MissingSecret, fill};
use playbook::{Body, Credentials, HttpRequest};
use reqwest::Url;
use serde_json::{Map, Value};

/// A request as its receiver would see it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Value,
}

/// Puts a request together, with these secrets.
pub(super) fn sent(request: &HttpRequest, secrets: &Value) -> Result<Sent, MissingSecret> {
    let filled = |text: &str| fill(text, NONCE, secrets);
    let mut url = filled(&request.uri)?;
    if !request.query.is_empty() {
        let mut pairs = Vec::with_capacity(request.query.len());
        for (name, value) in &request.query {
            pairs.push((filled(name)?, filled(value)?));
        }
        // The engine makes absolute URLs; what is none is shown as it is.
        if let Ok(mut parsed) = Url::parse(&url) {
            parsed.query_pairs_mut().extend_pairs(pairs);
            url = parsed.into();
        }
    }
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.insert(name.to_ascii_lowercase(), filled(value)?.into());
    }
    if let Some(credentials) = &request.authentication {
        let value = match credentials {
            Credentials::Bearer { token } => format!("Bearer {}", filled(token)?),
            Credentials::Basic { username, password } => {
                let pair = format!("{}:{}", filled(username)?, filled(password)?);
                format!("Basic {}", STANDARD.encode(pair))
            }
        };
        headers.insert("authorization".to_owned(), value.into());
    }
    let body = match &request.body {
        None => Value::Null,
        Some(Body::Text(text)) => filled(text)?.into(),
        Some(Body::Json(value)) => filled_in(value, secrets)?,
    };
    Ok(Sent { url, headers, body })
}

fn filled_in(value: &Value, secrets: &Value) -> Result<Value, MissingSecret> {
    Ok(match value {
        Value::String(text) => fill(text, NONCE, secrets)?.into(),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| filled_in(item, secrets)).collect();
            items?.into()
        }
        Value::Object(fields) => {
            let mut filled = Map::new();
            for (name, field) in fields {
                filled.insert(fill(name, NONCE, secrets)?, filled_in(field, secrets)?);
            }
            filled.into()
        }
        other => other.clone(),
    })
}
