//! The variables of expressions.
//!
//! An expression gets those that it mentions and no other: most mention none, and a context may be large.

use super::evaluate::{Place, View};
use super::frame::{Frame, TaskFrame};
use super::positions;
use super::state::State;
use crate::{Expression, FIXED_VARIABLES, Program, secrets};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use wire::Instant;

/// What an expression sees: the names that it mentions, without `$`, and their values. An inner name hides an outer one.
pub(super) fn seen<'a>(
    program: &'a Program,
    state: &'a State,
    view: &'a View,
    expression: &'a Expression,
) -> Vec<(&'a str, Cow<'a, Value>)> {
    let mut seen = Vec::new();
    for name in &expression.scope {
        if mentions(&expression.code, name) && seen.iter().all(|(known, _)| known != name) {
            seen.push((name.as_str(), local(state, view, name)));
        }
    }
    for name in FIXED_VARIABLES {
        if mentions(&expression.code, name) && seen.iter().all(|(known, _)| *known != name) {
            seen.push((name, fixed(program, state, view, name)));
        }
    }
    seen
}

/// Also when it is a part of a longer name: too many do no harm.
fn mentions(code: &str, name: &str) -> bool {
    code.match_indices('$')
        .any(|(at, _)| code.get(at + 1..).is_some_and(|rest| rest.starts_with(name)))
}

/// A variable of a loop, or an error that was caught.
fn local<'a>(state: &'a State, view: &'a View, name: &str) -> Cow<'a, Value> {
    if let Some((caught, error)) = &view.caught
        && caught == name
    {
        return Cow::Borrowed(error);
    }
    let found = view.place.and_then(|place| {
        around(state, place).find_map(|frame| match frame {
            Frame::List(list) => list.variables.get(name),
            Frame::Task(_) => None,
        })
    });
    found.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
}

/// The frames around a place, the innermost first and itself included; around a branch is its `fork`.
fn around(state: &State, place: Place) -> impl Iterator<Item = &Frame> {
    let mut below = state.frames(place.thread).get(..=place.depth).unwrap_or_default();
    let mut thread = place.thread;
    std::iter::from_fn(move || {
        while below.is_empty() {
            thread = state.threads.get(&thread)?.parent?.thread;
            below = state.frames(thread);
        }
        let (frame, rest) = below.split_last()?;
        below = rest;
        Some(frame)
    })
}

/// The task at a place, or the one that the list there belongs to.
pub(super) fn task_around(state: &State, place: Place) -> Option<&TaskFrame> {
    around(state, place).find_map(|frame| match frame {
        Frame::Task(task) => Some(task),
        Frame::List(_) => None,
    })
}

/// The shape of the secrets that the run was told of, and of those that its definition names beside them: a secret that was
/// never set must not be sent as null.
fn expected(program: &Program, known: &Value) -> Value {
    let mut shape = known.as_object().cloned().unwrap_or_default();
    for name in &program.secrets {
        shape.entry(name).or_insert(Value::Null);
    }
    Value::Object(shape)
}

fn fixed<'a>(program: &'a Program, state: &'a State, view: &'a View, name: &str) -> Cow<'a, Value> {
    let task = view.place.and_then(|place| task_around(state, place));
    let value = match name {
        "context" => return Cow::Borrowed(&state.context),
        "input" => match (task, &state.run) {
            (Some(task), _) => return Cow::Borrowed(task.input()),
            (None, Some(run)) => return Cow::Borrowed(&run.input),
            (None, None) => Value::Null,
        },
        "output" => match &view.output {
            Some(output) => return Cow::Borrowed(output),
            None => Value::Null,
        },
        "secrets" => match (&state.run, view.secrets) {
            (Some(run), true) => secrets::places(&expected(program, &run.secrets), &state.nonce),
            _ => Value::Object(Map::new()),
        },
        "workflow" => workflow(program, state),
        "task" => task.map_or(Value::Null, |task| described(program, task, view)),
        "runtime" => json!({"name": "hookyard", "version": env!("CARGO_PKG_VERSION"), "metadata": {}}),
        // `authorization` is what a caller of the workflow proved; a run has no caller.
        _ => Value::Null,
    };
    Cow::Owned(value)
}

fn workflow(program: &Program, state: &State) -> Value {
    let Some(run) = &state.run else { return Value::Null };
    let document = &program.document;
    json!({
        "id": run.id,
        "version": run.version,
        "definition": {"document": {
            "dsl": document.dsl,
            "namespace": document.namespace,
            "name": document.name,
            "version": document.version,
        }},
        "input": run.input,
        "startedAt": time(run.started_at),
    })
}

fn described(program: &Program, task: &TaskFrame, view: &View) -> Value {
    let name = positions::task(program, &task.task).map_or("", |task| task.name.as_str());
    json!({
        "name": name,
        "reference": task.task,
        "input": task.raw,
        "output": view.yielded,
        "attempt": task.path.attempt(),
        "startedAt": time(task.started_at),
    })
}

/// A time as the language has it.
fn time(at: Instant) -> Value {
    json!({
        "iso8601": at,
        "epoch": {"seconds": at.unix_seconds(), "milliseconds": at.unix_millis()},
    })
}
