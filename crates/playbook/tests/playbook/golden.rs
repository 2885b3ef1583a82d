//! States that earlier releases wrote can be finished by this one.

use crate::keeper::Keeping;
use crate::{program, scenario};
use hookyard_playbook::{Event, State, Step, Summary, step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use wire::Instant;

/// A run, as the release of its state's version ran it.
#[derive(Serialize, Deserialize)]
struct Golden {
    document: String,
    events: Vec<(Instant, Event)>,
    /// After each event.
    states: Vec<Value>,
    steps: Vec<Step>,
    summary: Summary,
}

#[test]
fn runs_of_earlier_releases_are_finished() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    write_new(&folder);
    let mut count = 0;
    for path in files(&folder) {
        let golden: Golden = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (number, state) in golden.states.iter().enumerate() {
            finish(&golden, number, state, &path);
        }
        count += 1;
    }
    assert!(count >= 3, "the states of the first release are gone");
}

fn finish(golden: &Golden, number: usize, state: &Value, path: &Path) {
    let place = format!("{} after event {number}", path.display());
    let mut evaluator = program::evaluator();
    let program = program::read(&golden.document, &mut evaluator);
    let state: State =
        serde_json::from_value(state.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut state = Some(state);
    let (mut steps, mut summary) = (Vec::new(), None);
    for (at, event) in &golden.events[number + 1..] {
        let (after, out) = step(&program, state, *at, event.clone(), &mut evaluator);
        state = Some(after);
        steps.extend(out.finished);
        summary = Some(out.summary);
    }
    let Some(summary) = summary else { return };
    assert_eq!(
        (summary.status, &summary.output),
        (golden.summary.status, &golden.summary.output),
        "{place}"
    );
    let told = |steps: &[Step]| -> Vec<_> {
        let rows = steps
            .iter()
            .map(|step| (step.number, step.pointer.clone(), step.status, step.attempt));
        rows.collect()
    };
    let missing = golden.steps.len() - steps.len();
    assert_eq!(told(&steps), told(&golden.steps[missing..]), "{place}");
}

/// Writes the run of each scenario that has no file yet.
fn write_new(folder: &Path) {
    for scenario in scenario::parse(&folder.join("runs.feature")) {
        let path = folder.join(format!("1-{}.json", scenario.name.replace(' ', "-")));
        if path.exists() {
            continue;
        }
        let given = scenario::given(&scenario);
        let keeper = scenario::play(&given, &scenario, Keeping::Written);
        let golden = Golden {
            document: given.document.clone(),
            states: keeper
                .states
                .iter()
                .map(|state| serde_json::from_str(state).unwrap())
                .collect(),
            events: keeper.events,
            steps: keeper.story.steps,
            summary: keeper.story.summary,
        };
        fs::write(&path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
        eprintln!("WRITTEN: {}; add it to the repository", path.display());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}
