//! `raise`, and which errors a `catch` takes.

use super::Lowering;
use super::expression::{Marked, marked};
use super::library::is_name;
use super::nearest::advice;
use super::scope::Scope;
use crate::source::{Kind, Spot};
use crate::{Code, ErrorField, ErrorTemplate, TaskKind, Template, error_types};
use serde_json::Value;
use std::collections::BTreeMap;

impl Lowering<'_, '_> {
    /// `raise`.
    pub(super) fn raise(&mut self, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let fields = self.object(spot, "`raise`", &["error"]);
        let example = "error: {type: https://example.com/errors/refused, status: 400}";
        let Some(error) = self.required(&fields, "error", example) else {
            return TaskKind::Raise(ErrorTemplate::none());
        };
        if !is_name(&error) {
            return TaskKind::Raise(self.error_template(&error, scope));
        }
        let name = error.text().unwrap_or_default();
        let Some(definition) = self.library.errors.take(name) else {
            let advice = advice(name, self.library.errors.names());
            let message = format!("there is no error `{name}` in `use.errors`; {advice}");
            self.issue(Code::UnknownReference, &error, message);
            return TaskKind::Raise(ErrorTemplate::none());
        };
        TaskKind::Raise(self.error_template(&definition, scope))
    }

    pub(super) fn error_template(&mut self, spot: &Spot<'_>, scope: &Scope) -> ErrorTemplate {
        let known = ["type", "status", "title", "detail", "instance"];
        let fields = self.object(spot, "an error", &known);
        let kind = self.required(&fields, "type", "type: https://example.com/errors/refused");
        let status = self.required(&fields, "status", "status: 400");
        let mut text = |name: &str| {
            let field = fields.get(name)?;
            Some(self.text_or_expression(&field, &format!("`{name}`"), scope))
        };
        let (title, detail, instance) = (text("title"), text("detail"), text("instance"));
        let status = status.and_then(|spot| self.integer(&spot, "`status`", 100, 599));
        ErrorTemplate {
            kind: kind.map_or(Template::Literal(Value::Null), |kind| {
                self.error_type(&kind, scope)
            }),
            status: status
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or_default(),
            title,
            detail,
            instance,
        }
    }

    fn error_type(&mut self, spot: &Spot<'_>, scope: &Scope) -> Template {
        match self.text_or_expression(spot, "`type`", scope) {
            Template::Literal(Value::String(text)) => {
                self.uri_reference(spot, "`type`", &text);
                Template::Literal(error_types::normalise(&text).into())
            }
            other => other,
        }
    }

    /// A URI or a part of one: not empty, no spaces.
    pub(super) fn uri_reference(&mut self, spot: &Spot<'_>, what: &str, text: &str) {
        if text.is_empty() || text.contains(char::is_whitespace) {
            let message = format!("{what} is `{text}`; it must be a URI, which has no spaces");
            self.issue(Code::InvalidValue, spot, message);
        }
    }

    /// `errors`: what a caught error's fields must equal.
    pub(super) fn error_filter(&mut self, spot: &Spot<'_>) -> BTreeMap<ErrorField, Value> {
        let fields = self.object(spot, "`errors`", &["with"]);
        let Some(with) = fields.get("with") else {
            return BTreeMap::new();
        };
        let known = [
            ("type", ErrorField::Type),
            ("status", ErrorField::Status),
            ("title", ErrorField::Title),
            ("detail", ErrorField::Detail),
            ("instance", ErrorField::Instance),
        ];
        let fields = self.object(&with, "`with`", &known.map(|(name, _)| name));
        if matches!(&with.node.kind, Kind::Object(fields) if fields.is_empty()) {
            let message = "`with` is empty; leave `errors` out to catch every error";
            self.issue(Code::InvalidValue, &with, message);
        }
        let mut wanted = BTreeMap::new();
        for (name, field) in known {
            let Some(spot) = fields.get(name) else { continue };
            let value = if field == ErrorField::Status {
                self.integer(&spot, "`status`", 100, 599).map(Value::from)
            } else {
                self.text(&spot, &format!("`{name}`"))
                    .map(|text| self.wanted_text(&spot, name, text).into())
            };
            wanted.extend(value.map(|value| (field, value)));
        }
        wanted
    }

    fn wanted_text(&mut self, spot: &Spot<'_>, name: &str, text: &str) -> String {
        if !matches!(marked(text), Marked::Not) {
            let message = format!(
                "`{name}` is compared as it stands, and expressions are not evaluated in it; use `when` of `catch`"
            );
            self.issue(Code::InvalidValue, spot, message);
        }
        if name == "type" {
            error_types::normalise(text)
        } else {
            text.to_owned()
        }
    }
}

impl ErrorTemplate {
    fn none() -> Self {
        Self {
            kind: Template::Literal(Value::Null),
            status: 0,
            title: None,
            detail: None,
            instance: None,
        }
    }
}
