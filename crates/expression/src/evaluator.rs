//! Expressions for a language that has its own engine in the worker, such as playbooks: values instead of texts, and
//! variables.
//!
//! Like [`Engine`](crate::engine), it does not defend itself: it must run in a worker.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    ExpressionError, Limits, StopCause,
    compile::Program,
    engine::Engine,
    value::{from_value, to_value},
};

/// Evaluates expressions with variables, and counts them.
///
/// It counts so that an evaluation which ends its worker can be named: by how many there were before it, since the
/// same request asks for the same evaluations in the same order.
pub struct Evaluator {
    engine: Engine,
    count: u32,
    refused: Vec<(u32, StopCause)>,
    note: Option<Note>,
    place: String,
    is_quiet: bool,
}

/// Is told the number and the place of each evaluation before it begins.
pub(crate) type Note = Box<dyn FnMut(u32, &str)>;

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Evaluator")
            .field("count", &self.count)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

impl Evaluator {
    /// Sets one up with nothing compiled yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            engine: Engine::new(limits),
            count: 0,
            refused: Vec::new(),
            note: None,
            place: String::new(),
            is_quiet: false,
        }
    }

    /// Begins a request: counts from 0 again. The evaluations of these numbers are not done: they are known to end
    /// their worker.
    pub fn begin(&mut self, refused: Vec<(u32, StopCause)>) {
        self.count = 0;
        self.place.clear();
        self.refused = refused;
        self.is_quiet = false;
    }

    /// Begins what is not to be counted, since the next worker may have done it already: what a guest keeps between
    /// requests. Until [`begin`](Self::begin), nothing has a number.
    pub fn begin_uncounted(&mut self) {
        self.begin(Vec::new());
        self.is_quiet = true;
    }

    pub(crate) fn set_note(&mut self, note: Option<Note>) {
        self.note = note;
    }

    /// Whether evaluations are announced, and so should have a place.
    pub fn is_announcing(&self) -> bool {
        self.note.is_some()
    }

    /// Says where the evaluations from here on stand, for the case that one of them ends the worker.
    pub fn stand_at(&mut self, place: String) {
        self.place = place;
    }

    /// Compiles a program, whose variables have these names without `$`, or says where it is wrong.
    pub fn check(&mut self, code: &str, variables: &[&str]) -> Result<(), ExpressionError> {
        self.tick()?;
        self.program(code, variables.iter().copied()).map(|_| ())
    }

    /// Runs a program and returns its one value. Variables are `(name without $, value)`.
    pub fn run(
        &mut self,
        code: &str,
        input: &Value,
        variables: &[(&str, &Value)],
    ) -> Result<Value, ExpressionError> {
        self.tick()?;
        let program = self.program(code, variables.iter().map(|(name, _)| *name))?;
        // Most programs use few of many variables, and a context can be large.
        let values = variables.iter().map(|(name, value)| {
            if code.contains(&format!("${name}")) {
                from_value(value)
            } else {
                Ok(jaq_json::Val::Null)
            }
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let value = Engine::run_with(&program, from_value(input)?, values)?;
        to_value(&value, self.engine.limits())
    }

    fn program<'n>(
        &mut self,
        code: &str,
        variables: impl Iterator<Item = &'n str>,
    ) -> Result<Rc<Program>, ExpressionError> {
        let names: Vec<String> = variables.map(|name| format!("${name}")).collect();
        self.engine.program_with(code, &names)
    }

    fn tick(&mut self) -> Result<(), ExpressionError> {
        if self.is_quiet {
            return Ok(());
        }
        let number = self.count;
        self.count += 1;
        if let Some((_, cause)) = self.refused.iter().find(|(refused, _)| *refused == number) {
            return Err(ExpressionError::Stopped(*cause));
        }
        if let Some(note) = &mut self.note {
            note(number, &self.place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluator() -> Evaluator {
        Evaluator::new(Limits::default())
    }

    #[test]
    fn a_program_sees_its_input_and_its_variables() {
        let (context, item) = (json!({"tier": "gold"}), json!([1, 2.5, "é"]));
        let variables = [("context", &context), ("item", &item)];
        let run = |code| evaluator().run(code, &json!({"a": 1}), &variables).unwrap();
        assert_eq!(
            run("{a, tier: $context.tier, item: $item}"),
            json!({"a": 1, "tier": "gold", "item": [1, 2.5, "é"]})
        );
        assert_eq!(run("$item[1] * 2"), json!(5));
    }

    #[test]
    fn a_variable_that_is_not_given_is_pointed_at() {
        let error = evaluator().check(".a == $wert", &["context"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1, column 7: there is no variable `$wert`"
        );
        assert!(evaluator().check(".a == $context", &["context"]).is_ok());
    }

    #[test]
    fn one_program_with_other_variables_is_another_program() {
        let mut evaluator = evaluator();
        let (one, two) = (json!(1), json!(2));
        assert_eq!(
            evaluator
                .run("$b", &json!(null), &[("a", &one), ("b", &two)])
                .unwrap(),
            two
        );
        assert_eq!(
            evaluator
                .run("$b", &json!(null), &[("b", &one), ("a", &two)])
                .unwrap(),
            one
        );
        assert!(evaluator.run("$b", &json!(null), &[("a", &one)]).is_err());
    }

    #[test]
    fn an_evaluation_that_is_known_to_be_fatal_is_refused_and_no_other() {
        let mut evaluator = evaluator();
        let cause = StopCause::Collapse { memory_mib: 512 };
        evaluator.begin(vec![(1, cause)]);
        assert!(evaluator.run(".", &json!(0), &[]).is_ok());
        assert_eq!(
            evaluator.run(".", &json!(1), &[]),
            Err(ExpressionError::Stopped(cause))
        );
        assert!(evaluator.run(".", &json!(2), &[]).is_ok());
    }
}
