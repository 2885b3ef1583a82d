//! The engine in its real worker: what means harm ends the step that it is in, and nothing else.

use bytes::Bytes;
use expression::{Jail, JailError, Launch, Limits, Options};
use futures_executor::block_on;
use futures_util::future::{Either, join_all, select};
use hookyard_playbook::{CheckError, Code, Engine, Event, LARGEST_STATE, Start, StepError, Stepped, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::pin::pin;
use std::time::Duration;
use wire::{Instant, RunState};

/// Long enough on a machine that is busy with other tests.
fn engine() -> Engine {
    engine_within(Duration::from_secs(10))
}

/// Each harm takes several times as long as it may.
fn hasty() -> Engine {
    engine_within(Duration::from_millis(500))
}

/// One worker, so that all runs are neighbours.
fn engine_within(time: Duration) -> Engine {
    engine_with(Limits {
        time,
        guest_time: 10 * time,
        ..Limits::default()
    })
}

fn engine_with(limits: Limits) -> Engine {
    engine_of(1, limits)
}

fn engine_of(workers: usize, limits: Limits) -> Engine {
    Engine::new(Jail::new(Options {
        launch: Launch::Program(env!("CARGO_BIN_EXE_hookyard-playbook-worker").into()),
        workers: NonZero::new(workers).expect("a jail has a worker"),
        limits,
        ..Options::default()
    }))
}

fn definition(tasks: &str) -> String {
    format!("document: {{dsl: '1.0.3', namespace: default, name: harm, version: '1.0.0'}}\ndo:\n{tasks}")
}

fn saved(engine: &Engine, definition: &str) -> Version {
    let checked = block_on(engine.check(definition, BTreeMap::new())).expect("the definition is sound");
    Version::new(definition, &checked.operations)
}

fn start(input: Value) -> Event {
    Event::Start(Start {
        run: "run_1".to_owned(),
        input,
        context: Value::Null,
        secrets: json!({}),
        nonce: "nonce".to_owned(),
        version: 1,
    })
}

fn at() -> Instant {
    "2026-11-29T12:00:00.000Z".parse().expect("a time")
}

fn begin(engine: &Engine, version: &Version, input: Value) -> Result<Stepped, StepError> {
    begin_as("run_1", engine, version, input)
}

fn begin_as(run: &str, engine: &Engine, version: &Version, input: Value) -> Result<Stepped, StepError> {
    block_on(engine.step(version, run, None, at(), &start(input)))
}

/// A neighbour in the same worker comes to its end as if nothing had happened.
fn assert_unharmed(engine: &Engine) {
    let version = saved(engine, &definition("  - fine: {set: {answer: '${ .n + 1 }'}}\n"));
    let stepped = begin_as("run_2", engine, &version, json!({"n": 41})).expect("the engine works");
    assert_eq!(stepped.out.summary.status, RunState::Completed);
    assert_eq!(stepped.out.summary.output, Some(json!({"answer": 42})));
}

#[test]
fn an_expression_that_ends_its_worker_faults_its_run_and_names_its_task() {
    for evil in [
        "def f: f; f",
        "last(repeat(1))",
        "until(false; .)",
        "\"x\" * 1000000000",
        "[range(1e9)]",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "[recurse([.])] | length",
    ] {
        let engine = hasty();
        let document = definition(&format!(
            "  - first: {{set: {{a: '${{ 1 }}'}}}}\n  - evil: {{set: {{x: '${{ {evil} }}'}}}}\n  - after: {{set: {{b: 1}}}}\n"
        ));
        let version = saved(&engine, &document);
        let out = begin(&engine, &version, json!({}))
            .expect("the run faults, the engine does not")
            .out;
        assert_eq!(out.summary.status, RunState::Faulted, "{evil}");
        let error = out.summary.error.expect("a faulted run has an error");
        assert!(error.kind.ends_with("/expression"), "{evil}: {error:?}");
        assert_eq!(error.instance.as_deref(), Some("/do/1/evil"), "{evil}");
        assert!(error.detail.expect("a reason").contains("was stopped"), "{evil}");
        assert_unharmed(&engine);
    }
}

#[test]
fn a_stopped_expression_is_an_error_that_a_playbook_can_catch() {
    let engine = hasty();
    let document = definition(
        "  - guarded:\n      try:\n        - evil: {set: {x: '${ def f: f; f }'}}\n      catch:\n        as: err\n        do:\n          - note: {set: {caught: '${ $err.instance }'}}\n",
    );
    let version = saved(&engine, &document);
    let out = begin(&engine, &version, json!({})).expect("the run ends").out;
    assert_eq!(out.summary.status, RunState::Completed);
    assert_eq!(
        out.summary.output,
        Some(json!({"caught": "/do/0/guarded/try/0/evil"}))
    );
}

#[test]
fn a_run_that_is_stopped_again_and_again_is_no_fault_of_its_versions_other_runs() {
    let engine = hasty();
    let document = definition(
        "  - some: {set: {x: '${ if .evil then def f: f; f else 1 end }'}}\n  - rest: {wait: {seconds: 1}}\n",
    );
    let version = saved(&engine, &document);
    for number in 0..4 {
        let run = format!("run_of_evil_{number}");
        let out = begin_as(&run, &engine, &version, json!({"evil": true}))
            .expect("the run faults, the engine does not")
            .out;
        let error = out.summary.error.expect("a faulted run has an error");
        assert_eq!(
            error.instance.as_deref(),
            Some("/do/0/some"),
            "{number}: {error:?}"
        );
    }
    let waiting = begin(&engine, &version, json!({"evil": false})).expect("a neighbour is stepped");
    assert_eq!(waiting.out.summary.status, RunState::Waiting);
}

#[test]
fn a_version_that_was_stopped_leaves_a_worker_to_the_others_and_few_of_its_runs_wait() {
    let limits = Limits {
        time: Duration::from_millis(500),
        ..Limits::default()
    };
    let engine = engine_of(2, limits);
    let document = definition("  - evil: {set: {x: '${ def f: f; f }'}}\n");
    let (evil, fine) = (
        saved(&engine, &document),
        saved(&engine, &definition("  - fine: {set: {n: 1}}\n")),
    );
    let first = begin_as("run_0", &engine, &evil, json!({})).expect("the run faults");
    assert_eq!(first.out.summary.status, RunState::Faulted);

    let runs: Vec<String> = (1..=10).map(|number| format!("run_{number}")).collect();
    let event = start(json!({}));
    let stepped = join_all(runs.iter().map(|run| engine.step(&evil, run, None, at(), &event)));
    let quick = async {
        for number in 0..20 {
            let run = format!("run_of_fine_{number}");
            let stepped = engine.step(&fine, &run, None, at(), &event).await;
            assert_eq!(
                stepped.expect("the engine works").out.summary.status,
                RunState::Completed
            );
        }
        // One that evaluates nothing is answered though its program is suspected, and no more of those may wait.
        let state = Some(&first.state);
        let cancelled = engine.step(&evil, "run_0", state, at(), &Event::Cancel).await;
        cancelled.expect("the engine works");
    };
    let stepped = block_on(async {
        match select(stepped, pin!(quick)).await {
            Either::Left(_) => panic!("the others waited for all that were stopped"),
            Either::Right(((), stepped)) => stepped.await,
        }
    });
    let refused = stepped
        .iter()
        .filter(|stepped| matches!(stepped, Err(StepError::Unavailable(JailError::Suspected))));
    // One or none was at the worker when the last of them came.
    let refused = refused.count();
    assert!((7..=8).contains(&refused), "{refused}");
    let faulted = stepped.iter().filter(|stepped| {
        stepped
            .as_ref()
            .is_ok_and(|stepped| stepped.out.summary.status == RunState::Faulted)
    });
    assert_eq!(faulted.count(), 10 - refused);
}

#[test]
fn the_third_stopped_expression_of_one_step_ends_its_run_at_its_pointer_though_it_is_guarded() {
    let engine = hasty();
    let evil = "try: [evil: {set: {x: '${ def f: f; f }'}}], catch: {do: [note: {set: {x: 1}}]}";
    let document = definition(&format!(
        "  - wait: {{wait: {{seconds: 1}}}}\n  - a: {{{evil}}}\n  - b: {{{evil}}}\n  - c: {{{evil}}}\n  - d: {{{evil}}}\n"
    ));
    let version = saved(&engine, &document);
    let waiting = begin(&engine, &version, json!({})).expect("it waits");
    let later = at() + Duration::from_secs(2);
    let faulted = block_on(engine.step(&version, "run_1", Some(&waiting.state), later, &Event::Tick))
        .expect("it faults");
    assert_eq!(faulted.out.summary.status, RunState::Faulted);
    let error = faulted.out.summary.error.expect("a faulted run has an error");
    assert!(error.kind.ends_with("/expression"), "{error:?}");
    assert_eq!(error.instance.as_deref(), Some("/do/3/c/try/0/evil"));
    assert_unharmed(&engine);
}

#[test]
fn a_step_of_many_slow_expressions_ends_when_its_own_time_is_over() {
    let limit = Duration::from_secs(3);
    let engine = engine_with(Limits {
        time: Duration::from_secs(1),
        guest_time: limit,
        ..Limits::default()
    });
    // Each takes a part of the second that it may take, and there are thousands of them.
    let document = definition(
        "  - loop:\n      for: {in: '${ [range(9000)] }'}\n      do:\n        - slow: {set: {x: '${ last(range(100000)) }'}}\n",
    );
    let version = saved(&engine, &document);
    let begun = std::time::Instant::now();
    let answer = begin(&engine, &version, json!({}));
    let Err(StepError::Unstartable(error)) = answer else {
        panic!("it was let through: {answer:?}");
    };
    assert!(begun.elapsed() < 3 * limit, "{:?}", begun.elapsed());
    assert!(error.kind.ends_with("/expression"), "{error:?}");
    assert_eq!(error.instance.as_deref(), Some("/do/0/loop/do/0/slow"));
    assert!(error.detail.expect("a reason").contains("longer than 3s"));
    assert_unharmed(&engine);
}

#[test]
fn what_reaches_outside_is_refused_when_it_is_saved() {
    let engine = engine();
    for outside in [
        "env",
        "$ENV.HOME",
        "halt",
        "now",
        "debug",
        "stderr",
        "input",
        "localtime",
    ] {
        let document = definition(&format!("  - a: {{set: {{x: '${{ {outside} }}'}}}}\n"));
        let Err(CheckError::Unsound(issues)) = block_on(engine.check(&document, BTreeMap::new())) else {
            panic!("{outside} was let through");
        };
        let issue = &issues[0];
        assert!(
            matches!(issue.code, Code::InvalidExpression | Code::UndefinedVariable),
            "{outside}: {issue}"
        );
        assert_eq!(
            (issue.path.as_str(), issue.line),
            ("/do/0/a/set/x", Some(3)),
            "{outside}"
        );
    }
    assert_unharmed(&engine);
}

#[test]
fn twenty_thousand_parentheses_are_refused_when_they_are_saved() {
    let engine = engine();
    let deep = format!("{}.{}", "(".repeat(20_000), ")".repeat(20_000));
    let document = definition(&format!("  - a: {{set: {{x: '${{ {deep} }}'}}}}\n"));
    let Err(CheckError::Unsound(issues)) = block_on(engine.check(&document, BTreeMap::new())) else {
        panic!("it was let through");
    };
    assert_eq!(issues[0].code, Code::LimitExceeded, "{issues:?}");
    assert_unharmed(&engine);
}

#[test]
fn what_json_cannot_hold_is_an_expression_error() {
    let engine = engine();
    for (odd, word) in [
        ("0 / 0", "number"),
        ("{(1 | tojson): 1} | with_entries(.key |= tonumber)", "key"),
        ("\"a\\\\u0000b\"", "U+0000"),
    ] {
        let document = definition(&format!(
            "  - odd: {{set: {{x: \"${{ {} }}\"}}}}\n",
            odd.replace('"', "\\\"")
        ));
        let version = saved(&engine, &document);
        let out = begin(&engine, &version, json!({})).expect("the run faults").out;
        let error = out.summary.error.expect("a faulted run has an error");
        assert!(
            error.detail.as_deref().unwrap_or_default().contains(word),
            "{odd}: {error:?}"
        );
    }
    assert_unharmed(&engine);
}

#[test]
fn a_state_that_grows_too_large_faults_its_run_at_what_it_had() {
    let engine = engine();
    let document = definition(&format!(
        "  - pause: {{wait: {{seconds: 1}}}}\n  - grow: {{set: {{x: '${{ \"x\" * {} }}', y: '${{ \"y\" * {0} }}'}}}}\n  - wait: {{wait: {{seconds: 1}}}}\n",
        LARGEST_STATE * 3 / 4
    ));
    let version = saved(&engine, &document);
    let waiting = begin(&engine, &version, json!({})).expect("it waits");
    assert_eq!(waiting.out.summary.status, RunState::Waiting);
    let later = at() + Duration::from_secs(2);
    let faulted = block_on(engine.step(&version, "run_1", Some(&waiting.state), later, &Event::Tick))
        .expect("it faults");
    assert_eq!(faulted.out.summary.status, RunState::Faulted);
    let error = faulted.out.summary.error.expect("a faulted run has an error");
    let detail = error.detail.expect("a reason");
    assert!(detail.contains("bytes"), "{detail}");
    assert!(faulted.state.len() < LARGEST_STATE);
    assert_unharmed(&engine);
}

#[test]
fn a_state_of_another_release_is_our_fault_and_not_the_runs() {
    let engine = engine();
    let version = saved(&engine, &definition("  - a: {set: {x: 1}}\n"));
    let foreign = Bytes::from_static(br#"{"version":99}"#);
    let answer = block_on(engine.step(&version, "run_1", Some(&foreign), at(), &Event::Tick));
    assert!(matches!(answer, Err(StepError::Broken(_))), "{answer:?}");
    assert_unharmed(&engine);
}

#[test]
fn documents_of_others_are_named_and_read_in_the_worker() {
    let engine = engine();
    let uri = "https://pets.example.com/openapi.json";
    let document = definition(&format!(
        "  - pet: {{call: openapi, with: {{document: {{endpoint: '{uri}'}}, operationId: getPet, parameters: {{id: '${{ .id }}'}}}}}}\n"
    ));
    assert_eq!(block_on(engine.needs(&document)).expect("it is YAML"), [uri]);
    let openapi = r#"{"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": {"/pets/{id}": {"get":
        {"operationId": "getPet", "parameters": [{"name": "id", "in": "path", "required": true}]}}}}"#;
    let check = |text: &str| {
        block_on(engine.check(&document, BTreeMap::from([(uri.to_owned(), Ok(text.to_owned()))])))
    };
    let checked = check(openapi).expect("it is sound");
    assert_eq!(checked.outline.tasks, 1);
    let version = Version::new(&document, &checked.operations);
    assert_eq!(
        block_on(engine.outline(&version)).expect("it was sound"),
        checked.outline
    );

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for broken in ["{", "a: 1\na: 2", deep.as_str()] {
        let Err(CheckError::Unsound(issues)) = check(broken) else {
            panic!("it was let through");
        };
        assert!(issues[0].message.contains(uri), "{issues:?}");
        assert_eq!(
            (issues[0].path.as_str(), issues[0].line),
            ("/do/0/pet/with/document/endpoint", Some(3))
        );
    }
    let Err(CheckError::Unsound(issues)) = block_on(engine.check(&document, BTreeMap::new())) else {
        panic!("it was let through");
    };
    assert_eq!(issues[0].code, Code::UnknownReference);
    assert_unharmed(&engine);
}
