//! Leases: a delivery is one worker's at a time, and comes back when that worker is gone.

use crate::given::{self, accepted, deliveries, delivery, leased, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Delivery, Edit, Job};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryId, DeliveryState, EventId, Instant};

const HOLD: Duration = Duration::from_secs(30);

async fn lease(yard: &Yard, now: Instant, limit: i64, full: &[&str]) -> Vec<Job> {
    let full: Vec<_> = full.iter().map(|name| given::endpoint_id(name)).collect();
    let mut jobs = Vec::new();
    loop {
        let left = limit.saturating_sub(i64::try_from(jobs.len()).unwrap());
        let lease = (Uuid::new_v4(), HOLD);
        let swept = yard
            .store
            .lease_due(now, left, lease, full.clone())
            .await
            .unwrap();
        let is_over = !swept.more || swept.jobs.is_empty();
        jobs.extend(swept.jobs);
        if is_over {
            return jobs;
        }
    }
}

async fn find(yard: &Yard, id: DeliveryId) -> Delivery {
    yard.store.delivery(&workspace(), id).await.unwrap().unwrap()
}

fn ids(jobs: &[Job]) -> HashSet<DeliveryId> {
    jobs.iter().map(|job| job.delivery_id).collect()
}

on_both! {
    async fn the_oldest_that_are_due_are_leased_and_counted(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| {
            [3, 1, 2, -5]
                .map(|age: i64| {
                    let due_at = if age < 0 { now + HOLD } else { now - Duration::from_secs(age.unsigned_abs()) };
                    delivery(event, &format!("aged{age}"), due_at)
                })
                .into()
        })
        .await;
        let token = Uuid::new_v4();
        let jobs = yard.store.lease_due(now, 2, (token, HOLD), vec![]).await.unwrap().jobs;
        assert_eq!(ids(&jobs), HashSet::from([made[0], made[2]]));
        for job in &jobs {
            assert_eq!((job.lease, job.attempts, job.number(), &*job.body), (Some(token), 1, 1, &b"{}"[..]));
            assert_eq!(find(yard, job.delivery_id).await.state, DeliveryState::Delivering);
        }
        assert_eq!(ids(&lease(yard, now, 10, &[]).await), HashSet::from([made[1]]));
        assert!(lease(yard, now, 10, &[]).await.is_empty(), "the last one is not due yet");
        assert_eq!(ids(&lease(yard, now + HOLD, 10, &[]).await), HashSet::from([made[3]]));
    }

    async fn no_more_than_asked_for_is_leased(yard: &Yard) {
        let now = Instant::now();
        deliveries(&yard.store, |event| {
            (0..3).map(|number| delivery(event, &format!("e{number}"), now)).collect()
        })
        .await;
        assert!(lease(yard, now, 0, &[]).await.is_empty());
        assert!(lease(yard, now, -1, &[]).await.is_empty());
        assert_eq!(lease(yard, now, i64::MAX, &[]).await.len(), 3);
    }

    async fn full_and_disabled_endpoints_are_left_out_and_deleted_ones_are_not(yard: &Yard) {
        let now = Instant::now();
        let disabled = |name: &str| {
            let mut endpoint = given::endpoint("acme", name);
            endpoint.spec.enabled = false;
            Edit::Endpoint(endpoint)
        };
        let mut edits = given::tenant("acme");
        edits.extend([disabled("off"), disabled("gone"), Edit::Endpoint(given::endpoint("acme", "on"))]);
        edits.push(Edit::RemoveEndpoint(given::endpoint_id("gone")));
        yard.store.edit(edits, now).await.unwrap();
        let made = deliveries(&yard.store, |event| {
            ["full", "off", "gone", "on"].map(|name| delivery(event, name, now)).into()
        })
        .await;
        assert_eq!(ids(&lease(yard, now, 10, &["full"]).await), HashSet::from([made[2], made[3]]));
        assert_eq!(ids(&lease(yard, now, 10, &[]).await), HashSet::from([made[0]]));
        yard.store.edit(vec![Edit::Endpoint(given::endpoint("acme", "off"))], now).await.unwrap();
        assert_eq!(ids(&lease(yard, now, 10, &[]).await), HashSet::from([made[1]]));
    }

    async fn concurrent_workers_never_get_the_same_delivery(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| {
            (0..300).map(|number| delivery(event, &format!("e{number}"), now)).collect()
        })
        .await;
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = yard.another_process().await;
            for _ in 0..4 {
                let store = store.clone();
                workers.spawn(async move {
                    let mut got = Vec::new();
                    loop {
                        let lease = (Uuid::new_v4(), HOLD);
                        let jobs = store.lease_due(now, 7, lease, vec![]).await.unwrap().jobs;
                        if jobs.is_empty() {
                            return got;
                        }
                        got.extend(jobs.iter().map(|job| job.delivery_id));
                    }
                });
            }
        }
        let got = workers.join_all().await.concat();
        // A worker that finds the rest locked by others leaves early; nothing is left, since those others take it.
        assert_eq!(got.len(), made.len());
        assert_eq!(got.into_iter().collect::<HashSet<_>>(), made.into_iter().collect());
    }

    async fn a_job_is_given_for_the_matching_token_alone(yard: &Yard) {
        let token = Uuid::new_v4();
        let until = Instant::now() + HOLD;
        let made = deliveries(&yard.store, |event| vec![
            leased(event, "one", token, until), leased(event, "two", token, until),
        ])
        .await;
        let jobs = yard.store.leased_jobs(vec![(made[0], token), (made[1], Uuid::new_v4())]).await.unwrap();
        assert_eq!(ids(&jobs), HashSet::from([made[0]]));
        assert_eq!((jobs[0].attempts, jobs[0].number()), (0, 1), "the router's lease counts no attempt");
        assert_eq!(jobs[0].event_type.as_deref(), Some("payment.succeeded"));
        assert_eq!(jobs[0].content_type.as_deref(), Some("application/json"));
        let waiting = deliveries(&yard.store, |event| vec![delivery(event, "one", until)]).await;
        assert!(yard.store.leased_jobs(vec![(waiting[0], token)]).await.unwrap().is_empty());
        assert!(yard.store.leased_jobs(vec![]).await.unwrap().is_empty());
    }

    async fn what_is_released_counts_no_attempt_and_only_for_its_holder(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| vec![delivery(event, "one", now)]).await;
        let token = Uuid::new_v4();
        yard.store.lease_due(now, 1, (token, HOLD), vec![]).await.unwrap();
        let later = now + Duration::from_mins(1);
        assert_eq!(yard.store.release(vec![(made[0], Uuid::new_v4())], later).await.unwrap(), 0);
        assert_eq!(yard.store.release(vec![(made[0], token)], later).await.unwrap(), 1);
        let released = find(yard, made[0]).await;
        assert_eq!((released.state, released.attempts, released.due_at), (DeliveryState::Pending, 0, Some(now)), "due as it was");
        assert_eq!(yard.store.release(vec![(made[0], token)], later).await.unwrap(), 0);
        let jobs = lease(yard, later, 1, &[]).await;
        assert_eq!(jobs[0].number(), 1);
    }

    async fn a_routers_lease_that_ran_out_is_due_at_once_and_counts_nothing(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| vec![leased(event, "one", Uuid::new_v4(), now)]).await;
        let pause = Duration::from_mins(5);
        assert_eq!(yard.store.reap(now, pause, 10).await.unwrap(), 0, "it holds until then");
        let later = now + Duration::from_secs(1);
        assert_eq!(yard.store.reap(later, pause, 0).await.unwrap(), 0);
        assert_eq!(yard.store.reap(later, pause, 10).await.unwrap(), 1);
        let reaped = find(yard, made[0]).await;
        assert_eq!((reaped.state, reaped.attempts, reaped.due_at), (DeliveryState::Pending, 0, Some(later)));
        assert_eq!(lease(yard, later, 10, &[]).await[0].number(), 1);
    }

    async fn a_workers_lease_that_ran_out_is_a_lost_attempt(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| vec![delivery(event, "one", now)]).await;
        let job = lease(yard, now, 10, &[]).await.remove(0);
        let later = now + HOLD + Duration::from_secs(1);
        let pause = Duration::from_mins(5);
        assert_eq!(yard.store.reap(later, pause, 10).await.unwrap(), 1);
        let reaped = find(yard, made[0]).await;
        assert_eq!((reaped.state, reaped.attempts), (DeliveryState::ScheduledRetry, 1));
        assert_eq!(reaped.due_at, Some(later + pause));
        let stale = yard.store.leased_jobs(vec![(made[0], job.lease.unwrap())]).await.unwrap();
        assert!(stale.is_empty(), "its token opens nothing any more");
        assert_eq!(lease(yard, later + pause, 10, &[]).await[0].number(), 2);
    }

    async fn whoever_has_the_ledger_alone_voids_the_leases_of_an_earlier_life(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| {
            vec![leased(event, "routers", Uuid::new_v4(), now + HOLD), delivery(event, "workers", now)]
        })
        .await;
        assert_eq!(ids(&lease(yard, now, 10, &[]).await), HashSet::from([made[1]]));
        assert_eq!(yard.store.void_leases(now).await.unwrap(), 2);
        let (routers, workers) = (find(yard, made[0]).await, find(yard, made[1]).await);
        assert_eq!((routers.state, routers.attempts), (DeliveryState::Pending, 0));
        assert_eq!((workers.state, workers.attempts), (DeliveryState::ScheduledRetry, 1));
        assert_eq!(lease(yard, now, 10, &[]).await.len(), 2, "both are due at once");
        assert_eq!(yard.store.void_leases(now + HOLD).await.unwrap(), 2);
        assert_eq!(yard.store.void_leases(now + HOLD).await.unwrap(), 0);
    }

    async fn a_lease_is_renewed_by_its_holder_alone(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| vec![delivery(event, "one", now)]).await;
        let token = Uuid::new_v4();
        yard.store.lease_due(now, 1, (token, HOLD), vec![]).await.unwrap();
        let until = now + HOLD * 10;
        assert_eq!(yard.store.renew(vec![(made[0], Uuid::new_v4())], until).await.unwrap(), 0);
        assert_eq!(yard.store.renew(vec![(made[0], token), (made[0], token)], until).await.unwrap(), 1);
        assert_eq!(yard.store.renew(vec![], until).await.unwrap(), 0);
        assert_eq!(yard.store.reap(now + HOLD * 2, HOLD, 10).await.unwrap(), 0);
        assert_eq!(yard.store.reap(until + HOLD, HOLD, 10).await.unwrap(), 1);
        assert_eq!(yard.store.renew(vec![(made[0], token)], until).await.unwrap(), 0, "it is used up");
    }

    async fn a_process_that_begins_alone_voids_every_lease(yard: &Yard) {
        let now = Instant::now();
        let until = now + HOLD * 10;
        let made = deliveries(&yard.store, |event| {
            vec![leased(event, "routers", Uuid::new_v4(), until), delivery(event, "workers", now), delivery(event, "idle", until)]
        })
        .await;
        lease(yard, now, 10, &[]).await;
        assert_eq!(yard.store.void_leases(now).await.unwrap(), 2);
        let (routers, workers, idle) = (find(yard, made[0]).await, find(yard, made[1]).await, find(yard, made[2]).await);
        assert_eq!((routers.state, routers.attempts, routers.due_at), (DeliveryState::Pending, 0, Some(now)));
        assert_eq!((workers.state, workers.attempts, workers.due_at), (DeliveryState::ScheduledRetry, 1, Some(now)));
        assert_eq!((idle.state, idle.due_at), (DeliveryState::Pending, Some(until)));
        assert_eq!(lease(yard, now, 10, &[]).await.len(), 2);
    }

    async fn the_reaper_takes_the_longest_dead_first(yard: &Yard) {
        let now = Instant::now();
        let made = deliveries(&yard.store, |event| {
            [1, 3, 2]
                .map(|age| leased(event, &format!("e{age}"), Uuid::new_v4(), now - Duration::from_secs(age)))
                .into()
        })
        .await;
        assert_eq!(yard.store.reap(now, HOLD, 1).await.unwrap(), 1);
        assert_eq!(find(yard, made[1]).await.state, DeliveryState::Pending);
        assert_eq!(find(yard, made[0]).await.state, DeliveryState::Delivering);
    }

    async fn an_event_may_have_far_more_deliveries_than_one_statement_has_rows(yard: &Yard) {
        let event: EventId = accepted(&yard.store, 1, Instant::now()).await[0];
        let now = Instant::now();
        let rows = (0..2_000).map(|number| delivery(event, &format!("e{number}"), now)).collect();
        yard.store.add_deliveries(event, rows, now).await.unwrap();
        assert_eq!(lease(yard, now, 10_000, &[]).await.len(), 2_000);
    }

    async fn what_routes_made_of_bodies_is_read_within_a_bound_too(yard: &Yard) {
        let now = Instant::now();
        deliveries(&yard.store, |event| ["a", "b", "c", "d"].map(|name| delivery(event, name, now)).into()).await;
        let twenty_mib = if yard.is_postgres() { "decode(repeat('79', 20971520), 'hex')" } else { "zeroblob(20971520)" };
        yard.execute(&format!("UPDATE deliveries SET body = {twenty_mib}"));
        let swept = yard.store.lease_due(now, 10, (Uuid::new_v4(), HOLD), vec![]).await.unwrap();
        assert_eq!((swept.jobs.len(), swept.more), (3, true));
        let lengths: Vec<_> = swept.jobs.iter().map(|job| job.transformed.as_ref().map(Vec::len)).collect();
        assert_eq!(lengths, [Some(20 << 20); 3]);
        let token = Uuid::new_v4();
        let rest = yard.store.lease_due(now, 10, (token, HOLD), vec![]).await.unwrap().jobs;
        assert_eq!(rest.len(), 1);
        let again = yard.store.leased_jobs(vec![(rest[0].delivery_id, token)]).await.unwrap();
        assert_eq!(again[0].transformed.as_ref().map(Vec::len), Some(20 << 20));
    }

    async fn no_more_bodies_are_read_at_once_than_there_is_memory_for(yard: &Yard) {
        let now = Instant::now();
        for _ in 0..4 {
            deliveries(&yard.store, |event| vec![delivery(event, "one", now)]).await;
        }
        let token = Uuid::new_v4();
        let firsts = deliveries(&yard.store, |event| {
            ["a", "b", "c", "d"].map(|endpoint| leased(event, endpoint, token, now + HOLD)).into()
        })
        .await;
        let twenty_mib = if yard.is_postgres() { "decode(repeat('78', 20971520), 'hex')" } else { "zeroblob(20971520)" };
        yard.execute(&format!("UPDATE events SET body = {twenty_mib}"));

        // Each has a body of its own.
        let swept = yard.store.lease_due(now, 10, (Uuid::new_v4(), HOLD), vec![]).await.unwrap();
        assert_eq!((swept.jobs.len(), swept.more), (3, true));
        let rest = yard.store.lease_due(now, 10, (Uuid::new_v4(), HOLD), vec![]).await.unwrap().jobs;
        assert_eq!((rest.len(), rest[0].attempts), (1, 1));

        // All have the same, which is read once for each by those that come by the conveyor, and once by a sweep.
        let jobs = yard.store.leased_jobs(firsts.iter().map(|id| (*id, token)).collect()).await.unwrap();
        assert_eq!(jobs.len(), 3);
        let left: Vec<DeliveryId> = firsts.iter().copied().filter(|id| !ids(&jobs).contains(id)).collect();
        assert_eq!(find(yard, left[0]).await.state, DeliveryState::Pending);
        assert_eq!(ids(&lease(yard, Instant::now() + HOLD, 10, &[]).await), HashSet::from([left[0]]));
    }
}

/// The one and only case in which two that hold many deliveries meet: whoever renews must never wait with hundreds in its
/// hands for one whose outcome is being recorded, since those hundreds are what is recorded next.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_renewing_waits_for_nobody() {
    let yard = Yard::on_postgres().await;
    let now = Instant::now();
    let tokens = [Uuid::new_v4(), Uuid::new_v4()];
    let made = deliveries(&yard.store, |event| {
        vec![
            leased(event, "one", tokens[0], now + HOLD),
            leased(event, "two", tokens[1], now + HOLD),
        ]
    })
    .await;
    let leases: Vec<_> = made.iter().copied().zip(tokens).collect();
    let mut other = yard.raw();
    other.execute("BEGIN; SELECT FROM deliveries WHERE endpoint_id = 'ep_one' FOR UPDATE");
    assert_eq!(yard.store.renew(leases.clone(), now + HOLD * 5).await.unwrap(), 1);
    other.execute("COMMIT");
    assert_eq!(yard.store.renew(leases, now + HOLD * 5).await.unwrap(), 2);
}
