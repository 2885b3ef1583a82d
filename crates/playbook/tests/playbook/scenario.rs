//! Runs one scenario in every way there is of keeping a run.

use crate::keeper::{Keeper, Keeping, Story};
use crate::program;
use crate::server::Server;
use crate::words;
use gherkin::{Feature, GherkinEnv, Scenario, StepType};
use hookyard_playbook::{Event, Program, Start, State, step};
use serde_json::Value;
use std::path::Path;
use wire::Instant;

/// What was said before the run begins.
pub(crate) struct Given {
    pub(crate) document: String,
    pub(crate) program: Program,
    input: Value,
    secrets: Value,
    context: Value,
    answers: Value,
}

/// A text block of a step, without its media type and indentation.
pub(crate) fn block(step: &gherkin::Step) -> String {
    let text = step
        .docstring
        .as_ref()
        .unwrap_or_else(|| panic!("`{}` has no text below it", step.value));
    let text = text.strip_prefix("yaml\n").unwrap_or(text);
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let least = lines.map(indentation).min().unwrap_or(0);
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.get(least..).unwrap_or_default())
        .collect();
    lines.join("\n")
}

/// The scenarios of a file.
pub(crate) fn parse(path: &Path) -> Vec<Scenario> {
    let feature = Feature::parse_path(path, GherkinEnv::default());
    feature
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .scenarios
}

/// Runs a scenario plainly, with its state written between all events, and with a crash at every point.
pub(crate) fn run(scenario: &Scenario) {
    let given = given(scenario);
    let (plain, events) = run_once(&given, scenario, Keeping::Plain);
    replay(&given.program, &events, &plain);

    let mut keepings = vec![Keeping::Written];
    for number in 0..events.len() {
        keepings.extend([Keeping::CrashBefore(number), Keeping::CrashAfter(number)]);
    }
    for keeping in keepings {
        let (story, _) = run_once(&given, scenario, keeping);
        assert_eq!(
            story, plain,
            "it comes to something else when the state is kept like this: {keeping:?}"
        );
    }
}

pub(crate) fn given(scenario: &Scenario) -> Given {
    let mut definition = None;
    let [mut input, mut secrets, mut context, mut answers] = [const { Value::Null }; 4];
    for step in scenario.steps.iter().filter(|step| step.ty == StepType::Given) {
        let block = block(step);
        match step.value.trim_start_matches("given ") {
            "a workflow with definition:" => definition = Some(block),
            "the workflow input is:" => input = program::yaml(&block),
            "its secrets are:" => secrets = program::yaml(&block),
            "its context is:" => context = program::yaml(&block),
            "the server answers:" => answers = program::yaml(&block),
            other => panic!("no such step: Given {other}"),
        }
    }
    let definition = definition.expect("a scenario has a definition");
    Given {
        program: program::read(&definition, &mut program::evaluator()),
        document: definition,
        input,
        secrets,
        context,
        answers,
    }
}

fn run_once(given: &Given, scenario: &Scenario, keeping: Keeping) -> (Story, Vec<(Instant, Event)>) {
    let keeper = play(given, scenario, keeping);
    let steps = keeper.story.steps.iter().map(|step| step.number);
    assert!(steps.eq(1..=keeper.story.summary.steps), "steps have gaps");
    (keeper.story, keeper.events)
}

/// Lets all happen that a scenario says, and checks what it says must be so.
pub(crate) fn play<'g>(given: &'g Given, scenario: &Scenario, keeping: Keeping) -> Keeper<'g> {
    let mut server = Server::default();
    if !given.answers.is_null() {
        server.plan(&given.answers);
    }
    let mut keeper = Keeper::new(&given.program, keeping, server);
    for step in scenario.steps.iter().filter(|step| step.ty != StepType::Given) {
        match (step.ty, step.value.as_str()) {
            (StepType::When, "the workflow is executed") => {
                keeper.happen(start(given));
                keeper.settle();
            }
            (StepType::When, _) => words::when(&mut keeper, step),
            _ => words::then(&keeper, step),
        }
    }
    keeper
}

fn start(given: &Given) -> Event {
    Event::Start(Start {
        run: "run_01m7z7p284eheavy5sgah3tqk5".to_owned(),
        input: given.input.clone(),
        context: given.context.clone(),
        secrets: given.secrets.clone(),
        nonce: "9f3c".to_owned(),
        version: 3,
    })
}

/// The events alone make the same state again.
pub(crate) fn replay(program: &Program, events: &[(Instant, Event)], story: &Story) {
    let mut evaluator = program::evaluator();
    let mut state: Option<State> = None;
    for (at, event) in events {
        state = Some(step(program, state, *at, event.clone(), &mut evaluator).0);
    }
    assert_eq!(
        serde_json::to_string(&state.unwrap()).unwrap(),
        story.state,
        "a replay differs"
    );
}
