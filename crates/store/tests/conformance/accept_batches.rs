//! Accepting many rows with one statement, and from several processes.

use crate::given::{keyed, keyless, workspace};
use crate::on_both;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{AcceptError, Acceptance, Accepted, QueueOptions};
use std::collections::HashSet;
use wire::EventId;

fn first_of(answer: &Result<Accepted, AcceptError>) -> Option<EventId> {
    match answer {
        Ok(Accepted::Replayed { event_id, .. }) => Some(*event_id),
        _ => None,
    }
}

on_both! {
    async fn a_key_twice_in_one_batch_is_claimed_once(yard: &Yard) {
        let (one, two) = (keyed("k", "{}"), keyed("k", "{}"));
        let first = one.event.id;
        let answers = yard.accept_in_one_batch(vec![one, two]).await;
        assert!(matches!(answers[0], Ok(Accepted::Created)), "{answers:?}");
        assert_eq!(first_of(&answers[1]), Some(first));
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.event_id, claim.repeats, claim.mismatches), (first, 1, 0));
    }

    async fn of_a_key_a_hundred_times_in_one_batch_all_but_the_first_are_its_repeats(yard: &Yard) {
        let rows: Vec<Acceptance> = (0..100).map(|_| keyed("k", "{}")).collect();
        let first = rows[0].event.id;
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(matches!(answers[0], Ok(Accepted::Created)));
        assert!(answers[1..].iter().all(|answer| first_of(answer) == Some(first)));
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.repeats, claim.mismatches), (99, 0));
    }

    async fn followers_are_compared_with_whoever_holds_the_claim(yard: &Yard) {
        let first = keyed("k", "one");
        let id = first.event.id;
        yard.accept_queue().accept(first).await.unwrap();
        let rows = ["two", "one", "two", "three"].map(|body| keyed("k", body)).into();
        let answers = yard.accept_in_one_batch(rows).await;
        let same: Vec<bool> = answers
            .iter()
            .map(|answer| match answer {
                Ok(Accepted::Replayed { event_id, same, .. }) if *event_id == id => *same,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(same, [false, true, false, false]);
        let claim = yard.store.claim("so_stripe", "k").await.unwrap().unwrap();
        assert_eq!((claim.repeats, claim.mismatches), (4, 3));
    }

    async fn winners_losers_followers_and_keyless_rows_of_one_batch_get_their_own_answers(yard: &Yard) {
        let old = keyed("old", "{}");
        let first = old.event.id;
        yard.accept_queue().accept(old).await.unwrap();
        let rows = vec![
            keyless("1"), keyed("new", "2"), keyed("old", "{}"), keyed("new", "3"), keyless("4"), keyed("z", "5"),
        ];
        let ids: Vec<EventId> = rows.iter().map(|row| row.event.id).collect();
        let answers = yard.accept_in_one_batch(rows).await;
        for created in [0, 1, 4, 5] {
            assert!(matches!(answers[created], Ok(Accepted::Created)), "{created}: {answers:?}");
            assert!(yard.store.event(&workspace(), ids[created]).await.unwrap().is_some());
        }
        assert_eq!((first_of(&answers[2]), first_of(&answers[3])), (Some(first), Some(ids[1])));
        for absent in [2, 3] {
            assert!(yard.store.event(&workspace(), ids[absent]).await.unwrap().is_none());
        }
    }

    async fn a_bad_row_among_good_ones_fails_alone(yard: &Yard) {
        let mut rows: Vec<Acceptance> = (0..20).map(|number| keyed(&format!("k{number}"), "{}")).collect();
        let bad = rows[7].event.id;
        poison(yard, &mut rows[7]);
        let answers = yard.accept_in_one_batch(rows).await;
        for (number, answer) in answers.iter().enumerate() {
            if number == 7 {
                assert!(matches!(answer, Err(AcceptError::Refused(_))), "{answer:?}");
            } else {
                assert!(matches!(answer, Ok(Accepted::Created)), "{number}: {answer:?}");
            }
        }
        assert!(yard.store.event(&workspace(), bad).await.unwrap().is_none());
        assert!(yard.store.claim("so_stripe", "k7").await.unwrap().is_none(), "a refused request uses up no key");
        let again = yard.accept_queue().accept(keyed("k7", "{}")).await;
        assert!(matches!(again, Ok(Accepted::Created)), "{again:?}");
    }

    async fn large_bodies_do_not_travel_in_one_statement(yard: &Yard) {
        let large = Bytes::from(vec![7; 1024 * 1024]);
        let rows: Vec<Acceptance> = (0..40)
            .map(|number| {
                let mut row = keyed(&format!("k{number}"), "");
                row.event.body = large.clone();
                row
            })
            .collect();
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Accepted::Created))), "{answers:?}");
    }

    async fn opposite_key_orders_from_two_processes_never_deadlock_for_good(yard: &Yard) {
        let mut processes = Vec::new();
        for _ in 0..2 {
            processes.push(yard.another_process().await.accept_queue(QueueOptions::default()).unwrap());
        }
        for round in 0..20 {
            let mut answers = tokio::task::JoinSet::new();
            for (process, queue) in processes.iter().enumerate() {
                for step in 0..64 {
                    let number = if process == 0 { step } else { 63 - step };
                    let (queue, row) = (queue.clone(), keyed(&format!("{round}/{number}"), "{}"));
                    answers.spawn(async move { queue.accept(row).await });
                }
            }
            let answers = answers.join_all().await;
            let created = answers.iter().filter(|answer| matches!(answer, Ok(Accepted::Created))).count();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            assert_eq!(created, 64);
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 20 * 64);
        assert_eq!(yard.number("SELECT sum(repeats) AS value FROM claims"), 20 * 64);
    }

    async fn twins_at_many_processes_make_one_event(yard: &Yard) {
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let queue = yard.another_process().await.accept_queue(QueueOptions::default()).unwrap();
            for _ in 0..16 {
                let queue = queue.clone();
                answers.spawn(async move {
                    let row = keyed("k", "{}");
                    (row.event.id, queue.accept(row).await.unwrap())
                });
            }
        }
        let ids: HashSet<EventId> = answers
            .join_all()
            .await
            .into_iter()
            .map(|(own, answer)| match answer {
                Accepted::Created => own,
                Accepted::Replayed { event_id, .. } => event_id,
            })
            .collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 1);
        assert_eq!(yard.number("SELECT sum(repeats) AS value FROM claims"), 63);
    }

    async fn five_hundred_and_twelve_callers_at_once_are_all_answered(yard: &Yard) {
        let queue = yard.accept_queue();
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..512 {
            let queue = queue.clone();
            callers.spawn(async move {
                for number in 0..4 {
                    let row = keyed(&format!("{caller}/{number}"), "{}");
                    assert_eq!(queue.accept(row).await.unwrap(), Accepted::Created);
                }
            });
        }
        callers.join_all().await;
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 4 * 512);
    }
}

/// Makes the ledger refuse the row: Postgres takes no NUL in a text. SQLite takes anything, so there a second row meets an
/// index of the test's own.
fn poison(yard: &Yard, row: &mut Acceptance) {
    if yard.is_postgres() {
        row.event.event_type = Some("a\0b".to_owned());
    } else {
        yard.execute("CREATE UNIQUE INDEX poison ON events (method) WHERE method = 'POISON'");
        yard.execute(
            "INSERT INTO events (id, workspace_id, state, received_at, method, headers, body) \
             VALUES (x'00', '', 'routed', 0, 'POISON', x'', x'')",
        );
        row.event.method = "POISON".into();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_an_id_outside_every_partition_fails_alone() {
    let yard = Yard::on_postgres().await;
    let mut rows: Vec<Acceptance> = (0..5).map(|number| keyed(&format!("k{number}"), "{}")).collect();
    rows[3].event.id = EventId::new("2001-01-01T00:00:00Z".parse().unwrap(), 1);
    let answers = yard.accept_in_one_batch(rows).await;
    assert!(matches!(answers[3], Err(AcceptError::Refused(_))), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_window_beyond_the_calendar_fails_alone() {
    let yard = Yard::on_postgres().await;
    let mut rows = vec![keyed("a", "{}"), keyed("b", "{}")];
    if let Some(claim) = &mut rows[0].claim {
        claim.window = std::time::Duration::MAX;
    }
    let answers = yard.accept_in_one_batch(rows).await;
    assert!(matches!(answers[0], Err(AcceptError::Refused(_))), "{answers:?}");
    assert!(matches!(answers[1], Ok(Accepted::Created)), "{answers:?}");
}
