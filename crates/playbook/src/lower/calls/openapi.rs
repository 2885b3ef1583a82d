//! `call: openapi`: of an operation that was found in its document when the playbook was saved.

use crate::lower::Lowering;
use crate::lower::expression::{Marked, marked};
use crate::lower::fields::Fields;
use crate::lower::nearest::advice;
use crate::lower::scope::Scope;
use crate::lower::template::object;
use crate::operations::{Missing, Operation, Parameter, Place, RequestBody};
use crate::source::{Kind, Spot};
use crate::{Code, Endpoint, Expression, HttpCall, TaskKind, Template};
use serde_json::Value;

/// What a parameter became.
#[derive(Default)]
struct Parts {
    path: Vec<(String, Template)>,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    body: Option<Template>,
    /// Properties of the body, given one by one.
    properties: Vec<(String, Template)>,
}

impl Lowering<'_, '_> {
    pub(super) fn openapi(&mut self, with: &Spot<'_>, scope: &Scope) -> TaskKind {
        let known = [
            "document",
            "operationId",
            "parameters",
            "authentication",
            "output",
            "redirect",
        ];
        let fields = self.object(with, "`with` of `call: openapi`", &known);
        let document = self.required(
            &fields,
            "document",
            "document: {endpoint: 'https://example.com/openapi.json'}",
        );
        let id = self.required(&fields, "operationId", "operationId: getOrder");
        let document = document.and_then(|spot| self.document_address(&spot));
        let id = id.and_then(|spot| Some((self.text(&spot, "`operationId`")?, spot)));
        let authentication = fields.get("authentication");
        let authentication =
            authentication.and_then(|spot| self.authentication(&spot, &scope.with_secrets()));
        let operation = document.zip(id).and_then(|((uri, document), (id, spot))| {
            let found = self.pinned.find(uri, id);
            match found {
                Ok(operation) => {
                    self.operations.keep(uri, id, operation.clone());
                    Some(operation)
                }
                Err(missing) => {
                    self.refuse_operation(&document, &spot, &missing);
                    None
                }
            }
        });
        let parts = self.parameters(&fields, operation.as_ref(), scope);
        let some = |fields: Vec<_>| (!fields.is_empty()).then(|| object(fields));
        let (method, uri, content_type) = operation.map_or_else(Default::default, |operation| {
            (
                operation.method,
                operation.uri,
                operation.body.map(|body| body.content_type),
            )
        });
        TaskKind::Http(Box::new(HttpCall {
            method,
            endpoint: Endpoint::Literal(uri),
            headers: some(parts.headers),
            query: some(parts.query),
            content_type: content_type.filter(|_| parts.body.is_some() || !parts.properties.is_empty()),
            body: parts.body.or_else(|| some(parts.properties)),
            authentication,
            output: self.call_output(&fields),
            redirect: self.call_redirect(&fields),
            path_parameters: parts.path,
        }))
    }

    fn refuse_operation(&mut self, document: &Spot<'_>, id: &Spot<'_>, missing: &Missing) {
        match missing {
            Missing::Document { .. } => self.issue(Code::UnknownReference, document, missing.to_string()),
            Missing::Operation { .. } => self.issue(Code::UnknownReference, id, missing.to_string()),
            Missing::Unsupported(_) => self.issue(Code::Unsupported, id, missing.to_string()),
            Missing::Broken(_) => self.issue(Code::InvalidValue, document, missing.to_string()),
        }
    }

    /// `document`: where it is, which must be known when the playbook is saved.
    fn document_address<'s>(&mut self, spot: &Spot<'s>) -> Option<(&'s str, Spot<'s>)> {
        let fields = self.object(spot, "`document`", &["name", "endpoint"]);
        if let Some(name) = fields.get("name") {
            self.text(&name, "`name`");
        }
        let endpoint = self.required(&fields, "endpoint", "endpoint: https://example.com/openapi.json")?;
        let mut address = endpoint.clone();
        if let Kind::Object(_) = endpoint.node.kind {
            let fields = self.object(&endpoint, "`endpoint`", &["uri", "authentication"]);
            if let Some(field) = fields.get("authentication") {
                self.authentication(&field, &Scope::outermost().with_secrets());
                let message = "a document that needs authentication is not fetched; publish it without, or use `call: http`";
                self.issue_of_name(Code::Unsupported, &field, message);
            }
            address = self.required(&fields, "uri", "uri: https://example.com/openapi.json")?;
        }
        let uri = self.text(&address, "`endpoint`")?;
        if !matches!(marked(uri), Marked::Not) || uri.contains('{') {
            let message = "the document's address must be known when the playbook is saved; write it without expressions";
            self.issue(Code::Unsupported, &address, message);
            return None;
        }
        if let Some(mistake) = super::uri::mistake(uri) {
            self.issue(
                Code::InvalidValue,
                &address,
                format!("`endpoint` is `{uri}`, and {mistake}"),
            );
            return None;
        }
        Some((uri, address))
    }

    fn parameters(&mut self, with: &Fields<'_>, operation: Option<&Operation>, scope: &Scope) -> Parts {
        let mut parts = Parts::default();
        let given = with.get("parameters");
        let spot = given.as_ref().unwrap_or(&with.object);
        if given.is_some() && !self.is_object(spot, "`parameters`") {
            return parts;
        }
        for (name, field) in given.iter().flat_map(Spot::fields) {
            let is_in_path = |parameter: &Parameter| parameter.name == name && parameter.place == Place::Path;
            // Addresses are logged in many places.
            let is_logged = operation.is_some_and(|operation| operation.parameters.iter().any(is_in_path));
            let sent = scope.with_secrets();
            let value = self.template(&field, if is_logged { scope } else { &sent });
            if let Some(operation) = operation {
                self.parameter(name, &field, value, operation, &mut parts);
            }
        }
        let Some(operation) = operation else {
            return parts;
        };
        let has = |name: &str| given.as_ref().is_some_and(|given| given.field(name).is_some());
        let required = operation.parameters.iter().filter(|parameter| parameter.required);
        for Parameter { name, .. } in required.filter(|parameter| !has(&parameter.name)) {
            let message =
                format!("the operation needs the parameter `{name}`; write `{name}: …` into `parameters`");
            self.issue(Code::MissingProperty, spot, message);
        }
        let body = operation.body.as_ref().filter(|body| body.required);
        if let Some(body) = body.filter(|_| parts.body.is_none() && parts.properties.is_empty()) {
            let message = format!(
                "the operation needs a body; write `{}: …` into `parameters`",
                body.name
            );
            self.issue(Code::MissingProperty, spot, message);
        }
        parts
    }

    /// Puts a parameter where the operation has it.
    fn parameter(
        &mut self,
        name: &str,
        spot: &Spot<'_>,
        value: Template,
        operation: &Operation,
        parts: &mut Parts,
    ) {
        let mut is_known = false;
        for parameter in operation
            .parameters
            .iter()
            .filter(|parameter| parameter.name == name)
        {
            is_known = true;
            let value = joined(value.clone(), parameter.separator.as_deref());
            let part = match parameter.place {
                Place::Path => &mut parts.path,
                Place::Query => &mut parts.query,
                Place::Header => &mut parts.headers,
            };
            part.push((name.to_owned(), value));
        }
        if is_known {
            return;
        }
        let body = operation.body.as_ref();
        if body.is_some_and(|body| body.name == name) {
            parts.body = Some(value);
        } else if body.is_some_and(|body| body.properties.iter().any(|property| property == name)) {
            parts.properties.push((name.to_owned(), value));
        } else {
            let properties = body.iter().flat_map(|body| &body.properties).map(String::as_str);
            let whole = body.map(|RequestBody { name, .. }| name.as_str());
            let all = operation
                .parameters
                .iter()
                .map(|parameter| parameter.name.as_str());
            let all: Vec<&str> = all.chain(whole).chain(properties).collect();
            let message = format!("the operation has no parameter `{name}`; {}", advice(name, all));
            self.issue_of_name(Code::UnknownProperty, spot, message);
            return;
        }
        if parts.body.is_some() && !parts.properties.is_empty() {
            let message = format!(
                "the body is given both as a whole (`{}`) and by a property of it (`{}`); write one of the two",
                body.map_or("body", |body| body.name.as_str()),
                parts.properties.first().map_or("", |(name, _)| name)
            );
            self.issue_of_name(Code::OneOf, spot, message);
        }
    }
}

/// A parameter's value, with its list as one text where that is how it is sent.
fn joined(value: Template, separator: Option<&str>) -> Template {
    let Some(separator) = separator else {
        return value;
    };
    let join = |list: String, of: &Expression| {
        Template::Expression(Expression {
            code: format!(
                "({list}\n) | if type == \"array\" then map(tostring) | join({}) else . end",
                Value::from(separator)
            ),
            ..of.clone()
        })
    };
    match &value {
        Template::Expression(expression) => join(expression.code.clone(), expression),
        Template::Literal(Value::Array(items)) => {
            let texts = items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            Template::Literal(texts.collect::<Vec<_>>().join(separator).into())
        }
        Template::Array(_) => {
            first_expression(&value).map_or_else(|| value.clone(), |first| join(in_jq(&value), first))
        }
        Template::Literal(_) | Template::Object(_) => value,
    }
}

/// An expression that yields what a template yields.
fn in_jq(template: &Template) -> String {
    match template {
        Template::Literal(value) => value.to_string(),
        Template::Expression(expression) => format!("({}\n)", expression.code),
        Template::Array(items) => format!("[{}]", items.iter().map(in_jq).collect::<Vec<_>>().join(",")),
        Template::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| format!("{}:({})", Value::from(name.as_str()), in_jq(field)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

fn first_expression(template: &Template) -> Option<&Expression> {
    match template {
        Template::Literal(_) => None,
        Template::Expression(expression) => Some(expression),
        Template::Array(items) => items.iter().find_map(first_expression),
        Template::Object(fields) => fields.iter().find_map(|(_, field)| first_expression(field)),
    }
}

/// The documents that a playbook needs: their URIs, each once.
pub(crate) fn needed(root: &Spot<'_>) -> Vec<String> {
    let (mut needed, mut rest) = (Vec::new(), vec![root.clone()]);
    while let Some(spot) = rest.pop() {
        if spot
            .field("call")
            .is_some_and(|call| call.text() == Some("openapi"))
            && let Some(uri) = address(&spot)
            && !needed.contains(&uri)
        {
            needed.push(uri);
        }
        rest.extend(spot.fields().map(|(_, field)| field).chain(spot.items()));
    }
    needed.sort_unstable();
    needed
}

fn address(task: &Spot<'_>) -> Option<String> {
    let endpoint = task.field("with")?.field("document")?.field("endpoint")?;
    let text = endpoint.text().or_else(|| endpoint.field("uri")?.text())?;
    (super::uri::mistake(text).is_none() && !text.contains('{')).then(|| text.to_owned())
}
