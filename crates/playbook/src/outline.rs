//! A program in a few words, for whoever lists playbooks.

use crate::{Program, Task, TaskKind, TaskList, Template};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a program is called, takes, needs and waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// `document.name`.
    pub name: String,
    /// `document.version`: the author's own.
    pub version: String,
    /// A JSON Schema of its input; none: anything.
    pub input_schema: Option<Value>,
    /// The secrets that it may use.
    pub secrets: Vec<String>,
    /// The event types that it listens to, each once; those that are computed as `${ … }`.
    pub listens_to: Vec<String>,
    /// How many tasks it has, those of its functions included.
    pub tasks: usize,
}

impl Outline {
    /// Sums a program up.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let mut seen = Seen::default();
        seen.list(&program.list);
        Self {
            name: program.document.name.clone(),
            version: program.document.version.clone(),
            input_schema: program
                .input
                .schema
                .as_ref()
                .map(|schema| schema.document.clone()),
            secrets: program.secrets.clone(),
            listens_to: seen.listens_to.into_iter().collect(),
            tasks: seen.tasks.len(),
        }
    }
}

/// What was seen on a walk over a program.
#[derive(Default)]
struct Seen<'p> {
    /// By pointer, since a function is met at each call.
    tasks: BTreeSet<&'p str>,
    listens_to: BTreeSet<String>,
}

impl<'p> Seen<'p> {
    fn list(&mut self, list: &'p TaskList) {
        list.tasks.iter().for_each(|task| self.task(task));
    }

    fn task(&mut self, task: &'p Task) {
        if !self.tasks.insert(&task.pointer) {
            return;
        }
        match &task.kind {
            TaskKind::Do(list) => self.list(list),
            TaskKind::For(each) => self.list(&each.list),
            TaskKind::Fork(fork) => self.list(&fork.branches),
            TaskKind::Try(attempt) => {
                self.list(&attempt.list);
                attempt.handler.iter().for_each(|list| self.list(list));
            }
            TaskKind::Function { task, .. } => self.task(task),
            TaskKind::Listen(listen) => {
                let types = listen
                    .filters
                    .iter()
                    .filter_map(|filter| match &filter.event_type {
                        Template::Literal(literal) => literal.as_str().map(str::to_owned),
                        Template::Expression(expression) => Some(format!("${{ {} }}", expression.code)),
                        Template::Array(_) | Template::Object(_) => None,
                    });
                self.listens_to.extend(types);
            }
            TaskKind::Set(_)
            | TaskKind::Switch(_)
            | TaskKind::Raise(_)
            | TaskKind::Wait(_)
            | TaskKind::Emit(_)
            | TaskKind::Http(_) => {}
        }
    }
}
