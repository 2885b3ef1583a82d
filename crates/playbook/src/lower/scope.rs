//! Which variables an expression may use.

use crate::FIXED_VARIABLES;

/// The variables that there are at a place.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Of loops and caught errors, innermost last.
    pub(super) names: Vec<String>,
    /// Whether it is evaluated without a run, over an event alone.
    is_of_event: bool,
    /// Whether `$secrets` may be used: in what a call sends.
    pub(super) has_secrets: bool,
}

impl Scope {
    /// Of a task in the outermost list, or of a function.
    pub(super) fn outermost() -> Self {
        Self {
            names: Vec::new(),
            is_of_event: false,
            has_secrets: false,
        }
    }

    /// Of a filter over an event: no variables at all.
    pub(super) fn of_event() -> Self {
        Self {
            is_of_event: true,
            ..Self::outermost()
        }
    }

    /// With these too; the same name again hides the outer one.
    pub(super) fn with<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut inner = self.clone();
        for name in names {
            inner.names.retain(|outer| outer != name);
            inner.names.push(name.to_owned());
        }
        inner
    }

    /// Of what a call sends.
    pub(super) fn with_secrets(&self) -> Self {
        Self {
            has_secrets: true,
            ..self.clone()
        }
    }

    /// All names, without `$`.
    pub(super) fn all(&self) -> Vec<&str> {
        let fixed: &[&str] = if self.is_of_event { &[] } else { &FIXED_VARIABLES };
        let own = self.names.iter().map(String::as_str);
        fixed.iter().copied().chain(own).collect()
    }

    /// Those that an author may be told to use.
    pub(super) fn usable(&self) -> Vec<&str> {
        let all = self.all().into_iter().rev();
        all.filter(|name| *name != "secrets" || self.has_secrets)
            .collect()
    }

    pub(super) fn is_of_event(&self) -> bool {
        self.is_of_event
    }
}
