//! What is wrong with a document, and where.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is wrong with a document. All of them are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Stable, for programs.
    pub code: Code,
    /// A JSON pointer into the document that exists in it, or the nearest that does.
    pub path: String,
    /// A sentence for the author: what is wrong, and what to write instead.
    pub message: String,
    /// From 1, where the document is a text.
    pub line: Option<u32>,
    /// In characters, from 1.
    pub column: Option<u32>,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not YAML, or more than one document.
    YamlSyntax,
    /// A name twice in one object.
    DuplicateKey,
    /// A name that the language does not have here.
    UnknownProperty,
    /// A name that must be there.
    MissingProperty,
    /// A text where a number must be, or the like.
    WrongType,
    /// Of the right type, but none of the values that there may be.
    InvalidValue,
    /// Not exactly one of several alternatives.
    OneOf,
    /// Of the language, but not of the profile.
    Unsupported,
    /// A name of a task, function, error, retry, timeout, authentication or secret that is not there.
    UnknownReference,
    /// Not jq.
    InvalidExpression,
    /// jq with a variable that is not there.
    UndefinedVariable,
    /// Text around `${ … }`.
    MixedExpression,
    /// `$secrets` where it must not be.
    SecretScope,
    /// Two tasks of one name in a list.
    DuplicateName,
    /// More than there may be.
    LimitExceeded,
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(formatter, "{line}:{column}: ")?;
        }
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(formatter, "{path}: {}", self.message)
    }
}
