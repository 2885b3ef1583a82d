//! `switch`: the first case that matches says what comes then.

use super::Lowering;
use super::list::Names;
use super::scope::Scope;
use crate::source::{Kind, Spot};
use crate::{Case, Code, TaskKind, Then};

impl Lowering<'_, '_> {
    pub(super) fn switch(&mut self, spot: &Spot<'_>, names: &Names<'_>, scope: &Scope) -> TaskKind {
        if matches!(&spot.node.kind, Kind::List(items) if items.is_empty()) {
            let message = "`switch` has no case; write at least one: `- name: {when: …, then: …}`";
            self.issue(Code::InvalidValue, spot, message);
        }
        let mut cases: Vec<Case> = Vec::new();
        for (name, spot) in self.named_items(spot, "`switch`", "cases") {
            let case = self.case(name, &spot, names, scope);
            if case.when.is_none()
                && let Some(default) = cases.iter().find(|case| case.when.is_none())
            {
                let message = format!(
                    "`{}` already is the case for whatever no other matches; write a `when`",
                    default.name
                );
                self.issue(Code::InvalidValue, &spot, &message);
            }
            cases.push(case);
        }
        TaskKind::Switch(cases)
    }

    fn case(&mut self, name: &str, spot: &Spot<'_>, names: &Names<'_>, scope: &Scope) -> Case {
        let fields = self.object(spot, "a case", &["when", "then"]);
        let when = fields
            .get("when")
            .map(|spot| self.expression(&spot, "`when`", scope));
        let then = self.required(&fields, "then", "then: end");
        Case {
            name: name.to_owned(),
            when,
            then: then.map_or(Then::Continue, |spot| self.then(&spot, names)),
        }
    }
}
