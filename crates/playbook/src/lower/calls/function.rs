//! `call: <name>`: of a function of `use.functions`.

use crate::lower::fields::Fields;
use crate::lower::library::Function;
use crate::lower::scope::Scope;
use crate::lower::{DEEPEST_LIST, Lowering};
use crate::source::Spot;
use crate::{Code, Task, TaskKind, Template};
use serde_json::{Map, Value};
use std::sync::Arc;

impl Lowering<'_, '_> {
    pub(super) fn call_of_function(
        &mut self,
        task: &Fields<'_>,
        spot: &Spot<'_>,
        name: &str,
        definition: &Spot<'_>,
        scope: &Scope,
    ) -> TaskKind {
        let with = match task.get("with") {
            Some(with) if self.is_object(&with, "`with`") => self.template(&with, scope),
            _ => Template::Literal(Map::new().into()),
        };
        match self.function(name, definition) {
            Function::Ready(function, deep) => {
                self.limit_depth(spot, name, deep);
                TaskKind::Function {
                    name: name.to_owned(),
                    with,
                    task: function,
                }
            }
            Function::Begun => {
                let message = format!(
                    "the function `{name}` calls itself, and would never end; use `for`, or lead back by `then`"
                );
                self.issue(Code::InvalidValue, spot, message);
                TaskKind::Set(Template::Literal(Value::Null))
            }
        }
    }

    fn limit_depth(&mut self, spot: &Spot<'_>, name: &str, deep: usize) {
        self.deepest = self.deepest.max(self.depth + deep);
        if self.depth + deep > DEEPEST_LIST {
            let message = format!(
                "the function `{name}` has tasks {deep} lists deep and is called {} lists deep; at most {DEEPEST_LIST} are \
                 allowed together: call it from further out",
                self.depth
            );
            self.issue(Code::LimitExceeded, spot, message);
        }
    }

    /// The task of a function, read once. It has no variables of whoever calls it.
    pub(in crate::lower) fn function(&mut self, name: &str, definition: &Spot<'_>) -> Function {
        if let Some(function) = self.library.read.get(name) {
            return function.clone();
        }
        self.library.read.insert(name.to_owned(), Function::Begun);
        let (depth, deepest) = (self.depth, self.deepest);
        (self.depth, self.deepest) = (0, 0);
        let task: Arc<Task> = Arc::new(self.counted(name, definition, &[], &Scope::outermost()));
        // One for the call itself, so that functions which only call functions have an end too.
        let function = Function::Ready(task, self.deepest + 1);
        (self.depth, self.deepest) = (depth, deepest);
        self.library.read.insert(name.to_owned(), function.clone());
        function
    }
}
