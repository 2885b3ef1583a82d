//! Routes: from sources and event types to one target.

use super::{Around, Fields, delivery, value};
use std::time::Duration;
use store::Route;
use wire::resource::{DeliverySpec, RouteSpec, Target};
use wire::{EndpointId, Instant, RouteId, WorkspaceId};

/// Longer than this, a playbook is the right thing.
const DELAYS: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(30 * 24);
/// More sources or patterns than this are a route from anywhere with a filter.
const MOST: usize = 1_000;

/// A route as a document describes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Option<RouteId>,
    spec: RouteSpec,
}

/// Reads a route; over `base`, what the document leaves out stays as it is.
pub(crate) fn read(fields: &mut Fields<'_>, around: Around<'_>, base: Option<&Route>) -> Draft {
    let id = super::workspace::read_id(fields, base.map(|base| &base.id));
    let mut spec = match base {
        Some(base) => {
            let mut spec = base.spec.clone();
            fields.set("name", &mut spec.name, value::name);
            spec
        }
        None => empty(fields.required("name", value::name).unwrap_or_default()),
    };
    fields.set("enabled", &mut spec.enabled, value::boolean);
    fields.set_list("from", &mut spec.from, |source| around.directory.source(source));
    fields.set_list("event_types", &mut spec.event_types, value::pattern);
    for (name, length) in [("from", spec.from.len()), ("event_types", spec.event_types.len())] {
        if length > MOST {
            fields.refuse(name, format!("may have at most {MOST} entries"));
        }
    }
    fields.set_program("filter", &mut spec.filter);
    fields.set_program("transform", &mut spec.transform);
    fields.set("delay", &mut spec.delay, value::duration(DELAYS));
    if base.is_none() && !fields.has("to") {
        fields.refuse("to", "is missing; write {endpoint: …} or {playbook: …}");
    }
    let mut target = Some(spec.to.clone());
    fields.set_object("to", &mut target, |to| read_target(to, around));
    match target {
        Some(target) => spec.to = target,
        None if fields.get("to").is_some_and(serde_json::Value::is_null) => {
            fields.refuse("to", "must be {endpoint: …} or {playbook: …}, not null");
        }
        None => {}
    }
    delivery::read_section(fields, &mut spec.delivery);
    if matches!(spec.to, Target::Playbook(_)) && spec.delivery != DeliverySpec::default() {
        fields.refuse("delivery", "goes without a playbook: a run is no delivery");
    }
    Draft { id, spec }
}

fn empty(name: String) -> RouteSpec {
    RouteSpec {
        name,
        enabled: true,
        from: Vec::new(),
        event_types: Vec::new(),
        filter: None,
        transform: None,
        delay: Duration::ZERO,
        delivery: DeliverySpec::default(),
        // Never saved: a new route without a target is refused.
        to: Target::Endpoint(EndpointId::from_stored("ep_")),
    }
}

fn read_target(to: &mut Fields<'_>, around: Around<'_>) -> Option<Target> {
    let is_endpoint = to.has("endpoint");
    let is_playbook = to.has("playbook");
    let endpoint = to.optional("endpoint", |value| around.directory.endpoint(value));
    let playbook = to.optional("playbook", |value| around.directory.playbook(value));
    match (is_endpoint, is_playbook) {
        (true, true) => {
            to.refuse("playbook", "goes without `endpoint`: a route has one target");
            None
        }
        (true, false) => endpoint.map(Target::Endpoint),
        (false, true) => playbook.map(Target::Playbook),
        (false, false) => {
            to.refuse("endpoint", "is missing; or write `playbook`");
            None
        }
    }
}

impl Draft {
    /// The row: `existing` with what the draft says, or a new one.
    pub(crate) fn build(
        self,
        id: RouteId,
        workspace_id: &WorkspaceId,
        position: i32,
        existing: Option<&Route>,
        now: Instant,
    ) -> Route {
        Route {
            subscription: None,
            id,
            workspace_id: workspace_id.clone(),
            position,
            spec: self.spec,
            created_at: existing.map_or(now, |existing| existing.created_at),
            updated_at: now,
        }
    }
}
