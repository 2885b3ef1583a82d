//! Runs and their workers: taken once, kept under fences, never lost, and no more at a time than may be.

use crate::given::{self, workspace};
use crate::on_both;
use crate::runs::started;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{
    CommitQueue, Committed, Control, Controlled, HeldRun, Hold, NewEvent, NewWait, QueueOptions, RunCommit,
    StepRow, Store, Telling, Unwaited,
};
use std::time::Duration;
use uuid::Uuid;
use wire::{EventId, Instant, RunId, RunState, StepState};

const SILENCE: Duration = Duration::from_secs(15);

/// A commit that goes on with the run, keeping `engine`.
pub(crate) fn commit(run: &HeldRun, owner: Uuid, engine: &str) -> RunCommit {
    RunCommit {
        id: run.id,
        workspace_id: run.workspace_id.clone(),
        playbook_id: run.playbook_id.clone(),
        owner,
        epoch: run.epoch,
        revision: run.revision,
        state: RunState::Running,
        engine: Some(Bytes::from(engine.to_owned())),
        output: None,
        error: None,
        steps_total: run.steps,
        hold: Hold::Kept,
        steps: Vec::new(),
        emitted: Vec::new(),
        waits: Vec::new(),
        unwaited: Unwaited::NOTHING,
        taken: Vec::new(),
        limit: None,
        at: Instant::now(),
    }
}

fn step(number: i32) -> StepRow {
    StepRow {
        number,
        pointer: format!("/do/{number}/a"),
        name: "a".to_owned(),
        kind: "set".to_owned(),
        status: StepState::Completed,
        attempt: 1,
        input: b"{}".to_vec(),
        output: Some(b"[1]".to_vec()),
        is_cut: false,
        error: None,
        started_at: Instant::now(),
        ended_at: Instant::now(),
    }
}

fn wait(effect: i32, filter: i32) -> NewWait {
    NewWait {
        effect,
        filter,
        event_type: "answered".to_owned(),
        shape: vec![6; 32],
        correlation: vec![7; 32],
        spec: "{}".to_owned(),
        is_any: true,
        is_broadcast: false,
    }
}

fn emitted(id: EventId) -> NewEvent {
    NewEvent {
        id,
        source_id: None,
        verified: None,
        ..given::event("{\"emitted\":true}")
    }
}

pub(crate) fn commits(yard: &Yard) -> CommitQueue {
    yard.store.commit_queue(QueueOptions::default()).unwrap()
}

pub(crate) async fn claimed(store: &Store, worker: Uuid) -> Vec<HeldRun> {
    store.claim_runs(worker, Instant::now(), 100).await.unwrap()
}

/// A worker of its own, and the one run that it has.
async fn held(yard: &Yard) -> (Uuid, HeldRun) {
    let worker = Uuid::new_v4();
    yard.store.beat(worker, "test").await.unwrap();
    started(yard, 1).await;
    (worker, claimed(&yard.store, worker).await.remove(0))
}

on_both! {
    async fn two_workers_never_take_the_same_run(yard: &Yard) {
        let ids = started(yard, 60).await;
        let workers = (0..4).map(|_| {
            let store = yard.store.clone();
            tokio::spawn(async move {
                let (mut mine, worker) = (Vec::new(), Uuid::new_v4());
                loop {
                    let taken = store.claim_runs(worker, Instant::now(), 7).await.unwrap();
                    if taken.is_empty() {
                        return mine;
                    }
                    mine.extend(taken.into_iter().map(|run| (run.id, run.epoch)));
                }
            })
        });
        let mut taken = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            taken.extend(worker.await.unwrap());
        }
        assert!(taken.iter().all(|(_, epoch)| *epoch == 1));
        taken.sort();
        // One that all passed by while another had it locked would be left over; nobody held one for long.
        assert_eq!(taken.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ids);
    }

    async fn what_is_taken_is_whole_and_no_more_than_asked_for(yard: &Yard) {
        let ids = started(yard, 3).await;
        let (worker, now) = (Uuid::new_v4(), Instant::now());
        let first = yard.store.claim_runs(worker, now, 1).await.unwrap();
        let run = &first[0];
        assert_eq!((run.id, run.version, run.state, run.input.as_slice()), (ids[0], 1, RunState::Running, &b"{\"a\":1}"[..]));
        assert_eq!((&run.engine, run.epoch, run.revision, run.steps, run.slot), (&None, 1, 0, 0, None));
        let named = yard.store.claim_named(worker, now, vec![ids[0], ids[2]]).await.unwrap();
        assert_eq!(named.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[2]]);
        let early = ids[1].instant() - Duration::from_mins(1);
        assert!(yard.store.claim_runs(worker, early, 9).await.unwrap().is_empty(), "none is ready yet");
        let shown = yard.store.run(&workspace(), ids[0]).await.unwrap().unwrap();
        assert_eq!((shown.state, shown.started_at.is_some()), (RunState::Running, true));
    }

    async fn a_step_is_kept_with_all_that_came_of_it(yard: &Yard) {
        let (worker, run) = held(yard).await;
        let queue = commits(yard);
        yard.store.on_record(vec![]).control_run(&workspace(), run.id, Control::Pause, Instant::now()).await.unwrap();
        assert_eq!(yard.store.told(worker).await.unwrap(), [run.id]);
        let told = yard.store.inbox(vec![run.id]).await.unwrap();
        assert_eq!(told[0].what, Telling::Control(Control::Pause));
        assert!(yard.store.told(worker).await.unwrap().is_empty(), "it was told");
        let event = EventId::generate();
        let first = RunCommit {
            steps: vec![step(1), step(2)],
            steps_total: 2,
            emitted: vec![emitted(event)],
            waits: vec![wait(3, 0), wait(3, 1), wait(4, 0)],
            taken: vec![told[0].id],
            ..commit(&run, worker, "one")
        };
        assert_eq!(queue.commit(first).await.unwrap(), Committed::Kept(vec![]));
        assert_eq!(yard.store.steps(&workspace(), run.id, None, 9).await.unwrap().rows.len(), 2);
        assert_eq!(yard.store.unrouted(vec![event]).await.unwrap().events.len(), 1);
        assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 3);
        assert!(yard.store.inbox(vec![run.id]).await.unwrap().is_empty());
        let second = RunCommit {
            revision: 1,
            state: RunState::Waiting,
            hold: Hold::Parked(None),
            unwaited: Unwaited::These(vec![3]),
            ..commit(&run, worker, "two")
        };
        assert_eq!(queue.commit(second).await.unwrap(), Committed::Kept(vec![]));
        assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 1);
        assert!(claimed(&yard.store, worker).await.is_empty(), "nothing is to be done about it");
        yard.store.on_record(vec![]).control_run(&workspace(), run.id, Control::Cancel, Instant::now()).await.unwrap();
        let again = claimed(&yard.store, worker).await.remove(0);
        assert_eq!((again.engine.as_deref(), again.revision, again.epoch), (Some(&b"two"[..]), 2, 2));
        let last = RunCommit {
            state: RunState::Completed,
            output: Some(Bytes::from_static(b"{\"b\":2}")),
            hold: Hold::Parked(None),
            unwaited: Unwaited::Every,
            ..commit(&again, worker, "three")
        };
        assert_eq!(queue.commit(last).await.unwrap(), Committed::Kept(vec![]));
        let shown = yard.store.run(&workspace(), run.id).await.unwrap().unwrap();
        assert_eq!((shown.state, shown.output.as_deref()), (RunState::Completed, Some(&b"{\"b\":2}"[..])));
        assert!(shown.ended_at.is_some());
        assert_eq!(yard.number("SELECT count(*) AS value FROM run_waits"), 0);
    }

    async fn who_lost_a_run_keeps_nothing(yard: &Yard) {
        let (worker, run) = held(yard).await;
        let queue = commits(yard);
        let rich = |commit: RunCommit| RunCommit {
            steps: vec![step(1)],
            emitted: vec![emitted(EventId::generate())],
            waits: vec![wait(1, 0)],
            state: RunState::Completed,
            ..commit
        };
        let fenced = [
            RunCommit { owner: Uuid::new_v4(), ..commit(&run, worker, "x") },
            RunCommit { epoch: run.epoch - 1, ..commit(&run, worker, "x") },
            RunCommit { revision: run.revision + 1, ..commit(&run, worker, "x") },
        ];
        for fenced in fenced {
            assert_eq!(queue.commit(rich(fenced)).await.unwrap(), Committed::Lost);
        }
        for table in ["steps", "run_waits"] {
            assert_eq!(yard.number(&format!("SELECT count(*) AS value FROM {table}")), 0, "{table}");
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM events"), 1, "the one that started it");
        let shown = yard.store.run(&workspace(), run.id).await.unwrap().unwrap();
        assert_eq!(shown.state, RunState::Running);
    }

    async fn a_commit_that_is_run_again_is_not_lost_and_not_kept_twice(yard: &Yard) {
        let (worker, run) = held(yard).await;
        let queue = commits(yard);
        let once = RunCommit { steps: vec![step(1)], ..commit(&run, worker, "one") };
        for _ in 0..2 {
            assert_eq!(queue.commit(once.clone()).await.unwrap(), Committed::Kept(vec![]));
        }
        assert_eq!(yard.number("SELECT revision AS value FROM runs"), 1);
        assert_eq!(yard.number("SELECT count(*) AS value FROM steps"), 1);
    }

    async fn a_bad_row_fails_alone(yard: &Yard) {
        started(yard, 20).await;
        let worker = Uuid::new_v4();
        let runs = claimed(&yard.store, worker).await;
        let queue = commits(yard);
        let answers = runs.iter().enumerate().map(|(index, run)| {
            let twice = if index == 7 { vec![step(1), step(1)] } else { vec![step(1)] };
            let (queue, commit) = (queue.clone(), RunCommit { steps: twice, ..commit(run, worker, "x") });
            tokio::spawn(async move { queue.commit(commit).await })
        });
        for (index, answer) in answers.collect::<Vec<_>>().into_iter().enumerate() {
            let answer = answer.await.unwrap();
            assert_eq!(answer.is_ok(), index != 7, "{index}: {answer:?}");
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM steps"), 19);
    }

    async fn a_run_is_not_parked_over_what_it_was_told(yard: &Yard) {
        let (worker, run) = held(yard).await;
        yard.store.on_record(vec![]).control_run(&workspace(), run.id, Control::Cancel, Instant::now()).await.unwrap();
        let later = Instant::now() + Duration::from_hours(1);
        let parked = RunCommit { state: RunState::Waiting, hold: Hold::Parked(Some(later)), ..commit(&run, worker, "x") };
        commits(yard).commit(parked).await.unwrap();
        assert_eq!(claimed(&yard.store, worker).await.len(), 1);
    }

    async fn telling_and_parking_at_once_lose_nothing(yard: &Yard) {
        started(yard, 40).await;
        let worker = Uuid::new_v4();
        let runs = claimed(&yard.store, worker).await;
        let queue = commits(yard);
        let racing = runs.iter().map(|run| {
            let parked = RunCommit { state: RunState::Waiting, hold: Hold::Parked(None), ..commit(run, worker, "x") };
            let (queue, store, id) = (queue.clone(), yard.store.clone(), run.id);
            tokio::spawn(async move {
                let telling = tokio::spawn(async move { store.on_record(vec![]).control_run(&workspace(), id, Control::Cancel, Instant::now()).await });
                queue.commit(parked).await.unwrap();
                assert_eq!(telling.await.unwrap().unwrap(), Controlled::Wished);
            })
        });
        for race in racing.collect::<Vec<_>>() {
            race.await.unwrap();
        }
        assert_eq!(claimed(&yard.store, worker).await.len(), 40, "each is ready again");
    }

    async fn what_a_silent_worker_has_is_let_go_of(yard: &Yard) {
        let (silent, run) = held(yard).await;
        let (alive, other) = held(yard).await;
        assert!(yard.store.release_silent(SILENCE, 10).await.unwrap().is_empty());
        let long_ago = yard.literal(Instant::now() - Duration::from_secs(16));
        let name = if yard.is_postgres() { format!("'{silent}'") } else { format!("x'{}'", silent.simple()) };
        yard.execute(&format!("UPDATE workers SET seen_at = {long_ago} WHERE id = {name}"));
        assert_eq!(yard.store.release_silent(SILENCE, 10).await.unwrap(), [run.id]);
        let taken = claimed(&yard.store, alive).await;
        assert_eq!((taken[0].id, taken[0].epoch), (run.id, run.epoch + 1));
        assert_eq!(commits(yard).commit(commit(&run, silent, "late")).await.unwrap(), Committed::Lost);
        // One that nobody knows is as silent.
        yard.execute("DELETE FROM workers");
        let mut left = yard.store.release_silent(SILENCE, 10).await.unwrap();
        left.sort();
        assert_eq!(left, [run.id, other.id]);
    }

    async fn a_worker_that_retires_leaves_its_runs_to_others_at_once(yard: &Yard) {
        let (worker, run) = held(yard).await;
        assert_eq!(yard.store.retire(worker).await.unwrap(), [run.id]);
        assert_eq!(claimed(&yard.store, Uuid::new_v4()).await.len(), 1);
        assert_eq!(yard.number("SELECT count(*) AS value FROM workers"), 0);
    }

    async fn what_a_run_was_told_and_nobody_heard_wakes_it_in_the_end(yard: &Yard) {
        let (worker, run) = held(yard).await;
        yard.store.on_record(vec![]).control_run(&workspace(), run.id, Control::Cancel, Instant::now()).await.unwrap();
        yard.execute("UPDATE runs SET owner = NULL, ready_at = NULL");
        assert_eq!(yard.store.wake_told(Duration::from_hours(1), 10).await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(yard.store.wake_told(Duration::ZERO, 10).await.unwrap(), 1);
        assert_eq!(claimed(&yard.store, worker).await.len(), 1);
    }

    async fn a_message_is_told_once_and_an_exclusive_one_to_one_run(yard: &Yard) {
        let ids = started(yard, 2).await;
        let (event, at) = (EventId::generate(), yard.literal(Instant::now()));
        let uuid = |id: Uuid| if yard.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) };
        let insert = |run: RunId, exclusive: bool| {
            let sql = format!(
                "INSERT INTO run_inbox (id, run_id, kind, event_id, effect, filter, exclusive, created_at) \
                 VALUES ({}, {}, 'message', {}, 1, 0, {exclusive}, {at}) ON CONFLICT DO NOTHING",
                uuid(Uuid::new_v4()), uuid(run.uuid()), uuid(event.uuid())
            );
            yard.execute(&sql);
            yard.number("SELECT count(*) AS value FROM run_inbox")
        };
        assert_eq!((insert(ids[0], true), insert(ids[0], true), insert(ids[1], true), insert(ids[1], false)), (1, 1, 1, 2));
        let told = yard.store.inbox(vec![ids[0]]).await.unwrap();
        assert_eq!(told[0].what, Telling::Message { event_id: event, effect: 1, filter: 0 });
    }
}
