//! `call: http`.

use super::uri;
use crate::lower::Lowering;
use crate::lower::expression::{Marked, marked};
use crate::lower::nearest::advice;
use crate::lower::scope::Scope;
use crate::source::{Kind, Spot};
use crate::{Authentication, Code, Endpoint, HttpCall, TaskKind, Template};
use wire::header;

/// The methods that HTTP has in use.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// A header that the sender of a call sets itself, beside those that nobody may set.
const KEY: &str = "idempotency-key";

impl Lowering<'_, '_> {
    pub(super) fn http(&mut self, with: &Spot<'_>, scope: &Scope) -> TaskKind {
        let known = [
            "method", "endpoint", "headers", "body", "query", "output", "redirect",
        ];
        let fields = self.object(with, "`with` of `call: http`", &known);
        let method = self.required(&fields, "method", "method: get");
        let endpoint = self.required(
            &fields,
            "endpoint",
            "endpoint: https://example.com/orders/{orderId}",
        );
        let (endpoint, authentication) = endpoint.map_or_else(
            || (Endpoint::Literal(String::new()), None),
            |spot| self.endpoint(&spot, scope),
        );
        let sent = scope.with_secrets();
        let headers = fields.get("headers").map(|spot| self.headers(&spot, &sent));
        TaskKind::Http(Box::new(HttpCall {
            method: method.map_or_else(String::new, |spot| self.method(&spot)),
            endpoint,
            content_type: None,
            headers,
            query: fields
                .get("query")
                .map(|spot| self.texts_or_marked(&spot, "query", &sent)),
            body: fields.get("body").map(|spot| self.template(&spot, &sent)),
            authentication,
            output: self.call_output(&fields),
            redirect: self.call_redirect(&fields),
            path_parameters: Vec::new(),
        }))
    }

    fn method(&mut self, spot: &Spot<'_>) -> String {
        let method = self
            .text(spot, "`method`")
            .unwrap_or_default()
            .to_ascii_uppercase();
        if spot.text().is_some() && !METHODS.contains(&method.as_str()) {
            let advice = advice(&method, METHODS);
            self.issue(
                Code::InvalidValue,
                spot,
                format!("`{method}` is no method that can be used; {advice}"),
            );
        }
        method
    }

    /// A text, an expression, or an object of `uri` and `authentication`.
    fn endpoint(&mut self, spot: &Spot<'_>, scope: &Scope) -> (Endpoint, Option<Authentication>) {
        if let Kind::Text(_) = spot.node.kind {
            return (self.uri(spot, "`endpoint`", scope), None);
        }
        let fields = self.object(spot, "`endpoint`", &["uri", "authentication"]);
        let uri = self.required(&fields, "uri", "uri: https://example.com/orders");
        let authentication = fields.get("authentication");
        (
            uri.map_or_else(
                || Endpoint::Literal(String::new()),
                |spot| self.uri(&spot, "`uri`", scope),
            ),
            authentication.and_then(|spot| self.authentication(&spot, &scope.with_secrets())),
        )
    }

    fn uri(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Endpoint {
        let Some(text) = self.text(spot, what) else {
            return Endpoint::Literal(String::new());
        };
        match marked(text) {
            Marked::Whole(code) => return Endpoint::Computed(self.compiled(spot, code, scope)),
            Marked::Mixed(parts) => self.refuse_mixed(spot, &parts),
            Marked::Open => self.refuse_open(spot),
            Marked::Not => {
                if let Some(mistake) = uri::mistake(text) {
                    self.issue(
                        Code::InvalidValue,
                        spot,
                        format!("{what} is `{text}`, and {mistake}"),
                    );
                }
            }
        }
        Endpoint::Literal(text.to_owned())
    }

    /// The rules of [`wire::header`], as far as they can be checked before the expressions are evaluated; the rest is for
    /// whoever sends.
    fn headers(&mut self, spot: &Spot<'_>, scope: &Scope) -> Template {
        let mut known: Vec<String> = Vec::new();
        for (name, field) in spot.fields() {
            let lower = name.to_ascii_lowercase();
            if !header::is_name(name) {
                let message = format!("`{name}` is no name of a header, which has letters, digits and `-`");
                self.issue_of_name(Code::InvalidValue, &field, message);
            } else if lower == KEY || header::is_reserved(name) {
                let message = format!("the header `{name}` is set for you, or is a proxy's; remove it");
                self.issue_of_name(Code::InvalidValue, &field, message);
            } else if known.contains(&lower) {
                let message = format!("the header `{name}` is there twice; a header's case does not matter");
                self.issue_of_name(Code::InvalidValue, &field, message);
            }
            known.push(lower);
            if let Some(text) = field.text()
                && matches!(marked(text), Marked::Not)
                && !header::is_value(text)
            {
                let message = format!(
                    "the value of the header `{name}` must be one line of visible ASCII, at most 8 KiB, with blanks \
                     only inside"
                );
                self.issue(Code::InvalidValue, &field, message);
            }
        }
        if known.len() > header::MAX_CUSTOM {
            let message = format!(
                "{} headers are too many; there may be {}",
                known.len(),
                header::MAX_CUSTOM
            );
            self.issue(Code::LimitExceeded, spot, message);
        }
        self.texts_or_marked(spot, "headers", scope)
    }

    /// An object of texts, or one `${ … }`.
    fn texts_or_marked(&mut self, spot: &Spot<'_>, name: &str, scope: &Scope) -> Template {
        for (name, field) in spot.fields() {
            self.text(&field, &format!("`{name}`"));
        }
        self.object_or_marked(spot, &format!("`{name}`"), scope)
    }
}
