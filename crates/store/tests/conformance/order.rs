//! Deliveries that share a key go one after the other, in the order of their events.

use crate::given::{self, accepted, delivery, endpoint_id, outcome, routed, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, NewDelivery, Outcome, QueueOptions, Store, Sweep};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;
use wire::circuit::{Answered, CircuitState};
use wire::{DeliveryId, DeliveryState, EventId, Instant};

const HOLD: Duration = Duration::from_secs(30);

async fn lease(yard: &Yard, now: Instant) -> (Uuid, Sweep) {
    // Of a lot that draws the first as a probe.
    let token = Uuid::from_u128(Uuid::new_v4().as_u128() & !0xff);
    let swept = yard.store.lease_due(now, 100, (token, HOLD), vec![]).await;
    (token, swept.unwrap())
}

/// What a sweep leases, as names.
async fn leases(yard: &Yard, now: Instant) -> (Uuid, Vec<DeliveryId>) {
    let (token, swept) = lease(yard, now).await;
    (token, swept.jobs.iter().map(|job| job.delivery_id).collect())
}

fn keyed(event: EventId, key: &str, due_at: Instant) -> NewDelivery {
    NewDelivery {
        order_key: Some(key.to_owned()),
        ..delivery(event, "one", due_at)
    }
}

/// Events a millisecond apart, each routed by itself into one delivery to `ep_one` with this key.
async fn made(store: &Store, keys: &[&str], begin: Instant) -> Vec<DeliveryId> {
    let routing = store.routing_queue(QueueOptions::default()).unwrap();
    let mut ids = Vec::new();
    for (number, key) in (0..).zip(keys) {
        let at = begin + Duration::from_millis(number);
        let event = accepted(store, 1, at).await[0];
        let row = keyed(event, key, at);
        ids.push(row.id);
        let answers = routing.route(vec![routed(event, vec![row])]).await.unwrap();
        assert!(matches!(answers.as_slice(), [Ok(true)]), "{answers:?}");
    }
    ids
}

fn ended(id: DeliveryId, lease: Uuid, state: DeliveryState, at: Instant) -> Outcome {
    let mut ended = outcome(id, lease, 1, state);
    (ended.at, ended.attempt.created_at) = (at, at);
    ended.due_at = (state == DeliveryState::ScheduledRetry).then(|| at + Duration::from_mins(1));
    // Of the endpoint nothing is to be concluded here.
    ended.answered = None;
    ended.order_key = Some("a".to_owned());
    ended
}

async fn record(yard: &Yard, outcome: Outcome) {
    let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
    assert!(queue.record(outcome).await.unwrap().moved);
}

async fn state_of(yard: &Yard, id: DeliveryId) -> DeliveryState {
    yard.store
        .delivery(&workspace(), id)
        .await
        .unwrap()
        .unwrap()
        .state
}

on_both! {
    async fn one_of_a_key_is_under_way_and_the_next_goes_when_it_has_ended(yard: &Yard) {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let ids = made(&yard.store, &["a", "a", "b", "a"], now).await;
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased.iter().collect::<HashSet<_>>(), HashSet::from([&ids[0], &ids[2]]));
        assert_eq!(leases(yard, later + Duration::from_secs(20)).await.1, []);

        record(yard, ended(ids[0], token, DeliveryState::Delivered, later)).await;
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased, [ids[1]], "in the order of the events, and at once");
        // A head that is given up lets the next one go, too.
        record(yard, ended(ids[1], token, DeliveryState::DeadLetter, later)).await;
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased, [ids[3]]);
        record(yard, ended(ids[3], token, DeliveryState::Failed, later)).await;
        assert_eq!(leases(yard, later).await.1, []);
    }

    async fn a_head_that_fails_parks_its_own_key_and_no_other(yard: &Yard) {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let ids = made(&yard.store, &["a", "a", "b", "b"], now).await;
        let (token, _) = leases(yard, later).await;
        record(yard, ended(ids[0], token, DeliveryState::ScheduledRetry, later)).await;
        let mut other = ended(ids[2], token, DeliveryState::Delivered, later);
        other.order_key = Some("b".to_owned());
        record(yard, other).await;
        assert_eq!(leases(yard, later).await.1, [ids[3]]);
        assert_eq!(leases(yard, later + Duration::from_secs(20)).await.1, []);
        let lane = yard.store.lane(endpoint_id("one")).await.unwrap();
        assert_eq!((lane.waiting, lane.in_flight), (2, 1));
        assert_eq!(leases(yard, later + Duration::from_secs(61)).await.1, [ids[0]], "the head itself, and not the next");
    }

    async fn a_head_that_fails_gives_the_turn_to_one_before_it_that_came_back_meanwhile(yard: &Yard) {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let ids = made(&yard.store, &["a", "a"], now).await;
        let (token, _) = leases(yard, later).await;
        record(yard, ended(ids[0], token, DeliveryState::DeadLetter, later)).await;
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased, [ids[1]]);
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), ids[0], later).await.unwrap());
        assert_eq!(leases(yard, later).await.1, [], "the other is under way");
        record(yard, ended(ids[1], token, DeliveryState::ScheduledRetry, later)).await;
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased, [ids[0]]);
        record(yard, ended(ids[0], token, DeliveryState::Delivered, later)).await;
        assert_eq!(leases(yard, later).await.1, [], "it waits for its next attempt");
        assert_eq!(leases(yard, later + Duration::from_secs(61)).await.1, [ids[1]]);
    }

    async fn a_lost_lease_gives_the_turn_to_nobody_else(yard: &Yard) {
        let now = Instant::now();
        let ids = made(&yard.store, &["a", "a"], now).await;
        let (_, leased) = leases(yard, now + Duration::from_secs(1)).await;
        assert_eq!(leased, [ids[0]]);
        let over = now + Duration::from_mins(1);
        assert_eq!(yard.store.reap(over, Duration::ZERO, 10).await.unwrap(), 1);
        let (token, leased) = leases(yard, over).await;
        assert_eq!(leased, [ids[0]], "the head again");
        yard.store.release(vec![(ids[0], token)], over).await.unwrap();
        let (token, leased) = leases(yard, over).await;
        assert_eq!(leased, [ids[0]]);
        record(yard, ended(ids[0], token, DeliveryState::Delivered, over)).await;
        assert_eq!(leases(yard, over).await.1, [ids[1]]);
    }

    async fn an_operator_cancels_and_retries_within_the_order(yard: &Yard) {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let ids = made(&yard.store, &["a", "a", "a"], now).await;
        let (token, _) = leases(yard, later).await;
        record(yard, ended(ids[0], token, DeliveryState::DeadLetter, later)).await;
        // The second waits now. One that is retried by hand is of an earlier event.
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), ids[0], later).await.unwrap());
        let (token, leased) = leases(yard, later).await;
        assert_eq!(leased, [ids[0]]);
        // One that waits for its turn goes on waiting.
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), ids[2], later).await.unwrap());
        assert_eq!(leases(yard, later).await.1, []);
        assert!(yard.store.on_record(vec![]).cancel_delivery(&workspace(), ids[1], later).await.unwrap());
        assert_eq!(leases(yard, later).await.1, []);
        record(yard, ended(ids[0], token, DeliveryState::ScheduledRetry, later)).await;
        assert!(yard.store.on_record(vec![]).cancel_delivery(&workspace(), ids[0], later).await.unwrap());
        assert_eq!(leases(yard, later).await.1, [ids[2]], "a head that is cancelled lets the next one go");
    }

    async fn one_of_an_earlier_event_that_comes_late_goes_before_one_that_waits(yard: &Yard) {
        let now = Instant::now();
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let early = accepted(&yard.store, 1, now).await[0];
        let late = accepted(&yard.store, 1, now + Duration::from_millis(5)).await[0];
        let due = now + Duration::from_millis(5);
        for event in [late, early] {
            routing.route(vec![routed(event, vec![keyed(event, "a", due)])]).await.unwrap();
        }
        let (token, leased) = leases(yard, due).await;
        assert_eq!(leased, [DeliveryId::of(early, &endpoint_id("one"), 0)]);
        record(yard, ended(leased[0], token, DeliveryState::Delivered, due)).await;
        assert_eq!(leases(yard, due).await.1, [DeliveryId::of(late, &endpoint_id("one"), 0)]);
    }

    async fn what_a_circuit_gives_up_gives_its_turn_on_and_a_held_endpoint_lets_nobody_go(yard: &Yard) {
        let now = Instant::now();
        let ids = made(&yard.store, &["a", "a"], now).await;
        let mut edits = given::tenant("acme");
        edits.push(Edit::Endpoint(given::endpoint("acme", "one")));
        yard.store.edit(edits, now).await.unwrap();
        let hold = Edit::Hold { endpoint: endpoint_id("one"), workspace: workspace(), reason: "paused" };
        yard.store.edit(vec![hold], now).await.unwrap();
        let later = now + Duration::from_secs(1);
        assert_eq!(leases(yard, later).await.1, []);
        yard.store.edit(vec![Edit::Drain(endpoint_id("one"))], later).await.unwrap();

        // Others without a key, which are due before.
        let before = now - Duration::from_secs(1);
        given::deliveries(&yard.store, |event| {
            (0..11)
                .map(|nonce| NewDelivery {
                    id: DeliveryId::of(event, &endpoint_id("one"), nonce),
                    ..delivery(event, "one", before)
                })
                .collect()
        })
        .await;
        // An endpoint that was drained is let in little by little, and its circuit opens as any other's does.
        for _failure in 0..10 {
            let (token, mut swept) = lease(yard, later).await;
            assert_eq!(swept.jobs.len(), 1);
            let job = swept.jobs.remove(0);
            let mut failed = ended(job.delivery_id, token, DeliveryState::ScheduledRetry, later);
            (failed.answered, failed.order_key) = (Some(Answered::Badly), job.order_key);
            record(yard, failed).await;
        }
        let circuit = yard.store.lane(endpoint_id("one")).await.unwrap().circuit;
        assert_eq!(circuit.state, CircuitState::Open);

        let much_later = later + Duration::from_hours(74);
        let (_, swept) = lease(yard, much_later).await;
        assert_eq!((swept.jobs.len(), swept.given_up.len()), (0, 12), "its first as well, though it would be a probe");
        assert_eq!(state_of(yard, ids[0]).await, DeliveryState::DeadLetter);
        let (_, next) = lease(yard, much_later).await;
        let given_up: Vec<DeliveryId> = next.given_up.iter().map(|one| one.delivery_id).collect();
        assert_eq!((next.jobs.len(), given_up), (0, vec![ids[1]]), "it was its turn, and it had waited for as long");
    }

    async fn the_deliveries_of_a_deleted_endpoint_wait_for_nobody(yard: &Yard) {
        let now = Instant::now();
        let ids = made(&yard.store, &["a", "a", "a"], now).await;
        let mut edits = given::tenant("acme");
        edits.push(Edit::Endpoint(given::endpoint("acme", "one")));
        yard.store.edit(edits, now).await.unwrap();
        yard.store.edit(vec![Edit::RemoveEndpoint(endpoint_id("one"))], now).await.unwrap();
        let (_, leased) = leases(yard, now + Duration::from_secs(1)).await;
        assert_eq!(leased.len(), ids.len());
    }

    async fn what_is_settled_after_the_end_of_an_endpoint_strands_nothing(yard: &Yard) {
        let now = Instant::now();
        let ids = made(&yard.store, &["a", "a", "a", "a"], now).await;
        let mut edits = given::tenant("acme");
        edits.push(Edit::Endpoint(given::endpoint("acme", "one")));
        yard.store.edit(edits, now).await.unwrap();
        yard.store.edit(vec![Edit::RemoveEndpoint(endpoint_id("one"))], now).await.unwrap();
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), ids[0], now).await.unwrap());
        assert!(yard.store.on_record(vec![]).cancel_delivery(&workspace(), ids[3], now).await.unwrap());
        let (_, leased) = leases(yard, now + Duration::from_secs(1)).await;
        assert_eq!(leased.len(), 3, "all that are left");
    }

    async fn keys_that_are_made_and_ended_at_once_strand_nothing_and_never_overlap(yard: &Yard) {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let keys = ["a", "b", "c"];
        let makers: Vec<_> = (0..6_usize)
            .map(|maker| {
                let store = yard.store.clone();
                let order: Vec<&str> = (0..20).map(|number| keys[(number + maker) % 3]).collect();
                let begin = now + Duration::from_millis(100) * u32::try_from(maker).unwrap();
                tokio::spawn(async move { made(&store, &order, begin).await })
            })
            .collect();
        let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
        let mut done = 0;
        while !makers.iter().all(tokio::task::JoinHandle::is_finished) {
            let (token, swept) = lease(yard, later).await;
            let mut under_way = HashMap::new();
            for job in swept.jobs {
                let key = job.order_key.clone().unwrap();
                assert_eq!(under_way.insert(key, job.delivery_id), None, "two of a key are under way");
            }
            for (key, id) in under_way {
                let mut outcome = ended(id, token, DeliveryState::Delivered, later);
                outcome.order_key = Some(key);
                assert!(queue.record(outcome).await.unwrap().moved);
                done += 1;
            }
        }
        for maker in makers {
            maker.await.unwrap();
        }
        // What was made after the last look.
        loop {
            let (token, swept) = lease(yard, later).await;
            if swept.jobs.is_empty() {
                break;
            }
            for job in swept.jobs {
                let mut outcome = ended(job.delivery_id, token, DeliveryState::Delivered, later);
                outcome.order_key = job.order_key;
                record(yard, outcome).await;
                done += 1;
            }
        }
        assert_eq!(done, 120, "nothing is stranded");
    }
}
