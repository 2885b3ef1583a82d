//! The first pass: whether a route takes an event, and whether its target does.

use super::{Finding, Match, Verdict};
use crate::trace::Clause;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::{Event, Route, RoutingTable};
use wire::resource::Target;
use wire::{EventTypePattern, PlaybookId, RouteId};

pub(super) fn cheap_clauses(event: &Event, route: &Route) -> Result<(), Finding> {
    let spec = &route.spec;
    if !spec.enabled {
        return Err(Finding {
            clause: Clause::Enabled,
            value: json!(false),
            reason: "the route is disabled".to_owned(),
        });
    }
    let is_from = |source| spec.from.contains(source);
    if !spec.from.is_empty() && !event.source_id.as_ref().is_some_and(is_from) {
        return Err(Finding {
            clause: Clause::From,
            value: json!(event.source_id),
            reason: "the event came from a source that the route does not take events of".to_owned(),
        });
    }
    let event_type = event.event_type.as_deref();
    // What the platform tells of one endpoint is not for whoever takes everything of another.
    if is_operational(event)
        && !spec
            .event_types
            .iter()
            .any(|pattern| pattern.names() && pattern.matches(event_type))
    {
        return Err(Finding {
            clause: Clause::EventTypes,
            value: json!(event_type),
            reason: "the event is one of the platform's own, and no pattern of the route names it, as `endpoint.*` or \
                     `delivery.*` would"
                .to_owned(),
        });
    }
    if !spec.event_types.is_empty() && !spec.event_types.iter().any(|pattern| pattern.matches(event_type)) {
        let patterns: Vec<&str> = spec.event_types.iter().map(EventTypePattern::as_str).collect();
        let reason = match event_type {
            Some(_) => format!("the event's type matches none of {}", listed(&patterns)),
            None => format!("the event has no type, and the route wants {}", listed(&patterns)),
        };
        return Err(Finding {
            clause: Clause::EventTypes,
            value: json!(event_type),
            reason,
        });
    }
    Ok(())
}

/// Whether the platform itself tells of something: nobody sent it.
fn is_operational(event: &Event) -> bool {
    let is_of_nobody = event.source_id.is_none() && event.remote_address.is_none();
    is_of_nobody
        && event
            .event_type
            .as_deref()
            .is_some_and(wire::operational::is_operational)
}

/// A route may have a hundred patterns; a reason shows a few.
fn listed(patterns: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = patterns
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if patterns.len() > SHOWN {
        format!("{shown} and {} more", patterns.len() - SHOWN)
    } else {
        shown
    }
}

pub(super) fn filter(route: &Route, verdict: Option<&Verdict>) -> Result<(), Finding> {
    if route.spec.filter.is_none() {
        return Ok(());
    }
    let (value, reason) = match verdict {
        Some(Ok(true)) => return Ok(()),
        Some(Ok(false)) => (json!(false), "the filter yields false".to_owned()),
        Some(Err(error)) => (
            json!(error.kind()),
            format!("the filter says neither true nor false: {error}"),
        ),
        None => (Value::Null, "the filter was not evaluated".to_owned()),
    };
    Err(Finding {
        clause: Clause::Filter,
        value,
        reason,
    })
}

pub(super) fn taken_by(name: &str, id: &RouteId) -> Finding {
    Finding {
        clause: Clause::Target,
        value: json!(id),
        reason: format!(
            "the route `{name}` has the event for this target already, and one event goes to it once"
        ),
    }
}

pub(super) fn target(event: &Event, table: &RoutingTable, route: &Route) -> Match {
    match &route.spec.to {
        Target::Endpoint(id) => match table.endpoints.get(id) {
            Some(true) => Match::Taken,
            Some(false) => Match::Held(unfit(
                "disabled",
                "the endpoint is disabled and holds its deliveries until it is enabled",
            )),
            None => Match::Skipped(unfit("missing", "the endpoint does not exist any more")),
        },
        Target::Playbook(id) => playbook(event, table, id, route.spec.transform.is_some()),
    }
}

/// Whether a playbook can take the event; its input is the event's body unless that is transformed.
pub(super) fn playbook(event: &Event, table: &RoutingTable, id: &PlaybookId, is_transformed: bool) -> Match {
    match table.playbooks.get(id) {
        Some(true) if !is_transformed && !is_json(&event.body) => Match::Stopped(unfit(
            "not_json",
            "a run's input is the event's body as JSON, and this body is none; a transform cannot read it either",
        )),
        Some(true) => Match::Taken,
        Some(false) => Match::Stopped(unfit("disabled", "the playbook is disabled and starts no run")),
        None => Match::Stopped(unfit("missing", "the playbook does not exist any more")),
    }
}

fn unfit(value: &str, reason: &str) -> Finding {
    Finding {
        clause: Clause::Target,
        value: json!(value),
        reason: reason.to_owned(),
    }
}

/// Looks only at the grammar, without recursion and without keeping anything.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok()
}
