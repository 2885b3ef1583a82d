//! Lists of tasks: their names, and where `then` leads.

use super::nearest::advice;
use super::scope::Scope;
use super::{DEEPEST_LIST, Lowering, MOST_TASKS};
use crate::source::{Kind, Spot};
use crate::{Code, Task, TaskList, Then};

/// What `then` may say beside the name of a task.
const DIRECTIVES: [(&str, Then); 3] = [
    ("continue", Then::Continue),
    ("exit", Then::Exit),
    ("end", Then::End),
];

/// The names of a list, in order: what `then` in it may lead to.
pub(super) type Names<'d> = [&'d str];

impl Lowering<'_, '_> {
    /// A list of tasks.
    pub(super) fn list(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> TaskList {
        let mut items = self.named_items(spot, what, "tasks");
        // One too many is reported; the rest would only take time.
        items.truncate(MOST_TASKS + 1);
        let names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
        self.unique(&items);
        self.nested(spot, |lowering| {
            let tasks = items
                .iter()
                .map(|(name, task)| lowering.counted(name, task, &names, scope));
            TaskList {
                pointer: spot.pointer.clone(),
                tasks: tasks.collect(),
            }
        })
    }

    /// A list whose tasks cannot lead to each other: the branches of a fork.
    pub(super) fn branches(&mut self, spot: &Spot<'_>, scope: &Scope) -> TaskList {
        let items = self.named_items(spot, "`branches`", "tasks");
        self.unique(&items);
        self.nested(spot, |lowering| {
            let tasks = items
                .iter()
                .map(|(name, task)| lowering.counted(name, task, &[], scope));
            TaskList {
                pointer: spot.pointer.clone(),
                tasks: tasks.collect(),
            }
        })
    }

    /// Does something one list deeper, unless that is too deep.
    fn nested(&mut self, spot: &Spot<'_>, inside: impl FnOnce(&mut Self) -> TaskList) -> TaskList {
        if self.depth >= DEEPEST_LIST {
            let message = format!(
                "tasks nest more than {DEEPEST_LIST} lists deep here; move the inner ones to a function of \
                 `use.functions` that is called from further out, or to a list of their own"
            );
            self.issue(Code::LimitExceeded, spot, message);
            return TaskList::none();
        }
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let list = inside(self);
        self.depth -= 1;
        list
    }

    pub(super) fn counted(&mut self, name: &str, spot: &Spot<'_>, names: &Names<'_>, scope: &Scope) -> Task {
        self.tasks += 1;
        if self.tasks == MOST_TASKS + 1 {
            let message = format!(
                "this is task {}; a playbook may have {MOST_TASKS}: split it in two",
                self.tasks
            );
            self.issue(Code::LimitExceeded, spot, message);
        }
        self.task(name, spot, names, scope)
    }

    /// The items of a list in which each is an object with one name: tasks and cases.
    pub(super) fn named_items<'d>(
        &mut self,
        spot: &Spot<'d>,
        what: &str,
        of: &str,
    ) -> Vec<(&'d str, Spot<'d>)> {
        if !self.is_list(spot, what, of) {
            return Vec::new();
        }
        let mut named = Vec::new();
        for item in spot.items() {
            let fields: Vec<_> = item.fields().collect();
            match fields.as_slice() {
                [(name, value)] => named.push((*name, value.clone())),
                _ if !matches!(item.node.kind, Kind::Object(_)) => {
                    self.wrong_type(
                        &item,
                        "an item of the list",
                        "a name with what it stands for: `- name: …`",
                    );
                }
                [] => {
                    let message = format!("an item of the list is empty; each of the {of} is `- name: …`");
                    self.issue(Code::OneOf, &item, message);
                }
                [(first, _), (second, _), ..] => {
                    let message = format!(
                        "an item of the list has `{first}` and `{second}`; each of the {of} is an item of its own, with \
                         one name and all else indented below it: `- {first}:`"
                    );
                    self.issue(Code::OneOf, &item, message);
                }
            }
        }
        named
    }

    fn unique(&mut self, items: &[(&str, Spot<'_>)]) {
        for (index, (name, spot)) in items.iter().enumerate() {
            if items.iter().take(index).any(|(earlier, _)| earlier == name) {
                let message =
                    format!("a task of this list is called `{name}` already; call this one otherwise");
                self.issue_of_name(Code::DuplicateName, spot, message);
            }
            if name.is_empty() {
                self.issue_of_name(
                    Code::InvalidValue,
                    spot,
                    "a task must have a name that is not empty; give it one",
                );
            }
            if DIRECTIVES.iter().any(|(word, _)| word == name) {
                let message = format!(
                    "a task cannot be called `{name}`, which is what `then` may say; call it otherwise"
                );
                self.issue_of_name(Code::InvalidValue, spot, message);
            }
        }
    }

    /// `then`: a directive, or the name of a task of the same list.
    pub(super) fn then(&mut self, spot: &Spot<'_>, names: &Names<'_>) -> Then {
        let Some(text) = self.text(spot, "`then`") else {
            return Then::Continue;
        };
        if let Some((_, then)) = DIRECTIVES.iter().find(|(word, _)| *word == text) {
            return *then;
        }
        if let Some(index) = names.iter().position(|name| *name == text) {
            return Then::Task(index);
        }
        let all = names.iter().copied().chain(DIRECTIVES.map(|(word, _)| word));
        let message = format!("there is no task `{text}` in this list; {}", advice(text, all));
        self.issue(Code::UnknownReference, spot, message);
        Then::Continue
    }
}

impl TaskList {
    pub(super) fn none() -> Self {
        Self {
            pointer: String::new(),
            tasks: Vec::new(),
        }
    }
}
