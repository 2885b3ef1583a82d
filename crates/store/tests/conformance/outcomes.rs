//! Recording what attempts came to.

use crate::given::{deliveries, delivery, outcome, workspace};
use crate::on_both;
use crate::yard::Yard;
use hookyard_store::{Delivery, Outcome, OutcomeQueue, QueueOptions};
use std::time::Duration;
use uuid::Uuid;
use wire::DeliveryState::{DeadLetter, Delivered, Delivering, Failed, Pending, ScheduledRetry};
use wire::{DeliveryId, Instant};

fn queue(yard: &Yard) -> OutcomeQueue {
    yard.store.outcome_queue(QueueOptions::default()).unwrap()
}

/// A delivery that a worker holds, and the lease.
async fn held(yard: &Yard, endpoint: &str) -> (DeliveryId, Uuid) {
    let now = Instant::now();
    let id = deliveries(&yard.store, |event| vec![delivery(event, endpoint, now)]).await[0];
    (id, lease(yard, now).await)
}

async fn lease(yard: &Yard, now: Instant) -> Uuid {
    let token = Uuid::new_v4();
    let jobs = yard
        .store
        .lease_due(now, 1, (token, Duration::from_secs(30)), vec![])
        .await
        .unwrap();
    assert_eq!(jobs.jobs.len(), 1);
    token
}

async fn find(yard: &Yard, id: DeliveryId) -> Delivery {
    yard.store.delivery(&workspace(), id).await.unwrap().unwrap()
}

on_both! {
    async fn a_success_ends_the_delivery_and_keeps_its_attempt(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let done = outcome(id, token, 1, Delivered);
        let attempt = done.attempt.clone();
        let at = done.at;
        assert!(queue(yard).record(done).await.unwrap().moved);
        let now = find(yard, id).await;
        assert_eq!((now.state, now.attempts, now.due_at), (Delivered, 1, None));
        assert_eq!((now.delivered_at, now.first_attempt_at), (Some(at), Some(attempt.created_at)));
        let kept = yard.store.attempts(id).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].id, kept[0].number, kept[0].response_status), (attempt.id, 1, Some(200)));
        assert_eq!((kept[0].duration_ms, &kept[0].error_kind, &*kept[0].response_body), (12, &None, &b"no"[..]));
    }

    async fn of_very_many_attempts_the_latest_are_shown_in_order(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let queue = queue(yard);
        for number in 1..=203 {
            // All but the first come from a worker that has lost its lease.
            queue.record(outcome(id, token, number, Failed)).await.unwrap();
        }
        let shown: Vec<i32> = yard.store.attempts(id).await.unwrap().iter().map(|attempt| attempt.number).collect();
        assert_eq!(shown, (4..=203).collect::<Vec<i32>>());
    }

    async fn an_end_without_an_attempt_keeps_none_and_takes_its_lease_off_the_count(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let ended = Outcome { is_made: false, ..outcome(id, token, 1, Failed) };
        assert!(queue(yard).record(ended).await.unwrap().moved);
        let now = find(yard, id).await;
        assert_eq!((now.state, now.attempts, now.first_attempt_at), (Failed, 0, None));
        assert!(yard.store.attempts(id).await.unwrap().is_empty());
    }

    async fn failures_are_retried_until_dead_and_every_attempt_is_kept_in_order(yard: &Yard) {
        let (id, first) = held(yard, "one").await;
        let queue = queue(yard);
        let failed = outcome(id, first, 1, ScheduledRetry);
        let due_at = failed.due_at.unwrap();
        assert!(queue.record(failed).await.unwrap().moved);
        let waiting = find(yard, id).await;
        assert_eq!((waiting.state, waiting.attempts, waiting.due_at), (ScheduledRetry, 1, Some(due_at)));
        let second = lease(yard, due_at).await;
        let dead = Outcome { reason: Some("exhausted".to_owned()), ..outcome(id, second, 2, DeadLetter) };
        assert!(queue.record(dead).await.unwrap().moved);
        let dead = find(yard, id).await;
        assert_eq!((dead.state, dead.attempts, dead.due_at), (DeadLetter, 2, None));
        assert_eq!((dead.reason.as_deref(), dead.delivered_at), (Some("exhausted"), None));
        let numbers: Vec<i32> = yard.store.attempts(id).await.unwrap().iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [1, 2]);
    }

    async fn a_worker_that_lost_its_lease_moves_nothing_but_its_attempt_is_kept(yard: &Yard) {
        let (id, lost) = held(yard, "one").await;
        let later = Instant::now() + Duration::from_mins(1);
        assert_eq!(yard.store.reap(later, Duration::ZERO, 10).await.unwrap(), 1);
        let mine = lease(yard, later).await;
        assert!(!queue(yard).record(outcome(id, lost, 1, Failed)).await.unwrap().moved);
        let now = find(yard, id).await;
        assert_eq!((now.state, now.attempts), (Delivering, 2));
        assert_eq!(yard.store.attempts(id).await.unwrap().len(), 1);
        assert!(queue(yard).record(outcome(id, mine, 2, ScheduledRetry)).await.unwrap().moved);
    }

    async fn a_late_success_still_ends_the_retries(yard: &Yard) {
        let (id, lost) = held(yard, "one").await;
        let later = Instant::now() + Duration::from_mins(1);
        yard.store.reap(later, Duration::ZERO, 10).await.unwrap();
        let mine = lease(yard, later).await;
        assert!(queue(yard).record(outcome(id, lost, 1, Delivered)).await.unwrap().moved);
        let now = find(yard, id).await;
        assert_eq!((now.state, now.due_at), (Delivered, None));
        assert!(!queue(yard).record(outcome(id, mine, 2, ScheduledRetry)).await.unwrap().moved);
        assert!(!queue(yard).record(outcome(id, mine, 2, Delivered)).await.unwrap().moved);
        assert_eq!(find(yard, id).await.state, Delivered);
        assert_eq!(yard.store.attempts(id).await.unwrap().len(), 3);
        assert!(yard.store.lease_due(later + Duration::from_hours(1), 9, (mine, Duration::ZERO), vec![]).await.unwrap().jobs.is_empty());
    }

    async fn the_same_outcome_again_is_kept_once(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let done = outcome(id, token, 1, ScheduledRetry);
        assert!(queue(yard).record(done.clone()).await.unwrap().moved);
        assert!(!queue(yard).record(done).await.unwrap().moved);
        assert_eq!(yard.store.attempts(id).await.unwrap().len(), 1);
        assert_eq!(find(yard, id).await.state, ScheduledRetry);
    }

    async fn two_outcomes_of_one_delivery_at_once_move_it_once(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let (other, others) = held(yard, "two").await;
        let queue = queue(yard);
        let mut records = tokio::task::JoinSet::new();
        for row in [
            outcome(id, token, 1, ScheduledRetry),
            outcome(id, token, 1, DeadLetter),
            outcome(other, others, 1, Delivered),
        ] {
            let queue = queue.clone();
            records.spawn(async move { (row.delivery_id, queue.record(row).await.unwrap().moved) });
        }
        let moved = records.join_all().await;
        assert_eq!(moved.iter().filter(|(of, moved)| *of == id && *moved).count(), 1, "{moved:?}");
        assert!(moved.contains(&(other, true)));
        assert_eq!(yard.store.attempts(id).await.unwrap().len(), 2);
    }

    async fn a_bad_outcome_among_good_ones_fails_alone(yard: &Yard) {
        let mut rows = Vec::new();
        for number in 0..6 {
            let (id, token) = held(yard, &format!("e{number}")).await;
            rows.push(outcome(id, token, 1, Delivered));
        }
        // Postgres takes no NUL in a text; SQLite takes anything, so there an index of the test's own refuses.
        rows[2].attempt.error_message = Some("bad\0".to_owned());
        let bad = rows[2].delivery_id;
        if !yard.is_postgres() {
            let (id, token) = held(yard, "twin").await;
            let mut twin = outcome(id, token, 1, Delivered);
            twin.attempt.error_message = Some("bad".to_owned());
            queue(yard).record(twin).await.unwrap();
            yard.execute("CREATE UNIQUE INDEX poison ON attempts (number) WHERE error_message LIKE 'bad%'");
        }
        let queue = queue(yard);
        let mut records = tokio::task::JoinSet::new();
        for row in rows {
            let queue = queue.clone();
            records.spawn(async move { (row.delivery_id, queue.record(row).await.map(|recorded| recorded.moved)) });
        }
        for (id, answer) in records.join_all().await {
            assert_eq!(answer.is_ok(), id != bad, "{answer:?}");
        }
        assert_eq!(find(yard, bad).await.state, Delivering);
    }

    async fn an_operator_retries_and_cancels_what_no_worker_holds(yard: &Yard) {
        let now = Instant::now();
        let (id, token) = held(yard, "one").await;
        let store = &yard.store;
        let of = workspace();
        assert!(!store.on_record(vec![]).retry_delivery(&of, id, now).await.unwrap(), "a worker holds it");
        assert!(!store.on_record(vec![]).cancel_delivery(&of, id, now).await.unwrap());
        queue(yard).record(outcome(id, token, 1, DeadLetter)).await.unwrap();
        assert!(!store.on_record(vec![]).cancel_delivery(&of, id, now).await.unwrap(), "it does not wait");
        let stranger = wire::WorkspaceId::from_stored("ws_other");
        assert!(!store.on_record(vec![]).retry_delivery(&stranger, id, now).await.unwrap());
        assert!(store.on_record(vec![]).retry_delivery(&of, id, now).await.unwrap());
        let again = store.lease_due(now, 1, (token, Duration::from_secs(1)), vec![]).await.unwrap().jobs;
        assert_eq!(again[0].number(), 2, "a retry by hand goes on counting");
        store.release(vec![(id, token)], now).await.unwrap();
        assert_eq!(find(yard, id).await.state, ScheduledRetry);
        assert!(store.on_record(vec![]).cancel_delivery(&of, id, now).await.unwrap());
        let cancelled = find(yard, id).await;
        assert_eq!((cancelled.state, cancelled.reason.as_deref(), cancelled.due_at), (Failed, Some("cancelled"), None));
    }

    async fn a_replay_is_a_delivery_of_its_own(yard: &Yard) {
        let (id, _) = held(yard, "one").await;
        let first = find(yard, id).await;
        let now = Instant::now();
        let replay = hookyard_store::NewDelivery {
            id: DeliveryId::of(first.event_id, &first.endpoint_id, 7),
            replay_of: Some(id),
            order_key: None,
            ..delivery(first.event_id, "one", now)
        };
        let replayed = replay.id;
        yard.store.add_deliveries(first.event_id, vec![replay], now).await.unwrap();
        let replay = find(yard, replayed).await;
        assert_eq!((replay.replay_of, replay.state, replay.event_id), (Some(id), Pending, first.event_id));
        lease(yard, now).await;
        assert_eq!(find(yard, replayed).await.state, Delivering);
    }

    async fn an_attempt_of_a_worker_whose_clock_is_behind_is_shown(yard: &Yard) {
        let (id, token) = held(yard, "one").await;
        let mut early = outcome(id, token, 1, Delivered);
        early.attempt.created_at = Instant::now() - Duration::from_hours(1);
        early.attempt.id = wire::AttemptId::new(early.attempt.created_at, 1);
        queue(yard).record(early).await.unwrap();
        assert_eq!(yard.store.attempts(id).await.unwrap().len(), 1);
    }
}
