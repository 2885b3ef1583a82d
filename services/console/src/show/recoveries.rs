//! Recoveries and dead letters.

use super::DeliveryView;
use serde::Serialize;
use store::{DeadLetters, Recovery};
use wire::{DeliveryState, EndpointId, EventTypePattern, Instant, RecoveryId, RecoveryState};

/// One recovery.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryView {
    id: RecoveryId,
    status: RecoveryState,
    endpoint_id: Option<EndpointId>,
    statuses: Vec<DeliveryState>,
    error_kind: Option<String>,
    event_type: Option<EventTypePattern>,
    from: Option<Instant>,
    until: Option<Instant>,
    per_second: u32,
    /// How many there were when it was started, as far as they were counted.
    total: i64,
    recovered: i64,
    skipped: i64,
    deferred: i64,
    created_at: Instant,
    started_at: Option<Instant>,
    ended_at: Option<Instant>,
    updated_at: Instant,
}

impl RecoveryView {
    pub(crate) fn of(row: Recovery) -> Self {
        let spec = row.spec;
        Self {
            id: row.id,
            status: row.state,
            endpoint_id: spec.endpoint,
            statuses: spec.states,
            error_kind: spec.error_kind,
            event_type: spec.event_type,
            from: spec.from,
            until: spec.until,
            per_second: spec.per_second,
            total: row.total,
            recovered: row.recovered,
            skipped: row.skipped,
            deferred: row.deferred,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            updated_at: row.updated_at,
        }
    }
}

/// What a recovery would send again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewView {
    pub(crate) count: i64,
    /// Whether all were counted.
    pub(crate) complete: bool,
    pub(crate) oldest: Option<Instant>,
    pub(crate) newest: Option<Instant>,
    pub(crate) sample: Vec<DeliveryView>,
}

/// Dead letters that are alike.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLettersView {
    endpoint_id: EndpointId,
    error_kind: Option<String>,
    event_type: Option<String>,
    count: i64,
    oldest: Instant,
    newest: Instant,
}

impl DeadLettersView {
    pub(crate) fn of(group: DeadLetters) -> Self {
        Self {
            endpoint_id: group.endpoint_id,
            error_kind: group.error_kind,
            event_type: group.event_type,
            count: group.count,
            oldest: group.oldest,
            newest: group.newest,
        }
    }
}
