//! Lists that grow: pages, filters, cursors, bounds.

use crate::given::{accepted, delivery, event_at, routed, workspace};
use crate::on_both;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{
    Acceptance, DeliveryFilter, EventFilter, EventSummary, NewDelivery, NewEvent, NewRejection, Page,
    QueueOptions, RejectionFilter,
};
use std::time::Duration;
use wire::{DeliveryId, DeliveryState, EventId, EventState, Instant, RejectionId, SourceId, WorkspaceId};

fn ids(page: &Page<EventSummary>) -> Vec<EventId> {
    page.rows.iter().map(|event| event.id).collect()
}

fn reversed<T: Copy>(ids: &[T]) -> Vec<T> {
    ids.iter().rev().copied().collect()
}

on_both! {
    async fn events_are_paged_newest_first(yard: &Yard) {
        let made = accepted(&yard.store, 7, Instant::now()).await;
        let list = |before, limit| {
            let store = yard.store.clone();
            async move { store.events(&workspace(), EventFilter::default(), before, limit).await.unwrap() }
        };
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = list(before, 3).await;
            seen.extend(ids(&page));
            before = seen.last().copied();
            if !page.more {
                break;
            }
            assert_eq!(page.rows.len(), 3);
        }
        assert_eq!(seen, reversed(&made));
        let exact = list(None, 7).await;
        assert_eq!((exact.rows.len(), exact.more), (7, false));
        for (limit, rows, more) in [(0, 0, true), (-5, 0, true), (i64::MAX, 7, false)] {
            let page = list(None, limit).await;
            assert_eq!((page.rows.len(), page.more), (rows, more), "{limit}");
        }
        let stranger = WorkspaceId::from_stored("ws_other");
        let page = yard.store.events(&stranger, EventFilter::default(), None, 9).await.unwrap();
        assert!(page.rows.is_empty() && !page.more);
    }

    async fn events_are_filtered_by_source_type_and_state(yard: &Yard) {
        let queue = yard.accept_queue();
        let now = Instant::now();
        let mut made = Vec::new();
        for (number, (source, event_type)) in
            [(Some("so_a"), Some("x")), (Some("so_b"), Some("x")), (None, None), (Some("so_a"), Some("y"))].into_iter().enumerate()
        {
            let event = NewEvent {
                source_id: source.map(SourceId::from_stored),
                event_type: event_type.map(ToOwned::to_owned),
                ..event_at(now + Duration::from_millis(number as u64), "12345")
            };
            made.push(event.id);
            queue.accept(Acceptance { routed: None, claim: None, event }).await.unwrap();
        }
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        routing.route(vec![routed(made[1], vec![])]).await.unwrap();
        for (filter, expected) in [
            (EventFilter { source_id: Some(SourceId::from_stored("so_a")), ..EventFilter::default() }, vec![3, 0]),
            (EventFilter { event_type: Some("x".to_owned()), ..EventFilter::default() }, vec![1, 0]),
            (EventFilter { state: Some(EventState::Accepted), ..EventFilter::default() }, vec![3, 2, 0]),
            (EventFilter { state: Some(EventState::Quarantined), ..EventFilter::default() }, vec![]),
            (
                EventFilter {
                    source_id: Some(SourceId::from_stored("so_a")),
                    event_type: Some("x".to_owned()),
                    state: Some(EventState::Accepted),
                },
                vec![0],
            ),
        ] {
            let page = yard.store.events(&workspace(), filter.clone(), None, 9).await.unwrap();
            let expected: Vec<EventId> = expected.into_iter().map(|index: usize| made[index]).collect();
            assert_eq!(ids(&page), expected, "{filter:?}");
        }
        let page = yard.store.events(&workspace(), EventFilter::default(), None, 1).await.unwrap();
        assert_eq!((page.rows[0].body_bytes, page.rows[0].event_type.as_deref()), (5, Some("y")));
    }

    async fn deliveries_are_paged_and_filtered(yard: &Yard) {
        let events = accepted(&yard.store, 5, Instant::now()).await;
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let mut made: Vec<DeliveryId> = Vec::new();
        for event in &events {
            let rows = ["one", "two"].map(|endpoint| NewDelivery {
                state: if endpoint == "two" { DeliveryState::Skipped } else { DeliveryState::Pending },
                ..delivery(*event, endpoint, Instant::now())
            });
            made.extend(rows.iter().map(|row| row.id));
            routing.route(vec![routed(*event, rows.into())]).await.unwrap();
        }
        made.sort();
        let list = |of: WorkspaceId, filter: DeliveryFilter, before, limit| {
            let store = yard.store.clone();
            async move {
                let page = store.deliveries(&of, filter, before, limit).await.unwrap();
                (page.rows.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), page.more)
            }
        };
        let all = reversed(&made);
        let any = DeliveryFilter::default;
        assert_eq!(list(workspace(), any(), None, 100).await, (all.clone(), false));
        assert_eq!(list(workspace(), any(), None, 4).await, (all[..4].to_vec(), true));
        assert_eq!(list(workspace(), any(), Some(all[3]), 100).await, (all[4..].to_vec(), false));
        let one = DeliveryFilter { endpoint_id: Some(crate::given::endpoint_id("one")), ..any() };
        let of_one: Vec<DeliveryId> = all
            .iter()
            .copied()
            .filter(|id| events.iter().any(|event| delivery(*event, "one", Instant::now()).id == *id))
            .collect();
        assert_eq!(list(workspace(), one.clone(), None, 100).await, (of_one.clone(), false));
        assert_eq!(list(workspace(), one.clone(), Some(of_one[1]), 2).await, (of_one[2..4].to_vec(), true));
        let skipped = DeliveryFilter { state: Some(DeliveryState::Skipped), ..any() };
        assert_eq!(list(workspace(), skipped, None, 100).await.0.len(), 5);
        let event = DeliveryFilter { event_id: Some(events[2]), ..any() };
        assert_eq!(list(workspace(), event.clone(), None, 100).await.0.len(), 2);
        let both = DeliveryFilter { event_id: Some(events[2]), ..one.clone() };
        assert_eq!(list(workspace(), both, None, 100).await.0, [delivery(events[2], "one", Instant::now()).id]);
        for filter in [any(), one, event] {
            let stranger = WorkspaceId::from_stored("ws_other");
            assert_eq!(list(stranger, filter, None, 100).await, (vec![], false));
        }
    }

    async fn rejections_are_kept_and_paged(yard: &Yard) {
        let now = Instant::now();
        let mut made = Vec::new();
        for number in 0..4 {
            let received_at = now + Duration::from_millis(number);
            let rejection = NewRejection { door: wire::Door::Token, request: None,
                id: RejectionId::new(received_at, rand::random()),
                workspace_id: workspace(),
                source_id: Some(SourceId::from_stored("so_stripe")),
                cause: "signature_mismatch".to_owned(),
                detail: "no signature matched".to_owned(),
                received_at,
                method: "POST".to_owned(),
                query: Some("a=b".to_owned()),
                remote_address: None,
                headers: Bytes::from_static(b"[]"),
                body_preview: Bytes::from_static(b"\0\xff"),
            };
            made.push(rejection.id);
            yard.store.reject(rejection).await.unwrap();
        }
        let page = yard.store.rejections(&workspace(), RejectionFilter::default(), None, 3).await.unwrap();
        assert!(page.more);
        assert_eq!((page.rows[0].cause.as_str(), page.rows[0].body_preview.as_slice()), ("signature_mismatch", &b"\0\xff"[..]));
        let rest = yard.store.rejections(&workspace(), RejectionFilter::default(), Some(page.rows[2].id), 3).await.unwrap();
        let seen: Vec<RejectionId> = page.rows.iter().chain(&rest.rows).map(|rejection| rejection.id).collect();
        assert_eq!((seen, rest.more), (reversed(&made), false));
        let counted = async |source: Option<&str>, cause: Option<&str>| {
            let filter = RejectionFilter {
                source_id: source.map(SourceId::from_stored),
                cause: cause.map(str::to_owned),
            };
            yard.store.rejections(&workspace(), filter, None, 100).await.unwrap().rows.len()
        };
        assert_eq!(counted(Some("so_stripe"), None).await, made.len());
        assert_eq!(counted(Some("so_stripe"), Some("signature_mismatch")).await, made.len());
        assert_eq!(counted(Some("so_other"), None).await, 0);
        assert_eq!(counted(None, Some("unknown_sender")).await, 0);
    }

    async fn what_an_event_became_is_counted(yard: &Yard) {
        let events = accepted(&yard.store, 3, Instant::now()).await;
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let rows = ["one", "two"].map(|endpoint| delivery(events[0], endpoint, Instant::now()));
        routing.route(vec![routed(events[0], rows.into())]).await.unwrap();
        let counts = yard.store.outcomes_of(events.clone()).await.unwrap();
        assert_eq!((counts.get(&events[0]), counts.get(&events[1])), (Some(&(2, 0)), None));
        assert!(yard.store.outcomes_of(vec![]).await.unwrap().is_empty());
    }

    async fn events_of_one_millisecond_keep_their_deliveries_apart(yard: &Yard) {
        let at = Instant::now();
        let events = [accepted(&yard.store, 1, at).await[0], accepted(&yard.store, 1, at).await[0]];
        assert_eq!(events[0].instant(), events[1].instant());
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let first = ["one", "two"].map(|endpoint| delivery(events[0], endpoint, at));
        let second = [delivery(events[1], "one", at)];
        routing.route(vec![routed(events[0], first.into()), routed(events[1], second.clone().into())]).await.unwrap();
        let counts = yard.store.outcomes_of(events.into()).await.unwrap();
        assert_eq!((counts.get(&events[0]), counts.get(&events[1])), (Some(&(2, 0)), Some(&(1, 0))));
        for endpoint_id in [None, Some(second[0].endpoint_id.clone())] {
            let filter = DeliveryFilter { event_id: Some(events[1]), endpoint_id, state: None };
            let listed = yard.store.deliveries(&workspace(), filter, None, 10).await.unwrap();
            assert_eq!(listed.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [second[0].id]);
        }
    }
}
