//! What runners ask often reads no more than it needs, however much is parked.

use crate::given::workspace;
use crate::on_both;
use crate::planner::{Asked, Planner};
use crate::running::commit;
use crate::yard::Yard;
use hookyard_store::{Committed, HeldRun, QueueOptions, RunsOf};
use std::time::Duration;
use uuid::Uuid;
use wire::{Instant, PlaybookId, RunId, RunState, WorkspaceId};

const SILENCE: Duration = Duration::from_secs(15);

on_both! {
    async fn claiming_reads_what_is_ready_in_order_however_much_is_parked(yard: &Yard) {
        let planner = Planner::over(yard).await;
        parked(yard);
        planner.store.claim_runs(Uuid::new_v4(), Instant::now(), 10).await.unwrap();
        if yard.is_postgres() {
            planner.plan("UPDATE runs").uses("", "using runs_ready_idx").sorts_nothing();
            planner.store.claim_named(Uuid::new_v4(), Instant::now(), vec![RunId::generate()]).await.unwrap();
            planner.plan("UPDATE runs").uses("", "using runs_pkey");
        } else {
            planner.plan("SELECT `runs`.`id` FROM `runs`").uses("runs_ready_idx (ready_at>? AND ready_at<?)", "").sorts_nothing();
        }
    }

    async fn looking_after_runs_reads_by_index(yard: &Yard) {
        told(yard);
        let planner = Planner::over(yard).await;
        let store = &planner.store;
        store.told(Uuid::new_v4()).await.unwrap();
        planner.plan("owner").uses("runs_owner_idx (owner=?)", "using runs_owner_idx");
        store.inbox(vec![RunId::generate()]).await.unwrap();
        planner.plan("run_inbox").reads_no_table_whole();
        store.release_silent(SILENCE, 10).await.unwrap();
        planner.plan(if yard.is_postgres() { "\"owner\" IS NOT NULL" } else { "`owner` IS NOT NULL" }).uses("runs_owner_idx", "runs_owner_idx");
        store.refill_slots(Instant::now(), 10).await.unwrap();
        planner.plan("queued").uses("runs_queued_idx", "runs_queued_idx");
        let playbook = PlaybookId::from_stored("pb_1");
        store.cancel_runs(RunsOf::Workspace(workspace()), None, 10, Instant::now()).await.unwrap();
        planner.plan("FROM \"runs\"".replace('"', if yard.is_postgres() { "\"" } else { "`" }).as_str()).uses("runs_unfinished_idx", "runs_unfinished_idx").sorts_nothing();
        store.cancel_runs(RunsOf::Playbook(playbook), None, 10, Instant::now()).await.unwrap();
        planner.plan("FROM \"runs\"".replace('"', if yard.is_postgres() { "\"" } else { "`" }).as_str()).uses("runs_playbook_unfinished_idx", "runs_playbook_unfinished_idx").sorts_nothing();
        store.steps(&workspace(), RunId::generate(), None, 10).await.unwrap();
        planner.plan("runs").reads_no_table_whole();
        let large = WorkspaceId::from_stored("ws_1");
        let run = store.runs(&large, None, None, 1).await.unwrap().rows[0].id;
        planner.plan("runs");
        store.steps(&large, run, Some(7), 10).await.unwrap();
        planner.plan("number").uses("(run_id=? AND number>?)", "using steps_pkey").sorts_nothing();
    }

    async fn keeping_touches_only_the_runs_it_names(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let queue = planner.store.commit_queue(QueueOptions::default()).unwrap();
        let run = HeldRun {
            id: RunId::generate(),
            workspace_id: workspace(),
            playbook_id: PlaybookId::from_stored("pb_1"),
            version: 1,
            event_id: None,
            state: RunState::Running,
            input: Vec::new(),
            engine: None,
            error: None,
            output: None,
            epoch: 1,
            revision: 0,
            steps: 0,
            generation: 0,
            slot: None,
            slot_key: None,
            created_at: Instant::now(),
            ended_at: None,
            project: None,
        };
        assert_eq!(queue.commit(commit(&run, Uuid::new_v4(), "x")).await.unwrap(), Committed::Lost);
        let types = "(uuid[], uuid[], bigint[], bigint[], text[], bytea[], bytea[], text[], int[], bool[], timestamptz[], \
                     timestamptz[], timestamptz[], uuid[], int[], text[], text[], text[], text[], int[], bytea[], bytea[], \
                     bool[], text[], timestamptz[], timestamptz[], uuid[], uuid[], text[], text[], timestamptz[], text[], \
                     bytea[], text[], bytea[], text[], uuid[], int[], uuid[], int[], int[], text[], text[], bytea[], bytea[], \
                     text[], bool[], bool[], timestamptz[], uuid[], timestamptz[])";
        planner
            .explain("UPDATE runs", &Asked { types, ..Asked::default() })
            .uses("(id=?)", "using runs_pkey on runs held")
            .reads_no_table_whole();
    }
}

/// What runs were told and have taken in, and steps.
fn told(yard: &Yard) {
    let at = yard.literal(Instant::now());
    let id = if yard.is_postgres() {
        "gen_random_uuid()"
    } else {
        "randomblob(16)"
    };
    yard.execute(&format!(
        "INSERT INTO runs (id, workspace_id, playbook_id, state, input, created_at, updated_at, trigger) \
         VALUES ({id}, 'ws_1', 'pb_1', 'completed', '', {at}, {at}, 'route'); \
         INSERT INTO run_inbox (id, run_id, kind, created_at, taken_at) \
         WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 5000) \
         SELECT {id}, {id}, 'pause', {at}, {at} FROM g; \
         INSERT INTO steps (run_id, number, pointer, name, kind, status, attempt, input, is_cut, started_at, ended_at) \
         WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 5000) \
         SELECT {id}, n, '', '', 'set', 'completed', 1, '', false, {at}, {at} FROM g"
    ));
}

/// A million runs that wait for an event or a far timer; on SQLite, which plans without statistics, a few.
fn parked(yard: &Yard) {
    let (at, far) = (
        yard.literal(Instant::now()),
        yard.literal(Instant::now() + Duration::from_hours(1_000)),
    );
    let columns = "INSERT INTO runs (id, workspace_id, playbook_id, state, input, ready_at, created_at, updated_at, trigger)";
    if yard.is_postgres() {
        yard.execute(&format!(
            "{columns} SELECT gen_random_uuid(), 'ws_' || n % 20, 'pb_' || n % 20, 'waiting', '', \
             CASE WHEN n % 2 = 0 THEN {far} END, {at}, {at}, 'route' FROM generate_series(1, 1000000) AS n; ANALYZE runs"
        ));
    } else {
        yard.execute(&format!(
            "{columns} WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 2000) \
             SELECT randomblob(16), 'ws_' || n % 20, 'pb_' || n % 20, 'waiting', '', \
             CASE WHEN n % 2 = 0 THEN {far} END, {at}, {at}, 'route' FROM g"
        ));
    }
}
