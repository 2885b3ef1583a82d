//! Runs of playbooks.

use super::declare::{Declare, LONG};
use super::meters::meters;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use opentelemetry::{KeyValue, StringValue};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::{RunState, StepState};

/// Playbooks that a process tells apart.
const PLAYBOOKS: usize = 100;

/// What all others are called.
const OTHER: &str = "other";

pub(super) struct Runs {
    duration: Histogram<f64>,
    steps: Counter<u64>,
    engine_failures: Counter<u64>,
    active: UpDownCounter<i64>,
    slugs: Mutex<Slugs>,
}

impl Runs {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            duration: declare.seconds(
                "hookyard.run.duration",
                "Runs, from their start to their end",
                &LONG,
            ),
            steps: declare.counter(
                "hookyard.run.steps",
                "Finished steps of runs, by the kind of task",
            ),
            engine_failures: declare.counter(
                "hookyard.run.engine_failures",
                "Runs that ended because the engine or the ledger could not go on with them",
            ),
            active: declare.at_present("hookyard.run.active", "Runs that this process holds"),
            slugs: Mutex::default(),
        }
    }
}

/// A playbook as a label: its slug. Tenants choose slugs, so a process tells the first hundred apart and calls all others
/// `other`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playbook(Arc<str>);

/// One that was removed is none of those that are told apart.
impl Default for Playbook {
    fn default() -> Self {
        Self(Arc::from(OTHER))
    }
}

impl Playbook {
    /// The label of the playbook with this slug.
    pub fn of(slug: &str) -> Self {
        let slugs = &meters().runs.slugs;
        let mut slugs = slugs.lock().unwrap_or_else(PoisonError::into_inner);
        Self(slugs.label(slug))
    }

    fn label(&self) -> KeyValue {
        KeyValue::new("playbook", StringValue::from(Arc::clone(&self.0)))
    }
}

/// Slugs that are labels.
#[derive(Default)]
struct Slugs(HashSet<Arc<str>>);

impl Slugs {
    fn label(&mut self, slug: &str) -> Arc<str> {
        if let Some(known) = self.0.get(slug) {
            return Arc::clone(known);
        }
        if slug == OTHER || self.0.len() >= PLAYBOOKS {
            return Arc::from(OTHER);
        }
        let slug: Arc<str> = Arc::from(slug);
        self.0.insert(Arc::clone(&slug));
        slug
    }
}

/// Counts a run in hand until it is dropped.
#[must_use]
pub fn run_taken(playbook: &Playbook) -> ActiveRun {
    meters().runs.active.add(1, &[playbook.label()]);
    ActiveRun(playbook.clone())
}

/// A run that this process has in hand.
#[derive(Debug)]
pub struct ActiveRun(Playbook);

impl Drop for ActiveRun {
    fn drop(&mut self) {
        meters().runs.active.add(-1, &[self.0.label()]);
    }
}

/// Counts and times a run that came to its end.
pub fn run_ended(playbook: &Playbook, state: RunState, took: Duration) {
    let labels = [playbook.label(), status(state.as_str())];
    meters().runs.duration.record(took.as_secs_f64(), &labels);
}

/// Counts a finished step of a run, by the kind of task.
pub fn run_step(playbook: &Playbook, kind: &'static str, state: StepState) {
    let kind = KeyValue::new("kind", kind);
    let labels = [playbook.label(), kind, status(state.as_str())];
    meters().runs.steps.add(1, &labels);
}

/// Counts a run that ended by a fault of ours: one is too many.
pub fn run_broken() {
    meters().runs.engine_failures.add(1, &[]);
}

fn status(state: &'static str) -> KeyValue {
    KeyValue::new("status", state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_slugs_are_labels_and_all_others_are_one() {
        let mut slugs = Slugs::default();
        let mut label = |slug: &str| slugs.label(slug).to_string();
        assert_eq!(label(OTHER), OTHER, "which takes nobody's place");
        for number in 0..PLAYBOOKS {
            let slug = format!("playbook-{number}");
            assert_eq!(label(&slug), slug);
        }
        assert_eq!(label("one-too-many"), OTHER);
        assert_eq!(label("playbook-7"), "playbook-7", "known before");
    }
}
