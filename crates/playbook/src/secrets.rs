//! Places of secrets: what stands for a secret in state and requests until a call is sent.
//!
//! *Motivation.* A tenant's expression puts secrets into headers and bodies, and runs in a process that must not have
//! any; a run's state must not have any either. So `$secrets` holds places, texts that stand for the values, and
//! whoever sends the call puts the values in, at the last moment.
//!
//! *Theory of operation.* A place is `⟦nonce:path⟧` in two private-use characters. The nonce is made at the run's
//! start, so that data of strangers cannot name a secret. A place that was taken apart (`@base64`, a substring) stays
//! what it became, and no secret leaks.

use crate::{Body, Credentials, HttpRequest};
use serde_json::{Map, Value};

const BEGIN: char = '\u{f0001}';
const END: char = '\u{f0002}';

/// Replaces each leaf of a shape (`{"slack":{"token":null}}`) by its place.
pub fn places(shape: &Value, nonce: &str) -> Value {
    placed(shape, nonce, "")
}

fn placed(shape: &Value, nonce: &str, path: &str) -> Value {
    match shape {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, inner)| {
                    let path = format!("{path}/{}", escape(name));
                    (name.clone(), placed(inner, nonce, &path))
                })
                .collect::<Map<_, _>>(),
        ),
        _ => Value::String(format!("{BEGIN}{nonce}{path}{END}")),
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What a run knows once it is told that the shape is `now`; none when that is nothing new. What it knew and is gone stays
/// known: whoever needs it is then told which secret is missing, and not that an expression failed.
pub fn learned(known: &Value, now: &Value) -> Option<Value> {
    let learned = union(known, now);
    (learned != *known).then_some(learned)
}

fn union(known: &Value, now: &Value) -> Value {
    let (Value::Object(known), Value::Object(now)) = (known, now) else {
        return now.clone();
    };
    let mut union = known.clone();
    for (name, now) in now {
        let inner = known
            .get(name)
            .map_or_else(|| now.clone(), |known| self::union(known, now));
        union.insert(name.clone(), inner);
    }
    Value::Object(union)
}

/// Whether a text has places in it, of whatever nonce.
pub fn has_places(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Whether a request has places in it, so that it needs the values of secrets.
pub fn are_in(request: &HttpRequest) -> bool {
    let named = request.query.iter().chain(&request.headers);
    named
        .into_iter()
        .any(|(name, value)| has_places(name) || has_places(value))
        || request.body.as_ref().is_some_and(|body| match body {
            Body::Json(value) => are_in_json(value),
            Body::Text(text) => has_places(text),
        })
        || request.authentication.as_ref().is_some_and(|who| match who {
            Credentials::Basic { username, password } => has_places(username) || has_places(password),
            Credentials::Bearer { token } => has_places(token),
        })
}

fn are_in_json(value: &Value) -> bool {
    match value {
        Value::String(text) => has_places(text),
        Value::Array(items) => items.iter().any(are_in_json),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, inner)| has_places(name) || are_in_json(inner)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts values into a text. A place of another nonce stays as it is; one of a secret that is not there any more is an
/// error with its path.
pub fn fill(text: &str, nonce: &str, secrets: &Value) -> Result<String, MissingSecret> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        filled.push_str(before);
        let place = after
            .split_once(END)
            .and_then(|(inner, rest)| Some((inner.strip_prefix(nonce)?, rest)));
        let Some((path, after_place)) = place else {
            filled.push(BEGIN);
            rest = after;
            continue;
        };
        let value = secrets.pointer(path).and_then(Value::as_str);
        filled.push_str(value.ok_or_else(|| MissingSecret {
            path: path.to_owned(),
        })?);
        rest = after_place;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A secret that a call needs and the playbook does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the playbook has no secret `{path}`; give it one, and retry the run")]
pub struct MissingSecret {
    /// Its JSON pointer in the playbook's secrets.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NONCE: &str = "9f3c";

    #[test]
    fn a_place_is_found_wherever_it_is_filled_in() {
        let place = places(&json!({"key": null}), NONCE)["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let plain = HttpRequest {
            method: "POST".to_owned(),
            uri: "https://api.example.com".to_owned(),
            query: vec![("a".to_owned(), "b".to_owned())],
            headers: vec![("X-Team".to_owned(), "pay".to_owned())],
            body: Some(Body::Json(json!({"deep": [{"in": "it"}, 1, null, true]}))),
            authentication: None,
            key: "run_1/do/0/a".to_owned(),
            attempt: 1,
        };
        assert!(!are_in(&plain));
        let with = |change: &dyn Fn(&mut HttpRequest)| {
            let mut request = plain.clone();
            change(&mut request);
            are_in(&request)
        };
        assert!(with(&|it| it.query[0].0.clone_from(&place)));
        assert!(with(&|it| it.query[0].1.clone_from(&place)));
        assert!(with(&|it| it.headers[0].1.clone_from(&place)));
        assert!(with(&|it| it.body = Some(Body::Text(format!("a {place}")))));
        assert!(with(
            &|it| it.body = Some(Body::Json(json!({"deep": [{"in": place}]})))
        ));
        assert!(with(
            &|it| it.body = Some(Body::Json(json!({"deep": [{&place: 1}]})))
        ));
        let token = place.clone();
        assert!(with(
            &|it| it.authentication = Some(Credentials::Bearer { token: token.clone() })
        ));
        for (username, password) in [(place.clone(), String::new()), (String::new(), place)] {
            let basic = Credentials::Basic { username, password };
            assert!(with(&|it| it.authentication = Some(basic.clone())));
        }
    }

    #[test]
    fn a_place_becomes_its_value_and_nothing_else_does() {
        let places = places(&json!({"slack": {"to/ken": null}, "key": null}), NONCE);
        let text = format!(
            "Bearer {}, {}!",
            places["slack"]["to/ken"].as_str().unwrap(),
            places["key"].as_str().unwrap()
        );
        let secrets = json!({"slack": {"to/ken": "xoxb"}, "key": "k"});
        assert_eq!(fill(&text, NONCE, &secrets).unwrap(), "Bearer xoxb, k!");
        assert!(has_places(&text) && !has_places("Bearer xoxb"));
        // Another run's places, and what is none, stay.
        assert_eq!(fill(&text, "other", &secrets).unwrap(), text);
        assert_eq!(fill("a\u{f0001}b", NONCE, &secrets).unwrap(), "a\u{f0001}b");
    }

    #[test]
    fn what_is_new_is_learned_and_what_is_gone_stays_known() {
        let known = json!({"crm": null, "slack": {"token": null}});
        for (now, expected) in [
            (known.clone(), None),
            (json!({}), None),
            (json!({"slack": {}}), None),
            (
                json!({"crm": {"token": null}}),
                Some(json!({"crm": {"token": null}, "slack": {"token": null}})),
            ),
            (
                json!({"slack": {"id": null}, "new": null}),
                Some(json!({"crm": null, "slack": {"token": null, "id": null}, "new": null})),
            ),
            (json!({"slack": null}), Some(json!({"crm": null, "slack": null}))),
        ] {
            assert_eq!(learned(&known, &now), expected, "{now}");
        }
        assert_eq!(
            learned(&Value::Null, &json!({"a": null})),
            Some(json!({"a": null}))
        );
    }

    #[test]
    fn a_secret_that_is_gone_is_named() {
        let text = places(&json!({"a": null}), NONCE)["a"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            fill(&text, NONCE, &json!({})),
            Err(MissingSecret {
                path: "/a".to_owned()
            })
        );
    }
}
