//! Slots: how many runs of a playbook go on at the same time, exactly, and whose turn is next.

use crate::given::{playbook, tenant, workspace};
use crate::on_both;
use crate::running::{claimed, commit, commits};
use crate::runs::started;
use crate::yard::Yard;
use hookyard_store::{
    CommitQueue, Committed, Control, Edit, Hold, QueueOptions, RunCommit, SlotLimit, SlotQueue, Slotted,
    Store,
};
use std::time::Duration;
use testkit::until;
use uuid::Uuid;
use wire::{Instant, RunState};

on_both! {
    async fn no_more_runs_go_on_than_may_and_each_gets_its_turn(yard: &Yard) {
        const RUNS: usize = 50;
        const MOST: usize = 3;
        started(yard, RUNS).await;
        let (slots, queue) = (slots(yard), commits(yard));
        let workers = (0..4).map(|_| {
            let (store, slots, queue) = (yard.store.clone(), slots.clone(), queue.clone());
            tokio::spawn(async move { work_off(&store, &slots, &queue, RUNS).await })
        });
        for worker in workers.collect::<Vec<_>>() {
            let most = tokio::time::timeout(Duration::from_mins(1), worker).await.unwrap().unwrap();
            assert!(most <= MOST, "{most} at once");
        }
        let ended = yard.number("SELECT count(*) AS value FROM runs WHERE state = 'completed' AND slot IS NULL AND NOT queued");
        assert_eq!(ended, i64::try_from(RUNS).unwrap());
    }

    async fn who_waits_longest_is_next(yard: &Yard) {
        let ids = started(yard, 4).await;
        let worker = Uuid::new_v4();
        let limit = SlotLimit { key: String::new(), most: 1 };
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        for (index, expected) in [(0, Slotted::Taken(0)), (2, Slotted::Queued), (1, Slotted::Queued), (3, Slotted::Queued), (0, Slotted::Taken(0))] {
            let slotted = slots(yard).take(&runs[index], worker, limit.clone(), Instant::now()).await.unwrap();
            assert_eq!(slotted, expected, "{index}");
        }
        let shown = yard.store.run(&workspace(), ids[2]).await.unwrap().unwrap();
        assert_eq!((shown.state, shown.queued, shown.started_at), (RunState::Pending, true, None));
        assert!(claimed(&yard.store, worker).await.is_empty());
        let ended = RunCommit {
            state: RunState::Faulted,
            hold: Hold::Parked(None),
            limit: Some(limit.clone()),
            ..commit(&runs[0], worker, "x")
        };
        assert_eq!(commits(yard).commit(ended).await.unwrap(), Committed::Kept(vec![ids[1]]));
        let next = claimed(&yard.store, worker).await;
        assert_eq!((next[0].id, next[0].slot, next.len()), (ids[1], Some(0), 1));
        // Whoever lost the run gets none.
        assert_eq!(slots(yard).take(&runs[1], worker, limit, Instant::now()).await.unwrap(), Slotted::Lost);
    }

    async fn those_who_ask_together_are_answered_each_for_himself(yard: &Yard) {
        let ids = started(yard, 8).await;
        let worker = Uuid::new_v4();
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        // The last but one is another's by now, and the last shares its places with nobody.
        runs[6].epoch += 1;
        let queue = slots(yard);
        let asking: Vec<_> = runs.into_iter().enumerate().map(|(index, run)| {
            let limit = SlotLimit { key: String::from(if index == 7 { "alone" } else { "" }), most: 4 };
            let queue = queue.clone();
            tokio::spawn(async move { queue.take(&run, worker, limit, Instant::now()).await.unwrap() })
        }).collect();
        let mut answers = Vec::new();
        for asked in asking {
            answers.push(asked.await.unwrap());
        }
        let mut taken: Vec<i32> = answers[..6].iter().filter_map(|slotted| match slotted {
            Slotted::Taken(slot) => Some(*slot),
            Slotted::Queued | Slotted::Lost => None,
        }).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3], "{answers:?}");
        assert_eq!(answers.iter().filter(|slotted| **slotted == Slotted::Queued).count(), 2, "{answers:?}");
        assert_eq!(answers[6..], [Slotted::Lost, Slotted::Taken(0)]);
        for (run, answer) in ids.iter().zip(&answers) {
            let shown = yard.store.run(&workspace(), *run).await.unwrap().unwrap();
            let state = if *answer == Slotted::Queued { RunState::Pending } else { RunState::Running };
            assert_eq!((shown.queued, shown.state), (*answer == Slotted::Queued, state), "{run}");
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs WHERE slot IS NOT NULL"), 5);
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs WHERE owner IS NULL"), 2);
    }

    async fn each_key_has_places_of_its_own(yard: &Yard) {
        let ids = started(yard, 4).await;
        let worker = Uuid::new_v4();
        let of = |key: &str| SlotLimit { key: key.to_owned(), most: 1 };
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        for (index, key, expected) in [(0, "ada", Slotted::Taken(0)), (1, "ada", Slotted::Queued), (2, "bob", Slotted::Taken(0)), (3, "bob", Slotted::Queued)] {
            let slotted = slots(yard).take(&runs[index], worker, of(key), Instant::now()).await.unwrap();
            assert_eq!(slotted, expected, "{index}");
        }
        let ended = RunCommit {
            state: RunState::Completed,
            hold: Hold::Parked(None),
            limit: Some(of("bob")),
            ..commit(&runs[2], worker, "x")
        };
        assert_eq!(commits(yard).commit(ended).await.unwrap(), Committed::Kept(vec![ids[3]]));
        let next = claimed(&yard.store, worker).await;
        assert_eq!((next.len(), next[0].id, next[0].slot, next[0].slot_key.as_deref()), (1, ids[3], Some(0), Some("bob")));
    }

    async fn a_run_keeps_the_key_that_it_asked_with_first(yard: &Yard) {
        let ids = started(yard, 2).await;
        let worker = Uuid::new_v4();
        let of = |key: &str| SlotLimit { key: key.to_owned(), most: 1 };
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        assert_eq!(runs[1].slot_key, None);
        for (index, expected) in [(0, Slotted::Taken(0)), (1, Slotted::Queued)] {
            let slotted = slots(yard).take(&runs[index], worker, of("ada"), Instant::now()).await.unwrap();
            assert_eq!(slotted, expected, "{index}");
        }
        // An operator's wish brings it to another worker, which finds another key.
        yard.store.on_record(vec![]).control_run(&workspace(), ids[1], Control::Pause, Instant::now()).await.unwrap();
        let other = Uuid::new_v4();
        let again = claimed(&yard.store, other).await.remove(0);
        assert_eq!((again.id, again.slot_key.as_deref()), (ids[1], Some("ada")));
        let slotted = slots(yard).take(&again, other, of("bob"), Instant::now()).await.unwrap();
        assert_eq!(slotted, Slotted::Queued);
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs WHERE slot_key = 'ada'"), 2);
    }

    async fn a_line_with_a_free_place_is_found_behind_many_that_are_full(yard: &Yard) {
        let ids = started(yard, 7).await;
        let worker = Uuid::new_v4();
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        let limit = |run: usize| SlotLimit { key: format!("{}", run % 3), most: 1 };
        for (index, run) in runs.iter().enumerate() {
            slots(yard).take(run, worker, limit(index), Instant::now()).await.unwrap();
        }
        let mut playbook = playbook("acme", "onboarding", 1);
        playbook.spec.concurrency = Some(1);
        let mut edits = tenant("acme");
        edits.push(Edit::Playbook(playbook.clone()));
        yard.store.edit(edits, Instant::now()).await.unwrap();
        assert_eq!(yard.store.refill_slots(Instant::now(), 1).await.unwrap(), Vec::new());
        // The last line's place is given back, and whoever did it dies before the next gets it.
        let lost = RunCommit {
            state: RunState::Completed,
            hold: Hold::Parked(None),
            ..commit(&runs[2], worker, "x")
        };
        commits(yard).commit(lost).await.unwrap();
        assert_eq!(yard.store.refill_slots(Instant::now(), 1).await.unwrap(), [ids[5]]);
        playbook.spec.concurrency = Some(2);
        yard.store.edit(vec![Edit::Playbook(playbook)], Instant::now()).await.unwrap();
        let mut woken = yard.store.refill_slots(Instant::now(), 1).await.unwrap();
        woken.sort_unstable();
        assert_eq!(woken, [ids[3], ids[4]]);
    }

    async fn a_lowered_limit_is_kept_to_by_those_who_ask_and_those_who_give_back(yard: &Yard) {
        started(yard, 8).await;
        let worker = Uuid::new_v4();
        let [high, low] = [4, 2].map(|most| SlotLimit { key: String::new(), most });
        let mut runs = claimed(&yard.store, worker).await;
        runs.sort_by_key(|run| run.id);
        let ended = |index: usize| RunCommit {
            state: RunState::Completed,
            hold: Hold::Parked(None),
            limit: Some(low.clone()),
            ..commit(&runs[index], worker, "x")
        };
        for (index, expected) in (0..).zip([0, 1, 2, 3].map(Slotted::Taken)) {
            assert_eq!(slots(yard).take(&runs[index], worker, high.clone(), Instant::now()).await.unwrap(), expected);
        }
        // The first number is free again, and three go on.
        assert_eq!(commits(yard).commit(ended(0)).await.unwrap(), Committed::Kept(Vec::new()));
        for run in &runs[4..7] {
            assert_eq!(slots(yard).take(run, worker, low.clone(), Instant::now()).await.unwrap(), Slotted::Queued);
        }
        assert_eq!(commits(yard).commit(ended(1)).await.unwrap(), Committed::Kept(Vec::new()));
        assert_eq!(commits(yard).commit(ended(2)).await.unwrap(), Committed::Kept(vec![runs[4].id]));
        assert_eq!(slots(yard).take(&runs[7], worker, low.clone(), Instant::now()).await.unwrap(), Slotted::Queued);
        assert_eq!(commits(yard).commit(ended(3)).await.unwrap(), Committed::Kept(vec![runs[5].id]));
    }

    async fn a_limit_that_is_gone_lets_all_go_on(yard: &Yard) {
        started(yard, 3).await;
        let worker = Uuid::new_v4();
        let limit = SlotLimit { key: String::new(), most: 1 };
        for run in claimed(&yard.store, worker).await {
            slots(yard).take(&run, worker, limit.clone(), Instant::now()).await.unwrap();
        }
        assert!(claimed(&yard.store, worker).await.is_empty());
        // Its playbook is not there, and so is no limit.
        assert_eq!(yard.store.refill_slots(Instant::now(), 10).await.unwrap().len(), 2);
        assert_eq!(claimed(&yard.store, worker).await.len(), 2);
    }
}

pub(crate) fn slots(yard: &Yard) -> SlotQueue {
    yard.store.slot_queue(QueueOptions::default()).unwrap()
}

/// Takes runs and ends them until all have ended; returns the most that were seen to go on at once.
async fn work_off(store: &Store, slots: &SlotQueue, queue: &CommitQueue, runs: usize) -> usize {
    let (worker, mut most) = (Uuid::new_v4(), 0);
    let limit = SlotLimit {
        key: String::new(),
        most: 3,
    };
    loop {
        let taken = store.claim_runs(worker, Instant::now(), 5).await.unwrap();
        for run in taken {
            match slots
                .take(&run, worker, limit.clone(), Instant::now())
                .await
                .unwrap()
            {
                Slotted::Taken(slot) => assert!(slot < 3),
                Slotted::Queued => continue,
                Slotted::Lost => panic!("nobody else has it"),
            }
            let page = store.runs(&workspace(), None, None, 100).await.unwrap();
            most = most.max(
                page.rows
                    .iter()
                    .filter(|run| run.state == RunState::Running && run.steps > 0)
                    .count(),
            );
            let begun = RunCommit {
                steps_total: 1,
                ..commit(&run, worker, "begun")
            };
            queue.commit(begun).await.unwrap();
            let ended = RunCommit {
                revision: run.revision + 1,
                state: RunState::Completed,
                hold: Hold::Parked(None),
                limit: Some(limit.clone()),
                ..commit(&run, worker, "ended")
            };
            assert!(matches!(queue.commit(ended).await.unwrap(), Committed::Kept(_)));
        }
        let page = store
            .runs(&workspace(), Some(RunState::Completed), None, 100)
            .await
            .unwrap();
        if page.rows.len() == runs {
            return most;
        }
    }
}

/// Whoever gives slots locks a line, and then the runs in it. Whoever ends runs must come in the same way, or the two wait for
/// each other: many runs are ended at once when somebody cancels them all, of which those in line are several workers' by then.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_who_waits_for_a_line_has_no_run_locked() {
    let yard = Yard::on_postgres().await;
    started(&yard, 1).await;
    let worker = Uuid::new_v4();
    let run = claimed(&yard.store, worker).await.remove(0);
    let limit = SlotLimit {
        key: String::new(),
        most: 1,
    };
    let line = format!("hookyard.slots\n{}\n", run.playbook_id);
    let (mut other, mut third) = (yard.raw(), yard.raw());
    other.execute(&format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('{line}', 0))"
    ));
    let ended = RunCommit {
        state: RunState::Cancelled,
        hold: Hold::Parked(None),
        limit: Some(limit),
        ..commit(&run, worker, "x")
    };
    let queue = commits(&yard);
    let ending = tokio::spawn(async move { queue.commit(ended).await });
    until("it waits", async || {
        third.number("SELECT count(*) AS value FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 1
    })
    .await;
    third.execute("SELECT FROM runs FOR UPDATE NOWAIT");
    other.execute("COMMIT");
    assert_eq!(ending.await.unwrap().unwrap(), Committed::Kept(Vec::new()));
}
