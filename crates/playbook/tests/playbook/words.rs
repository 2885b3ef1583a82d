//! The words of scenarios: the kit's, and ours in the same style.

use crate::keeper::Keeper;
use crate::program::yaml;
use crate::scenario::block;
use gherkin::Step;
use hookyard_playbook::{Effect, Event, StepStatus};
use serde_json::Value;
use std::time::Duration;
use wire::RunState;

/// Something happens.
pub(crate) fn when(keeper: &mut Keeper<'_>, step: &Step) {
    let words: Vec<_> = step.value.split(' ').collect();
    match words.as_slice() {
        ["an", "event", "arrives:"] => assert!(keeper.arrive(&yaml(&block(step))) > 0, "nobody waits for it"),
        ["an", "event", "arrives", "that", "nobody", "waits", "for:"] => {
            assert_eq!(keeper.arrive(&yaml(&block(step))), 0);
        }
        [count, unit, "pass" | "passes"] => {
            let seconds = match unit.trim_end_matches('s') {
                "second" => 1,
                "minute" => 60,
                "hour" => 3_600,
                "day" => 86_400,
                other => panic!("no such unit: {other}"),
            };
            keeper.pass(Duration::from_secs(count.parse::<u64>().unwrap() * seconds));
        }
        ["its", "secrets", "become:"] => keeper.happen(Event::WithSecrets {
            secrets: yaml(&block(step)),
            then: Box::new(Event::Tick),
        }),
        ["an", "operator", wish @ ..] => {
            keeper.happen(match wish {
                ["cancels", "it"] => Event::Cancel,
                ["pauses", "it"] => Event::Pause,
                ["resumes", "it"] => Event::Resume,
                ["retries", "it"] => Event::Retry { fresh_keys: false },
                ["retries", "it", "with", "fresh", "keys"] => Event::Retry { fresh_keys: true },
                other => panic!("no such step: When an operator {other:?}"),
            });
            keeper.settle();
        }
        _ => panic!("no such step: When {}", step.value),
    }
}

/// Something must be so.
pub(crate) fn then(keeper: &Keeper<'_>, step: &Step) {
    let text = step.value.as_str();
    if let Some(rest) = text.strip_prefix("the workflow output should have ") {
        return output(keeper, rest, step);
    }
    if let Some(rest) = text.strip_prefix("the workflow should ") {
        return state(keeper, rest, step);
    }
    if let Some(rest) = text.strip_prefix("the server should have got ") {
        return requests(keeper, rest);
    }
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["the", "journal", "should", "be:"] => journal(keeper, &block(step)),
        ["the", "events", "emitted", "should", "be:"] => {
            let emitted: Vec<_> = keeper
                .story
                .emitted
                .iter()
                .map(|emitted| emitted.envelope["type"].clone())
                .collect();
            assert_eq!(Value::Array(emitted), yaml(&block(step)));
        }
        ["it", "should", "listen", "for:"] => {
            let listens = keeper.in_flight().filter_map(|issued| match &issued.effect {
                Effect::Listen(listen) => Some(listen),
                Effect::Http(_) => None,
            });
            let types: Vec<_> = listens
                .flat_map(|listen| &listen.filters)
                .map(|(_, awaited)| Value::from(awaited.event_type.as_str()))
                .collect();
            assert_eq!(Value::Array(types), yaml(&block(step)));
        }
        [task, "should", "run", "first"] => {
            assert_eq!(began(keeper).first().map(String::as_str), Some(*task));
        }
        [task, "should", "run", "last"] => assert_eq!(began(keeper).last().map(String::as_str), Some(*task)),
        [task, "should", "run", "after", other] => {
            let place = |name: &str| began(keeper).iter().position(|known| known == name);
            assert!(place(task).unwrap() > place(other).unwrap());
        }
        _ => panic!("no such step: Then {text}"),
    }
}

/// The names of the tasks that began, in the order of ending, which is the order of beginning where none is in another.
fn began(keeper: &Keeper<'_>) -> Vec<String> {
    let steps = keeper
        .story
        .steps
        .iter()
        .filter(|step| step.status != StepStatus::Skipped);
    steps.map(|step| step.name.clone()).collect()
}

fn state(keeper: &Keeper<'_>, rest: &str, step: &Step) {
    let summary = &keeper.story.summary;
    let is = |status| assert_eq!(summary.status, status, "{summary:#?}");
    match rest.split(' ').collect::<Vec<_>>().as_slice() {
        ["complete"] => is(RunState::Completed),
        ["complete", "with", "output:"] => {
            is(RunState::Completed);
            assert_eq!(summary.output, Some(yaml(&block(step))));
        }
        ["fault"] => is(RunState::Faulted),
        ["fault", "with", "error:"] => {
            is(RunState::Faulted);
            let error = serde_json::to_value(&summary.error).unwrap();
            for (name, wanted) in yaml(&block(step)).as_object().unwrap() {
                // A detail is for a person: a part of it is enough.
                match (name.as_str(), wanted, &error[name]) {
                    ("detail", Value::String(wanted), Value::String(detail)) => {
                        assert!(detail.contains(wanted), "{detail}");
                    }
                    (_, wanted, found) => assert_eq!(found, wanted, "{name} of {error}"),
                }
            }
        }
        ["be", "running"] => is(RunState::Running),
        ["be", "waiting"] => is(RunState::Waiting),
        ["be", "paused"] => is(RunState::Paused),
        ["be", "cancelled"] => is(RunState::Cancelled),
        ["wake", "in", count, "seconds"] => {
            let wake_at = summary.wake_at.expect("it wakes");
            assert_eq!(
                wake_at.since(keeper.now),
                Duration::from_secs(count.parse().unwrap())
            );
        }
        _ => panic!("no such step: Then the workflow should {rest}"),
    }
}

fn output(keeper: &Keeper<'_>, rest: &str, step: &Step) {
    let output = keeper.story.summary.output.clone().expect("it has an output");
    let names: Vec<_> = rest.split('\'').skip(1).step_by(2).collect();
    let field = |name: &str| output.pointer(&format!("/{}", name.replace('.', "/"))).cloned();
    for name in &names {
        assert!(field(name).is_some(), "no {name} in {output}");
    }
    let found = field(names[0]).unwrap();
    if rest.ends_with("with value:") {
        assert_eq!(found, yaml(&block(step)));
    } else if let Some((_, count)) = rest.split_once(" containing ") {
        let count: usize = count.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{found}");
    } else {
        assert!(rest.starts_with("properties "), "no such step: {rest}");
    }
}

/// `3 requests`, `3 requests with 1 key`, `the headers:` …
fn requests(keeper: &Keeper<'_>, rest: &str) {
    let requests = &keeper.server.requests;
    let words: Vec<_> = rest.split(' ').collect();
    let count: usize = words[0].parse().expect("a number of requests");
    assert_eq!(requests.len(), count, "{requests:#?}");
    if let ["with", keys, "key" | "keys"] = &words[2..] {
        let mut known: Vec<_> = requests.iter().map(|request| &request.key).collect();
        known.sort();
        known.dedup();
        assert_eq!(known.len(), keys.parse::<usize>().unwrap(), "{known:?}");
    }
}

/// `name status`, and the attempt if it is not the first; `pointer` instead of a name if it has a slash.
fn journal(keeper: &Keeper<'_>, wanted: &str) {
    let word = |status| match status {
        StepStatus::Completed => "completed",
        StepStatus::Skipped => "skipped",
        StepStatus::Faulted => "faulted",
        StepStatus::Cancelled => "cancelled",
    };
    let rows: Vec<_> = keeper
        .story
        .steps
        .iter()
        .map(|step| match step.attempt {
            1 => format!("{} {}", step.name, word(step.status)),
            attempt => format!("{} {} {attempt}", step.name, word(step.status)),
        })
        .collect();
    let wanted: Vec<_> = wanted.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(rows, wanted);
}
