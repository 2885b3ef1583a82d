//! From a tree of values to a [`Program`], or to all that is wrong with it.
//!
//! *Theory of operation.* Each part of the language has a function that takes a [`Spot`] and yields its part of the
//! program, whatever stands there: what is wrong is reported to [`Lowering`], and something harmless is yielded in its
//! place, so that one pass finds everything. A program is handed out only when nothing was reported.
//!
//! Names that the language has, and this profile has not, are refused by [`unsupported`].
//!
//! # Reading order
//!
//! `document` (the root), `list` and `task`, then a file for each kind of task: `nested` (do, for, fork), `switch`,
//! `trial` (try), `errors` (raise), `events` (emit, listen), `calls`. They read objects by `fields`, data by
//! `template`, expressions by `expression` (with `jq`, which finds variables), and `use` by `library`.

mod calls;
mod data;
mod document;
mod durations;
mod errors;
mod events;
mod expression;
mod fields;
mod jq;
mod library;
mod list;
mod nearest;
mod nested;
mod retries;
mod scope;
mod switch;
mod task;
mod template;
mod trial;
mod unsupported;

use crate::operations::{Documents, Operations, Pinned};
use crate::source::{self, Spot};
use crate::{Code, Issue, Program};
use ::expression::Evaluator;
use library::Library;

pub(crate) use nearest::advice;

/// More mistakes than this are not told.
const MOST_ISSUES: usize = 100;
/// The longest message.
const MESSAGE_CHARACTERS: usize = 600;
/// The most tasks of a document.
const MOST_TASKS: usize = 500;
/// How deep lists of tasks may nest, functions included.
const DEEPEST_LIST: usize = 16;

/// Reads a document whose OpenAPI operations were pinned when it was saved.
///
/// # Errors
///
/// All that is wrong with it, in the order of the document.
pub fn read(text: &str, operations: &Operations, evaluator: &mut Evaluator) -> Result<Program, Vec<Issue>> {
    lower(text, Pinned::Before(operations), evaluator).map(|(program, _)| program)
}

/// Reads a document that is about to be saved, with the OpenAPI documents that it [needs](crate::openapi_documents),
/// and pins the operations that it uses.
///
/// # Errors
///
/// All that is wrong with it, in the order of the document.
pub fn check(
    text: &str,
    documents: &Documents,
    evaluator: &mut Evaluator,
) -> Result<(Program, Operations), Vec<Issue>> {
    lower(text, Pinned::Now(documents), evaluator)
}

/// The OpenAPI documents that a document needs, by their URIs: whoever saves it fetches them.
///
/// Evaluates nothing, and recurses as deep as the document nests, at most 128 levels.
///
/// # Errors
///
/// It is not YAML.
pub fn openapi_documents(text: &str) -> Result<Vec<String>, Issue> {
    let root = source::parse(text)?;
    Ok(calls::needed(&Spot::root(&root)))
}

/// Reads an OpenAPI document, which may be JSON or YAML.
///
/// # Errors
///
/// It is neither.
pub fn openapi_document(text: &str) -> Result<serde_json::Value, Issue> {
    source::value(text)
}

fn lower(
    text: &str,
    pinned: Pinned<'_>,
    evaluator: &mut Evaluator,
) -> Result<(Program, Operations), Vec<Issue>> {
    let root = source::parse(text).map_err(|issue| vec![issue])?;
    let root = Spot::root(&root);
    let mut lowering = Lowering {
        library: Library::of(&root),
        issues: Vec::new(),
        evaluator,
        pinned,
        operations: Operations::default(),
        tasks: 0,
        expressions: 0,
        depth: 0,
        deepest: 0,
    };
    let program = lowering.document(&root);
    let mut issues = lowering.issues;
    if issues.is_empty() {
        return Ok((program, lowering.operations));
    }
    issues.sort_by_key(|issue| (issue.line, issue.column));
    issues.truncate(MOST_ISSUES);
    Err(issues)
}

/// The state of a pass over a document.
struct Lowering<'d, 'e> {
    /// What `use` has.
    library: Library<'d>,
    /// What was found wrong so far.
    issues: Vec<Issue>,
    evaluator: &'e mut Evaluator,
    /// Where operations of OpenAPI documents come from.
    pinned: Pinned<'e>,
    /// Those that were used.
    operations: Operations,
    /// How many tasks there were so far.
    tasks: usize,
    /// How many expressions.
    expressions: usize,
    /// In how many lists of tasks this is.
    depth: usize,
    /// The most lists that this was in, since a function began.
    deepest: usize,
}

impl Lowering<'_, '_> {
    /// Reports what is wrong with a value.
    fn issue(&mut self, code: Code, spot: &Spot<'_>, message: impl Into<String>) {
        self.report(code, spot, spot.node.at, message.into());
    }

    /// Reports what is wrong with a name in an object.
    fn issue_of_name(&mut self, code: Code, spot: &Spot<'_>, message: impl Into<String>) {
        self.report(code, spot, spot.name_at, message.into());
    }

    fn report(&mut self, code: Code, spot: &Spot<'_>, (line, column): source::Place, mut message: String) {
        // It may repeat a text of the document, which may be long.
        if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARACTERS) {
            message.truncate(cut);
            message.push('…');
        }
        let issue = Issue {
            code,
            path: spot.pointer.clone(),
            message,
            line: Some(line),
            column: Some(column),
        };
        // What is used twice is read twice.
        if self.issues.len() < MOST_ISSUES * 10 && !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}
