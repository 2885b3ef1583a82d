//! A playbook's document, as far as it is looked into before its engine is here: that it is one, that it bears the
//! playbook's name, and what it asks of its input.

use super::{kind, schema};
use crate::yaml;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// A document that can be kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    /// As it was given.
    pub(crate) text: String,
    /// `input.schema.document`.
    pub(crate) input_schema: Option<Value>,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// A stable word, such as `yaml_syntax`.
    pub code: &'static str,
    /// A JSON pointer into the document; empty where it is the document as a whole.
    pub path: String,
    /// For people.
    pub message: String,
    /// From 1, where it is known.
    pub line: Option<u64>,
    /// From 1, where it is known.
    pub column: Option<u64>,
}

impl Issue {
    fn new(code: &'static str, path: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            path: path.to_owned(),
            message: message.into(),
            line: None,
            column: None,
        }
    }

    /// Where it is in a larger document that has this one at `path`.
    pub(crate) fn below(&self, path: &str) -> String {
        format!("{path}{}", self.path.replace('/', "."))
    }
}

/// With its line, where it is known.
impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => {
                write!(formatter, "line {line}, column {column}: {}", self.message)
            }
            _ => formatter.write_str(&self.message),
        }
    }
}

/// Looks into the document of the playbook `slug`.
pub(crate) fn check(text: &str, slug: &str) -> Result<Definition, Vec<Issue>> {
    let document = yaml::parse(text).map_err(|mistake| {
        let code = if mistake.is_duplicate {
            "duplicate_key"
        } else {
            "yaml_syntax"
        };
        vec![Issue {
            line: mistake.place.map(|(line, _)| line),
            column: mistake.place.map(|(_, column)| column),
            ..Issue::new(code, "", mistake.message)
        }]
    })?;
    if !document.is_object() {
        let message = format!("must be an object, not {}", kind(&document));
        return Err(vec![Issue::new("wrong_type", "", message)]);
    }
    let mut issues = Vec::new();
    if document
        .pointer("/document/name")
        .is_some_and(|name| name.as_str() != Some(slug))
    {
        let message = format!("must be the playbook's slug, `{slug}`");
        issues.push(Issue::new("invalid_value", "/document/name", message));
    }
    let place = "/input/schema/document";
    let input_schema = document.pointer(place).and_then(|written| {
        let refused = |refused: super::value::Refused| Issue::new("invalid_value", place, refused.0);
        schema::for_input(written)
            .map_err(|error| issues.push(refused(error)))
            .ok()
    });
    if issues.is_empty() {
        Ok(Definition {
            text: text.to_owned(),
            input_schema,
        })
    } else {
        Err(issues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(text: &str) -> Vec<(&'static str, String)> {
        let issues = check(text, "welcome").unwrap_err();
        issues.into_iter().map(|issue| (issue.code, issue.path)).collect()
    }

    #[test]
    fn what_a_document_asks_of_its_input_is_found() {
        let text =
            "document: {name: welcome, dsl: 1.0.3}\ninput: {schema: {document: {type: object}}}\ndo: []\n";
        let definition = check(text, "welcome").unwrap();
        assert_eq!(definition.text, text);
        assert_eq!(definition.input_schema, Some(json!({"type": "object"})));
        assert_eq!(check("do: []", "welcome").unwrap().input_schema, None);
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        assert_eq!(refused("[]"), [("wrong_type", String::new())]);
        assert_eq!(refused("a: 1\na: 2"), [("duplicate_key", String::new())]);
        assert_eq!(refused("a: ["), [("yaml_syntax", String::new())]);
        let name = ("invalid_value", "/document/name".to_owned());
        assert_eq!(refused("document: {name: other}"), std::slice::from_ref(&name));
        let schema = ("invalid_value", "/input/schema/document".to_owned());
        assert_eq!(
            refused("document: {name: 7}\ninput: {schema: {document: {type: text}}}"),
            [name, schema]
        );
        assert_eq!(check("a: 1\na: 2", "a").unwrap_err()[0].line, Some(2));
    }
}
