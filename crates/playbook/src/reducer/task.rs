//! The way through one task: its input, what it does, its output.

use super::ending::Ending;
use super::errors::{self, Error};
use super::evaluate::{Place, View};
use super::frame::{Activity, Frame, Input, TaskFrame};
use super::machine::Machine;
use super::path::Path;
use crate::{Case, ErrorTemplate, Expression, Intake, Outlet, Task, TaskKind, Template, Then, error_types};
use serde_json::Value;

impl<'p> Machine<'p, '_> {
    /// Begins a task on top of a thread.
    pub(super) fn begin(&mut self, thread: u32, task: &'p Task, path: Path, raw: Value) {
        self.state.counters.tasks = self.state.counters.tasks.saturating_add(1);
        let frame = TaskFrame {
            task: task.pointer.clone(),
            path,
            raw,
            input: Input::Raw,
            started_at: self.state.now,
            deadline: None,
            activity: Activity::Idle,
        };
        self.state.push(thread, Frame::Task(frame));
        let result = self.enter(thread, task);
        self.settle(thread, result);
    }

    fn enter(&mut self, thread: u32, task: &'p Task) -> Result<(), Error> {
        let place = self.place(thread);
        let raw = self.state.task(thread)?.raw.clone();
        // Before anything else of the task: its input need not be what it takes when the task is not for it.
        if let Some(condition) = &task.condition
            && !self.decide(&View::at(place), condition, &raw)?
        {
            return self.skip(thread, raw);
        }
        let input = self.take_in(Some(place), &task.input, raw)?;
        if task.input.from.is_some() {
            self.state.task_mut(thread)?.input = Input::Transformed(input.clone());
        }
        if let Some(timeout) = &task.timeout {
            let span = self.duration(&View::at(place), timeout, &input)?;
            self.state.task_mut(thread)?.deadline = Some(self.after(span));
        }
        self.perform(thread, task, input)
    }

    fn perform(&mut self, thread: u32, task: &'p Task, input: Value) -> Result<(), Error> {
        let view = View::at(self.place(thread));
        match &task.kind {
            TaskKind::Set(template) => {
                let output = self.fill(&view, template, &input)?;
                self.complete(thread, output, task.then)
            }
            TaskKind::Do(list) => {
                let frame = self.state.task_mut(thread)?;
                frame.activity = Activity::Do;
                let path = frame.path.clone();
                self.open(thread, list, path, input);
                Ok(())
            }
            TaskKind::For(repeat) => self.begin_for(thread, repeat, input),
            TaskKind::Fork(fork) => self.begin_fork(thread, fork, &input),
            TaskKind::Switch(cases) => {
                let then = self.choose(&view, cases, &input)?;
                self.complete(thread, input, then.unwrap_or(task.then))
            }
            TaskKind::Try(trial) => self.begin_try(thread, trial, input),
            TaskKind::Raise(template) => Err(self.error_of(&view, task, template, &input)?),
            TaskKind::Wait(delay) => {
                let until = self.duration(&view, delay, &input)?;
                let until = self.after(until);
                if until <= self.state.now {
                    return self.complete(thread, input, task.then);
                }
                self.state.task_mut(thread)?.activity = Activity::Wait { until };
                Ok(())
            }
            TaskKind::Emit(event) => self.emit(thread, task, event, &input),
            TaskKind::Listen(listen) => self.begin_listen(thread, listen, &input),
            TaskKind::Http(call) => self.begin_call(thread, call, &input),
            TaskKind::Function {
                with, task: function, ..
            } => self.call_function(thread, with, function, &input),
        }
    }

    fn choose(&mut self, view: &View, cases: &[Case], input: &Value) -> Result<Option<Then>, Error> {
        for case in cases {
            if let Some(condition) = &case.when
                && self.decide(view, condition, input)?
            {
                return Ok(Some(case.then));
            }
        }
        // Wherever it stands.
        let default = cases.iter().find(|case| case.when.is_none());
        Ok(default.map(|case| case.then))
    }

    fn call_function(
        &mut self,
        thread: u32,
        with: &Template,
        function: &'p Task,
        input: &Value,
    ) -> Result<(), Error> {
        let arguments = self.fill(&View::at(self.place(thread)), with, input)?;
        let frame = self.state.task_mut(thread)?;
        frame.activity = Activity::Function;
        let path = frame.path.function();
        self.begin(thread, function, path, arguments);
        Ok(())
    }

    /// `if` is false: the raw input goes on to the next task, whatever `then` says.
    fn skip(&mut self, thread: u32, raw: Value) -> Result<(), Error> {
        self.close(thread, &Ending::Skipped(raw.clone()));
        self.deliver(thread, raw, Then::Continue)
    }

    /// Ends the task on top of a thread with what it yields.
    pub(super) fn complete(&mut self, thread: u32, yielded: Value, then: Then) -> Result<(), Error> {
        let task = self.task(thread)?;
        let place = self.place(thread);
        let exported = task.export.as_.is_some().then(|| yielded.clone());
        let output = self.give_out(Some(place), &task.output, yielded)?;
        self.export(place, &task.export, exported, &output)?;
        self.close(thread, &Ending::Completed(output.clone()));
        self.deliver(thread, output, then)
    }

    /// `export`: the output is transformed to the new context, which is checked. Without `as` the context stays as it is,
    /// and is checked all the same.
    fn export(
        &mut self,
        place: Place,
        export: &Outlet,
        yielded: Option<Value>,
        output: &Value,
    ) -> Result<(), Error> {
        let schema = export.schema.as_ref();
        let (Some(as_), Some(yielded)) = (&export.as_, yielded) else {
            return self.check(Some(place), schema, &self.state.context, "the context");
        };
        let view = View::at(place).with_yield(yielded).with_output(output.clone());
        let context = self.fill(&view, as_, output)?;
        self.check(Some(place), schema, &context, "what `export` makes of the output")?;
        self.state.context = context;
        Ok(())
    }

    /// `input`: checked, then transformed.
    pub(super) fn take_in(
        &mut self,
        place: Option<Place>,
        intake: &Intake,
        raw: Value,
    ) -> Result<Value, Error> {
        self.check(place, intake.schema.as_ref(), &raw, "the input")?;
        match &intake.from {
            Some(from) => self.fill(&View::of(place), from, &raw),
            None => Ok(raw),
        }
    }

    /// `output`: transformed, then checked.
    pub(super) fn give_out(
        &mut self,
        place: Option<Place>,
        outlet: &Outlet,
        yielded: Value,
    ) -> Result<Value, Error> {
        let output = match &outlet.as_ {
            Some(as_) => {
                let view = View::of(place).with_yield(yielded.clone());
                self.fill(&view, as_, &yielded)?
            }
            None => yielded,
        };
        self.check(place, outlet.schema.as_ref(), &output, "the output")?;
        Ok(output)
    }

    /// The error that a `raise` raises.
    fn error_of(
        &mut self,
        view: &View,
        task: &Task,
        template: &ErrorTemplate,
        input: &Value,
    ) -> Result<Error, Error> {
        let kind = self.text(view, "type", Some(&template.kind), input)?;
        let instance = self.text(view, "instance", template.instance.as_ref(), input)?;
        Ok(Error {
            kind: error_types::normalise(&kind.unwrap_or_else(|| "about:blank".to_owned())),
            status: template.status,
            title: self.text(view, "title", template.title.as_ref(), input)?,
            detail: self.text(view, "detail", template.detail.as_ref(), input)?,
            instance: Some(instance.unwrap_or_else(|| task.pointer.clone())),
        })
    }

    /// Evaluates an expression that decides something.
    pub(super) fn decide(
        &mut self,
        view: &View,
        condition: &Expression,
        input: &Value,
    ) -> Result<bool, Error> {
        match self.evaluate(view, condition, input)? {
            Value::Bool(decision) => Ok(decision),
            other => {
                let found = errors::quoted(&other.to_string());
                let detail = format!(
                    "`{}` yields {found} where true or false is needed; compare it, as in `. == …` or `. != null`",
                    condition.code
                );
                Err(self.expression_error(view, &detail))
            }
        }
    }
}
