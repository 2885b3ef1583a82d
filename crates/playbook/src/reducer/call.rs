//! `call: http`: makes the request. [`super::reply`] is what comes of it.

use super::errors::{self, Error, Kind};
use super::evaluate::View;
use super::frame::Activity;
use super::machine::Machine;
use super::{reply, uri};
use crate::{
    Authentication, Body, CallFailure, Credentials, Effect, Endpoint, HttpCall, HttpRequest, Reply, TaskKind,
    Template,
};
use serde_json::Value;

/// Headers that only the sender sets, in lower case.
const RESERVED: [&str; 3] = ["idempotency-key", "x-hookyard-run", "x-hookyard-attempt"];

impl Machine<'_, '_> {
    /// Sends the request of the task on top of a thread.
    pub(super) fn begin_call(&mut self, thread: u32, call: &HttpCall, input: &Value) -> Result<(), Error> {
        let view = View::at(self.place(thread));
        let mut request = self.request(&view, call, input)?;
        let frame = self.state.task(thread)?;
        let run = self.state.run.as_ref().map_or("", |run| run.id.as_str());
        request.key = frame
            .path
            .idempotency_key(run, self.state.counters.generation, &request);
        request.attempt = frame.path.attempt();
        let pointer = frame.task.clone();
        let effect = self.issue(&pointer, Effect::Http(Box::new(request)));
        self.state.task_mut(thread)?.activity = Activity::Call { effect };
        Ok(())
    }

    /// A call was answered, or will not be.
    pub(super) fn answered(&mut self, id: u32, result: &Result<Reply, CallFailure>) {
        let Some(thread) = self.state.waiting_for(id) else {
            return;
        };
        let result = self.accept(thread, id, result);
        self.settle(thread, result);
    }

    fn accept(&mut self, thread: u32, id: u32, result: &Result<Reply, CallFailure>) -> Result<(), Error> {
        let task = self.task(thread)?;
        let TaskKind::Http(call) = &task.kind else {
            return Err(errors::misfit());
        };
        let Some(Effect::Http(request)) = self.state.effect(id).cloned() else {
            return Err(errors::misfit());
        };
        self.state.pending.retain(|issued| issued.id != id);
        self.state.task_mut(thread)?.activity = Activity::Idle;
        let output = reply::output(&task.pointer, call, &request, result)?;
        self.complete(thread, output, task.then)
    }

    fn request(&mut self, view: &View, call: &HttpCall, input: &Value) -> Result<HttpRequest, Error> {
        let uri = self.uri(view, call, input)?;
        // Only from here on there are secrets: an address is logged in many places, so none may be in it.
        let view = &view.clone().with_secrets();
        let query = self.pairs(view, "query", call.query.as_ref(), input)?;
        let mut headers = self.pairs(view, "headers", call.headers.as_ref(), input)?;
        headers.retain(|(name, _)| !RESERVED.contains(&name.to_ascii_lowercase().as_str()));
        let body = self.body(view, call, &mut headers, input)?;
        Ok(HttpRequest {
            method: call.method.clone(),
            uri,
            query,
            headers,
            body,
            authentication: self.credentials(view, call, input)?,
            key: String::new(),
            attempt: 1,
        })
    }

    fn uri(&mut self, view: &View, call: &HttpCall, input: &Value) -> Result<String, Error> {
        let written = match &call.endpoint {
            Endpoint::Computed(expression) => {
                let template = Template::Expression(expression.clone());
                let computed = self.text(view, "endpoint", Some(&template), input)?;
                computed.ok_or_else(|| {
                    self.expression_error(view, "`endpoint` is null; there is nowhere to call")
                })?
            }
            Endpoint::Literal(template) => {
                let mut parameters = Vec::with_capacity(call.path_parameters.len());
                for (name, value) in &call.path_parameters {
                    parameters.push((name.as_str(), self.fill(view, value, input)?));
                }
                let value_of = |name: &str| {
                    let parameter = parameters.iter().find(|(known, _)| *known == name);
                    parameter.map(|(_, value)| value).or_else(|| input.get(name))
                };
                uri::expand(template, value_of).map_err(|detail| self.expression_error(view, &detail))?
            }
        };
        uri::check(&written).map_err(|detail| Kind::Configuration.at(&self.instance(view.place), detail))?;
        Ok(written)
    }

    /// The names and values of headers or a query. An array is a name several times, null is none.
    fn pairs(
        &mut self,
        view: &View,
        what: &str,
        template: Option<&Template>,
        input: &Value,
    ) -> Result<Vec<(String, String)>, Error> {
        let Some(template) = template else {
            return Ok(Vec::new());
        };
        let fields = match self.fill(view, template, input)? {
            Value::Object(fields) => fields,
            Value::Null => return Ok(Vec::new()),
            _ => return Err(self.expression_error(view, &format!("`{what}` must be an object"))),
        };
        let mut pairs = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                match value {
                    Value::Null => {}
                    Value::String(text) => pairs.push((name.clone(), text)),
                    Value::Number(_) | Value::Bool(_) => pairs.push((name.clone(), value.to_string())),
                    Value::Array(_) | Value::Object(_) => {
                        let detail = format!("`{what}.{name}` must be a text, a number, true or false");
                        return Err(self.expression_error(view, &detail));
                    }
                }
            }
        }
        Ok(pairs)
    }

    /// The body, and the header that says what it is.
    fn body(
        &mut self,
        view: &View,
        call: &HttpCall,
        headers: &mut Vec<(String, String)>,
        input: &Value,
    ) -> Result<Option<Body>, Error> {
        let Some(template) = &call.body else {
            return Ok(None);
        };
        let value = self.fill(view, template, input)?;
        let named = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = if let Some((_, content_type)) = named {
            content_type.clone()
        } else {
            let default = call.content_type.as_deref().unwrap_or("application/json");
            headers.push(("content-type".to_owned(), default.to_owned()));
            default.to_owned()
        };
        Ok(Some(match value {
            Value::String(text) if !reply::is_json(&content_type) => Body::Text(text),
            value => Body::Json(value),
        }))
    }

    fn credentials(
        &mut self,
        view: &View,
        call: &HttpCall,
        input: &Value,
    ) -> Result<Option<Credentials>, Error> {
        let Some(authentication) = &call.authentication else {
            return Ok(None);
        };
        let mut part = |what: &str, template: &Template| {
            let text = self.text(view, what, Some(template), input)?;
            text.ok_or_else(|| {
                let detail = format!("`authentication` has no `{what}`: it is null");
                self.expression_error(view, &detail)
            })
        };
        Ok(Some(match authentication {
            Authentication::Basic { username, password } => Credentials::Basic {
                username: part("username", username)?,
                password: part("password", password)?,
            },
            Authentication::Bearer { token } => Credentials::Bearer {
                token: part("token", token)?,
            },
        }))
    }
}
