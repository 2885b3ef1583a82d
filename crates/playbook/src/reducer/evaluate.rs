//! Expressions and templates, and what they see.

use super::errors::{Error, Kind};
use super::machine::Machine;
use super::{fit, schema, variables};
use crate::{Expression, Schema, Template};
use serde_json::{Map, Value};

/// A task that is under way: a frame of a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) thread: u32,
    /// Its index in the thread's frames.
    pub(super) depth: usize,
}

/// From where an expression looks, and what it sees beside what is there for all.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// None: outside of all tasks.
    pub(super) place: Option<Place>,
    /// What the task yields, before `output.as`.
    pub(super) yielded: Option<Value>,
    /// What `output.as` made of it.
    pub(super) output: Option<Value>,
    /// The error that is being caught, under its name.
    pub(super) caught: Option<(String, Value)>,
    /// Whether it may see secrets, that is, their places.
    pub(super) secrets: bool,
}

impl View {
    pub(super) fn of(place: Option<Place>) -> Self {
        Self {
            place,
            ..Self::default()
        }
    }

    pub(super) fn at(place: Place) -> Self {
        Self::of(Some(place))
    }

    pub(super) fn with_yield(self, yielded: Value) -> Self {
        let yielded = Some(yielded);
        Self { yielded, ..self }
    }

    pub(super) fn with_output(self, output: Value) -> Self {
        let output = Some(output);
        Self { output, ..self }
    }

    pub(super) fn with_caught(self, name: &str, error: &Error) -> Self {
        let error = serde_json::to_value(error).expect("an error is texts and a number");
        let caught = Some((name.to_owned(), error));
        Self { caught, ..self }
    }

    pub(super) fn with_secrets(self) -> Self {
        Self {
            secrets: true,
            ..self
        }
    }
}

impl Machine<'_, '_> {
    /// The frame on top of a thread.
    pub(super) fn place(&self, thread: u32) -> Place {
        let depth = self.state.frames(thread).len().saturating_sub(1);
        Place { thread, depth }
    }

    /// Evaluates an expression.
    pub(super) fn evaluate(
        &mut self,
        view: &View,
        expression: &Expression,
        input: &Value,
    ) -> Result<Value, Error> {
        if self.evaluator.is_announcing() {
            let place = self.instance(view.place);
            self.evaluator.stand_at(place);
        }
        let seen = variables::seen(self.program, &self.state, view, expression);
        let names: Vec<_> = seen.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let result = self.evaluator.run(&expression.code, input, &names);
        result.map_err(|error| {
            let detail = format!("at {}: {error}", expression.pointer);
            self.expression_error(view, &detail)
        })
    }

    /// Evaluates what a template has in it.
    pub(super) fn fill(&mut self, view: &View, template: &Template, input: &Value) -> Result<Value, Error> {
        let value = self.compose(view, template, input)?;
        fit::check(&value).map_err(|reason| {
            self.expression_error(view, &format!("the result is {reason}, which a run cannot hold"))
        })?;
        Ok(value)
    }

    fn compose(&mut self, view: &View, template: &Template, input: &Value) -> Result<Value, Error> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Expression(expression) => self.evaluate(view, expression, input),
            Template::Array(items) => items
                .iter()
                .map(|item| self.compose(view, item, input))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            Template::Object(fields) => {
                let mut object = Map::new();
                for (name, field) in fields {
                    object.insert(name.clone(), self.compose(view, field, input)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// Evaluates a template that must yield a text. Numbers and booleans become one; null is none.
    pub(super) fn text(
        &mut self,
        view: &View,
        what: &str,
        template: Option<&Template>,
        input: &Value,
    ) -> Result<Option<String>, Error> {
        let Some(template) = template else { return Ok(None) };
        match self.fill(view, template, input)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            scalar @ (Value::Number(_) | Value::Bool(_)) => Ok(Some(scalar.to_string())),
            Value::Array(_) | Value::Object(_) => {
                let detail = format!("`{what}` must be a text; choose a part of it, or use `tostring`");
                Err(self.expression_error(view, &detail))
            }
        }
    }

    /// Checks a value against a schema, if there is one.
    pub(super) fn check(
        &self,
        place: Option<Place>,
        schema: Option<&Schema>,
        value: &Value,
        what: &str,
    ) -> Result<(), Error> {
        let Some(schema) = schema else { return Ok(()) };
        schema::check(schema, value).map_err(|reasons| {
            let detail = format!("{what} is not what {} asks for: {reasons}", schema.pointer);
            Kind::Validation.at(&self.instance(place), detail)
        })
    }

    /// An error of the expressions of a task.
    pub(super) fn expression_error(&self, view: &View, detail: &str) -> Error {
        Kind::Expression.at(&self.instance(view.place), detail)
    }

    /// The pointer of the task at a place, or around it.
    pub(super) fn instance(&self, place: Option<Place>) -> String {
        place
            .and_then(|place| variables::task_around(&self.state, place))
            .map_or_else(|| "/".to_owned(), |task| task.task.clone())
    }
}
