//! Routing: an event leaves `accepted` once, and what it becomes appears with it.

use crate::given::{self, accepted, delivery, leased, routed, workspace};
use crate::on_both;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{DeliveryFilter, NewDelivery, NewRun, QueueOptions, RoutedEvent};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryState, EventId, EventState, Instant, PlaybookId, RunId};

fn run(event: EventId, playbook: &str) -> NewRun {
    let playbook_id = PlaybookId::from_stored(format!("pb_{playbook}"));
    NewRun {
        project: None,
        template: None,
        generation: 0,
        trigger: wire::Trigger::Route,
        id: RunId::of(event, &playbook_id, 0),
        workspace_id: workspace(),
        playbook_id,
        route_id: None,
        input: Bytes::from_static(b"{}"),
    }
}

on_both! {
    async fn an_event_is_routed_with_its_trace_its_deliveries_and_its_runs(yard: &Yard) {
        let id = accepted(&yard.store, 1, Instant::now()).await[0];
        let due_at = Instant::now() + Duration::from_secs(30);
        let token = Uuid::new_v4();
        let decision = RoutedEvent {
            runs: vec![run(id, "onboarding")],
            trace: Bytes::from_static(b"{\"routes\":[1]}"),
            ..routed(id, vec![
                NewDelivery { body: Some(Bytes::from_static(b"\0transformed")), ..delivery(id, "one", due_at) },
                leased(id, "two", token, due_at),
                NewDelivery {
                    state: DeliveryState::Skipped,
                    reason: Some("transform_failed".to_owned()),
                    due_at: None,
                    ..delivery(id, "three", due_at)
                },
            ])
        };
        let ids: Vec<_> = decision.deliveries.iter().map(|delivery| delivery.id).collect();
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        assert!(matches!(routing.route(vec![decision]).await.unwrap().as_slice(), [Ok(true)]));

        let event = yard.store.event(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((event.state, event.trace.as_deref()), (EventState::Routed, Some(&b"{\"routes\":[1]}"[..])));
        let of = workspace();
        let made = |index: usize| yard.store.delivery(&of, ids[index]);
        let (one, two, three) = (
            made(0).await.unwrap().unwrap(), made(1).await.unwrap().unwrap(), made(2).await.unwrap().unwrap(),
        );
        assert_eq!((one.state, one.due_at, one.attempts, one.event_id), (DeliveryState::Pending, Some(due_at), 0, id));
        assert_eq!((two.state, two.attempts), (DeliveryState::Delivering, 0));
        assert_eq!((three.state, three.reason.as_deref()), (DeliveryState::Skipped, Some("transform_failed")));
        assert_eq!(yard.store.transformed(ids[0]).await.unwrap().as_deref(), Some(&b"\0transformed"[..]));
        assert_eq!(yard.store.transformed(ids[1]).await.unwrap(), None);
        let runs = yard.store.runs(&workspace(), None, None, 10).await.unwrap();
        assert_eq!(runs.rows.iter().map(|run| run.event_id).collect::<Vec<_>>(), [Some(id)]);
        assert_eq!(yard.store.outcomes_of(vec![id]).await.unwrap(), HashMap::from([(id, (3, 1))]));
    }

    async fn two_racing_routers_route_each_event_exactly_once(yard: &Yard) {
        let events = accepted(&yard.store, 100, Instant::now()).await;
        let mut routers = tokio::task::JoinSet::new();
        for name in ["one", "two"] {
            let queue = yard.another_process().await.routing_queue(QueueOptions::default()).unwrap();
            let mut decisions: Vec<RoutedEvent> = events
                .iter()
                .map(|id| RoutedEvent {
                    runs: vec![run(*id, name)],
                    trace: Bytes::from_static(name.as_bytes()),
                    ..routed(*id, vec![delivery(*id, name, Instant::now())])
                })
                .collect();
            if name == "two" {
                decisions.reverse();
            }
            routers.spawn(async move {
                let ids: Vec<EventId> = decisions.iter().map(|decision| decision.id).collect();
                let answers = queue.route(decisions).await.unwrap();
                ids.into_iter().zip(answers).map(move |(id, won)| (id, name, won.unwrap())).collect::<Vec<_>>()
            });
        }
        let mut winners: HashMap<EventId, Vec<&str>> = HashMap::new();
        for (id, name, won) in routers.join_all().await.concat() {
            let of_event = winners.entry(id).or_default();
            if won {
                of_event.push(name);
            }
        }
        for id in &events {
            let [winner] = winners[id].as_slice() else { panic!("{id}: {:?}", winners[id]) };
            let event = yard.store.event(&workspace(), *id).await.unwrap().unwrap();
            assert_eq!(event.trace.as_deref(), Some(winner.as_bytes()));
            let filter = DeliveryFilter { event_id: Some(*id), ..DeliveryFilter::default() };
            let made = yard.store.deliveries(&workspace(), filter, None, 10).await.unwrap().rows;
            assert_eq!(
                made.iter().map(|delivery| delivery.endpoint_id.clone()).collect::<Vec<_>>(),
                [given::endpoint_id(winner)]
            );
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs"), 100);
    }

    async fn routing_the_same_event_again_changes_nothing(yard: &Yard) {
        let id = accepted(&yard.store, 1, Instant::now()).await[0];
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let decision = routed(id, vec![delivery(id, "one", Instant::now())]);
        assert!(matches!(routing.route(vec![decision]).await.unwrap().as_slice(), [Ok(true)]));
        let decision = RoutedEvent {
            trace: Bytes::from_static(b"another"),
            ..routed(id, vec![delivery(id, "two", Instant::now())])
        };
        assert!(matches!(routing.route(vec![decision]).await.unwrap().as_slice(), [Ok(false)]));
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 1);
        let event = yard.store.event(&workspace(), id).await.unwrap().unwrap();
        assert_eq!(event.trace.as_deref(), Some(&br#"{"routes":[]}"#[..]));
    }

    async fn a_delivery_that_is_there_already_is_kept_as_it_is(yard: &Yard) {
        let id = accepted(&yard.store, 1, Instant::now()).await[0];
        let first = NewDelivery { reason: Some("first".to_owned()), ..delivery(id, "one", Instant::now()) };
        yard.store.add_deliveries(id, vec![first.clone(), first], Instant::now()).await.unwrap();
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let decision = routed(id, vec![delivery(id, "one", Instant::now()), delivery(id, "two", Instant::now())]);
        let kept = decision.deliveries[0].id;
        assert!(matches!(routing.route(vec![decision]).await.unwrap().as_slice(), [Ok(true)]));
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 2);
        let kept = yard.store.delivery(&workspace(), kept).await.unwrap().unwrap();
        assert_eq!(kept.reason.as_deref(), Some("first"));
    }

    async fn a_bad_decision_among_good_ones_fails_alone(yard: &Yard) {
        let events = accepted(&yard.store, 9, Instant::now()).await;
        let mut decisions: Vec<RoutedEvent> = events
            .iter()
            .map(|id| routed(*id, vec![delivery(*id, "one", Instant::now())]))
            .collect();
        // Postgres takes no NUL in a text; SQLite takes anything, so there an index of the test's own refuses.
        decisions[4].deliveries[0].reason = Some("bad\0".to_owned());
        if !yard.is_postgres() {
            yard.execute("CREATE UNIQUE INDEX poison ON deliveries (workspace_id) WHERE reason LIKE 'bad%'");
            let twin = NewDelivery {
                reason: Some("bad".to_owned()),
                ..delivery(EventId::generate(), "one", Instant::now())
            };
            yard.store.add_deliveries(events[0], vec![twin], Instant::now()).await.unwrap();
        }
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let answers = routing.route(decisions).await.unwrap();
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(matches!(answer, Ok(true)), number != 4, "{number}: {answer:?}");
        }
        let bad = yard.store.event(&workspace(), events[4]).await.unwrap().unwrap();
        assert_eq!(bad.state, EventState::Accepted);
        assert_eq!(yard.store.count_routing_failure(events[4]).await.unwrap(), 1);
        assert_eq!(yard.store.count_routing_failure(events[4]).await.unwrap(), 2);
        assert_eq!(yard.store.count_routing_failure(EventId::generate()).await.unwrap(), 0);
    }

    async fn the_sweep_takes_the_oldest_that_were_accepted_before_and_not_routed(yard: &Yard) {
        let now = Instant::now();
        let old = accepted(&yard.store, 6, now - Duration::from_mins(1)).await;
        accepted(&yard.store, 3, now).await;
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let quarantined = RoutedEvent { state: EventState::Quarantined, ..routed(old[1], vec![]) };
        routing.route(vec![routed(old[0], vec![]), quarantined]).await.unwrap();
        let swept = |limit| yard.store.unrouted_events(now - Duration::from_secs(5), vec![], limit);
        let ids = |(events, is_cut): (Vec<hookyard_store::Event>, bool)| {
            (events.iter().map(|event| event.id).collect::<Vec<_>>(), is_cut)
        };
        assert_eq!(ids(swept(500).await.unwrap()), (old[2..].to_vec(), false));
        assert_eq!(ids(swept(2).await.unwrap()), (old[2..4].to_vec(), true));
        assert_eq!(ids(swept(-1).await.unwrap()).0, []);
        let passed = yard.store.unrouted_events(now, vec![workspace()], 500).await.unwrap();
        assert_eq!(ids(passed), (vec![], false), "somebody else's are looked at");
        let named = yard.store.unrouted(old.clone()).await.unwrap().events;
        assert_eq!(named.len(), 4, "the routed and the quarantined one do not wait");
        let gone = yard.store.event(&workspace(), old[1]).await.unwrap().unwrap();
        assert_eq!(gone.state, EventState::Quarantined);
    }

    async fn no_more_bodies_are_read_at_once_than_there_is_room_for(yard: &Yard) {
        let queue = yard.accept_queue();
        let mut large = Vec::new();
        for _ in 0..5 {
            let row = given::keyless(&" ".repeat(5 << 20));
            large.push(row.event.id);
            queue.accept(row).await.unwrap();
        }
        large.sort();
        let ids = |events: &[hookyard_store::Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        let found = yard.store.unrouted(large.clone()).await.unwrap();
        assert_eq!((ids(&found.events).len(), &found.left[..]), (3, &large[3..]), "16 MiB");
        let (swept, is_cut) = yard.store.unrouted_events(Instant::now() + Duration::from_mins(1), vec![], 10).await.unwrap();
        assert_eq!((ids(&swept), is_cut), (large[..3].to_vec(), true));
        let rest = yard.store.unrouted(found.left).await.unwrap();
        assert_eq!((ids(&rest.events).len(), rest.left.len()), (2, 0));
    }
}
