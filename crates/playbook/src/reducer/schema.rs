//! Checks data against an inline JSON Schema.

use crate::Schema;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

/// More mistakes than this are not told.
const TOLD: usize = 5;
/// The largest program that one pattern may become, in bytes: the same as where the document is read.
const LARGEST_PATTERN: usize = 1 << 20;
/// How many schemas stay compiled: compiling one costs as much as a hundred checks.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

thread_local! {
    // A worker has one thread and runs many playbooks. What is kept here changes how long a step takes, never what
    // comes of it. The oldest comes first.
    static COMPILED: RefCell<Vec<(Value, Rc<Validator>)>> = const { RefCell::new(Vec::new()) };
}

/// Says what is wrong with a value, if anything is.
pub(super) fn check(schema: &Schema, value: &Value) -> Result<(), String> {
    let validator = compiled(&schema.document)?;
    let mistakes: Vec<_> = validator
        .iter_errors(value)
        .take(TOLD)
        .map(|mistake| match mistake.instance_path().as_str() {
            "" => mistake.masked().to_string(),
            path => format!("{} at {path}", mistake.masked()),
        })
        .collect();
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.join("; "))
    }
}

fn compiled(document: &Value) -> Result<Rc<Validator>, String> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some((_, validator)) = kept.iter().find(|(known, _)| known == document) {
            return Ok(Rc::clone(validator));
        }
        let validator = compile(document).map(Rc::new)?;
        if kept.len() >= KEPT.get() {
            kept.remove(0);
        }
        kept.push((document.clone(), Rc::clone(&validator)));
        Ok(validator)
    })
}

fn compile(document: &Value) -> Result<Validator, String> {
    let patterns = PatternOptions::regex()
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN);
    jsonschema::options()
        .with_pattern_options(patterns)
        .build(document)
        .map_err(|error| format!("it is no schema that can be used: {error}"))
}
