//! Events that runs emit, as they are recorded.

use bytes::Bytes;
use playbook::Emitted;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::NewEvent;
use wire::{EventId, Instant, RunId, WorkspaceId};

/// The row of an event that a run of this generation emitted in the step at `at`. The same step makes the same row.
///
/// It has no source; its body is its data, its type the envelope's, and the other attributes are headers
/// ([`waitbox::attributes`]).
pub fn emitted(
    workspace: &WorkspaceId,
    run: RunId,
    generation: i32,
    emitted: &Emitted,
    at: Instant,
) -> NewEvent {
    let envelope = &emitted.envelope;
    let text = |name: &str| envelope.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let data = envelope.get("data");
    NewEvent {
        event_type: text("type"),
        method: waitbox::EMITTED.to_owned(),
        headers: waitbox::attributes(envelope, generation),
        content_type: text("datacontenttype"),
        ..NewEvent::plain(
            EventId::new(at, digest(run, &emitted.key)),
            workspace.clone(),
            at,
            data.map_or_else(Bytes::new, |data| Bytes::from(data.to_string())),
        )
    }
}

fn digest(run: RunId, key: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update(run.uuid().as_bytes());
    hash.update(key.as_bytes());
    let bytes = hash.finalize();
    bytes
        .iter()
        .take(16)
        .fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_run_emits_has_one_id_and_comes_back_whole() {
        let at = Instant::from_unix_micros(1_800_000_000_000_000);
        let run = RunId::new(at, 1);
        let workspace = WorkspaceId::from_stored("ws_one");
        let event = Emitted {
            key: "/do/0/tell".to_owned(),
            envelope: json!({"specversion": "1.0", "id": "x", "type": "order.paid", "source": "/playbooks/a",
                "datacontenttype": "application/json", "data": [1]}),
        };
        let row = emitted(&workspace, run, 0, &event, at);
        assert_eq!(row.id, emitted(&workspace, run, 0, &event, at).id);
        assert_ne!(row.id, emitted(&workspace, RunId::new(at, 2), 0, &event, at).id);
        assert_eq!(
            (row.event_type.as_deref(), row.body.as_ref()),
            (Some("order.paid"), &b"[1]"[..])
        );
        assert_eq!(waitbox::generation(&row.method, &row.headers), 1);
    }
}
