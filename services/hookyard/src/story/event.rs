//! An event by itself: what came, and what the check of its signature said.

use super::clock;
use crate::api::Event;
use crate::screen::{BAD, BOLD, DIM, GOOD, of_state, plain, styled};
use std::borrow::Cow;
use std::fmt::Write as _;

/// One line about an event: id, type, source, verdict, time.
pub(crate) fn headline(event: &Event) -> String {
    let event_type = event
        .event_type
        .as_deref()
        .map_or(Cow::Borrowed("(no type)"), plain);
    let source = event.source.as_deref().map_or(Cow::Borrowed("no source"), plain);
    format!(
        "{} {}  {}  from {source}, {}, {} bytes, {}",
        styled(DIM, clock(&event.received_at)),
        event.id,
        styled(BOLD, event_type),
        verdict(event),
        event.size,
        styled(of_state(&event.status), &event.status),
    )
}

/// What the signature check said: `verified with sec_5f0c1a2b`, `not verified (signature_mismatch)`.
fn verdict(event: &Event) -> String {
    let why = event.verification.as_ref();
    match event.verified {
        Some(true) => {
            let secret = why.and_then(|why| why.secret_id.as_deref());
            let secret = secret.map(|id| format!(" with {}", plain(id)));
            format!("{}{}", styled(GOOD, "verified"), secret.unwrap_or_default())
        }
        Some(false) => {
            let reason = why.and_then(|why| why.reason.as_deref());
            let reason = reason.map(|reason| format!(" ({})", plain(reason)));
            format!("{}{}", styled(BAD, "not verified"), reason.unwrap_or_default())
        }
        None => styled(DIM, "unsigned"),
    }
}

/// What the sender sent: the headers, and behind an empty line the body.
pub(crate) fn contents(event: &Event) -> String {
    let mut text = String::from("\n");
    for (name, value) in event.headers.iter().flatten() {
        let _ = write!(text, "\n{}: {}", plain(name), plain(value));
    }
    text.push_str("\n\n");
    match (event.body.as_deref(), event.body_encoding.as_deref()) {
        (Some(body), Some("base64")) => {
            let _ = write!(text, "{body} {}", styled(DIM, "(base64)"));
        }
        (Some(body), _) => {
            // Line breaks are part of how bodies are read; no other control character is.
            let lines: Vec<_> = body.lines().map(plain).collect();
            text.push_str(&lines.join("\n"));
        }
        (None, _) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_event_says_what_the_check_of_its_signature_said() {
        let line = |verified: Option<bool>, verification: Value| {
            let event = serde_json::from_value(json!({
                "id": "msg_1", "source": "github", "type": "push", "status": "routed", "verified": verified,
                "verification": verification, "receivedAt": "2026-11-21T12:03:04.123Z", "size": 17,
            }));
            let line = headline(&event.unwrap());
            anstream::adapter::strip_str(&line).to_string()
        };
        let secret = json!({"reason": null, "secretId": "sec_1"});
        let reason = json!({"reason": "signature_mismatch", "secretId": null});
        let nothing = json!({"reason": null, "secretId": null});
        for (verified, verification, said) in [
            (Some(true), secret, "verified with sec_1"),
            (Some(true), nothing.clone(), "verified"),
            (Some(false), reason, "not verified (signature_mismatch)"),
            (Some(false), nothing, "not verified"),
            (None, Value::Null, "unsigned"),
        ] {
            assert_eq!(
                line(verified, verification),
                format!("12:03:04.123 msg_1  push  from github, {said}, 17 bytes, routed")
            );
        }
    }

    #[test]
    fn a_server_that_keeps_no_reason_is_understood() {
        let event = json!({"id": "msg_1", "source": null, "type": null, "status": "routed", "verified": true,
                           "receivedAt": ""});
        let event: Event = serde_json::from_value(event).unwrap();
        assert!(headline(&event).contains("verified"));
    }
}
