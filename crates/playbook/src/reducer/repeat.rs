//! `for`: a list of tasks for each item of an array. An iteration's input is the output of the one before.

use super::errors::{self, Error};
use super::evaluate::View;
use super::frame::{Activity, Frame, ListFrame};
use super::machine::Machine;
use crate::{For, TaskKind};
use serde_json::{Map, Value};

impl<'p> Machine<'p, '_> {
    /// Evaluates what the task on top of a thread goes through, and begins the first iteration.
    pub(super) fn begin_for(&mut self, thread: u32, repeat: &'p For, input: Value) -> Result<(), Error> {
        let view = View::at(self.place(thread));
        let items = match self.fill(&view, &repeat.items, &input)? {
            Value::Array(items) => items,
            other => {
                let found = errors::quoted(&other.to_string());
                let detail =
                    format!("`for.in` yields {found} where an array is needed; wrap it, as in `[.]`");
                return Err(self.expression_error(&view, &detail));
            }
        };
        self.state.task_mut(thread)?.activity = Activity::For { items, index: 0 };
        self.turn(thread, repeat, 0, input)
    }

    /// An iteration is over: goes on to the next.
    pub(super) fn iterate(&mut self, thread: u32, output: Value) -> Result<(), Error> {
        let TaskKind::For(repeat) = &self.task(thread)?.kind else {
            return Err(errors::misfit());
        };
        let Activity::For { index, .. } = &mut self.state.task_mut(thread)?.activity else {
            return Err(errors::misfit());
        };
        *index = index.saturating_add(1);
        let index = *index;
        self.turn(thread, repeat, index, output)
    }

    /// Begins an iteration, or ends the loop when there is no item left or `while` is false.
    fn turn(&mut self, thread: u32, repeat: &'p For, index: usize, data: Value) -> Result<(), Error> {
        let frame = self.state.task(thread)?;
        let Activity::For { items, .. } = &frame.activity else {
            return Err(errors::misfit());
        };
        let path = frame.path.iteration(index);
        let Some(item) = items.get(index).cloned() else {
            return self.end_for(thread, data);
        };
        // `while` sees the variables of the iteration that it decides about, so its list is there already.
        let mut list = ListFrame::new(&repeat.list.pointer, path, data.clone());
        list.variables = Map::from_iter([(repeat.each.clone(), item), (repeat.at.clone(), index.into())]);
        self.state.push(thread, Frame::List(list));
        if let Some(condition) = &repeat.condition {
            let decision = self.decide(&View::at(self.place(thread)), condition, &data);
            if !matches!(decision, Ok(true)) {
                self.state.pop(thread);
            }
            if !decision? {
                return self.end_for(thread, data);
            }
        }
        Ok(())
    }

    fn end_for(&mut self, thread: u32, output: Value) -> Result<(), Error> {
        let then = self.task(thread)?.then;
        self.complete(thread, output, then)
    }
}
