//! From a text to a tree of values that know where they stand.
//!
//! YAML 1.2, which JSON is too. What is refused here says nothing about the language yet: broken syntax, a key that
//! stands twice in one object, and texts that grow out of bounds.

mod node;
mod yaml;

pub(crate) use node::{Field, Kind, Node, Place, Spot};

use crate::{Code, Issue};

/// The longest document, in bytes: a workspace keeps every version of it.
pub(crate) const DOCUMENT_BYTES: usize = 256 << 10;
/// The longest JSON pointer into a document, in bytes: each task, expression and issue has one.
const POINTER_BYTES: usize = 2 << 10;

/// Reads a playbook's document.
pub(crate) fn parse(text: &str) -> Result<Node, Issue> {
    if text.len() > DOCUMENT_BYTES {
        return Err(Issue::limit(format!(
            "the document has {} bytes; at most {DOCUMENT_BYTES} are allowed: move data out of it, into the input or a \
             template",
            text.len()
        )));
    }
    let root = yaml::parse(text)?;
    check_names(&root, 0)?;
    Ok(root)
}

/// Reads any YAML or JSON of a bounded size as a plain value, such as an OpenAPI document.
pub(crate) fn value(text: &str) -> Result<serde_json::Value, Issue> {
    yaml::parse(text).map(|root| root.to_value())
}

/// Reads any YAML or JSON of a bounded size, with its places.
pub(crate) fn tree(text: &str) -> Result<Node, Issue> {
    yaml::parse(text)
}

fn check_names(node: &Node, above: usize) -> Result<(), Issue> {
    match &node.kind {
        Kind::List(items) => items.iter().try_for_each(|item| check_names(item, above + 6)),
        Kind::Object(fields) => fields.iter().try_for_each(|field| {
            let length = above + 1 + field.name.len();
            if length > POINTER_BYTES {
                let mut issue = Issue::limit(format!(
                    "the names from the document's root to here have {length} bytes together; at most {POINTER_BYTES} \
                     are allowed: choose shorter names"
                ));
                (issue.line, issue.column) = (field.at.0.into(), field.at.1.into());
                return Err(issue);
            }
            check_names(&field.value, length)
        }),
        _ => Ok(()),
    }
}

impl Issue {
    fn limit(message: String) -> Self {
        Self {
            code: Code::LimitExceeded,
            path: String::new(),
            message,
            line: None,
            column: None,
        }
    }
}
