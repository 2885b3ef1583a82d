//! A run's story: what it was given, each step in turn, and how it ended.
//!
//! Pure text from the management API's answers; the commands fetch them.

use crate::api::{Run, Step};
use crate::screen::{BAD, BOLD, DIM, GOOD, WARN, of_state, plain, styled};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use wire::Instant;
use wire::resource::duration;

/// How much of a value is shown in a line.
const EXCERPT: usize = 160;

/// A run with its steps.
#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    pub(crate) run: Run,
    pub(crate) steps: Vec<Step>,
}

impl Timeline {
    /// The whole story; with `data` also what went into each step and came out of it.
    pub(crate) fn text(&self, data: bool) -> String {
        let mut text = headline(&self.run);
        text.push('\n');
        for step in &self.steps {
            text.push_str(&line(step, &self.run, data));
            text.push('\n');
        }
        text.push_str(&ending(&self.run));
        text
    }
}

/// Which run it is, and what began it.
pub(crate) fn headline(run: &Run) -> String {
    let version = run
        .version
        .map_or_else(String::new, |version| format!(" v{version}"));
    format!(
        "{} {}  {}{version}, by {}\n{} {}",
        styled(DIM, plain(&run.created_at)),
        styled(BOLD, &run.id),
        plain(&run.playbook),
        plain(&run.trigger),
        styled(DIM, "input"),
        excerpt(&run.input)
    )
}

/// One step: when it ended, counted from the run's beginning, where it stands, and what came of it.
pub(crate) fn line(step: &Step, run: &Run, data: bool) -> String {
    let style = match step.status.as_str() {
        "completed" => GOOD,
        "faulted" => BAD,
        "cancelled" => WARN,
        _ => DIM,
    };
    let at = between(run.started_at.as_deref(), &step.ended_at).map(|at| format!("+{at}"));
    let took = between(Some(&step.started_at), &step.ended_at);
    let mut text = format!(
        "{:>4}  {:>9}  {} {} {}",
        step.number,
        at.unwrap_or_default(),
        styled(style, format_args!("{:<9}", plain(&step.status))),
        plain(&step.kind),
        styled(BOLD, plain(&step.name)),
    );
    if step.attempt > 1 {
        let _ = write!(
            text,
            " {}",
            styled(WARN, format_args!("attempt {}", step.attempt))
        );
    }
    let took = took.map_or_else(String::new, |took| format!(" in {took}"));
    let _ = write!(text, "{took} {}", styled(DIM, plain(&step.pointer)));
    if let Some(why) = reason(&step.error) {
        let _ = write!(text, "\n        {}", styled(BAD, plain(&why)));
    }
    if data {
        let cut = if step.truncated { " (cut)" } else { "" };
        let _ = write!(
            text,
            "\n        {} {}{cut}",
            styled(DIM, "in "),
            excerpt(&step.input)
        );
        if !step.output.is_null() {
            let _ = write!(
                text,
                "\n        {} {}{cut}",
                styled(DIM, "out"),
                excerpt(&step.output)
            );
        }
    }
    text
}

/// Where it is now, and what came of it.
pub(crate) fn ending(run: &Run) -> String {
    let status = styled(of_state(&run.status), plain(&run.status));
    let queued = if run.queued {
        ", until another run of its playbook ends"
    } else {
        ""
    };
    let took = run
        .ended_at
        .as_deref()
        .and_then(|ended| between(run.started_at.as_deref(), ended));
    let took = took.map_or_else(String::new, |took| format!(" in {took}"));
    let mut text = format!("{status}{took}, {} steps{queued}", run.steps);
    if let Some(why) = reason(&run.error) {
        let _ = write!(text, "\n{}", plain(&why));
        let _ = write!(
            text,
            "\n{}",
            styled(
                DIM,
                format_args!("once the cause is mended: hookyard runs retry {}", run.id)
            )
        );
    }
    if !run.output.is_null() {
        let _ = write!(text, "\n{} {}", styled(DIM, "output"), excerpt(&run.output));
    }
    text
}

/// An error as a sentence: its kind, where, and its detail.
fn reason(error: &Value) -> Option<String> {
    let field = |name: &str| error.get(name).and_then(Value::as_str);
    let kind = field("type")?.rsplit('/').next().unwrap_or_default();
    let said = field("detail").or_else(|| field("title")).unwrap_or("no detail");
    let at = field("instance").map_or_else(String::new, |at| format!(" at {at}"));
    Some(format!("{kind}{at}: {said}"))
}

/// How long it is from one time to another.
fn between(from: Option<&str>, to: &str) -> Option<String> {
    let (from, to): (Instant, Instant) = (from?.parse().ok()?, to.parse().ok()?);
    Some(duration::show(to.since(from)))
}

/// A value in a line, at most so long.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    let cut = match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    };
    plain(&cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn timeline() -> Timeline {
        let step = |number: i64, status: &str, error: Value| {
            json!({
                "number": number, "pointer": format!("/do/{number}/ask"), "name": "ask", "kind": "call", "status": status,
                "attempt": number, "input": {"a": 1}, "output": null, "truncated": false, "error": error,
                "startedAt": "2026-11-29T12:00:01.000Z", "endedAt": "2026-11-29T12:00:03.500Z",
            })
        };
        let error = json!({"type": "https://a.example/errors/types/timeout", "status": 408, "detail": "too\u{1b}late", "instance": "/do/2/ask"});
        serde_json::from_value::<Run>(json!({
            "id": "run_1", "playbook": "greet", "version": 3, "status": "faulted", "trigger": "hook", "input": {"name": "Ada"},
            "output": null, "error": error, "steps": 2, "createdAt": "2026-11-29T12:00:00.000Z",
            "startedAt": "2026-11-29T12:00:01.000Z", "endedAt": "2026-11-29T12:00:04.000Z", "project": null,
        }))
        .map(|run| Timeline {
            run,
            steps: vec![
                serde_json::from_value(step(1, "completed", Value::Null)).unwrap(),
                serde_json::from_value(step(2, "faulted", error.clone())).unwrap(),
            ],
        })
        .unwrap()
    }

    #[test]
    fn a_timeline_tells_each_step_and_the_end() {
        let text = anstream::adapter::strip_str(&timeline().text(false)).to_string();
        assert_eq!(
            text,
            "2026-11-29T12:00:00.000Z run_1  greet v3, by hook
input {\"name\":\"Ada\"}
   1    +2500ms  completed call ask in 2500ms /do/1/ask
   2    +2500ms  faulted   call ask attempt 2 in 2500ms /do/2/ask
        timeout at /do/2/ask: too\u{fffd}late
faulted in 3s, 2 steps
timeout at /do/2/ask: too\u{fffd}late
once the cause is mended: hookyard runs retry run_1"
        );
        assert!(timeline().text(true).contains("{\"a\":1}"));
    }
}
