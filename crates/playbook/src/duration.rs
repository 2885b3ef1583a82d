//! Durations as the language writes them: `PT30S`, or `{seconds: 30}`.

use serde_json::Value;
use std::time::Duration;
use thiserror::Error;

/// The longest duration: a year. Runs live for 30 days, if their yard is not told otherwise.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// The units of a duration that is an object, in milliseconds.
pub(crate) const UNITS: [(&str, u64); 5] = [
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

/// Why something is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DurationError {
    /// Neither a text nor an object of units.
    #[error("it must be a text such as `PT30S`, or an object such as `{{seconds: 30}}`")]
    Shape,
    /// Not ISO 8601.
    #[error("`{0}` is no duration of ISO 8601; write {suggestion}", suggestion = suggested(.0))]
    Text(String),
    /// Months and years.
    #[error("`{0}` counts in years or months, which have no fixed length; count in days (`P30D`)")]
    Calendar(String),
    /// No object of units with whole numbers.
    #[error("`{0}` must be a whole number that is not negative")]
    Count(String),
    /// Not one of the units.
    #[error("`{0}` is no unit; there is `days`, `hours`, `minutes`, `seconds`, `milliseconds`")]
    Unit(String),
    /// None at all.
    #[error("it has no unit; write for example `{{seconds: 30}}`")]
    Empty,
    /// Over [`LONGEST`].
    #[error("it is longer than 366 days")]
    TooLong,
}

/// Reads a duration.
pub(crate) fn parse(value: &Value) -> Result<Duration, DurationError> {
    let duration = match value {
        Value::String(text) => parse_text(text)?,
        Value::Object(units) if units.is_empty() => return Err(DurationError::Empty),
        Value::Object(units) => {
            let mut millis: u64 = 0;
            for (name, count) in units {
                let unit = UNITS.iter().find(|(unit, _)| unit == name);
                let (_, unit) = unit.ok_or_else(|| DurationError::Unit(name.clone()))?;
                let count = count.as_u64().ok_or_else(|| DurationError::Count(name.clone()))?;
                millis = millis.saturating_add(count.saturating_mul(*unit));
            }
            Duration::from_millis(millis)
        }
        _ => return Err(DurationError::Shape),
    };
    if duration > LONGEST {
        return Err(DurationError::TooLong);
    }
    Ok(duration)
}

fn parse_text(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError::Text(text.chars().take(40).collect());
    // jiff takes more than the specification: signs, lower case, commas.
    let is_strict = text.starts_with('P') && text.bytes().all(|byte| b"PYMWDTHS.0123456789".contains(&byte));
    let span: jiff::Span = is_strict.then(|| text.parse().ok()).flatten().ok_or_else(wrong)?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(DurationError::Calendar(text.to_owned()));
    }
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    span.to_duration(days_are_24_hours)
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .ok_or_else(wrong)
}

/// What was probably meant, by `30s` and the like.
fn suggested(text: &str) -> String {
    let count = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text.get(count.len()..).unwrap_or_default().to_ascii_lowercase();
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    match unit.as_str() {
        "s" if is_count => format!("`PT{count}S`"),
        "m" | "min" if is_count => format!("`PT{count}M`"),
        "h" if is_count => format!("`PT{count}H`"),
        "d" if is_count => format!("`P{count}D`"),
        "ms" if is_count => format!("`{{milliseconds: {count}}}`"),
        _ => "for example `PT30S` (30 seconds), `PT5M` or `P1DT12H`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read() {
        for (value, seconds) in [
            (json!("PT30S"), 30.0),
            (json!("P1DT2H"), 93_600.0),
            (json!("P2W"), 1_209_600.0),
            (json!("PT0.25S"), 0.25),
            (json!({"seconds": 3, "milliseconds": 500}), 3.5),
            (json!({"days": 1}), 86_400.0),
        ] {
            assert_eq!(parse(&value), Ok(Duration::from_secs_f64(seconds)), "{value}");
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        for (value, why) in [
            (json!("30s"), "`30s` is no duration of ISO 8601; write `PT30S`"),
            (json!("250ms"), "write `{milliseconds: 250}`"),
            (json!("pt30s"), "ISO 8601"),
            (json!("-PT3S"), "ISO 8601"),
            (json!("P"), "ISO 8601"),
            (json!("PT"), "ISO 8601"),
            (json!("P1M"), "count in days"),
            (json!("P1Y"), "count in days"),
            (json!({"second": 3}), "`second` is no unit"),
            (json!({"seconds": -3}), "`seconds` must be a whole number"),
            (json!({"seconds": "3"}), "`seconds` must be a whole number"),
            (json!({}), "it has no unit"),
            (json!(30), "it must be a text such as `PT30S`"),
            (json!({"days": 400}), "longer than 366 days"),
            (json!({"days": u64::MAX}), "longer than 366 days"),
        ] {
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.contains(why), "{value}: {error}");
        }
    }
}
