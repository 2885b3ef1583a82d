//! Durations that a run computes: ISO 8601, or an object as in the document.

use super::errors::{self, Error};
use super::evaluate::View;
use super::limits;
use super::machine::Machine;
use crate::Delay;
use serde_json::Value;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

impl Machine<'_, '_> {
    /// Evaluates a duration. Too long a one is cut to the longest there may be.
    pub(super) fn duration(&mut self, view: &View, delay: &Delay, input: &Value) -> Result<Duration, Error> {
        let span = match delay {
            Delay::Fixed(span) => *span,
            Delay::Computed(expression) => {
                let value = self.evaluate(view, expression, input)?;
                read(&value).ok_or_else(|| {
                    let found = errors::quoted(&value.to_string());
                    let detail = format!(
                        "`{}` yields {found} where a duration is needed: a text like `PT15M`, or an object like \
                         `{{minutes: 15}}`",
                        expression.code
                    );
                    self.expression_error(view, &detail)
                })?
            }
        };
        Ok(span.min(limits::WAIT))
    }
}

fn read(value: &Value) -> Option<Duration> {
    match value {
        // jiff reads `15m` and `-PT1S` too, which the language does not have.
        Value::String(text) if text.starts_with('P') => {
            let span: jiff::Span = text.parse().ok()?;
            let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
            Duration::try_from(span).ok()
        }
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().try_fold(Duration::ZERO, |sum, (name, amount)| {
                let (_, unit) = UNITS.iter().find(|(unit, _)| unit == name)?;
                let millis = amount.as_u64()?.saturating_mul(*unit);
                Some(sum.saturating_add(Duration::from_millis(millis)))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_duration_is_a_text_or_an_object() {
        assert_eq!(read(&json!("P1DT2H")), Some(Duration::from_hours(26)));
        assert_eq!(read(&json!("PT0.250S")), Some(Duration::from_millis(250)));
        assert_eq!(
            read(&json!({"minutes": 1, "seconds": 30})),
            Some(Duration::from_secs(90))
        );
        for wrong in [
            json!("15m"),
            json!("P1M"),
            json!("P-1D"),
            json!({}),
            json!({"weeks": 1}),
            json!({"seconds": -1}),
            json!(15),
            json!(null),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
