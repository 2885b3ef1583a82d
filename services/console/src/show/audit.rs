//! Entries of the audit.

use serde::Serialize;
use serde_json::{Map, Value};
use store::AuditEntry;
use wire::{AuditId, Instant};

/// Something that somebody did.
#[derive(Debug, Serialize)]
pub(crate) struct AuditEntryView {
    id: AuditId,
    at: Instant,
    actor: ActorView,
    action: String,
    target: TargetView,
    detail: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct ActorView {
    kind: &'static str,
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct TargetView {
    kind: String,
    id: String,
}

impl AuditEntryView {
    pub(crate) fn of(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.id.instant(),
            target: TargetView {
                kind: entry.target_kind().to_owned(),
                id: entry.target_id,
            },
            actor: ActorView {
                kind: entry.actor.kind.as_str(),
                id: entry.actor.id,
                name: entry.actor.name,
            },
            action: entry.action,
            detail: entry.detail,
        }
    }
}
