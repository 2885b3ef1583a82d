//! Slots: how many runs of a playbook go on at the same time, exactly, and whose turn is next.

use crate::given::workspace;
use crate::on_both;
use crate::running::{claimed, commit, commits};
use crate::runs::started;
use crate::yard::Yard;
use hookyard_store::{CommitQueue, Committed, Hold, RunCommit, SlotLimit, Slotted, Store};
use std::time::Duration;
use uuid::Uuid;
use wire::{Instant, RunState};

on_both! {
    async fn no_more_runs_go_on_than_may_and_each_gets_its_turn(yard: &Yard) {
        const RUNS: usize = 50;
        const MOST: usize = 3;
        started(yard, RUNS).await;
        let queue = commits(yard);
        let workers = (0..4).map(|_| {
            let (store, queue) = (yard.store.clone(), queue.clone());
            tokio::spawn(async move { work_off(&store, &queue, RUNS).await })
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
            let slotted = yard.store.take_slot(&runs[index], worker, limit.clone(), Instant::now()).await.unwrap();
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
        assert_eq!(yard.store.take_slot(&runs[1], worker, limit, Instant::now()).await.unwrap(), Slotted::Lost);
    }

    async fn a_limit_that_is_gone_lets_all_go_on(yard: &Yard) {
        started(yard, 3).await;
        let worker = Uuid::new_v4();
        let limit = SlotLimit { key: String::new(), most: 1 };
        for run in claimed(&yard.store, worker).await {
            yard.store.take_slot(&run, worker, limit.clone(), Instant::now()).await.unwrap();
        }
        assert!(claimed(&yard.store, worker).await.is_empty());
        // Its playbook is not there, and so is no limit.
        assert_eq!(yard.store.refill_slots(Instant::now(), 10).await.unwrap().len(), 2);
        assert_eq!(claimed(&yard.store, worker).await.len(), 2);
    }
}

/// Takes runs and ends them until all have ended; returns the most that were seen to go on at once.
async fn work_off(store: &Store, queue: &CommitQueue, runs: usize) -> usize {
    let (worker, mut most) = (Uuid::new_v4(), 0);
    let limit = SlotLimit {
        key: String::new(),
        most: 3,
    };
    loop {
        let taken = store.claim_runs(worker, Instant::now(), 5).await.unwrap();
        for run in taken {
            match store
                .take_slot(&run, worker, limit.clone(), Instant::now())
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
