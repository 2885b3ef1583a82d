//! Durations that a run computes.

use super::errors::Error;
use super::evaluate::View;
use super::limits;
use super::machine::Machine;
use crate::{Delay, duration};
use serde_json::Value;
use std::time::Duration;

impl Machine<'_, '_> {
    /// Evaluates a duration. Too long a one is cut to the longest there may be.
    pub(super) fn duration(&mut self, view: &View, delay: &Delay, input: &Value) -> Result<Duration, Error> {
        let span = match delay {
            Delay::Fixed(span) => *span,
            Delay::Computed(expression) => {
                let value = self.evaluate(view, expression, input)?;
                duration::parse(&value).map_err(|error| {
                    let detail = format!("`{}` yields no duration: {error}", expression.code);
                    self.expression_error(view, &detail)
                })?
            }
        };
        Ok(span.min(limits::WAIT))
    }
}
