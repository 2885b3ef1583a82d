//! What came of a rehearsed run, held against what was expected of it.

use super::case::Case;
use super::play::{Called, Played};
use playbook::{Step, StepStatus};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use wire::RunState;
use wire::resource::duration;

/// How much of a value is shown.
const EXCERPT: usize = 200;

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// What: `output.total`, `calls[0].body.text`.
    pub(crate) path: String,
    /// As the case has it; none: nothing was expected there.
    pub(crate) expected: Option<Value>,
    /// As it came; none: there is nothing.
    pub(crate) actual: Option<Value>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(value) => excerpt(&value.to_string()),
        };
        write!(
            formatter,
            "{}: expected {}, got {}",
            self.path,
            shown(&self.expected),
            shown(&self.actual)
        )?;
        match &self.note {
            Some(note) => write!(formatter, " ({})", excerpt(note)),
            None => Ok(()),
        }
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// All that is not as expected; nothing when the case passed.
pub(crate) fn judge(case: &Case, played: &Played) -> Vec<Difference> {
    let mut found = Vec::new();
    let expected = &case.expect;
    if let Some(trouble) = &played.trouble {
        found.push(Difference {
            path: "calls".to_owned(),
            expected: None,
            actual: None,
            note: Some(trouble.clone()),
        });
        return found;
    }
    if case.status() != played.status {
        found.push(status(case, played));
    }
    if let Some(output) = &expected.output {
        compare(
            "output",
            Some(output),
            played.output.as_ref(),
            Rule::All,
            &mut found,
        );
    }
    if let Some(error) = &expected.error {
        let actual = played.error.as_ref().map(|error| short(json!(error)));
        compare(
            "error",
            Some(&short(error.clone())),
            actual.as_ref(),
            Rule::Named,
            &mut found,
        );
    }
    if let Some(calls) = &expected.calls {
        let actual: Vec<Value> = played.calls.iter().map(|called| shown(called, calls)).collect();
        let calls: Vec<Value> = calls.iter().cloned().map(lower_headers).collect();
        each("calls", &calls, &actual, &mut found);
    }
    if let Some(emitted) = &expected.emitted {
        let actual: Vec<Value> = played.emitted.iter().map(|one| one.envelope.clone()).collect();
        each("emitted", emitted, &actual, &mut found);
    }
    if let Some(steps) = &expected.steps {
        let actual: Vec<Value> = played.steps.iter().map(step).collect();
        each("steps", steps, &actual, &mut found);
    }
    if let Some(took) = expected.took.filter(|took| *took != played.took) {
        found.push(Difference {
            path: "took".to_owned(),
            expected: Some(duration::show(took).into()),
            actual: Some(duration::show(played.took).into()),
            note: None,
        });
    }
    found
}

/// A status that is not the expected one is explained by the run's error.
fn status(case: &Case, played: &Played) -> Difference {
    let error = played.error.as_ref();
    Difference {
        path: "status".to_owned(),
        expected: Some(json!(case.status())),
        actual: Some(json!(played.status)),
        note: error
            .map(|error| {
                let kind = error.kind.rsplit('/').next().unwrap_or_default();
                let at = error.instance.as_deref().unwrap_or("/");
                let detail = error.detail.as_deref().or(error.title.as_deref());
                format!("{kind} at {at}: {}", detail.unwrap_or("no detail"))
            })
            .or_else(|| waits(played)),
    }
}

fn waits(played: &Played) -> Option<String> {
    (played.status == RunState::Waiting).then(|| "nothing comes that it waits for".to_owned())
}

/// An error whose type is one word, as people write it.
fn short(mut error: Value) -> Value {
    if let Some(Value::String(kind)) = error.get_mut("type")
        && let Some((_, word)) = kind.rsplit_once('/')
    {
        *kind = word.to_owned();
    }
    error
}

/// A call as it is compared: its task by name, if the case names it so.
fn shown(called: &Called, expected: &[Value]) -> Value {
    let is_named = |call: &Value| {
        let task = call.get("task").and_then(Value::as_str);
        task.is_some_and(|task| !task.starts_with('/'))
    };
    let mut value = json!(called);
    if expected.iter().any(is_named) {
        let name = called.task.rsplit('/').next().unwrap_or_default();
        if let Some(task) = value.get_mut("task") {
            *task = name.into();
        }
    }
    value
}

fn lower_headers(mut call: Value) -> Value {
    if let Some(Value::Object(headers)) = call.get_mut("headers") {
        let lower = std::mem::take(headers).into_iter();
        *headers = lower
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect::<Map<_, _>>();
    }
    call
}

/// `name` of a step that completed, `{name: status}` of another.
fn step(step: &Step) -> Value {
    match step.status {
        StepStatus::Completed => step.name.clone().into(),
        other => json!({ step.name.clone(): other }),
    }
}

/// What of an object must be as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Everything.
    All,
    /// What is named.
    Named,
}

/// Compares two lists, item by item, by what each expected item names.
fn each(path: &str, expected: &[Value], actual: &[Value], found: &mut Vec<Difference>) {
    for index in 0..expected.len().max(actual.len()) {
        let path = format!("{path}[{index}]");
        compare(&path, expected.get(index), actual.get(index), Rule::Named, found);
    }
}

/// Notes what differs, down to the innermost values.
fn compare(
    path: &str,
    expected: Option<&Value>,
    actual: Option<&Value>,
    rule: Rule,
    found: &mut Vec<Difference>,
) {
    match (expected, actual) {
        (Some(Value::Object(wanted)), Some(Value::Object(there))) => {
            let extra = there.keys().filter(|name| !wanted.contains_key(*name));
            let extra = extra.filter(|_| rule == Rule::All);
            for name in wanted.keys().chain(extra) {
                let path = format!("{path}.{name}");
                // Below what is named, all counts.
                let rule = if matches!(name.as_str(), "headers") {
                    rule
                } else {
                    Rule::All
                };
                compare(&path, wanted.get(name), there.get(name), rule, found);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(there))) => {
            for index in 0..wanted.len().max(there.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, wanted.get(index), there.get(index), rule, found);
            }
        }
        (Some(wanted), Some(there)) if is_same(wanted, there) => {}
        (None, None) => {}
        _ => found.push(Difference {
            path: path.to_owned(),
            expected: expected.cloned(),
            actual: actual.cloned(),
            note: None,
        }),
    }
}

/// `1` and `1.0` are one number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(rule: Rule, expected: &Value, actual: &Value) -> Vec<String> {
        let mut found = Vec::new();
        compare("x", Some(expected), Some(actual), rule, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_differs_is_told_by_its_path() {
        let expected = json!({"a": [1, {"b": 2}], "c": null, "d": 1.0});
        assert_eq!(
            differences(
                Rule::All,
                &expected,
                &json!({"a": [1, {"b": 2}], "c": null, "d": 1})
            ),
            [""; 0]
        );
        assert_eq!(
            differences(
                Rule::All,
                &expected,
                &json!({"a": [1, {"b": "2"}, 3], "d": 1, "e": []})
            ),
            [
                "x.a[1].b: expected 2, got \"2\"",
                "x.a[2]: expected nothing, got 3",
                "x.c: expected null, got nothing",
                "x.e: expected nothing, got []",
            ]
        );
        assert_eq!(differences(Rule::Named, &json!({"d": 1}), &expected), [""; 0]);
        // What is named is compared as a whole.
        assert_eq!(
            differences(Rule::Named, &json!({"a": [1, {}]}), &expected),
            ["x.a[1].b: expected nothing, got 2"]
        );
        assert_eq!(
            differences(
                Rule::Named,
                &json!({"headers": {"a": 1}}),
                &json!({"headers": {"a": 2, "b": 1}})
            ),
            ["x.headers.a: expected 1, got 2"]
        );
    }
}
