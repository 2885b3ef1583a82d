//! What a step comes to, as the ledger keeps it.

use boot::metrics;
use playbook::{Emitted, Error, Out, Step, StepStatus};
use serde::Serialize;
use serde_json::Value;
use store::{HeldRun, Hold, NewEvent, RunCommit, SlotLimit, StepRow, Unwaited};
use uuid::Uuid;
use waitbox::Wait;
use wire::{Instant, RunState, StepState};

/// A commit that changes nothing of a run but who has it.
pub(crate) fn unchanged(run: &HeldRun, owner: Uuid, hold: Hold, at: Instant) -> RunCommit {
    RunCommit {
        id: run.id,
        workspace_id: run.workspace_id.clone(),
        playbook_id: run.playbook_id.clone(),
        owner,
        epoch: run.epoch,
        revision: run.revision,
        state: run.state,
        engine: None,
        output: run.output.clone().map(Into::into),
        error: run.error.clone(),
        steps_total: run.steps,
        hold,
        steps: Vec::new(),
        emitted: Vec::new(),
        waits: Vec::new(),
        unwaited: Unwaited::NOTHING,
        taken: Vec::new(),
        limit: None,
        at,
    }
}

/// A commit that ends a run which the engine cannot go on with.
pub(crate) fn faulted(
    run: &HeldRun,
    owner: Uuid,
    error: &Error,
    limit: Option<SlotLimit>,
    at: Instant,
) -> RunCommit {
    RunCommit {
        state: RunState::Faulted,
        output: None,
        error: Some(json(error)),
        unwaited: Unwaited::Every,
        limit,
        ..unchanged(run, owner, Hold::Parked(None), at)
    }
}

/// Puts into a commit what a step reported.
pub(crate) fn report(commit: &mut RunCommit, out: &Out, generation: i32, waits: &[(i32, Wait)]) {
    let summary = &out.summary;
    commit.state = summary.status;
    // Null is an output too, and the engine's process says it as it says none.
    let is_completed = summary.status == RunState::Completed;
    commit.output = is_completed.then(|| text(summary.output.as_ref()).into());
    commit.error = summary.error.as_ref().map(json);
    commit.steps_total = number(summary.steps);
    commit.steps = out.finished.iter().map(step).collect();
    commit.emitted = out
        .emitted
        .iter()
        .map(|emitted| event(commit, emitted, generation))
        .collect();
    commit.waits = waits
        .iter()
        .map(|(effect, wait)| routing::wait_row(*effect, wait))
        .collect();
}

fn event(commit: &RunCommit, emitted: &Emitted, generation: i32) -> NewEvent {
    NewEvent {
        traceparent: boot::trace::current(),
        ..routing::emitted(&commit.workspace_id, commit.id, generation, emitted, commit.at)
    }
}

fn step(step: &Step) -> StepRow {
    let has_output = matches!(step.status, StepStatus::Completed | StepStatus::Skipped);
    StepRow {
        number: number(step.number),
        pointer: step.pointer.clone(),
        name: step.name.clone(),
        kind: step.kind.clone(),
        status: match step.status {
            StepStatus::Completed => StepState::Completed,
            StepStatus::Skipped => StepState::Skipped,
            StepStatus::Faulted => StepState::Faulted,
            StepStatus::Cancelled => StepState::Cancelled,
        },
        attempt: number(step.attempt),
        input: step.input.to_string().into_bytes(),
        output: has_output.then(|| text(step.output.as_ref())),
        is_cut: step.is_cut,
        error: step.error.as_ref().map(json),
        started_at: step.started_at,
        ended_at: step.ended_at,
    }
}

/// A value as JSON; none is null.
fn text(value: Option<&Value>) -> Vec<u8> {
    value.unwrap_or(&Value::Null).to_string().into_bytes()
}

/// Counts of a run end at ten thousand tasks.
fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("an error is texts and a number, which serialise")
}

/// Counts the steps by their kinds: the words of the language and no others.
pub(crate) fn count_steps(playbook: &metrics::Playbook, steps: &[StepRow]) {
    const KINDS: [&str; 11] = [
        "set", "do", "for", "fork", "switch", "try", "raise", "wait", "emit", "listen", "call",
    ];
    for step in steps {
        if let Some(kind) = KINDS.into_iter().find(|kind| step.kind == *kind) {
            metrics::run_step(playbook, kind, step.status);
        }
    }
}
