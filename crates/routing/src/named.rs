//! Events whose sender named the target: no route is tried.

use crate::decide::Moment;
use crate::trace::{Direct, Trace};
use bytes::Bytes;
use std::time::Duration;
use store::{NewDelivery, NewEvent, NewRun, RoutedEvent};
use wire::{DeliveryId, DeliveryState, EndpointId, EventState, PlaybookId, RunId, Trigger};

/// The endpoint that a sender named.
#[derive(Debug, Clone)]
pub struct Named {
    /// Which.
    pub endpoint: EndpointId,
    /// A disabled one holds what it gets.
    pub is_enabled: bool,
    /// How long the delivery waits before its first attempt.
    pub first_wait: Duration,
    /// What the delivery shares with those that it goes after, see [`order_key`](crate::order_key).
    pub order_key: Option<String>,
}

/// One delivery to the endpoint that the sender named.
pub fn direct(event: &NewEvent, to: Named, moment: Moment) -> RoutedEvent {
    let endpoint = &to.endpoint;
    let goes_now = to.is_enabled && to.first_wait.is_zero();
    let id = DeliveryId::of(event.id, endpoint, 0);
    let delivery = NewDelivery {
        id,
        workspace_id: event.workspace_id.clone(),
        endpoint_id: endpoint.clone(),
        route_id: None,
        event_type: event.event_type.clone(),
        state: if goes_now {
            DeliveryState::Delivering
        } else {
            DeliveryState::Pending
        },
        reason: None,
        due_at: Some(moment.now + to.first_wait),
        lease: goes_now.then_some((moment.lease, moment.lease_until)),
        body: None,
        replay_of: None,
        order_key: to.order_key,
    };
    let named = Direct::Delivery {
        endpoint_id: endpoint.clone(),
        delivery_id: id,
    };
    routed(event, named, moment, vec![delivery], Vec::new())
}

/// The largest input that a sender or an operator may start a run with, in bytes of JSON. An event that a route starts a run
/// with is as large as its door took it.
pub const LARGEST_INPUT: usize = 256 << 10;

/// A run that the sender asked for.
#[derive(Debug, Clone)]
pub struct Start {
    /// Which playbook.
    pub playbook: PlaybookId,
    /// JSON.
    pub input: Bytes,
    /// Through which door.
    pub trigger: Trigger,
    /// The slug of the project it is targeted at.
    pub project: Option<String>,
    /// The slug of the template whose inputs it has.
    pub template: Option<String>,
}

/// One run of the playbook that the sender named.
pub fn started(event: &NewEvent, start: Start, moment: Moment) -> RoutedEvent {
    let id = RunId::of(event.id, &start.playbook, 0);
    let named = Direct::Run {
        playbook_id: start.playbook.clone(),
        run_id: id,
    };
    let run = NewRun {
        id,
        workspace_id: event.workspace_id.clone(),
        playbook_id: start.playbook,
        route_id: None,
        input: start.input,
        trigger: start.trigger,
        project: start.project,
        template: start.template,
        generation: 0,
    };
    routed(event, named, moment, Vec::new(), vec![run])
}

fn routed(
    event: &NewEvent,
    named: Direct,
    moment: Moment,
    deliveries: Vec<NewDelivery>,
    runs: Vec<NewRun>,
) -> RoutedEvent {
    RoutedEvent {
        id: event.id,
        state: EventState::Routed,
        trace: Trace::of_direct(event.id, named).to_json(),
        deliveries,
        runs,
        gifts: Vec::new(),
        is_taken: false,
        at: moment.now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;
    use wire::{EventId, Instant, WorkspaceId};

    const NOW: Instant = Instant::from_unix_micros(1_800_000_000_000_000);

    const MOMENT: Moment = Moment {
        now: NOW,
        lease: Uuid::from_u128(7),
        lease_until: Instant::from_unix_micros(1_800_000_090_000_000),
    };

    fn event() -> NewEvent {
        NewEvent::plain(
            EventId::new(NOW, 1),
            WorkspaceId::from_stored("ws_one"),
            NOW,
            Bytes::from_static(b"{}"),
        )
    }

    fn trace(routed: &RoutedEvent) -> serde_json::Value {
        serde_json::from_slice(&routed.trace).unwrap()
    }

    fn named(endpoint: EndpointId, is_enabled: bool) -> Named {
        Named {
            endpoint,
            is_enabled,
            first_wait: Duration::ZERO,
            order_key: None,
        }
    }

    #[test]
    fn what_has_to_wait_first_is_not_leased() {
        let endpoint = EndpointId::from_stored("ep_one");
        let first_wait = Duration::from_secs(3);
        let to = Named {
            first_wait,
            ..named(endpoint, true)
        };
        let routed = direct(&event(), to, MOMENT);
        let [delivery] = routed.deliveries.as_slice() else {
            panic!("{routed:?}");
        };
        assert_eq!((delivery.state, delivery.lease), (DeliveryState::Pending, None));
        assert_eq!(delivery.due_at, Some(MOMENT.now + first_wait));
    }

    #[test]
    fn what_is_sent_to_an_endpoint_is_leased_and_the_trace_says_who_decided() {
        let (event, endpoint) = (event(), EndpointId::from_stored("ep_one"));
        let routed = direct(&event, named(endpoint.clone(), true), MOMENT);
        let [delivery] = routed.deliveries.as_slice() else {
            panic!("{routed:?}");
        };
        assert_eq!(delivery.id, DeliveryId::of(event.id, &endpoint, 0));
        assert_eq!(delivery.state, DeliveryState::Delivering);
        assert_eq!(delivery.lease, Some((MOMENT.lease, MOMENT.lease_until)));
        assert_eq!(
            trace(&routed),
            json!({"eventId": event.id, "routes": [],
                "direct": {"endpointId": "ep_one", "deliveryId": delivery.id}})
        );
    }

    #[test]
    fn a_disabled_endpoint_holds_what_is_sent_to_it() {
        let routed = direct(&event(), named(EndpointId::from_stored("ep_one"), false), MOMENT);
        assert_eq!(routed.deliveries[0].state, DeliveryState::Pending);
        assert_eq!(routed.deliveries[0].lease, None);
        assert_eq!(routed.deliveries[0].due_at, Some(NOW));
    }

    #[test]
    fn a_run_that_is_asked_for_has_the_input_it_was_given() {
        let event = event();
        let playbook = PlaybookId::from_stored("pb_one");
        let start = Start {
            playbook: playbook.clone(),
            input: Bytes::from_static(b"{\"a\":1}"),
            trigger: Trigger::Webhook,
            project: Some("website".to_owned()),
            template: None,
        };
        let routed = started(&event, start, MOMENT);
        let [run] = routed.runs.as_slice() else {
            panic!("{routed:?}");
        };
        assert_eq!(run.id, RunId::of(event.id, &playbook, 0));
        assert_eq!(
            (run.trigger, run.input.as_ref()),
            (Trigger::Webhook, &b"{\"a\":1}"[..])
        );
        assert_eq!(
            trace(&routed)["direct"],
            json!({"playbookId": "pb_one", "runId": run.id})
        );
    }
}
