//! `call`: of HTTP endpoints, of operations of OpenAPI documents, and of functions.

mod authentication;
mod function;
mod http;
mod openapi;
mod uri;

pub(crate) use openapi::needed;

use super::fields::Fields;
use super::nearest::advice;
use super::scope::Scope;
use super::{Lowering, unsupported};
use crate::source::Spot;
use crate::{Code, HttpOutput, TaskKind, Template};
use serde_json::Value;

impl Lowering<'_, '_> {
    /// `call`, with `with` beside.
    pub(super) fn call(&mut self, task: &Fields<'_>, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let nothing = TaskKind::Set(Template::Literal(Value::Null));
        let Some(name) = self.text(spot, "`call`") else {
            return nothing;
        };
        match name {
            "http" => {
                let with = self.required(
                    task,
                    "with",
                    "with: {method: get, endpoint: 'https://example.com'}",
                );
                return with.map_or(nothing, |with| self.http(&with, scope));
            }
            "openapi" => {
                let with = self.required(task, "with", "with: {document: {endpoint: …}, operationId: …}");
                return with.map_or(nothing, |with| self.openapi(&with, scope));
            }
            _ => {}
        }
        if let Some(message) = unsupported::call(name) {
            self.issue(Code::Unsupported, spot, message);
            return nothing;
        }
        if let Some(definition) = self.library.functions.take(name) {
            return self.call_of_function(task, spot, name, &definition, scope);
        }
        if unsupported::is_external_function(name) {
            let message = format!(
                "the function `{name}` stands elsewhere, and nothing is fetched; copy it to `use.functions`, and call it by \
                 its name"
            );
            self.issue(Code::Unsupported, spot, message);
        } else {
            let names = self.library.functions.names().chain(["http", "openapi"]);
            let advice = advice(name, names);
            let message = format!("there is no function `{name}` in `use.functions`; {advice}");
            self.issue(Code::UnknownReference, spot, message);
        }
        nothing
    }

    /// `output` of a call: what it yields.
    fn call_output(&mut self, with: &Fields<'_>) -> HttpOutput {
        let outputs = [
            ("content", HttpOutput::Content),
            ("response", HttpOutput::Response),
            ("raw", HttpOutput::Raw),
        ];
        let output = with
            .get("output")
            .and_then(|spot| self.word(&spot, "`output`", &outputs));
        output.unwrap_or(HttpOutput::Content)
    }

    fn call_redirect(&mut self, with: &Fields<'_>) -> bool {
        with.get("redirect")
            .is_some_and(|spot| self.boolean(&spot, "`redirect`"))
    }
}
