//! Data with expressions in it.

use super::Lowering;
use super::expression::{Marked, marked};
use super::scope::Scope;
use crate::source::{Kind, Spot};
use crate::{Code, Template};
use serde_json::{Map, Value};

impl Lowering<'_, '_> {
    /// Any JSON: texts that are `${ … }` as a whole are expressions, and all else is what it is.
    pub(super) fn template(&mut self, spot: &Spot<'_>, scope: &Scope) -> Template {
        match &spot.node.kind {
            Kind::Text(text) => self.text_template(spot, text, scope),
            Kind::List(_) => {
                let items: Vec<Template> = spot.items().map(|item| self.template(&item, scope)).collect();
                array(items)
            }
            Kind::Object(_) => {
                let fields: Vec<(String, Template)> = spot
                    .fields()
                    .map(|(name, field)| (name.to_owned(), self.template(&field, scope)))
                    .collect();
                object(fields)
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => Template::Literal(spot.node.to_value()),
        }
    }

    fn text_template(&mut self, spot: &Spot<'_>, text: &str, scope: &Scope) -> Template {
        match marked(text) {
            Marked::Whole(code) => return Template::Expression(self.compiled(spot, code, scope)),
            Marked::Mixed(parts) => self.refuse_mixed(spot, &parts),
            Marked::Open => self.refuse_open(spot),
            Marked::Not => {}
        }
        Template::Literal(text.into())
    }

    /// A text, or an expression that yields one.
    pub(super) fn text_or_expression(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Template {
        let text = self.text(spot, what).unwrap_or_default();
        self.text_template(spot, text, scope)
    }

    /// `from`, `as` and the like: a text that always is an expression, or an object with some in it.
    pub(super) fn expression_or_object(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Template {
        match spot.node.kind {
            Kind::Text(_) => Template::Expression(self.expression(spot, what, scope)),
            Kind::Object(_) => self.template(spot, scope),
            _ => {
                self.wrong_type(spot, what, "a jq expression, or an object with `${ … }` in it");
                Template::Literal(Value::Null)
            }
        }
    }

    /// An object with expressions in it, or one `${ … }` that yields an object.
    pub(super) fn object_or_marked(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Template {
        match &spot.node.kind {
            Kind::Object(_) => self.template(spot, scope),
            Kind::Text(text) if text.trim().is_empty() => {
                let message =
                    format!("{what} is empty; it must be an object, or an expression that yields one");
                self.issue(Code::InvalidValue, spot, message);
                Template::Literal(Value::Null)
            }
            Kind::Text(text) if matches!(marked(text), Marked::Not) => {
                let message = format!(
                    "{what} is the text `{text}`; it must be an object, or an expression that yields one: `${{ {text} }}`"
                );
                self.issue(Code::InvalidValue, spot, message);
                Template::Literal(Value::Null)
            }
            Kind::Text(text) => self.text_template(spot, text, scope),
            _ => {
                self.wrong_type(spot, what, "an object, or `${ … }` that yields one");
                Template::Literal(Value::Null)
            }
        }
    }
}

/// A list that is a literal when all in it is.
pub(super) fn array(items: Vec<Template>) -> Template {
    let literals: Option<Vec<Value>> = items.iter().map(Template::literal).collect();
    literals.map_or_else(
        || Template::Array(items),
        |values| Template::Literal(values.into()),
    )
}

/// An object that is a literal when all in it is.
pub(super) fn object(fields: Vec<(String, Template)>) -> Template {
    let literals: Option<Map<String, Value>> = fields
        .iter()
        .map(|(name, field)| Some((name.clone(), field.literal()?)))
        .collect();
    literals.map_or_else(
        || Template::Object(fields),
        |values| Template::Literal(values.into()),
    )
}

impl Template {
    /// Its value, where nothing has to be evaluated.
    fn literal(&self) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value.clone()),
            _ => None,
        }
    }
}
