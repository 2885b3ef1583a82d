//! Checks data against an inline JSON Schema.

use crate::{Schema, schema};
use jsonschema::Validator;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

/// More mistakes than this are not told.
const TOLD: usize = 5;
/// How many schemas stay compiled: compiling one costs as much as a hundred checks.
const KEPT: usize = 64;

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
        let validator = schema::compile(document).map_err(|error| format!("the schema {error}"))?;
        let validator = Rc::new(validator);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((document.clone(), Rc::clone(&validator)));
        Ok(validator)
    })
}
