//! An event's or a delivery's story: what came, what each route decided, what became of it.
//!
//! Pure text from the management API's answers; the commands fetch them.

mod event;

pub(crate) use event::{contents, headline};

use crate::api::{Attempt, Decision, Delivery, Doorkeeper, Event, Trace, Waited};
use crate::screen::{BAD, DIM, GOOD, of_state, plain, styled};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// How much of a body or a value is shown in a line.
const EXCERPT: usize = 120;

/// A delivery with its attempts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) delivery: Delivery,
    pub(crate) attempts: Vec<Attempt>,
}

/// All there is to tell about an event.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Story {
    pub(crate) event: Event,
    pub(crate) trace: Trace,
    pub(crate) deliveries: Vec<Told>,
}

impl Story {
    /// The whole story; with `payload` also what the sender sent.
    pub(crate) fn text(&self, payload: bool) -> String {
        let mut text = headline(&self.event);
        if payload {
            text.push_str(&contents(&self.event));
        }
        text.push('\n');
        if let Some(why) = &self.trace.quarantined {
            let _ = writeln!(text, "{}: {}", styled(BAD, "quarantined"), plain(why));
        } else if self.trace.routes.is_empty() && !self.is_taken() {
            let why = if self.event.status == "accepted" {
                "not routed yet"
            } else {
                "no route looked at it: the workspace has none"
            };
            let _ = writeln!(text, "{}", styled(DIM, why));
        }
        for wait in &self.trace.waits {
            let _ = writeln!(text, "{}", waited(wait));
        }
        for decision in &self.trace.routes {
            let _ = writeln!(text, "{}", decided(decision));
            for told in self.deliveries.iter().filter(|told| told.is_of(decision)) {
                text.push_str(&indented(&told.text()));
            }
        }
        if let Some(keeper) = &self.trace.doorkeeper {
            let _ = writeln!(text, "{}", kept(keeper));
        }
        if let Some(omitted) = self.trace.misses_omitted.filter(|omitted| *omitted > 0) {
            let _ = writeln!(
                text,
                "{}",
                styled(DIM, format_args!("and {omitted} more routes that do not match"))
            );
        }
        // Replays, and deliveries of routes that are gone.
        let has_route = |told: &&Told| self.trace.routes.iter().any(|decision| told.is_of(decision));
        for told in self.deliveries.iter().filter(|told| !has_route(told)) {
            text.push_str(&told.text());
        }
        text
    }

    /// Whether a run took it, so that no route looked at it.
    fn is_taken(&self) -> bool {
        let mut waits = self.trace.waits.iter();
        waits.any(|wait| wait.matched && wait.exclusive)
    }
}

impl Told {
    fn is_of(&self, decision: &Decision) -> bool {
        match &decision.delivery_id {
            Some(id) => *id == self.delivery.id,
            None => decision.matched && self.delivery.route_id.as_ref() == Some(&decision.route_id),
        }
    }

    /// A line for the delivery and one for each attempt.
    pub(crate) fn text(&self) -> String {
        let Delivery {
            id,
            endpoint_id,
            status,
            reason,
            next_retry_at,
            ..
        } = &self.delivery;
        let mut text = format!("{id} → {endpoint_id}  {}", styled(of_state(status), status));
        if let Some(reason) = reason {
            let _ = write!(text, " ({})", plain(reason));
        }
        if let Some(at) = next_retry_at {
            let _ = write!(text, ", next at {}", clock(at));
        }
        text.push('\n');
        for attempt in &self.attempts {
            let _ = writeln!(text, "  {}", tried(attempt));
        }
        text
    }
}

/// One line about a delivery on its way.
pub(crate) fn progress(delivery: &Delivery) -> String {
    let Delivery {
        id,
        event_id,
        endpoint_id,
        status,
        reason,
        ..
    } = delivery;
    let tries = match delivery.total_attempts {
        0 => String::new(),
        1 => ", 1 attempt".to_owned(),
        many => format!(", {many} attempts"),
    };
    let reason = reason
        .as_deref()
        .map(|reason| format!(" ({})", plain(reason)))
        .unwrap_or_default();
    let next = delivery
        .next_retry_at
        .as_deref()
        .map(|at| format!(", next at {}", clock(at)))
        .unwrap_or_default();
    format!(
        "{}   {id} of {event_id} → {endpoint_id}  {}{reason}{tries}{next}",
        styled(DIM, clock(&delivery.updated_at)),
        styled(of_state(status), status),
    )
}

/// A line about a run that waited.
fn waited(wait: &Waited) -> String {
    let mark = if wait.matched {
        styled(GOOD, "✓")
    } else {
        styled(DIM, "–")
    };
    format!("{mark} {}: {}", plain(&wait.run_id), plain(&wait.reason))
}

/// A line about the doorkeeper.
fn kept(keeper: &Doorkeeper) -> String {
    let playbook = plain(&keeper.playbook_id);
    match (&keeper.run_id, &keeper.reason) {
        (Some(run), _) => format!(
            "{} doorkeeper {playbook}: no route took it, so it runs as {}",
            styled(GOOD, "✓"),
            plain(run)
        ),
        (None, reason) => format!(
            "{} doorkeeper {playbook}: {}",
            styled(BAD, "✗"),
            plain(reason.as_deref().unwrap_or("starts no run"))
        ),
    }
}

fn decided(decision: &Decision) -> String {
    let mark = if decision.matched {
        styled(GOOD, "✓")
    } else {
        styled(DIM, "–")
    };
    let name = decision.name.as_deref().unwrap_or(&decision.route_id);
    let reason = decision
        .reason
        .as_deref()
        .unwrap_or(if decision.matched { "matched" } else { "no match" });
    let mut text = format!("{mark} route {}: {}", plain(name), plain(reason));
    // A boolean is in the sentence already.
    if let Some(value) = decision
        .value
        .as_ref()
        .filter(|value| !value.is_null() && !value.is_boolean())
    {
        let _ = write!(
            text,
            " {}",
            styled(DIM, format_args!("({})", plain(&excerpt(value))))
        );
    }
    if let Some(run) = &decision.run_id {
        let _ = write!(text, " → {run}");
    }
    text
}

fn tried(attempt: &Attempt) -> String {
    let took = attempt
        .response_time_ms
        .map(|ms| format!(" in {ms} ms"))
        .unwrap_or_default();
    let outcome = match (attempt.response_status_code, attempt.error_kind.as_deref()) {
        (Some(code), None) => styled(GOOD, code),
        (Some(code), Some(_)) => styled(BAD, code),
        (None, kind) => styled(BAD, plain(kind.unwrap_or("no answer"))),
    };
    let message = attempt
        .error_message
        .as_deref()
        .filter(|_| attempt.response_status_code.is_none())
        .map(|message| format!(": {}", plain(message)))
        .unwrap_or_default();
    format!(
        "{} attempt {}  {outcome}{took}{message}",
        styled(DIM, clock(&attempt.created_at)),
        attempt.attempt_number
    )
}

/// `12:03:04.123` of an RFC 3339 time; the text itself when it is none.
fn clock(time: &str) -> &str {
    time.get(11..).map_or(time, |rest| rest.trim_end_matches('Z'))
}

fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= EXCERPT {
        return text;
    }
    text.chars().take(EXCERPT).chain(['…']).collect()
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "    {line}");
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told() -> Story {
        let event = serde_json::from_value(json!({
            "id": "msg_1", "source": "github", "type": "push", "status": "routed", "verified": true,
            "verification": {"reason": null, "secretId": "sec_5f0c1a2b"}, "receivedAt": "2026-11-21T12:03:04.123Z", "contentType": "application/json", "size": 17,
            "idempotencyKey": null, "deliveries": 1, "runs": 0,
        }));
        let trace = serde_json::from_value(json!({"eventId": "msg_1", "routes": [
            {"routeId": "rt_1", "name": "pushes", "matched": true, "reason": "every clause holds", "clause": "all",
             "value": null, "target": {"endpoint": "ep_1"}, "deliveryId": "del_1"},
            {"routeId": "rt_2", "name": "issues", "matched": false, "reason": "no pattern matches the event's type",
             "clause": "event_types", "value": "push", "target": {"endpoint": "ep_1"}},
        ]}));
        let delivery = serde_json::from_value(json!({
            "id": "del_1", "eventId": "msg_1", "eventType": "push", "endpointId": "ep_1", "routeId": "rt_1",
            "status": "delivered", "reason": null, "totalAttempts": 2, "nextRetryAt": null,
            "deliveredAt": "2026-11-21T12:03:05.300Z", "createdAt": "2026-11-21T12:03:04.130Z",
            "updatedAt": "2026-11-21T12:03:05.300Z",
        }));
        let attempts = serde_json::from_value(json!([
            {"id": "att_1", "attemptNumber": 1, "status": "failed", "responseStatusCode": 500, "responseTimeMs": 3,
             "errorKind": "http_status", "errorMessage": "HTTP 500", "createdAt": "2026-11-21T12:03:04.131Z"},
            {"id": "att_2", "attemptNumber": 2, "status": "delivered", "responseStatusCode": 200, "responseTimeMs": 2,
             "errorKind": null, "errorMessage": null, "createdAt": "2026-11-21T12:03:05.298Z"},
        ]));
        Story {
            event: event.unwrap(),
            trace: trace.unwrap(),
            deliveries: vec![Told {
                delivery: delivery.unwrap(),
                attempts: attempts.unwrap(),
            }],
        }
    }

    fn without_styles(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_story_goes_from_the_request_to_the_last_attempt() {
        assert_eq!(
            without_styles(&told().text(false)),
            "12:03:04.123 msg_1  push  from github, verified with sec_5f0c1a2b, 17 bytes, routed\n\
             ✓ route pushes: every clause holds\n    \
                 del_1 → ep_1  delivered\n      \
                   12:03:04.131 attempt 1  500 in 3 ms\n      \
                   12:03:05.298 attempt 2  200 in 2 ms\n\
             – route issues: no pattern matches the event's type (\"push\")\n"
        );
    }

    #[test]
    fn an_event_that_a_run_took_says_which() {
        let mut story = told();
        story.trace.routes.clear();
        story.deliveries.clear();
        story.trace.waits = vec![Waited {
            run_id: "run_1".to_owned(),
            matched: true,
            exclusive: true,
            reason: "the run waits for it and takes it".to_owned(),
        }];
        assert!(
            without_styles(&story.text(false))
                .ends_with("routed\n✓ run_1: the run waits for it and takes it\n")
        );
    }

    #[test]
    fn an_event_that_waits_for_the_router_says_so() {
        let mut story = told();
        story.event.status = "accepted".to_owned();
        story.trace.routes.clear();
        story.deliveries.clear();
        assert!(without_styles(&story.text(false)).ends_with("accepted\nnot routed yet\n"));
    }

    #[test]
    fn a_delivery_without_a_route_of_its_own_is_told_too() {
        let mut story = told();
        story.trace.routes.remove(0);
        assert!(without_styles(&story.text(false)).contains("\ndel_1 → ep_1  delivered\n"));
    }
}
