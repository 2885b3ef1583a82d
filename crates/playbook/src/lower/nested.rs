//! Tasks with lists in them: `for` and `fork`. (`do` is just a list.)

use super::Lowering;
use super::fields::Fields;
use super::scope::Scope;
use crate::source::{Kind, Spot};
use crate::{Code, FIXED_VARIABLES, For, Fork, TaskKind, TaskList, Template};

/// The most branches of a fork.
const MOST_BRANCHES: usize = 32;

impl Lowering<'_, '_> {
    /// `for`, with `while` and `do` beside.
    pub(super) fn each(&mut self, task: &Fields<'_>, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let fields = self.object(spot, "`for`", &["each", "in", "at"]);
        let each = self.variable(&fields, "each", "item");
        let at = self.variable(&fields, "at", "index");
        if each == at {
            let message = format!("item and index are both called `{each}`; give them two names");
            self.issue(Code::InvalidValue, spot, message);
        }
        let inner = scope.with([each.as_str(), at.as_str()]);
        let items = match self.required(&fields, "in", "in: .items") {
            Some(items) => self.items(&items, scope),
            None => Template::Literal(serde_json::json!([])),
        };
        let condition = task
            .get("while")
            .map(|spot| self.expression(&spot, "`while`", &inner));
        let list = match self.required(task, "do", "do: [{log: {set: {seen: '${ $item }'}}}]") {
            Some(list) => self.list(&list, "`do`", &inner),
            None => TaskList::none(),
        };
        TaskKind::For(Box::new(For {
            each,
            at,
            items,
            condition,
            list,
        }))
    }

    /// `in`: an expression, or a list of objects.
    fn items(&mut self, spot: &Spot<'_>, scope: &Scope) -> Template {
        match &spot.node.kind {
            Kind::Text(_) => Template::Expression(self.expression(spot, "`in`", scope)),
            Kind::List(_) => {
                for item in spot.items() {
                    if !matches!(item.node.kind, Kind::Object(_)) {
                        let wanted =
                            "an object; write a list of other values as an expression: `in: '[1, 2, 3]'`";
                        self.wrong_type(&item, "an item of `in`", wanted);
                    }
                }
                self.template(spot, scope)
            }
            _ => {
                self.wrong_type(
                    spot,
                    "`in`",
                    "a jq expression that yields a list, or a list of objects",
                );
                Template::Literal(serde_json::json!([]))
            }
        }
    }

    /// The name of a variable that the author chose, without `$`.
    pub(super) fn variable(&mut self, fields: &Fields<'_>, field: &str, default: &str) -> String {
        let Some(spot) = fields.get(field) else {
            return default.to_owned();
        };
        let what = format!("`{field}`");
        let Some(name) = self.text(&spot, &what) else {
            return default.to_owned();
        };
        if let Some(bare) = name.strip_prefix('$').filter(|bare| is_name(bare)) {
            let message =
                format!("`{field}` is `{name}`; the name stands here without `$`: `{field}: {bare}`");
            self.issue(Code::InvalidValue, &spot, message);
        } else if !is_name(name) {
            let message =
                format!("`{field}` is `{name}`; the name of a variable has letters, digits and `_` only");
            self.issue(Code::InvalidValue, &spot, message);
        } else if FIXED_VARIABLES.contains(&name) || name == "ENV" || name == "__loc__" {
            let message = format!(
                "`${name}` is there already, with another meaning; choose another name for `{field}`"
            );
            self.issue(Code::InvalidValue, &spot, message);
        } else {
            return name.to_owned();
        }
        default.to_owned()
    }

    /// `fork`.
    pub(super) fn fork(&mut self, spot: &Spot<'_>, scope: &Scope) -> TaskKind {
        let fields = self.object(spot, "`fork`", &["branches", "compete"]);
        let compete = fields
            .get("compete")
            .is_some_and(|spot| self.boolean(&spot, "`compete`"));
        let Some(branches) = self.required(&fields, "branches", "branches: [{left: {…}}, {right: {…}}]")
        else {
            return TaskKind::Fork(Fork {
                compete,
                branches: TaskList::none(),
            });
        };
        match &branches.node.kind {
            Kind::List(items) if items.is_empty() => {
                let message = "`branches` is empty, and there is nothing to wait for; write at least one";
                self.issue(Code::InvalidValue, &branches, message);
            }
            Kind::List(items) if items.len() > MOST_BRANCHES => {
                let message = format!(
                    "the fork has {} branches; at most {MOST_BRANCHES} are allowed: put several tasks into one branch, by \
                     `do`",
                    items.len()
                );
                self.issue(Code::LimitExceeded, &branches, message);
            }
            _ => {}
        }
        TaskKind::Fork(Fork {
            compete,
            branches: self.branches(&branches, scope),
        })
    }
}

/// Whether jq takes it as the name of a variable.
fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
