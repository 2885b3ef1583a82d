//! What waits is counted, and what must not be taken up is not.

use crate::given::{accepted, deliveries};
use crate::lanes::{HOLD, lease, of};
use crate::on_both;
use crate::planner::Planner;
use crate::recoveries::{self, spec};
use crate::runs::started;
use crate::yard::Yard;
use hookyard_store::{Backlog, Recovering, Unpublished, Waiting};
use std::time::Duration;
use wire::{DeliveryId, Instant};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

async fn backlog(yard: &Yard, now: Instant) -> Backlog {
    yard.store.backlog(now, PATIENCE).await.unwrap()
}

async fn unpublished(yard: &Yard, now: Instant) -> Unpublished {
    backlog(yard, now).await.unpublished
}

/// Deliveries to an endpoint, one due at each of these times.
async fn due(yard: &Yard, endpoint: &str, times: &[Instant]) -> Vec<DeliveryId> {
    deliveries(&yard.store, |event| {
        let each = times.iter().zip(0..);
        each.map(|(at, nonce)| of("acme", event, endpoint, nonce, *at))
            .collect()
    })
    .await
}

on_both! {
    async fn an_empty_yard_has_nothing_that_waits(yard: &Yard) {
        let nothing = Waiting::default();
        let expected = Backlog {
            events: nothing,
            deliveries: nothing,
            runs: nothing,
            dead_letters: 0,
            open_circuits: 0,
            unpublished: Unpublished::default(),
            recoveries: Recovering::default(),
        };
        assert_eq!(backlog(yard, Instant::now()).await, expected);
    }

    async fn whoever_looks_at_the_pool_keeps_no_ledger_open(yard: &Yard) {
        let store = crate::yard::connect(&yard.url()).await;
        let pool = store.pool();
        let (used, all) = pool().unwrap();
        assert!(used <= all && all > 0, "{used} of {all}");
        drop(store);
        assert_eq!(pool(), None);
    }

    async fn events_wait_until_they_are_routed(yard: &Yard) {
        let at = Instant::now() - Duration::from_secs(7);
        accepted(&yard.store, 3, at).await;
        assert_eq!(backlog(yard, Instant::now()).await.events, Waiting { depth: 3, since: Some(at) });
    }

    async fn runs_wait_while_they_are_ready_and_nobody_has_them(yard: &Yard) {
        started(yard, 3).await;
        let now = Instant::now();
        let waiting = backlog(yard, now).await.runs;
        assert_eq!(waiting.depth, 3);
        assert!(waiting.since.is_some_and(|since| since <= now), "{waiting:?}");
        assert_eq!(yard.store.claim_runs(uuid::Uuid::new_v4(), now, 2).await.unwrap().len(), 2);
        assert_eq!(backlog(yard, now).await.runs.depth, 1);
    }

    async fn deliveries_wait_once_they_are_due_and_until_they_are_leased(yard: &Yard) {
        let now = Instant::now();
        let ago = |seconds| now - Duration::from_secs(seconds);
        due(yard, "one", &[ago(9), ago(60), now + Duration::from_hours(1)]).await;
        due(yard, "two", &[ago(30)]).await;
        assert_eq!(backlog(yard, now).await.deliveries, Waiting { depth: 3, since: Some(ago(60)) });
        let (_, swept) = lease(yard, now, 10).await;
        assert_eq!(swept.jobs.len(), 3);
        assert_eq!(backlog(yard, now).await.deliveries, Waiting::default());
    }

    async fn what_an_endpoint_holds_waits_for_nobody(yard: &Yard) {
        let now = Instant::now();
        due(yard, "one", &[now]).await;
        yard.execute(&format!("UPDATE endpoint_lanes SET held_at = {}, held_reason = 'paused'", yard.literal(now)));
        assert_eq!(backlog(yard, now).await.deliveries, Waiting::default());
    }

    async fn dead_letters_and_open_circuits_are_counted(yard: &Yard) {
        let now = Instant::now();
        due(yard, "one", &[now, now]).await;
        yard.execute("UPDATE deliveries SET state = 'dead_letter', due_at = NULL");
        yard.execute("UPDATE endpoint_lanes SET circuit = 'open', is_gated = TRUE");
        let found = backlog(yard, now).await;
        assert_eq!((found.dead_letters, found.open_circuits), (2, 1));
    }

    async fn what_a_message_may_still_bring_is_not_left_to_a_sweep(yard: &Yard) {
        let at = Instant::now();
        accepted(&yard.store, 3, at).await;
        accepted(&yard.store, 2, at + PATIENCE).await;
        // They came within some milliseconds.
        for (periods, events) in [(0.9, 0), (1.1, 3), (2.1, 5)] {
            let found = unpublished(yard, at + PATIENCE.mul_f64(periods)).await;
            assert_eq!(found, Unpublished { events, ..Unpublished::default() }, "after {periods}");
        }
    }

    async fn runs_that_are_ready_for_long_are_left_to_a_sweep(yard: &Yard) {
        started(yard, 3).await;
        let soon = backlog(yard, Instant::now()).await;
        assert_eq!((soon.runs.depth, soon.unpublished.runs), (3, 0));
        let later = Instant::now() + PATIENCE;
        assert_eq!(unpublished(yard, later).await.runs, 3);
        yard.store.claim_runs(uuid::Uuid::new_v4(), later, 2).await.unwrap();
        assert_eq!(unpublished(yard, later).await.runs, 1);
    }

    async fn deliveries_are_left_to_a_sweep_when_they_are_overdue_or_their_lease_is(yard: &Yard) {
        let now = Instant::now();
        let ago = |seconds| now - Duration::from_secs(seconds);
        due(yard, "one", &[ago(9), ago(60), now + Duration::from_hours(1)]).await;
        due(yard, "two", &[ago(10)]).await;
        assert_eq!(unpublished(yard, now).await.deliveries, 2);
        let (_, swept) = lease(yard, now, 10).await;
        assert_eq!(swept.jobs.len(), 3);
        let over = now + HOLD + PATIENCE;
        assert_eq!(unpublished(yard, over).await.deliveries, 0, "its worker may just be slow");
        assert_eq!(unpublished(yard, over + Duration::from_millis(1)).await.deliveries, 3);
    }

    async fn recoveries_that_run_are_added_up(yard: &Yard) {
        let is = |recoveries: Recovering, share: f64| (recoveries.share() - share).abs() < 1e-9;
        assert!(is(backlog(yard, Instant::now()).await.recoveries, 1.0));
        recoveries::started(yard, spec()).await;
        yard.execute("UPDATE recoveries SET total = 8, recovered = 1, skipped = 1");
        // Of this one, not all were counted at its start.
        recoveries::started(yard, spec()).await;
        yard.execute("UPDATE recoveries SET total = 2, recovered = 5 WHERE total = 0");
        let found = backlog(yard, Instant::now()).await.recoveries;
        assert_eq!(found, Recovering { total: 10, done: 4 });
        assert!(is(found, 0.4), "{}", found.share());
        yard.execute("UPDATE recoveries SET state = 'paused'");
        assert_eq!(backlog(yard, Instant::now()).await.recoveries, Recovering::default());
    }

    async fn counting_goes_by_the_indexes_of_what_waits(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let now = Instant::now();
        for (part, sqlite, postgres) in [
            ("FROM \"events\"", "events_accepted_idx", "events_{today}_id_idx on events_{today}"),
            ("\"ready_at\"", "runs_ready_idx", "runs_ready_idx"),
            ("count(*) AS depth", "deliveries_due_idx (endpoint_id=? AND due_at<?)", "deliveries_due_idx"),
            ("min(first.due_at)", "deliveries_due_idx (endpoint_id=? AND due_at<?)", "deliveries_due_idx"),
            ("dead_letter", "deliveries_dead_letters_idx", "deliveries_dead_letters_idx"),
            ("\"lease_until\"", "deliveries_lease_idx", "deliveries_lease_idx"),
            // There are few, and Postgres reads a few rows as they lie.
            ("\"recoveries\"", "recoveries_due_idx", "recoveries"),
        ] {
            planner.store.backlog(now, PATIENCE).await.unwrap();
            let part = if yard.is_postgres() { part.to_owned() } else { part.replace('"', "`") };
            planner.plan(&part).uses(sqlite, postgres);
        }
    }
}
