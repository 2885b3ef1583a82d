//! Operational events: what an operator wants to be told of, as events of the workspace, which routes take anywhere.
//!
//! They have no source. Each has an id of what it tells of, so that telling it twice records it once. One about a delivery
//! of such an event is not raised: two endpoints that fail could tell of each other for ever. Of one endpoint's deliveries
//! a few are told of in a minute; the next one says how many were not.

use crate::worker::Worker;
use bytes::Bytes;
use serde_json::{Value, json};
use std::error::Error as StdError;
use store::{Acceptance, GivenUp, Job, NewEvent, Outcome};
use wire::operational::{
    DELIVERY_EXHAUSTED as EXHAUSTED, DELIVERY_FAILING as FAILING, ENDPOINT_DISABLED as DISABLED,
    ENDPOINT_RECOVERED as RECOVERED, is_operational,
};
use wire::{DeliveryState, EndpointId, EventId, Instant, Message, Queue, Reference, WorkspaceId};

/// Why a delivery is a dead letter that no attempt made one.
const CIRCUIT_OPEN: &str = "circuit_open";

/// The failed attempt after which a delivery counts as failing: fewer are a receiver that is being deployed.
const FAILING_AFTER: i32 = 3;

/// An endpoint was disabled, for `reason`.
pub(crate) fn disabled(
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    reason: &str,
    at: Instant,
) -> NewEvent {
    let data = json!({"endpointId": endpoint, "reason": reason, "disabledAt": at});
    event(workspace, DISABLED, endpoint.as_str(), at, at, &data)
}

/// An endpoint's circuit closed that was open since `opened_at`.
pub(crate) fn recovered(
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    opened_at: Instant,
    at: Instant,
) -> NewEvent {
    let data = json!({"endpointId": endpoint, "openedAt": opened_at, "recoveredAt": at});
    event(workspace, RECOVERED, endpoint.as_str(), opened_at, at, &data)
}

/// What an attempt's outcome gives to tell of its delivery, and of how many others before it was not told.
pub(crate) struct OfDelivery {
    workspace: WorkspaceId,
    what: &'static str,
    subject: String,
    since: Instant,
    at: Instant,
    data: Value,
}

impl OfDelivery {
    /// The event. `untold` of the endpoint's deliveries were left out since the last one.
    pub(crate) fn event(mut self, untold: u64) -> NewEvent {
        if let Some(data) = self.data.as_object_mut().filter(|_| untold > 0) {
            data.insert("untold".to_owned(), json!(untold));
        }
        event(
            &self.workspace,
            self.what,
            &self.subject,
            self.since,
            self.at,
            &self.data,
        )
    }
}

/// What an attempt's outcome gives to tell of its delivery.
pub(crate) fn of_delivery(about: &About, outcome: &Outcome) -> Option<OfDelivery> {
    if about.is_operational || !outcome.counts {
        return None;
    }
    let attempts = outcome.attempt.number;
    let what = match outcome.state {
        DeliveryState::DeadLetter => EXHAUSTED,
        DeliveryState::ScheduledRetry if attempts == FAILING_AFTER => FAILING,
        _ => return None,
    };
    let data = json!({
        "deliveryId": outcome.delivery_id,
        "eventId": about.event,
        "eventType": about.event_type,
        "endpointId": outcome.endpoint_id,
        "attempts": attempts,
        "responseStatusCode": outcome.attempt.response_status,
        "errorKind": outcome.attempt.error_kind,
        "errorMessage": outcome.attempt.error_message,
        "nextRetryAt": outcome.due_at,
    });
    // A delivery that is retried by hand may be exhausted again, which is told again.
    Some(OfDelivery {
        workspace: about.workspace.clone(),
        what,
        subject: format!("{} {attempts}", outcome.delivery_id),
        since: outcome.delivery_id.instant(),
        at: outcome.at,
        data,
    })
}

/// A delivery that waited at an open circuit for too long.
pub(crate) fn given_up(given_up: &GivenUp) -> Option<OfDelivery> {
    if given_up.event_type.as_deref().is_some_and(is_operational) {
        return None;
    }
    let data = json!({
        "deliveryId": given_up.delivery_id,
        "eventId": given_up.event_id,
        "eventType": given_up.event_type,
        "endpointId": given_up.endpoint_id,
        "attempts": given_up.attempts,
        "responseStatusCode": Value::Null,
        "errorKind": CIRCUIT_OPEN,
        "errorMessage": "its endpoint's circuit was open for 72 hours while it waited",
        "nextRetryAt": Value::Null,
    });
    Some(OfDelivery {
        workspace: given_up.workspace_id.clone(),
        what: EXHAUSTED,
        subject: format!("{} {CIRCUIT_OPEN}", given_up.delivery_id),
        since: given_up.delivery_id.instant(),
        at: given_up.at,
        data,
    })
}

/// What such an event says of its delivery beside the outcome.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) workspace: WorkspaceId,
    event: EventId,
    event_type: Option<String>,
    is_operational: bool,
}

impl About {
    pub(crate) fn of(job: &Job) -> Self {
        let is_operational = job.event_type.as_deref().is_some_and(is_operational);
        Self {
            workspace: job.workspace_id.clone(),
            event: job.event_id,
            event_type: job.event_type.clone(),
            is_operational,
        }
    }
}

fn event(
    workspace: &WorkspaceId,
    what: &'static str,
    subject: &str,
    since: Instant,
    at: Instant,
    data: &Value,
) -> NewEvent {
    // The id carries the time of what it tells of, but no older than the days that the ledger has room for.
    let id_at = since.max(at - std::time::Duration::from_hours(1));
    let id = if id_at == since {
        EventId::telling(since, subject, what)
    } else {
        EventId::telling(at, &format!("{subject} {since}"), what)
    };
    NewEvent {
        event_type: Some(what.to_owned()),
        headers: Bytes::from_static(br#"[["content-type","application/json"]]"#),
        content_type: Some("application/json".to_owned()),
        ..NewEvent::plain(id, workspace.clone(), at, Bytes::from(data.to_string()))
    }
}

/// Records an event, and tells a router of it. What cannot be recorded now is logged: no delivery depends on it.
pub(crate) async fn raise(worker: &Worker, event: NewEvent) {
    let id = event.id;
    let kind = event.event_type.clone();
    let row = Acceptance {
        claim: None,
        event,
        routed: None,
    };
    if let Err(error) = worker.notices.accept(row).await {
        tracing::warn!(
            event.id = %id,
            event.kind = kind,
            error.chain = &error as &dyn StdError,
            "an operational event could not be recorded"
        );
        return;
    }
    let message = Message::new(vec![Reference::Event { id }], None);
    // A sweep of the router's finds what no message named.
    let _told = boot::metrics::publish(&worker.conveyor, Queue::Route, &message).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::NewAttempt;
    use uuid::Uuid;
    use wire::{AttemptId, DeliveryId};

    const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    fn about(event_type: &str) -> About {
        About {
            workspace: WorkspaceId::from_stored("ws_acme"),
            event: EventId::new(NOW, 1),
            event_type: Some(event_type.to_owned()),
            is_operational: is_operational(event_type),
        }
    }

    fn outcome(number: i32, state: DeliveryState) -> Outcome {
        Outcome {
            delivery_id: DeliveryId::new(NOW, 1),
            lease: Uuid::nil(),
            state,
            reason: None,
            due_at: None,
            attempt: NewAttempt {
                id: AttemptId::new(NOW, 1),
                number,
                response_status: Some(500),
                duration_ms: 1,
                error_kind: Some("http_status".to_owned()),
                error_message: Some("the receiver answered 500".to_owned()),
                request_headers: Bytes::new(),
                response_headers: Bytes::new(),
                response_body: Bytes::from_static(b"not for others to see"),
                created_at: NOW,
            },
            at: NOW,
            endpoint_id: EndpointId::from_stored("ep_one"),
            counts: true,
            is_made: true,
            is_probe: false,
            answered: None,
            asked: None,
            order_key: None,
            ceiling: 10,
            random: 0.5,
        }
    }

    #[test]
    fn a_delivery_is_told_of_at_its_third_failure_and_at_its_end() {
        let kind = |number, state| {
            of_delivery(&about("order.paid"), &outcome(number, state))?
                .event(0)
                .event_type
        };
        let retry = DeliveryState::ScheduledRetry;
        assert_eq!(kind(1, retry), None);
        assert_eq!(kind(3, retry).as_deref(), Some("delivery.failing"));
        assert_eq!(kind(4, retry), None);
        assert_eq!(
            kind(5, DeliveryState::DeadLetter).as_deref(),
            Some("delivery.exhausted")
        );
        assert_eq!(kind(5, DeliveryState::Delivered), None);
        assert_eq!(kind(1, DeliveryState::Failed), None);
    }

    #[test]
    fn what_is_told_twice_has_one_id_and_what_differs_has_two() {
        let id = |number| {
            of_delivery(&about("a"), &outcome(number, DeliveryState::DeadLetter))
                .unwrap()
                .event(0)
                .id
        };
        assert_eq!(id(5), id(5));
        assert_ne!(id(5), id(6), "it was retried by hand, and exhausted again");
        let (ws, ep) = (WorkspaceId::from_stored("ws_a"), EndpointId::from_stored("ep_a"));
        assert_eq!(
            disabled(&ws, &ep, "gone", NOW).id,
            disabled(&ws, &ep, "gone", NOW).id
        );
        let later = NOW + std::time::Duration::from_secs(9);
        assert_eq!(
            recovered(&ws, &ep, NOW, later).id,
            recovered(&ws, &ep, NOW, later + std::time::Duration::from_secs(1)).id
        );
    }

    #[test]
    fn an_event_about_such_an_event_is_not_raised() {
        for kind in [DISABLED, RECOVERED, EXHAUSTED, FAILING] {
            let told = of_delivery(&about(kind), &outcome(5, DeliveryState::DeadLetter));
            assert!(told.is_none(), "{kind}");
        }
    }

    #[test]
    fn what_a_receiver_answered_is_not_told() {
        let told = of_delivery(&about("a"), &outcome(5, DeliveryState::DeadLetter)).unwrap();
        let told = told.event(3);
        assert!(String::from_utf8_lossy(&told.body).contains("\"untold\":3"));
        let body = String::from_utf8(told.body.to_vec()).unwrap();
        assert!(!body.contains("not for others"), "{body}");
        assert!(body.contains("\"errorKind\":\"http_status\""), "{body}");
    }
}
