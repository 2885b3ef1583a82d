//! How deliveries are made: the keys that a workspace, an endpoint and a route have in common.

use super::value::{self, Refused};
use super::{Fields, kind};
use serde_json::Value;
use std::time::Duration;
use wire::RetryPolicy;
use wire::resource::{DeliverySpec, OrderSpec, RetrySpec, StatusPattern};

/// The shortest and the longest timeout: a delivery's lease must outlive it.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);

/// More statuses than this are a class.
const MOST_STATUSES: usize = 50;

/// The longest name of a header.
const LONGEST_HEADER: usize = 128;

/// Reads `delivery` over what stands in `slot`: null leaves everything to the level above.
pub(crate) fn read_section(fields: &mut Fields<'_>, slot: &mut DeliverySpec) {
    if fields.get("delivery").is_some_and(Value::is_null) {
        *slot = DeliverySpec::default();
        return;
    }
    fields.object("delivery", |fields| read(fields, slot));
}

/// Reads the keys over what stands in `slot`: null leaves a key to the level above.
pub(crate) fn read(fields: &mut Fields<'_>, slot: &mut DeliverySpec) {
    fields.set_optional("timeout", &mut slot.timeout, value::duration(TIMEOUTS));
    read_retry(fields, &mut slot.retry);
    read_final_statuses(fields, &mut slot.final_statuses);
}

fn read_retry(fields: &mut Fields<'_>, slot: &mut RetrySpec) {
    if fields.get("retry").is_some_and(Value::is_null) {
        *slot = RetrySpec::default();
        return;
    }
    let mut retry = slot.clone();
    let before = fields.count();
    let read = fields.object("retry", |fields| {
        if fields.get("schedule").is_some_and(Value::is_null) {
            retry.schedule = None;
        } else {
            let wait = value::duration(Duration::ZERO..=Duration::MAX);
            retry.schedule = fields.list("schedule", wait).or_else(|| retry.schedule.take());
        }
        fields.set_optional("jitter", &mut retry.jitter, value::number(0.0..=0.5));
    });
    // What is wrong with a part is said already.
    if read.is_none() || fields.count() > before {
        return;
    }
    let built_in = RetryPolicy::default();
    let checked = RetryPolicy {
        schedule: retry.schedule.clone().unwrap_or(built_in.schedule),
        jitter: retry.jitter.unwrap_or(built_in.jitter),
    };
    match checked.check() {
        Ok(()) => *slot = retry,
        Err(error) => fields.refuse("retry", error.to_string()),
    }
}

fn read_final_statuses(fields: &mut Fields<'_>, slot: &mut Option<Vec<StatusPattern>>) {
    if fields.get("final_statuses").is_some_and(Value::is_null) {
        *slot = None;
        return;
    }
    let Some(mut statuses) = fields.list("final_statuses", status) else {
        return;
    };
    if statuses.len() > MOST_STATUSES {
        fields.refuse(
            "final_statuses",
            format!("may have at most {MOST_STATUSES} entries"),
        );
        return;
    }
    let mut known = Vec::with_capacity(statuses.len());
    statuses.retain(|status| {
        let is_new = !known.contains(status);
        known.push(*status);
        is_new
    });
    *slot = Some(statuses);
}

fn status(value: &Value) -> Result<StatusPattern, Refused> {
    match value {
        Value::Number(number) => Ok(StatusPattern::exact(number.as_u64().unwrap_or(0))?),
        other => Ok(value::any_text(other)?.parse()?),
    }
}

/// Reads `ordered` over what stands in `slot`: true or false, `{by: …}` with a jq program, or `{header: …}`.
pub(crate) fn read_ordered(fields: &mut Fields<'_>, slot: &mut Option<OrderSpec>) {
    match fields.get("ordered") {
        None => {}
        Some(Value::Null | Value::Bool(false)) => *slot = None,
        Some(Value::Bool(true)) => *slot = Some(OrderSpec::All),
        Some(Value::Object(_)) => {
            let read = fields.object("ordered", read_key).flatten();
            *slot = read.or_else(|| slot.take());
        }
        Some(other) => {
            let message = format!(
                "must be true, false, {{by: …}} or {{header: …}}, not {}",
                kind(other)
            );
            fields.refuse("ordered", message);
        }
    }
}

fn read_key(fields: &mut Fields<'_>) -> Option<OrderSpec> {
    let (mut by, has_header) = (None, fields.has("header"));
    let header = fields.optional("header", header_name);
    fields.set_program("by", &mut by);
    match (by, has_header) {
        (Some(_), true) => {
            fields.refuse("header", "goes without `by`: deliveries have one key");
            None
        }
        (Some(program), false) => Some(OrderSpec::By(program)),
        (None, true) => header.map(OrderSpec::Header),
        (None, false) => {
            if !fields.has("by") || fields.get("by").is_some_and(Value::is_null) {
                fields.refuse("by", "is missing; or write `header`");
            }
            None
        }
    }
}

fn header_name(value: &Value) -> Result<String, Refused> {
    let name = value::any_text(value)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=LONGEST_HEADER).contains(&name.len()) || !name.bytes().all(is_token) {
        return Err(Refused::new("is not the name of a header"));
    }
    Ok(name.to_owned())
}
