//! Whoever is called: petstore and httpbin as the kit needs them, and servers that answer as a scenario says.

use base64::{Engine, prelude::BASE64_STANDARD};
use hookyard_playbook::{Body, CallFailure, Credentials, HttpRequest, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::Instant;

/// How long it takes a server that does not answer.
const NEVER: Duration = Duration::MAX;

pub(crate) type Answer = Result<Reply, CallFailure>;

/// What a server did.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// What a scenario wants, by path: one after the other, and the last again and again.
    plans: BTreeMap<String, Vec<Value>>,
    /// How many of them were used.
    used: BTreeMap<String, usize>,
    /// By key and attempt: a request that comes again is answered as it was.
    known: BTreeMap<(String, u32), (Instant, Answer)>,
    /// What each key came with.
    bodies: BTreeMap<String, String>,
    /// Those that did not come again.
    pub(crate) requests: Vec<HttpRequest>,
}

impl Server {
    /// Takes a scenario's answers: `[{path, status?, body?, headers?, after?, failure?, never?}]`.
    pub(crate) fn plan(&mut self, answers: &Value) {
        for answer in answers.as_array().expect("answers are a list") {
            let path = answer["path"].as_str().expect("an answer has a path").to_owned();
            self.plans.entry(path).or_default().push(answer.clone());
        }
    }

    /// Answers a request at some time, or never.
    pub(crate) fn answer(&mut self, now: Instant, request: &HttpRequest) -> Option<(Instant, Answer)> {
        // The receiver's point of view: one key, one request.
        let seen = json!([
            request.method,
            request.uri,
            request.query,
            request.headers,
            request.body
        ])
        .to_string();
        let first = self
            .bodies
            .entry(request.key.clone())
            .or_insert_with(|| seen.clone());
        assert_eq!(*first, seen, "one key came with two requests");

        let again = (request.key.clone(), request.attempt);
        if let Some(known) = self.known.get(&again) {
            return Some(known.clone());
        }
        if self
            .requests
            .iter()
            .any(|known| (&known.key, known.attempt) == (&again.0, again.1))
        {
            return None;
        }
        self.requests.push(request.clone());
        let (after, answer) = self.first_answer(request);
        (after != NEVER).then(|| {
            self.known.insert(again, (now + after, answer.clone()));
            (now + after, answer)
        })
    }

    fn first_answer(&mut self, request: &HttpRequest) -> (Duration, Answer) {
        let path = request.uri.split('/').skip(3).collect::<Vec<_>>().join("/");
        let path = format!("/{}", path.split('?').next().unwrap());
        if let Some(plans) = self.plans.get(&path) {
            let used = self.used.entry(path.clone()).or_default();
            let plan = &plans[(*used).min(plans.len() - 1)];
            *used += 1;
            return planned(plan);
        }
        let answer = match request.uri.split('/').nth(2) {
            Some("petstore.swagger.io") => petstore(&path),
            Some("httpbin.org") => httpbin(&path, request.authentication.as_ref()),
            _ => reply(200, &echo(request)),
        };
        (Duration::ZERO, Ok(answer))
    }
}

fn planned(plan: &Value) -> (Duration, Answer) {
    if plan["never"] == json!(true) {
        return (NEVER, Ok(reply(500, &Value::Null)));
    }
    let after = Duration::from_secs(plan["after"].as_u64().unwrap_or(0));
    if let Some(kind) = plan["failure"].as_str() {
        let message = format!("the stub fails by {kind}");
        return (
            after,
            Err(CallFailure {
                kind: kind.to_owned(),
                message,
            }),
        );
    }
    let status = u16::try_from(plan["status"].as_u64().unwrap_or(200)).unwrap();
    let mut answer = reply(status, &plan["body"]);
    if let Some(text) = plan["text"].as_str() {
        answer.body = BASE64_STANDARD.encode(text);
    }
    for (name, value) in plan["headers"].as_object().into_iter().flatten() {
        answer.headers.retain(|(known, _)| known != name);
        answer
            .headers
            .push((name.clone(), value.as_str().unwrap().to_owned()));
    }
    (after, Ok(answer))
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: BASE64_STANDARD.encode(body.to_string()),
    }
}

fn echo(request: &HttpRequest) -> Value {
    json!({
        "method": request.method,
        "query": request.query,
        "body": match &request.body {
            Some(Body::Json(body)) => body.clone(),
            Some(Body::Text(text)) => json!(text),
            None => Value::Null,
        },
    })
}

fn petstore(path: &str) -> Reply {
    let pet = |id: u64| json!({"id": id, "name": "doggie", "status": "available"});
    match path.strip_prefix("/v2/pet/") {
        Some("findByStatus") => reply(200, &json!([pet(1), pet(2)])),
        Some(id) if id.parse::<u64>().is_ok() => reply(200, &pet(id.parse().unwrap())),
        _ => reply(404, &json!({"code": 404, "message": "HTTP 404 Not Found"})),
    }
}

fn httpbin(path: &str, credentials: Option<&Credentials>) -> Reply {
    let parts: Vec<_> = path.split('/').collect();
    match (parts.as_slice(), credentials) {
        (["", "basic-auth", user, word], Some(Credentials::Basic { username, password }))
            if username == user && password == word =>
        {
            reply(200, &json!({"authenticated": true, "user": username}))
        }
        _ => reply(401, &Value::Null),
    }
}
