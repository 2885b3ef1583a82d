//! `try`: what is tried, and which errors are caught.

use super::Lowering;
use super::fields::Fields;
use super::list::Names;
use super::scope::Scope;
use crate::source::Spot;
use crate::{TaskKind, TaskList, Try};
use std::collections::BTreeMap;

impl Lowering<'_, '_> {
    /// `try`, with `catch` beside.
    pub(super) fn trial(
        &mut self,
        task: &Fields<'_>,
        spot: &Spot<'_>,
        names: &Names<'_>,
        scope: &Scope,
    ) -> TaskKind {
        let mut attempt = Try {
            list: self.list(spot, "`try`", scope),
            errors: BTreeMap::new(),
            as_: "error".to_owned(),
            when: None,
            except_when: None,
            retry: None,
            handler: None,
            then: None,
        };
        if let Some(catch) = self.required(task, "catch", "catch: {as: error, do: […]}") {
            self.catch(&catch, &mut attempt, names, scope);
        }
        TaskKind::Try(Box::new(attempt))
    }

    fn catch(&mut self, spot: &Spot<'_>, attempt: &mut Try, names: &Names<'_>, scope: &Scope) {
        let known = ["errors", "as", "when", "exceptWhen", "retry", "do", "then"];
        let fields = self.object(spot, "`catch`", &known);
        attempt.as_ = self.variable(&fields, "as", "error");
        let caught = scope.with([attempt.as_.as_str()]);
        if let Some(errors) = fields.get("errors") {
            attempt.errors = self.error_filter(&errors);
        }
        attempt.when = fields
            .get("when")
            .map(|spot| self.expression(&spot, "`when`", &caught));
        let except_when = fields.get("exceptWhen");
        attempt.except_when = except_when.map(|spot| self.expression(&spot, "`exceptWhen`", &caught));
        attempt.retry = fields.get("retry").and_then(|spot| self.retry(&spot, &caught));
        attempt.handler = fields
            .get("do")
            .map(|list: Spot<'_>| -> TaskList { self.list(&list, "`do`", &caught) });
        attempt.then = fields.get("then").map(|spot| self.then(&spot, names));
    }
}
