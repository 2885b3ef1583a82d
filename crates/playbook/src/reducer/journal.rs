//! The journal: a row for each task that ended, in the order of ending.

use super::ending::Ending;
use super::errors::Error;
use super::evaluate::Place;
use super::frame::{Frame, TaskFrame};
use super::machine::Machine;
use super::positions;
use crate::{Step, StepStatus, TaskKind};

impl Machine<'_, '_> {
    /// Writes the row of a task that stays where it is, since its error stops the run.
    pub(super) fn record_failure(&mut self, place: Place, error: &Error) {
        if let Some(Frame::Task(frame)) = self.state.frames(place.thread).get(place.depth) {
            let frame = frame.clone();
            self.record(&frame, &Ending::Faulted(error.clone()));
        }
    }

    /// Writes the row of a task that ended.
    pub(super) fn record(&mut self, frame: &TaskFrame, ending: &Ending) {
        let task = positions::task(self.program, &frame.task);
        let (name, kind) = task.map_or(("", ""), |task| (task.name.as_str(), kind_of(&task.kind)));
        let (status, output, error) = match ending {
            Ending::Completed(output) => (StepStatus::Completed, Some(output), None),
            Ending::Skipped(output) => (StepStatus::Skipped, Some(output), None),
            Ending::Faulted(error) => (StepStatus::Faulted, None, Some(error.clone())),
            Ending::Cancelled => (StepStatus::Cancelled, None, None),
        };
        let (input, is_input_cut) = self.journal_room.keep(&frame.raw);
        let (output, is_output_cut) = output
            .map(|output| self.journal_room.keep(output))
            .map_or((None, false), |(output, is_cut)| (Some(output), is_cut));
        self.state.counters.steps = self.state.counters.steps.saturating_add(1);
        self.out.finished.push(Step {
            number: self.state.counters.steps,
            pointer: frame.task.clone(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            status,
            attempt: frame.path.attempt(),
            input,
            output,
            is_cut: is_input_cut || is_output_cut,
            error,
            started_at: frame.started_at,
            ended_at: self.state.now,
        });
    }
}

fn kind_of(kind: &TaskKind) -> &'static str {
    match kind {
        TaskKind::Set(_) => "set",
        TaskKind::Do(_) => "do",
        TaskKind::For(_) => "for",
        TaskKind::Fork(_) => "fork",
        TaskKind::Switch(_) => "switch",
        TaskKind::Try(_) => "try",
        TaskKind::Raise(_) => "raise",
        TaskKind::Wait(_) => "wait",
        TaskKind::Emit(_) => "emit",
        TaskKind::Listen(_) => "listen",
        TaskKind::Http(_) | TaskKind::Function { .. } => "call",
    }
}
