//! `wait`, `timeout` and the delays of retries.

use super::Lowering;
use super::expression::{Marked, marked};
use super::fields::Fields;
use super::nearest::advice;
use super::scope::Scope;
use crate::duration::{self, DurationError, UNITS};
use crate::source::Spot;
use crate::{Code, Delay};
use std::time::Duration;

impl Lowering<'_, '_> {
    /// A duration: ISO 8601, an object of units, or `${ … }` that yields one of the two.
    pub(super) fn delay(&mut self, spot: &Spot<'_>, what: &str, scope: &Scope) -> Delay {
        if let Some(text) = spot.text() {
            match marked(text) {
                Marked::Whole(code) => return Delay::Computed(self.compiled(spot, code, scope)),
                Marked::Mixed(parts) => {
                    self.refuse_mixed(spot, &parts);
                    return Delay::Fixed(Duration::ZERO);
                }
                Marked::Open => {
                    self.refuse_open(spot);
                    return Delay::Fixed(Duration::ZERO);
                }
                Marked::Not => {}
            }
        }
        Delay::Fixed(self.duration(spot, what))
    }

    fn duration(&mut self, spot: &Spot<'_>, what: &str) -> Duration {
        let error = match duration::parse(&spot.node.to_value()) {
            Ok(duration) => return duration,
            Err(error) => error,
        };
        if let DurationError::Unit(_) = error {
            // Each of them, with the nearest.
            self.object(spot, "a duration", &UNITS.map(|(name, _)| name));
            return Duration::ZERO;
        }
        let code = match error {
            DurationError::Shape => Code::WrongType,
            DurationError::TooLong => Code::LimitExceeded,
            _ => Code::InvalidValue,
        };
        self.issue(code, spot, format!("{what} is no duration: {error}"));
        Duration::ZERO
    }

    /// A field that is a duration.
    pub(super) fn delay_in(&mut self, fields: &Fields<'_>, name: &str, scope: &Scope) -> Option<Delay> {
        let spot = fields.get(name)?;
        Some(self.delay(&spot, &format!("`{name}`"), scope))
    }

    /// `timeout`: `{after: …}`, or the name of one of `use.timeouts`.
    pub(super) fn timeout(&mut self, spot: &Spot<'_>, scope: &Scope) -> Option<Delay> {
        let Some(name) = spot.text() else {
            return Some(self.timeout_definition(spot, scope));
        };
        let Some(definition) = self.library.timeouts.take(name) else {
            let advice = advice(name, self.library.timeouts.names());
            let message = format!("there is no timeout `{name}` in `use.timeouts`; {advice}");
            self.issue(Code::UnknownReference, spot, message);
            return None;
        };
        Some(self.timeout_definition(&definition, scope))
    }

    pub(super) fn timeout_definition(&mut self, spot: &Spot<'_>, scope: &Scope) -> Delay {
        let fields = self.object(spot, "a timeout", &["after"]);
        let after = self.required(&fields, "after", "after: PT30S");
        after.map_or(Delay::Fixed(Duration::ZERO), |after| {
            self.delay(&after, "`after`", scope)
        })
    }
}
