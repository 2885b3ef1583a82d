//! What comes in at the doors.

use super::declare::Declare;
use super::meters::meters;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

pub(super) struct Doors {
    events: Counter<u64>,
    verifications: Counter<u64>,
    rejections_dropped: Counter<u64>,
}

impl Doors {
    pub(super) fn declare(declare: &Declare<'_>) -> Self {
        Self {
            events: declare.counter(
                "hookyard.ingest.events",
                "Webhooks at the doors, by what became of them",
            ),
            verifications: declare.counter(
                "hookyard.signature.verifications",
                "Signatures checked, by result",
            ),
            rejections_dropped: declare
                .counter("hookyard.rejections.dropped", "Rejections that were not kept"),
        }
    }
}

/// What became of a webhook at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingest {
    /// A new event or run.
    Accepted,
    /// Its key was known: the first answer again.
    Duplicate,
    /// Its key was known with other bytes.
    Conflict,
    /// Refused, with the error code of the answer.
    Rejected(&'static str),
}

/// Counts one webhook at a door (`channel`, `token` …), from a kind of source (`github`, `custom`, `none` …).
pub fn ingest(surface: &'static str, source_kind: &'static str, outcome: Ingest) {
    let (outcome, reason) = match outcome {
        Ingest::Accepted => ("accepted", ""),
        Ingest::Duplicate => ("duplicate", ""),
        Ingest::Conflict => ("conflict", ""),
        Ingest::Rejected(reason) => ("rejected", reason),
    };
    let labels = [
        KeyValue::new("surface", surface),
        KeyValue::new("source_kind", source_kind),
        KeyValue::new("outcome", outcome),
        KeyValue::new("reason", reason),
    ];
    meters().doors.events.add(1, &labels);
}

/// Counts one check of a signature by a profile (`github`, `custom` …); `reason` is `valid` or why not.
pub fn signature_verified(profile: &'static str, reason: &'static str) {
    let labels = [KeyValue::new("profile", profile), KeyValue::new("reason", reason)];
    meters().doors.verifications.add(1, &labels);
}

/// Counts a rejection that was not kept for the operator: `sampled`, `full`, `ledger` …
pub fn rejection_dropped(reason: &'static str) {
    let labels = [KeyValue::new("reason", reason)];
    meters().doors.rejections_dropped.add(1, &labels);
}
