//! The events that this process is routing right now.
//!
//! The consumer and the sweep may hold the same event at the same time. The ledger lets one of them route it, but cannot
//! tell them apart when both write in one statement: then both would tell the workers.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use store::Event;
use wire::EventId;

#[derive(Debug, Default)]
pub(crate) struct Underway(Mutex<HashSet<EventId>>);

/// Events that are nobody else's in this process until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'u> {
    underway: &'u Underway,
    ids: Vec<EventId>,
}

impl Underway {
    /// Takes the events that nobody has taken, and drops the others: whoever has them sees to them.
    pub(crate) fn take(&self, mut events: Vec<Event>) -> (Vec<Event>, Taken<'_>) {
        let mut underway = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.retain(|event| underway.insert(event.id));
        let ids = events.iter().map(|event| event.id).collect();
        (events, Taken { underway: self, ids })
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut underway = self.underway.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in &self.ids {
            underway.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use wire::{EventState, Instant, WorkspaceId};

    fn event() -> Event {
        Event {
            id: EventId::new(Instant::from_unix_micros(0), 1),
            workspace_id: WorkspaceId::from_stored("ws_one"),
            source_id: None,
            event_type: None,
            state: EventState::Accepted,
            verified: None,
            received_at: Instant::from_unix_micros(0),
            method: "POST".to_owned(),
            query: None,
            remote_address: None,
            headers: Bytes::new(),
            content_type: None,
            body: Bytes::new(),
            idempotency_key: None,
            traceparent: None,
            failures: 0,
            trace: None,
            verify_reason: None,
            verify_secret_id: None,
        }
    }

    #[test]
    fn an_event_is_taken_once_until_it_is_let_go() {
        let underway = Underway::default();
        let (events, first) = underway.take(vec![event(), event()]);
        assert_eq!(events.len(), 1);
        let (others, second) = underway.take(vec![event()]);
        assert!(others.is_empty());
        drop(second);
        assert!(
            underway.take(vec![event()]).0.is_empty(),
            "the first still has it"
        );
        drop(first);
        assert_eq!(underway.take(vec![event()]).0.len(), 1);
    }
}
