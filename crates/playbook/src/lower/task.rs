//! A task: what all kinds have, and which kind it is.

use super::list::Names;
use super::scope::Scope;
use super::{Lowering, unsupported};
use crate::source::{Kind, Spot};
use crate::{Code, Intake, Outlet, Task, TaskKind, Template, Then};

/// What every task may have.
const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];

/// A kind of task: the name that makes it one, and the names that stand beside.
struct Sort {
    name: &'static str,
    /// For messages.
    what: &'static str,
    beside: &'static [&'static str],
}

const fn sort(name: &'static str, what: &'static str, beside: &'static [&'static str]) -> Sort {
    Sort { name, what, beside }
}

/// `for` comes before `do`, which it has beside.
static SORTS: [Sort; 12] = [
    sort("call", "a `call` task", &["with"]),
    sort("for", "a `for` task", &["while", "do"]),
    sort("do", "a `do` task", &[]),
    sort("emit", "an `emit` task", &[]),
    sort("fork", "a `fork` task", &[]),
    sort("listen", unsupported::LISTEN_TASK, &[]),
    sort("raise", "a `raise` task", &[]),
    sort("run", "a `run` task", &[]),
    sort("set", "a `set` task", &[]),
    sort("switch", "a `switch` task", &[]),
    sort("try", "a `try` task", &["catch"]),
    sort("wait", "a `wait` task", &[]),
];

impl Lowering<'_, '_> {
    /// A task of a name, in a list with these names.
    pub(super) fn task(&mut self, name: &str, spot: &Spot<'_>, names: &Names<'_>, scope: &Scope) -> Task {
        let mut task = Task {
            name: name.to_owned(),
            pointer: spot.pointer.clone(),
            condition: None,
            input: Intake::default(),
            output: Outlet::default(),
            export: Outlet::default(),
            timeout: None,
            then: Then::Continue,
            kind: TaskKind::Set(Template::Literal(serde_json::Value::Null)),
        };
        let sorts = self.sorts(spot);
        let Some(sort) = sorts.first() else {
            return task;
        };
        // What belongs to a second kind was reported with it.
        let own = sorts.iter().flat_map(|sort| [&[sort.name], sort.beside].concat());
        let known: Vec<&str> = COMMON.into_iter().chain(own).collect();
        let fields = self.object(spot, sort.what, &known);
        task.condition = fields.get("if").map(|spot| self.expression(&spot, "`if`", scope));
        task.input = self.intake(fields.get("input").as_ref(), scope);
        task.output = self.outlet(fields.get("output").as_ref(), "`output`", scope);
        task.export = self.outlet(fields.get("export").as_ref(), "`export`", scope);
        task.timeout = fields.get("timeout").and_then(|spot| self.timeout(&spot, scope));
        if let Some(spot) = fields.get("then") {
            task.then = self.then(&spot, names);
        }
        if let Some(spot) = fields.get("metadata") {
            self.is_object(&spot, "`metadata`");
        }
        let Some(own) = fields.get(sort.name) else {
            return task;
        };
        task.kind = match sort.name {
            "call" => self.call(&fields, &own, scope),
            "do" => TaskKind::Do(self.list(&own, "`do`", scope)),
            "for" => self.each(&fields, &own, scope),
            "fork" => self.fork(&own, scope),
            "switch" => self.switch(&own, names, scope),
            "try" => self.trial(&fields, &own, names, scope),
            "raise" => self.raise(&own, scope),
            "wait" => TaskKind::Wait(self.delay(&own, "`wait`", scope)),
            "emit" => self.emit(&own, scope),
            "listen" => self.listen(&fields, &own, scope),
            "run" => self.refuse_run(&own),
            _ => self.set(&own, scope),
        };
        task
    }

    /// Which kind of task it is, by the names in it. There are more than one when that was reported.
    fn sorts(&mut self, spot: &Spot<'_>) -> Vec<&'static Sort> {
        if !self.is_object(spot, "a task") {
            return Vec::new();
        }
        let mut found: Vec<&Sort> = SORTS
            .iter()
            .filter(|sort| spot.field(sort.name).is_some())
            .collect();
        let Some(first) = found.first().copied() else {
            self.refuse_sortless(spot);
            return found;
        };
        found.retain(|sort| !first.beside.contains(&sort.name));
        if let Some(other) = found.get(1) {
            let message = format!(
                "the task has both `{}` and `{}`, and a task does one thing; make two tasks of it",
                first.name, other.name
            );
            self.issue(Code::OneOf, spot, message);
        }
        found
    }

    /// A task without anything that says what it does: probably misspelt.
    fn refuse_sortless(&mut self, spot: &Spot<'_>) {
        let kinds = || SORTS.iter().map(|sort| sort.name).filter(|name| *name != "run");
        let mut is_misspelt = false;
        for (name, field) in spot.fields() {
            let known = SORTS.iter().flat_map(|sort| sort.beside).copied().chain(COMMON);
            if let Some(message) = unsupported::property("a task", name) {
                self.issue_of_name(Code::Unsupported, &field, message);
                is_misspelt = true;
            } else if !known.clone().any(|known| known == name) {
                let advice = super::nearest::advice(name, kinds().chain(known));
                let message = format!("`{name}` is nothing that a task does or has; {advice}");
                self.issue_of_name(Code::UnknownProperty, &field, message);
                is_misspelt = true;
            }
        }
        if !is_misspelt {
            let kinds: Vec<_> = kinds().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "the task does not say what it does; it must have one of {}",
                kinds.join(", ")
            );
            self.issue(Code::OneOf, spot, message);
        }
    }

    /// `set`: an object, or an expression that yields anything.
    fn set(&mut self, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        if matches!(&spot.node.kind, Kind::Object(fields) if fields.is_empty()) {
            let message = "`set` sets nothing; write at least one name with its value";
            self.issue(Code::InvalidValue, spot, message);
        }
        TaskKind::Set(self.object_or_marked(spot, "`set`", scope))
    }

    fn refuse_run(&mut self, spot: &Spot<'_>) -> TaskKind {
        let kind = spot.fields().next().map_or("run", |(name, _)| name);
        self.issue_of_name(Code::Unsupported, spot, unsupported::run(kind));
        TaskKind::Set(Template::Literal(serde_json::Value::Null))
    }
}
