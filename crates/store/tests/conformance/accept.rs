//! Accepting: claims, replays, takeovers.

use crate::given::{event, event_at, keyed, keyless, workspace};
use crate::on_both;
use crate::yard::{Yard, poll_once};
use bytes::Bytes;
use hookyard_store::{AcceptError, Acceptance, Accepted, NewEvent, QueueOptions};
use std::time::Duration;
use wire::{EventId, EventState, Instant};

fn replayed(answer: &Result<Accepted, AcceptError>) -> Option<(EventId, Instant, bool)> {
    match answer {
        Ok(Accepted::Replayed {
            event_id,
            accepted_at,
            same,
        }) => Some((*event_id, *accepted_at, *same)),
        _ => None,
    }
}

on_both! {
    async fn a_new_key_is_created_and_its_event_is_readable_at_once(yard: &Yard) {
        let queue = yard.accept_queue();
        for number in 0..50 {
            let row = keyed(&format!("key {number}"), "{}");
            let id = row.event.id;
            assert_eq!(queue.accept(row).await.unwrap(), Accepted::Created);
            assert!(yard.store.event(&workspace(), id).await.unwrap().is_some());
        }
    }

    async fn an_event_comes_back_as_it_was_written(yard: &Yard) {
        let row = Acceptance { routed: None,
            claim: None,
            event: NewEvent {
                body: Bytes::from_static(b"\0\xff\xfe {\"a\":1,\"a\":1.0} \\u0000"),
                headers: Bytes::from_static(b"[[\"x-odd\",\"\xff\"]]"),
                query: Some("a=b%00&c".to_owned()),
                event_type: None,
                verified: None,
                idempotency_key: Some("\u{1f642} key".to_owned()),
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
                ..event_at("2026-11-21T12:00:00.123456Z".parse().unwrap(), "")
            },
        };
        yard.store.make_partitions(row.event.received_at, 0).await.unwrap();
        let written = row.event.clone();
        yard.accept_queue().accept(row).await.unwrap();
        let read = yard.store.event(&workspace(), written.id).await.unwrap().unwrap();
        assert_eq!(read.body, written.body);
        assert_eq!(read.headers, written.headers);
        assert_eq!(read.received_at, written.received_at);
        assert_eq!(
            (read.source_id, read.event_type, read.query, read.idempotency_key, read.traceparent),
            (
                written.source_id,
                written.event_type,
                written.query,
                written.idempotency_key,
                written.traceparent
            )
        );
        assert_eq!((read.state, read.failures, read.trace), (EventState::Accepted, 0, None));
        assert_eq!((read.verified, read.verify_reason, read.verify_secret_id), (None, None, None));
        let stranger = wire::WorkspaceId::from_stored("ws_other");
        assert!(yard.store.event(&stranger, written.id).await.unwrap().is_none());
    }

    async fn a_body_of_25_mebibytes_is_kept(yard: &Yard) {
        let body: Vec<u8> = (0..25 * 1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
        let event = NewEvent { body: body.into(), ..event("") };
        let (id, body) = (event.id, event.body.clone());
        yard.accept_queue().accept(Acceptance { routed: None, claim: None, event }).await.unwrap();
        assert!(yard.store.event(&workspace(), id).await.unwrap().unwrap().body == body);
    }

    async fn a_replay_gives_the_first_id_and_the_first_time(yard: &Yard) {
        let queue = yard.accept_queue();
        let first = keyed("k", "{}");
        let (id, at) = (first.event.id, first.event.received_at);
        queue.accept(first).await.unwrap();
        let answer = queue.accept(keyed("k", "{}")).await;
        assert_eq!(replayed(&answer), Some((id, at, true)));
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 1);
    }

    async fn a_replay_with_another_body_is_reported_and_counted(yard: &Yard) {
        let queue = yard.accept_queue();
        let first = keyed("k", "one");
        let id = first.event.id;
        queue.accept(first).await.unwrap();
        let answer = queue.accept(keyed("k", "two")).await;
        assert_eq!(replayed(&answer).map(|(first, _, same)| (first, same)), Some((id, false)));
        queue.accept(keyed("k", "one")).await.unwrap();
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.event_id, claim.repeats, claim.mismatches), (id, 2, 1));
    }

    async fn where_nothing_is_compared_nothing_differs(yard: &Yard) {
        let queue = yard.accept_queue();
        let without = |body: &str| {
            let mut row = keyed("k", body);
            if let Some(claim) = &mut row.claim {
                claim.fingerprint = None;
            }
            row
        };
        queue.accept(without("one")).await.unwrap();
        let answers = [queue.accept(without("two")).await, queue.accept(keyed("k", "three")).await];
        assert!(answers.iter().all(|answer| replayed(answer).is_some_and(|(_, _, same)| same)));
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.repeats, claim.mismatches), (2, 0));
    }

    async fn one_key_in_two_scopes_is_two_keys(yard: &Yard) {
        let queue = yard.accept_queue();
        queue.accept(keyed("k", "{}")).await.unwrap();
        let mut other = keyed("k", "{}");
        if let Some(claim) = &mut other.claim {
            claim.scope = "so_other".into();
        }
        assert_eq!(queue.accept(other).await.unwrap(), Accepted::Created);
    }

    async fn a_claim_keeps_its_own_key_whatever_the_event_names(yard: &Yard) {
        let mut row = keyed("the claim's", "{}");
        row.event.idempotency_key = None;
        assert_eq!(yard.accept_queue().accept(row).await.unwrap(), Accepted::Created);
        let claim = yard.store.claim("so_stripe", "the claim's").await.unwrap().unwrap();
        assert_eq!(claim.key, "the claim's");
    }

    async fn rows_without_a_key_are_always_new(yard: &Yard) {
        let queue = yard.accept_queue();
        for _ in 0..3 {
            assert_eq!(queue.accept(keyless("{}")).await.unwrap(), Accepted::Created);
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 3);
        assert_eq!(yard.number("SELECT count(*) AS value FROM claims"), 0);
    }

    async fn the_same_ids_again_are_created_again_and_written_once(yard: &Yard) {
        let queue = yard.accept_queue();
        for row in [keyed("k", "{}"), keyless("{}")] {
            assert_eq!(queue.accept(row.clone()).await.unwrap(), Accepted::Created);
            assert_eq!(queue.accept(row).await.unwrap(), Accepted::Created);
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 2);
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.repeats, claim.mismatches), (0, 0));
    }

    async fn an_expired_key_is_taken_over_by_exactly_one_of_eight_racers(yard: &Yard) {
        let first = keyed("k", "old");
        let old = first.event.id;
        yard.accept_queue().accept(first).await.unwrap();
        yard.accept_queue().accept(keyed("k", "other")).await.unwrap();
        let past = yard.literal(Instant::now() - Duration::from_secs(1));
        yard.execute(&format!("UPDATE claims SET expires_at = {past}"));

        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(8));
        let mut racers = tokio::task::JoinSet::new();
        for number in 0..8 {
            let queue = yard.another_process().await.accept_queue(QueueOptions::default()).unwrap();
            // The queue's connection is open before the race.
            queue.accept(keyless("{}")).await.unwrap();
            let barrier = std::sync::Arc::clone(&barrier);
            racers.spawn(async move {
                let row = keyed("k", &format!("new {number}"));
                let id = row.event.id;
                barrier.wait().await;
                (id, queue.accept(row).await)
            });
        }
        let answers = racers.join_all().await;
        let winners: Vec<EventId> = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, Ok(Accepted::Created)))
            .map(|(id, _)| *id)
            .collect();
        let [winner] = winners.as_slice() else { panic!("{answers:?}") };
        for (id, answer) in &answers {
            assert!(id == winner || replayed(answer).is_some_and(|(first, _, _)| first == *winner), "{answer:?}");
        }
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.event_id, claim.repeats, claim.mismatches), (*winner, 7, 7));
        assert!(claim.expires_at > Instant::now());
        assert!(yard.store.event(&workspace(), old).await.unwrap().is_some(), "the old event stays");
    }

    async fn a_window_runs_from_the_first_accept_and_replays_do_not_extend_it(yard: &Yard) {
        let queue = yard.accept_queue();
        let before = Instant::now();
        queue.accept(keyed("k", "{}")).await.unwrap();
        let expires_at = yard.store.claim("so_stripe", "k").await.unwrap().unwrap().expires_at;
        let window = expires_at.since(before);
        let expected = Duration::from_hours(96);
        assert!(window >= expected && window < expected + testkit::DEADLINE, "{window:?}");
        queue.accept(keyed("k", "{}")).await.unwrap();
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!(claim.expires_at, expires_at);
    }

    async fn expired_claims_are_forgotten_an_hour_later_and_others_kept(yard: &Yard) {
        let queue = yard.accept_queue();
        for key in ["a", "b", "kept"] {
            queue.accept(keyed(key, "{}")).await.unwrap();
        }
        let now = Instant::now();
        let hours_ago = yard.literal(now - Duration::from_hours(2));
        yard.execute(&format!("UPDATE claims SET expires_at = {hours_ago} WHERE key <> 'kept'"));
        assert_eq!(yard.store.forget_claims(now - Duration::from_hours(2), 10).await.unwrap(), 0);
        assert_eq!(yard.store.forget_claims(now, 1).await.unwrap(), 1);
        assert_eq!(yard.store.forget_claims(now, 10).await.unwrap(), 1);
        assert!(yard.store.claim("so_stripe", "kept").await.unwrap().is_some());
        assert!(yard.store.claim("so_stripe", "a").await.unwrap().is_none());
    }

    async fn a_hung_up_client_does_not_undo_its_request(yard: &Yard) {
        let queue = yard.accept_queue();
        let row = keyed("k", "{}");
        let id = row.event.id;
        {
            let mut answer = Box::pin(queue.accept(row));
            // Polled once, which queues the row, and dropped.
            assert!(poll_once(&mut answer).await.is_none());
        }
        testkit::until("the event is there", async || {
            yard.store.event(&workspace(), id).await.unwrap().is_some()
        })
        .await;
    }

    async fn a_full_queue_refuses_at_once_and_writes_nothing(yard: &Yard) {
        let options = QueueOptions { capacity: 2, max_batch: 1, ..QueueOptions::default() };
        let queue = yard.store.accept_queue(options).unwrap();
        let held = yard.hold_accepting();
        let mut plug = Box::pin(queue.accept(keyless("plug")));
        assert!(poll_once(&mut plug).await.is_none());
        testkit::until("the writer took the plug", async || queue.depth() == 0).await;
        let mut one = Box::pin(queue.accept(keyless("one")));
        let mut two = Box::pin(queue.accept(keyless("two")));
        assert!(poll_once(&mut one).await.is_none() && poll_once(&mut two).await.is_none());
        let refused = queue.accept(keyless("three")).await;
        assert!(matches!(refused, Err(AcceptError::Overloaded)), "{refused:?}");
        drop(held);
        for waiting in [plug.await, one.await, two.await] {
            assert_eq!(waiting.unwrap(), Accepted::Created);
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 3);
    }
}
