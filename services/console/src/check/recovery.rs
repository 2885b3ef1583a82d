//! Recoveries: which deliveries are sent again, and how fast.

use super::value::{self, Refused, one_of};
use super::{Directory, Fields};
use serde_json::Value;
use wire::resource::RecoverySpec;
use wire::{DeliveryState, Instant};

/// How many are sent again in a second unless it is said.
const USUAL_PACE: u32 = 10;
/// Faster than this, the ledger would notice.
const PACES: std::ops::RangeInclusive<u64> = 1..=1_000;

/// What is in a request for a recovery.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) spec: RecoverySpec,
    /// Whether it begins at once.
    pub(crate) is_started: bool,
}

/// Reads a recovery.
pub(crate) fn read(fields: &mut Fields<'_>, directory: &Directory) -> Draft {
    let mut spec = RecoverySpec {
        endpoint: None,
        states: vec![DeliveryState::DeadLetter],
        error_kind: None,
        event_type: None,
        from: None,
        until: None,
        per_second: USUAL_PACE,
    };
    fields.set_optional("endpoint", &mut spec.endpoint, |value| directory.endpoint(value));
    fields.set_list("statuses", &mut spec.states, state);
    if spec.states.is_empty() {
        fields.refuse("statuses", "must name one status at least");
    }
    spec.states.sort_by_key(|state| state.as_str());
    spec.states.dedup();
    fields.set_optional("error_kind", &mut spec.error_kind, value::text);
    fields.set_optional("event_type", &mut spec.event_type, value::pattern);
    fields.set_optional("from", &mut spec.from, time);
    fields.set_optional("until", &mut spec.until, time);
    if let (Some(from), Some(until)) = (spec.from, spec.until)
        && from >= until
    {
        fields.refuse("until", "must be later than `from`");
    }
    let pace = fields.optional("per_second", value::integer(PACES));
    if let Some(pace) = pace.and_then(|pace| u32::try_from(pace).ok()) {
        spec.per_second = pace;
    }
    let is_started = fields.optional("start", value::boolean).unwrap_or(false);
    Draft { spec, is_started }
}

fn state(value: &Value) -> Result<DeliveryState, Refused> {
    match value::any_text(value)? {
        "dead_letter" => Ok(DeliveryState::DeadLetter),
        "failed" => Ok(DeliveryState::Failed),
        other => Err(one_of(
            ["dead_letter", "failed"],
            other,
            "status of deliveries that can be sent again",
        )),
    }
}

fn time(value: &Value) -> Result<Instant, Refused> {
    value::any_text(value)?
        .parse()
        .map_err(|_malformed| Refused::new("must be a time such as `2026-11-29T10:00:00Z`"))
}
