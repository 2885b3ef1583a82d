//! Lanes: no endpoint and no tenant keeps another waiting, a circuit is every worker's, and nothing is stranded.

use crate::given::{self, accepted, deliveries, delivery, endpoint_id, leased, outcome, routed, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Edit, Endpoint, NewDelivery, Outcome, QueueOptions, Recorded, Sweep};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;
use wire::circuit::{Answered, CircuitState, Turn};
use wire::{DeliveryId, DeliveryState, EndpointId, Instant};

pub(crate) const HOLD: Duration = Duration::from_secs(30);

pub(crate) async fn lease(yard: &Yard, now: Instant, limit: i64) -> (Uuid, Sweep) {
    let token = Uuid::new_v4();
    let swept = yard.store.lease_due(now, limit, (token, HOLD), vec![]).await;
    (token, swept.unwrap())
}

/// Of the tenant `ws_{tenant}`, to `ep_{endpoint}`.
pub(crate) fn of(
    tenant: &str,
    event: wire::EventId,
    endpoint: &str,
    nonce: u128,
    due_at: Instant,
) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::of(event, &endpoint_id(endpoint), nonce),
        workspace_id: given::of(tenant),
        ..delivery(event, endpoint, due_at)
    }
}

/// Many deliveries to `ep_one`, due at `now`.
async fn backlog(yard: &Yard, count: u128, now: Instant) -> Vec<DeliveryId> {
    deliveries(&yard.store, |event| {
        (0..count)
            .map(|nonce| of("acme", event, "one", nonce, now))
            .collect()
    })
    .await
}

/// What came of an attempt that was leased and begun at `at`.
fn ended(id: DeliveryId, lease: Uuid, state: DeliveryState, at: Instant) -> Outcome {
    let mut ended = outcome(id, lease, 1, state);
    ended.at = at;
    ended.attempt.created_at = at;
    ended.due_at = (state == DeliveryState::ScheduledRetry).then(|| at + Duration::from_hours(1));
    ended
}

async fn record(yard: &Yard, outcome: Outcome) -> Recorded {
    let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
    queue.record(outcome).await.unwrap()
}

/// Lets ten attempts fail, and returns what the last one did.
async fn opened(yard: &Yard, now: Instant) -> Recorded {
    let (token, swept) = lease(yard, now, 10).await;
    let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
    let mut last = None;
    for job in &swept.jobs {
        let failed = ended(job.delivery_id, token, DeliveryState::ScheduledRetry, now);
        last = Some(queue.record(failed).await.unwrap());
    }
    last.unwrap()
}

async fn state_of(yard: &Yard, id: DeliveryId) -> (DeliveryState, i32) {
    let found = yard.store.delivery(&workspace(), id).await.unwrap().unwrap();
    (found.state, found.attempts)
}

on_both! {
    async fn ten_failures_open_the_circuit_for_all_and_deliveries_wait_without_using_attempts(yard: &Yard) {
        let now = Instant::now();
        backlog(yard, 30, now).await;
        let last = opened(yard, now).await;
        let news = last.lane.unwrap();
        assert_eq!((news.turn, news.circuit.state, news.was_free), (Turn::Opened, CircuitState::Open, true));
        for second in [0, 5, 11] {
            let (_, swept) = lease(yard, now + Duration::from_secs(second), 100).await;
            assert!(swept.jobs.is_empty() && !swept.more, "at {second} s");
        }
        let status = yard.store.lane(endpoint_id("one")).await.unwrap();
        assert_eq!((status.waiting, status.in_flight), (30, 0));
        assert_eq!(status.oldest_due_at, Some(now));
        assert_eq!((status.circuit.state, status.circuit.in_a_row), (CircuitState::Open, 10));
        let probe_at = news.circuit.probe_at.unwrap();
        let (_, swept) = lease(yard, probe_at, 100).await;
        assert_eq!((swept.jobs.len(), swept.probes.len()), (1, 1), "one probe");
        assert!(swept.probes.contains(&swept.jobs[0].delivery_id));
        let (_, swept) = lease(yard, probe_at + Duration::from_secs(1), 100).await;
        assert!(swept.jobs.is_empty(), "and no other while it is under way");
    }

    async fn a_failed_probe_uses_no_attempt_and_one_that_succeeds_paces_the_rest_out(yard: &Yard) {
        let now = Instant::now();
        backlog(yard, 60, now).await;
        let mut probe_at = opened(yard, now).await.lane.unwrap().circuit.probe_at.unwrap();
        let (token, swept) = lease(yard, probe_at, 100).await;
        let id = swept.jobs[0].delivery_id;
        let failed = Outcome {
            counts: false,
            is_probe: true,
            due_at: Some(now),
            ..ended(id, token, DeliveryState::Pending, probe_at)
        };
        let asked = Duration::from_secs(45);
        let failed = Outcome { answered: Some(Answered::Badly), asked: Some(asked), ..failed };
        let news = record(yard, failed).await.lane.unwrap();
        assert_eq!(state_of(yard, id).await, (DeliveryState::Pending, 0));
        assert_eq!(news.circuit.probe_at.unwrap().since(probe_at), asked, "longer than the second pause");

        probe_at = news.circuit.probe_at.unwrap();
        let (token, swept) = lease(yard, probe_at, 100).await;
        let delivered = ended(swept.jobs[0].delivery_id, token, DeliveryState::Delivered, probe_at);
        record(yard, Outcome { is_probe: true, ..delivered }).await;
        let mut at = probe_at;
        let mut in_flight = Vec::new();
        loop {
            at = at + Duration::from_millis(10);
            let (token, swept) = lease(yard, at, 100).await;
            assert!(swept.probes.is_empty());
            let (_, again) = lease(yard, at, 100).await;
            if swept.jobs.len() > 10 {
                break;
            }
            assert!(again.jobs.is_empty(), "no more than the limit is in flight");
            in_flight.push(swept.jobs.len());
            for job in swept.jobs {
                record(yard, ended(job.delivery_id, token, DeliveryState::Delivered, at)).await;
            }
        }
        assert_eq!(in_flight, [1, 2, 4, 8]);
        assert_eq!(yard.store.lane(endpoint_id("one")).await.unwrap().circuit.state, CircuitState::Closed);
    }

    async fn a_new_delivery_to_an_open_circuit_waits_and_one_to_a_closed_one_does_not(yard: &Yard) {
        let now = Instant::now();
        backlog(yard, 10, now).await;
        opened(yard, now).await;
        let token = Uuid::new_v4();
        let made = deliveries(&yard.store, |event| {
            vec![leased(event, "one", token, now + HOLD), leased(event, "other", token, now + HOLD)]
        })
        .await;
        assert_eq!(state_of(yard, made[0]).await.0, DeliveryState::Pending);
        assert_eq!(state_of(yard, made[1]).await.0, DeliveryState::Delivering);
        let jobs = yard.store.leased_jobs(made.iter().map(|id| (*id, token)).collect()).await.unwrap();
        assert_eq!(jobs.len(), 1, "its reference opens nothing");
    }

    async fn what_waits_at_an_open_circuit_for_three_days_is_given_up(yard: &Yard) {
        let now = Instant::now();
        let made = backlog(yard, 12, now).await;
        opened(yard, now).await;
        let before = now + Duration::from_hours(72);
        lease(yard, before, 100).await;
        assert_eq!(yard.store.lane(endpoint_id("one")).await.unwrap().waiting, 11, "one is a probe");
        let (_, swept) = lease(yard, before + Duration::from_hours(2), 100).await;
        assert_eq!(swept.given_up.len(), 11, "those that had failed, and waited on, before one of them is a probe");
        for one in &swept.given_up {
            assert_eq!((&one.endpoint_id, &one.workspace_id), (&endpoint_id("one"), &workspace()));
            assert!(one.attempts <= 1 && made.contains(&one.delivery_id), "{one:?}");
        }
        let mut reasons = Vec::new();
        for id in made {
            let found = yard.store.delivery(&workspace(), id).await.unwrap().unwrap();
            if found.state == DeliveryState::DeadLetter {
                reasons.push(found.reason.unwrap());
            }
        }
        assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason == "circuit_open"), "{reasons:?}");
    }

    async fn what_was_held_for_days_is_not_given_up_because_its_circuit_opens_then(yard: &Yard) {
        let now = Instant::now();
        let mut edits = given::tenant("acme");
        let mut endpoint = given::endpoint("acme", "one");
        endpoint.spec.enabled = false;
        edits.push(Edit::Endpoint(endpoint.clone()));
        yard.store.edit(edits, now).await.unwrap();
        backlog(yard, 30, now).await;

        let monday = now + Duration::from_hours(24 * 4);
        endpoint.spec.enabled = true;
        yard.store.edit(vec![Edit::Endpoint(endpoint.clone())], monday).await.unwrap();
        let mut states = vec![];
        let mut news = None;
        for _failure in 0..10 {
            let (token, swept) = lease(yard, monday, 100).await;
            assert_eq!(swept.jobs.len(), 1, "they are let in little by little");
            let failed = ended(swept.jobs[0].delivery_id, token, DeliveryState::ScheduledRetry, monday);
            news = record(yard, Outcome { answered: Some(Answered::Overloaded), ..failed }).await.lane;
            states.push(news.as_ref().unwrap().circuit.state);
        }
        assert_eq!(states[..9], [CircuitState::Closed; 9], "nothing was wrong with it, so one failure proves nothing");
        assert_eq!(states[9], CircuitState::Open);
        let news = news.unwrap();
        let probe_at = news.circuit.probe_at.unwrap();
        let (_, swept) = lease(yard, probe_at, 100).await;
        assert_eq!((swept.jobs.len(), swept.given_up), (1, vec![]));
        assert_eq!(yard.store.lane(endpoint.id).await.unwrap().waiting, 29);
    }

    async fn an_attempt_of_before_lets_no_second_probe_go(yard: &Yard) {
        let now = Instant::now();
        backlog(yard, 30, now).await;
        let (early, swept) = lease(yard, now, 1).await;
        let straggler = swept.jobs[0].delivery_id;
        let probe_at = opened(yard, now + Duration::from_millis(1)).await.lane.unwrap().circuit.probe_at.unwrap();
        assert_eq!(lease(yard, probe_at, 100).await.1.probes.len(), 1);
        let timed_out = ended(straggler, early, DeliveryState::ScheduledRetry, now);
        let at = probe_at + Duration::from_secs(1);
        record(yard, Outcome { at, answered: Some(Answered::Overloaded), ..timed_out }).await;
        let (_, swept) = lease(yard, at, 100).await;
        assert!(swept.jobs.is_empty(), "the probe is under way");
    }

    async fn a_delivery_that_can_never_succeed_is_not_every_probe(yard: &Yard) {
        let now = Instant::now();
        // One after the other: of those that are due at once, which comes first is left to the database.
        let made = deliveries(&yard.store, |event| {
            (0..40_u32)
                .map(|number| of("acme", event, "one", number.into(), now - Duration::from_millis(number.into())))
                .collect()
        })
        .await;
        let mut probe_at = opened(yard, now).await.lane.unwrap().circuit.probe_at.unwrap();
        let mut probes = HashSet::new();
        for lot in 0..8_u128 {
            let token = Uuid::from_u128(0x1000 + lot);
            let swept = yard.store.lease_due(probe_at, 100, (token, HOLD), vec![]).await.unwrap();
            let id = swept.jobs[0].delivery_id;
            probes.insert(id);
            let failed = Outcome {
                counts: false,
                is_probe: true,
                due_at: swept.jobs[0].due_at,
                answered: Some(Answered::Badly),
                ..ended(id, token, DeliveryState::Pending, probe_at)
            };
            probe_at = record(yard, failed).await.lane.unwrap().circuit.probe_at.unwrap();
        }
        assert!(probes.len() > 4, "{} of {}", probes.len(), made.len());
    }

    async fn a_disabled_endpoint_holds_its_deliveries_and_one_that_is_enabled_goes_on(yard: &Yard) {
        let now = Instant::now();
        let mut edits = given::tenant("acme");
        let mut endpoint = given::endpoint("acme", "one");
        edits.push(Edit::Endpoint(endpoint.clone()));
        yard.store.edit(edits, now).await.unwrap();
        let made = backlog(yard, 3, now).await;
        endpoint.spec.enabled = false;
        let holding = Edit::Hold { endpoint: endpoint.id.clone(), workspace: workspace(), reason: "gone" };
        yard.store.edit(vec![holding, Edit::Endpoint(endpoint.clone())], now).await.unwrap();
        yard.store.edit(vec![Edit::Endpoint(endpoint.clone())], now + HOLD).await.unwrap();
        assert!(lease(yard, now + HOLD, 10).await.1.jobs.is_empty());
        let status = yard.store.lane(endpoint.id.clone()).await.unwrap();
        let held = status.held.unwrap();
        assert_eq!((held.reason.as_str(), held.since, status.waiting), ("gone", now, 3), "since then, for that reason");
        let token = Uuid::new_v4();
        let fresh = deliveries(&yard.store, |event| vec![leased(event, "one", token, now + HOLD)]).await[0];
        assert_eq!(state_of(yard, fresh).await.0, DeliveryState::Pending);

        endpoint.spec.enabled = true;
        yard.store.edit(vec![Edit::Endpoint(endpoint.clone())], now + HOLD).await.unwrap();
        assert_eq!(yard.store.lane(endpoint.id.clone()).await.unwrap().held, None);
        let mut got = HashSet::new();
        for _ in 0..4 {
            let at = now + HOLD * 2;
            let (token, swept) = lease(yard, at, 10).await;
            for job in swept.jobs {
                got.insert(job.delivery_id);
                record(yard, ended(job.delivery_id, token, DeliveryState::Delivered, at)).await;
            }
        }
        assert_eq!(got, made.into_iter().chain([fresh]).collect());
    }

    async fn an_endpoint_is_disabled_as_it_was_read_and_by_one_alone(yard: &Yard) {
        let now = Instant::now();
        let mut edits = given::tenant("acme");
        let endpoint = given::endpoint("acme", "one");
        edits.push(Edit::Endpoint(endpoint.clone()));
        yard.store.edit(edits, now).await.unwrap();
        let disable = async |as_read| {
            yard.store.disable_endpoint(endpoint.id.clone(), as_read, "gone", now).await.unwrap()
        };
        let read = async || yard.store.endpoint(&endpoint.id).await.unwrap().unwrap();
        // Somebody has given it another address meanwhile.
        let changed = Endpoint { updated_at: endpoint.updated_at + HOLD, ..read().await };
        yard.store.edit(vec![Edit::Endpoint(changed.clone())], now).await.unwrap();
        assert_eq!(disable(endpoint.updated_at).await, None);
        assert!(read().await.spec.enabled && yard.store.lane(endpoint.id.clone()).await.unwrap().held.is_none());
        assert_eq!(disable(changed.updated_at).await, Some(workspace()));
        assert_eq!(disable(changed.updated_at).await, None, "it is");
        let disabled = read().await;
        assert!(!disabled.spec.enabled);
        assert_eq!((disabled.spec.url, disabled.secrets.len()), (changed.spec.url, changed.secrets.len()));
        assert_eq!(yard.store.lane(endpoint.id.clone()).await.unwrap().held.unwrap().reason, "gone");
    }

    async fn an_operator_drains_a_lane_whose_circuit_is_open(yard: &Yard) {
        let now = Instant::now();
        backlog(yard, 12, now).await;
        opened(yard, now).await;
        yard.store.drain(endpoint_id("one"), now).await.unwrap();
        let (token, swept) = lease(yard, now, 100).await;
        assert_eq!(swept.jobs.len(), 1);
        record(yard, ended(swept.jobs[0].delivery_id, token, DeliveryState::Delivered, now)).await;
        assert_eq!(lease(yard, now, 100).await.1.jobs.len(), 1, "what failed waits for its own time");
        yard.store.drain(EndpointId::from_stored("ep_unknown"), now).await.unwrap();
    }

    async fn whatever_makes_a_delivery_wait_wakes_its_lane(yard: &Yard) {
        let start = Instant::now();
        // A quarter of an hour for each step: the lane is put to sleep for good, something happens, and what it made wait
        // is due a minute later.
        let quarter = |step: u64| start + Duration::from_mins(15) * u32::try_from(step).unwrap();
        let asleep = async |step: u64| {
            for second in [0, 11, 22] {
                let (_, swept) = lease(yard, quarter(step) + Duration::from_secs(second), 10).await;
                assert!(swept.jobs.is_empty(), "nothing waits before step {step}");
            }
            quarter(step) + Duration::from_mins(1)
        };
        let comes = async |at: Instant, what: &str| {
            assert!(lease(yard, at - Duration::from_secs(1), 10).await.1.jobs.is_empty(), "{what}, too early");
            let (token, swept) = lease(yard, at, 10).await;
            assert_eq!(swept.jobs.len(), 1, "{what}");
            token
        };
        let one = backlog(yard, 1, start).await[0];
        let (token, _) = lease(yard, start, 10).await;

        asleep(1).await;
        yard.store.release(vec![(one, token)], quarter(1)).await.unwrap();
        let found = yard.store.delivery(&workspace(), one).await.unwrap().unwrap();
        assert_eq!(found.due_at, Some(start), "as it was");
        assert_eq!(lease(yard, quarter(1), 10).await.1.jobs.len(), 1, "given back");

        let at = asleep(2).await;
        assert_eq!(yard.store.reap(quarter(2), at.since(quarter(2)), 10).await.unwrap(), 1);
        comes(at, "lost").await;

        let at = asleep(3).await;
        assert_eq!(yard.store.void_leases(at).await.unwrap(), 1);
        let token = comes(at, "voided").await;

        let at = asleep(4).await;
        let failed = ended(one, token, DeliveryState::ScheduledRetry, quarter(4));
        record(yard, Outcome { due_at: Some(at), answered: None, ..failed }).await;
        let token = comes(at, "failed").await;

        let at = asleep(5).await;
        let dead = ended(one, token, DeliveryState::DeadLetter, quarter(5));
        record(yard, Outcome { answered: None, ..dead }).await;
        asleep(6).await;
        let at = at + (quarter(6).since(quarter(5)));
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), one, at).await.unwrap());
        comes(at, "retried by hand").await;

        let at = asleep(7).await;
        let event = accepted(&yard.store, 1, start).await[0];
        yard.store.add_deliveries(event, vec![delivery(event, "one", at)], at).await.unwrap();
        comes(at, "replayed").await;

        let at = asleep(8).await;
        let event = accepted(&yard.store, 1, start).await[0];
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        routing.route(vec![routed(event, vec![delivery(event, "one", at)])]).await.unwrap();
        comes(at, "routed").await;
    }

    async fn an_endpoint_without_failures_leaves_nothing_to_remember(yard: &Yard) {
        let now = Instant::now();
        let made = backlog(yard, 2, now).await;
        let (token, _) = lease(yard, now, 10).await;
        let recorded = record(yard, ended(made[0], token, DeliveryState::Delivered, now)).await;
        assert_eq!(recorded, Recorded { moved: true, lane: None });
        assert!(yard.store.lane(endpoint_id("one")).await.unwrap().circuit.is_pristine());
    }
}

/// Makers and workers race for one lane: whatever their order, everything is leased in the end.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_no_race_of_makers_and_workers_strands_a_delivery() {
    let yard = Yard::on_postgres().await;
    let count = 40;
    let start = Instant::now();
    let mut makers = tokio::task::JoinSet::new();
    for maker in 0..4 {
        let store = yard.another_process().await;
        makers.spawn(async move {
            for number in 0..count {
                let event =
                    accepted(&store, 1, start + Duration::from_millis(maker * 1_000 + number)).await[0];
                let row = delivery(event, "one", start);
                store.add_deliveries(event, vec![row], start).await.unwrap();
            }
        });
    }
    let mut leased = HashSet::new();
    let mut at = start;
    let expected = usize::try_from(4 * count).unwrap();
    testkit::until("all were leased", async || {
        // The lane's ten seconds of emptiness go by between two looks, so that it sleeps for good whenever it may.
        at = at + Duration::from_secs(11);
        let (_, swept) = lease(&yard, at, 3).await;
        leased.extend(swept.jobs.iter().map(|job| job.delivery_id));
        leased.len() == expected
    })
    .await;
    makers.join_all().await;
}
