//! Whatever the waitbox is asked it finds by an index, with 100,000 runs that wait for one type.

use crate::on_both;
use crate::planner::{Asked, Planner};
use crate::waits::TYPE;
use crate::yard::Yard;
use hookyard_store::{Gift, QueueOptions, RoutedEvent, WaitKey};
use uuid::Uuid;
use wire::{EventId, Instant, RunId, WorkspaceId};

/// The runs of `ws_1` that wait, each for a value of its own.
fn hundred_thousand_wait(yard: &Yard) {
    let at = yard.literal(Instant::now());
    if yard.is_postgres() {
        yard.execute(&format!(
            "INSERT INTO run_waits (run_id, effect, filter, workspace_id, event_type, shape, correlation, spec, is_any, \
             is_broadcast, created_at) SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 0, 'ws_1', '{TYPE}', '\\x01', \
             sha256(n::text::bytea), '{{}}', true, false, {at} FROM generate_series(1, 100000) AS n; ANALYZE run_waits"
        ));
    } else {
        yard.execute(&format!(
            "INSERT INTO run_waits (run_id, effect, filter, workspace_id, event_type, shape, correlation, spec, is_any, \
             is_broadcast, created_at) WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 100000) \
             SELECT unhex(printf('%032x', n)), 1, 0, 'ws_1', '{TYPE}', x'01', unhex(printf('%064x', n)), '{{}}', true, \
             false, {at} FROM g"
        ));
    }
}

fn asked() -> WaitKey {
    WaitKey {
        workspace_id: WorkspaceId::from_stored("ws_1"),
        event_type: TYPE.to_owned(),
        shape: vec![1],
        correlation: vec![7; 32],
        is_broadcast: false,
        after: None,
    }
}

on_both! {
    async fn the_waits_for_an_event_are_found_by_what_it_yields(yard: &Yard) {
        let planner = Planner::over(yard).await;
        hundred_thousand_wait(yard);
        planner.store.waits(vec![asked()], 10).await.unwrap();
        let types = "(text[], text[], bytea[], bytea[], boolean[], uuid[], int[], int[], bigint)";
        planner
            .explain("is_any FROM run_waits", &Asked { types, ..Asked::default() })
            .uses(
                "run_waits_event_idx (workspace_id=? AND event_type=? AND shape=? AND correlation=? AND is_broadcast=?",
                "using run_waits_event_idx",
            )
            .sorts_nothing()
            .reads_no_table_whole();
    }

    async fn the_shapes_of_a_type_are_found_without_reading_its_waits(yard: &Yard) {
        let planner = Planner::over(yard).await;
        hundred_thousand_wait(yard);
        let type_of = |workspace: &str| (WorkspaceId::from_stored(workspace.to_owned()), TYPE.to_owned());
        planner.store.wait_shapes(vec![type_of("ws_2")]).await.unwrap();
        planner
            .explain("ORDER BY", &Asked { types: "(text[], text[], bigint)", ..Asked::default() })
            .uses("run_waits_event_idx (workspace_id=? AND event_type=?)", "using run_waits_event_idx")
            .sorts_nothing()
            .reads_no_table_whole();
        assert_eq!(planner.store.wait_shapes(vec![type_of("ws_1")]).await.unwrap().len(), 1);
    }

    async fn whether_a_run_may_listen_is_asked_of_those_that_go_on(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.may_listen(&WorkspaceId::from_stored("ws_1")).await.unwrap();
        let from_runs = if yard.is_postgres() { "FROM \"runs\"" } else { "FROM `runs`" };
        planner.plan(from_runs).uses("runs_unfinished_idx", "runs_unfinished_idx").sorts_nothing();
    }

    async fn looking_back_reads_the_events_of_its_type_alone(yard: &Yard) {
        let planner = Planner::over(yard).await;
        // One workspace has them all, and one in fifty is of the type.
        yard.execute("UPDATE events SET workspace_id = 'ws_1', event_type = CASE WHEN source_id = 'so_1' THEN 'ws_1' ELSE 'x' END");
        if yard.is_postgres() {
            yard.execute("ANALYZE events");
        }
        let of = WorkspaceId::from_stored("ws_1");
        planner.store.events_since(&of, "ws_1".to_owned(), EventId::generate(), 1_000).await.unwrap();
        planner
            .explain("length(body)", &Asked { text: "ws_1", uuids: vec![Uuid::nil()], ..Asked::default() })
            .uses("events_type_idx (workspace_id=? AND event_type=? AND id>?)", "events_{today}_workspace_id_event_type_id_idx")
            .sorts_nothing();
    }

    async fn who_has_an_event_is_found_by_it(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.given(vec![EventId::generate(), EventId::generate()]).await.unwrap();
        let plan = planner.plan("run_inbox");
        assert!(yard.is_postgres() || plan.text.contains("run_inbox_event_key (event_id=?)"), "{}", plan.text);
    }

    async fn giving_touches_what_it_names_alone(yard: &Yard) {
        let planner = Planner::over(yard).await;
        hundred_thousand_wait(yard);
        let run_id = RunId::from_uuid(Uuid::from_u128(7));
        let gift = Gift { run_id, effect: 1, filter: 0, is_any: true, is_exclusive: true };
        let routing = planner.store.routing_queue(QueueOptions::default()).unwrap();
        let event = crate::given::routed(EventId::generate(), vec![]);
        routing.route(vec![RoutedEvent { gifts: vec![gift], ..event }]).await.unwrap();
        if yard.is_postgres() {
            let types = "(uuid[], uuid[], int[], int[], bool[])";
            planner
                .explain("FROM run_waits w", &Asked { types, ..Asked::default() })
                .uses("", "run_waits_pkey on run_waits")
                .reads_no_table_whole();
        } else {
            planner.plan("FROM `run_waits`").uses("PRIMARY KEY (run_id=? AND effect=? AND filter=?)", "");
        }
    }
}
