//! `use`: what tasks refer to by name.
//!
//! Each part is read where it is used, since the variables of that place are what its expressions may use. Parts that
//! nothing uses are read at the end, so that mistakes in them are found too.

use super::nearest::nearest;
use super::scope::Scope;
use super::{Lowering, unsupported};
use crate::source::{Kind, Spot};
use crate::{Code, Task};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most secrets of a playbook.
const MOST_SECRETS: usize = 100;

/// The reusable parts of a document.
#[derive(Debug, Default)]
pub(super) struct Library<'d> {
    pub(super) authentications: Shelf<'d>,
    pub(super) errors: Shelf<'d>,
    pub(super) functions: Shelf<'d>,
    pub(super) retries: Shelf<'d>,
    pub(super) timeouts: Shelf<'d>,
    /// The names of the secrets.
    pub(super) secrets: Vec<&'d str>,
    /// Functions that were read.
    pub(super) read: BTreeMap<String, Function>,
}

/// A function that was read, or is being read.
#[derive(Debug, Clone)]
pub(super) enum Function {
    /// It is being read: whoever calls it now is in it.
    Begun,
    /// Its task, and how many lists deep it is.
    Ready(Arc<Task>, usize),
}

/// Parts of one kind, by name.
#[derive(Debug, Default)]
pub(super) struct Shelf<'d> {
    parts: Vec<(&'d str, Spot<'d>, Cell<bool>)>,
}

impl<'d> Shelf<'d> {
    fn of(uses: Option<&Spot<'d>>, name: &str) -> Self {
        let parts = uses.and_then(|uses| uses.field(name));
        let parts = parts.iter().flat_map(Spot::fields);
        Self {
            parts: parts.map(|(name, spot)| (name, spot, Cell::new(false))).collect(),
        }
    }

    /// The part of a name, which then counts as used.
    pub(super) fn take(&self, name: &str) -> Option<Spot<'d>> {
        let (_, spot, used) = self.parts.iter().find(|(own, _, _)| *own == name)?;
        used.set(true);
        Some(spot.clone())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'d str> + Clone {
        self.parts.iter().map(|(name, _, _)| *name)
    }

    /// Those that nothing used.
    fn unused(&self) -> Vec<Spot<'d>> {
        let unused = self.parts.iter().filter(|(_, _, used)| !used.get());
        unused.map(|(_, spot, _)| spot.clone()).collect()
    }
}

impl<'d> Library<'d> {
    pub(super) fn of(root: &Spot<'d>) -> Self {
        let uses = root.field("use");
        let shelf = |name| Shelf::of(uses.as_ref(), name);
        let secrets = uses.as_ref().and_then(|uses| uses.field("secrets"));
        Self {
            authentications: shelf("authentications"),
            errors: shelf("errors"),
            functions: shelf("functions"),
            retries: shelf("retries"),
            timeouts: shelf("timeouts"),
            secrets: secrets
                .iter()
                .flat_map(Spot::items)
                .take(MOST_SECRETS)
                .filter_map(|item| item.text())
                .collect(),
            read: BTreeMap::new(),
        }
    }
}

impl Lowering<'_, '_> {
    /// `use` itself: its shape, before the tasks that use it are read.
    pub(super) fn library(&mut self, spot: &Spot<'_>) {
        let kinds = ["authentications", "errors", "functions", "retries", "timeouts"];
        let known = [kinds.as_slice(), &["secrets"]].concat();
        let fields = self.object(spot, unsupported::USE, &known);
        for kind in kinds {
            if let Some(parts) = fields.get(kind) {
                self.is_object(&parts, &format!("`{kind}`"));
            }
        }
        let Some(secrets) = fields.get("secrets") else {
            return;
        };
        self.is_list(&secrets, "`secrets`", "names");
        if let Some(item) = secrets.items().nth(MOST_SECRETS) {
            let message =
                format!("a playbook may have {MOST_SECRETS} secrets; one secret can be an object of several");
            self.issue(Code::LimitExceeded, &item, message);
        }
        let mut names = Vec::new();
        for item in secrets.items().take(MOST_SECRETS) {
            let Some(name) = self.text(&item, "the name of a secret") else {
                continue;
            };
            if names.contains(&name) {
                let message = format!("the secret `{name}` is listed twice; once is enough");
                self.issue(Code::DuplicateName, &item, message);
            }
            names.push(name);
        }
    }

    /// Reads what nothing used.
    pub(super) fn rest_of_library(&mut self) {
        let scope = Scope::outermost();
        for function in self.library.functions.unused() {
            self.function(&function.name(), &function);
        }
        for authentication in self.library.authentications.unused() {
            self.authentication_policy(&authentication, &scope.with_secrets());
        }
        for error in self.library.errors.unused() {
            self.error_template(&error, &scope);
        }
        for retry in self.library.retries.unused() {
            self.retry_policy(&retry, &scope.with(["error"]));
        }
        for timeout in self.library.timeouts.unused() {
            self.timeout_definition(&timeout, &scope);
        }
    }

    /// Whether a secret is declared. Reports when it is not.
    pub(super) fn knows_secret(&mut self, spot: &Spot<'_>, name: &str) {
        if !self.library.secrets.contains(&name) {
            let advice = match nearest(name, self.library.secrets.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "list it there, and store its value with the playbook's secrets".to_owned(),
            };
            let message = format!("there is no secret `{name}` in `use.secrets`; {advice}");
            self.issue(Code::UnknownReference, spot, message);
        }
    }

    /// The names of `use.secrets`.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.library
            .secrets
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    }
}

/// Whether something is the name of a part, and not a part.
pub(super) fn is_name(spot: &Spot<'_>) -> bool {
    matches!(spot.node.kind, Kind::Text(_))
}
