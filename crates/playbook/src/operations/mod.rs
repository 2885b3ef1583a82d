//! Operations of OpenAPI documents: found when a playbook is saved, and kept with its version.
//!
//! A document may change, and its server may be down; a playbook that was saved does the same tomorrow. So the
//! documents are fetched once, by whoever saves ([`Documents`]), and of them only what the playbook calls is kept
//! ([`Operations`]).

mod find;
mod parameters;
mod server;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// Documents that were fetched, by their URIs, or why one could not be: a clause such as `it answered 404`.
pub type Documents = BTreeMap<String, Result<Value, String>>;

/// The operations that a playbook calls. It is kept with the playbook's version as JSON; equal ones have equal texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Operations(BTreeMap<String, BTreeMap<String, Operation>>);

impl Operations {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn keep(&mut self, document: &str, id: &str, operation: Operation) {
        let operations = self.0.entry(document.to_owned()).or_default();
        operations.insert(id.to_owned(), operation);
    }
}

/// How an operation is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// Upper case.
    pub(crate) method: String,
    /// Absolute, with `{name}` in place of parameters.
    pub(crate) uri: String,
    /// In order.
    pub(crate) parameters: Vec<Parameter>,
    /// What it takes as a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<RequestBody>,
}

/// A parameter that is not in the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    #[serde(rename = "in")]
    pub(crate) place: Place,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) required: bool,
    /// What stands between the items of a list; none: each has the name again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) separator: Option<String>,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

/// What an operation takes as a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestBody {
    /// The parameter that is the body as a whole.
    pub(crate) name: String,
    pub(crate) content_type: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) required: bool,
    /// The properties of its schema: parameters that are not there otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) properties: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Where operations come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pinned<'o> {
    /// They were kept when the playbook was saved.
    Before(&'o Operations),
    /// The playbook is being saved.
    Now(&'o Documents),
}

/// Why an operation cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Missing {
    /// The document was not given.
    #[error("the document {uri} cannot be had: {why}; check the address, and save again")]
    Document {
        /// Its address.
        uri: String,
        /// A clause.
        why: String,
    },
    /// It has no such operation.
    #[error("the document has no operation `{id}`; {advice}")]
    Operation {
        /// The `operationId`.
        id: String,
        /// What to write instead.
        advice: String,
    },
    /// It has something that this profile has not.
    #[error("{0}")]
    Unsupported(String),
    /// It is broken.
    #[error("the document {0}; tell its publisher, or use `call: http`")]
    Broken(String),
}

impl Pinned<'_> {
    /// The operation of an id in the document of a URI.
    pub(crate) fn find(self, document: &str, id: &str) -> Result<Operation, Missing> {
        match self {
            Self::Before(operations) => {
                let known = operations.0.get(document).and_then(|known| known.get(id));
                known.cloned().ok_or_else(|| {
                    let why = "this operation of it was not kept with the version";
                    missing(document, why)
                })
            }
            Self::Now(documents) => match documents.get(document) {
                Some(Ok(found)) => find::operation(document, found, id),
                Some(Err(why)) => Err(missing(document, why)),
                None => Err(missing(document, "it was not fetched")),
            },
        }
    }
}

fn missing(uri: &str, why: &str) -> Missing {
    Missing::Document {
        uri: uri.to_owned(),
        why: why.to_owned(),
    }
}
