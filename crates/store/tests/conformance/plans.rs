//! Whatever runs often or lists what grows has its index, and reads no more than it needs.

use crate::given::{self, keyed, outcome, routed, workspace};
use crate::on_both;
use crate::planner::{Asked, Planner};
use crate::yard::Yard;
use hookyard_store::{DeliveryFilter, EventFilter, History, QueueOptions, RejectionFilter};
use std::time::Duration;
use uuid::Uuid;
use wire::{
    DeliveryId, DeliveryState, EventId, EventState, Instant, PlaybookId, RejectionId, RunId, RunState,
    SourceId,
};

/// The types of a batch that starts no run.
const ROUTED: &str = "(uuid[], text[], bytea[], bool[], uuid[], uuid, uuid, text[], text[], uuid[], text[], uuid[], text[], text[], \
                      text[], text[], text[], timestamptz[], timestamptz[], uuid[], bytea[], uuid[], text[], timestamptz[])";

on_both! {
    async fn accepting_reads_no_claim_but_those_it_lost(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let queue = planner.store.accept_queue(QueueOptions::default()).unwrap();
        for _ in 0..2 {
            queue.accept(keyed("k", "{}")).await.unwrap();
        }
        planner
            .explain("UPDATE claims", &Asked { types: "(text[], bytea[], bytea[], uuid[])", ..Asked::default() })
            .uses("SEARCH claims USING PRIMARY KEY (scope=? AND key_hash=?)", "using claims_pkey on claims held");
    }

    async fn a_claim_is_found_by_its_key(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.claim("so_1", "1").await.unwrap();
        planner.plan("claims").uses("PRIMARY KEY (scope=? AND key_hash=?)", "using claims_pkey");
    }

    async fn expired_claims_are_found_by_their_end(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.forget_claims(Instant::now(), 10).await.unwrap();
        planner.plan("expires_at").uses("claims_expires_at_idx", "claims_expires_at_idx").sorts_nothing();
    }

    async fn the_routers_sweep_reads_only_what_waits(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.unrouted_events(Instant::now(), vec![workspace()], 10).await.unwrap();
        planner.plan("length").uses("events_accepted_idx", "events_{today}_id_idx on events_{today}").sorts_nothing();
    }

    async fn named_events_are_found_by_their_keys(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.unrouted(vec![EventId::generate(), EventId::generate()]).await.unwrap();
        planner.plan("events").uses("(id=?)", " on events_{today}");
        let many = (0..3).map(|_| EventId::generate()).collect();
        planner.store.unrouted(many).await.unwrap();
        planner.plan("length").uses("(id=?)", " on events_{today}");
        planner.store.event(&workspace(), EventId::generate()).await.unwrap();
        planner.plan("events").uses("(id=?)", " on events_{today}");
    }

    async fn routing_touches_only_the_events_it_names(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let routing = planner.store.routing_queue(QueueOptions::default()).unwrap();
        routing.route(vec![routed(EventId::generate(), vec![])]).await.unwrap();
        let plan = planner.explain("UPDATE events", &Asked { types: ROUTED, ..Asked::default() }).uses("(id=?)", "Nested Loop");
        // Whether a run has the event alone is one probe an event, however many were given.
        let probe = if yard.is_postgres() { "Index Cond: (event_id = \"row\".id)" } else { "run_inbox_exclusive_key (event_id=?)" };
        assert!(plan.text.contains(probe), "{}", plan.text);
        // Nor is more of the lanes read than those of its endpoints, however many are gated.
        let by_key = "using endpoint_lanes_pkey on endpoint_lanes lane";
        assert!(!yard.is_postgres() || plan.text.contains(by_key), "{}", plan.text);
        assert!(!plan.text.contains("endpoint_lanes_gated_idx"), "{}", plan.text);
    }

    /// It is kept while the ledger fills up: one that reads all that waits, because nothing does, costs most when much does.
    async fn a_plan_that_was_made_while_nothing_waited_goes_by_keys(yard: &Yard) {
        let planner = Planner::as_it_is(yard).await;
        let routing = planner.store.routing_queue(QueueOptions::default()).unwrap();
        routing.route(vec![routed(EventId::generate(), vec![])]).await.unwrap();
        let plan = planner.explain("UPDATE events", &Asked { types: ROUTED, ..Asked::default() });
        let plan = plan.uses("(id=?)", "on events_{today}");
        let scans = plan.text.matches(" on events_").count() - plan.text.matches("Update on events_").count();
        let by_key = plan.text.matches("Index Cond: ((id = ").count() + plan.text.matches("Index Cond: ((events.id = ").count();
        assert!(!yard.is_postgres() || (scans, by_key) == (1, 1), "{scans} {by_key}: {}", plan.text);
    }

    async fn recording_touches_only_the_deliveries_it_names(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let outcomes = planner.store.outcome_queue(QueueOptions::default()).unwrap();
        let id = DeliveryId::from_uuid(Uuid::new_v4());
        let made = outcome(id, Uuid::new_v4(), 1, DeliveryState::Failed);
        outcomes.record(made).await.unwrap();
        let types = "(uuid[], uuid[], text[], text[], timestamptz[], timestamptz[], uuid[], int[], int[], int[], text[], text[], \
                     bytea[], bytea[], bytea[], timestamptz[], int[], bool[])";
        planner.explain("UPDATE deliveries", &Asked { types, ..Asked::default() }).uses("(id=?)", "using deliveries_pkey on deliveries held");
    }

    async fn leasing_reads_the_ready_lanes_and_what_is_due_of_each_in_order(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let lease_some = async |limit| {
            planner.store.lease_due(Instant::now(), limit, (Uuid::new_v4(), Duration::ZERO), vec![]).await.unwrap()
        };
        let lease = || lease_some(10);
        let types = |types| Asked { types, text: "ws_1", ..Asked::default() };
        assert!(!lease().await.jobs.is_empty());
        let (workspaces, ready) = ("(timestamptz, text, text[], timestamptz, text[], bigint)", "(text[], timestamptz, text[], bigint)");
        let asked = types(if yard.is_postgres() { ready } else { "" });
        let part = if yard.is_postgres() { "AS ready" } else { "SELECT `endpoint_lanes`.`endpoint_id`" };
        planner.explain(part, &asked).uses("endpoint_lanes_ready_idx (workspace_id=?", "endpoint_lanes_ready_idx");
        lease().await;
        let part = if yard.is_postgres() { "RECURSIVE turn" } else { "DISTINCT ready" };
        if yard.is_postgres() {
            planner.explain(part, &types(workspaces)).uses("", "endpoint_lanes_ready_idx").sorts_nothing();
        }
        lease().await;
        let asked = types("(uuid, timestamptz, timestamptz, text[], bigint[], bigint[], timestamptz, timestamptz, bigint)");
        planner
            .explain("UPDATE deliveries SET state = 'delivering'", &asked)
            .uses("deliveries_due_idx (endpoint_id=? AND due_at<?)", "using deliveries_due_idx")
            .sorts_nothing();
        // One that may be all that there is.
        lease_some(1).await;
        let part = if yard.is_postgres() { "next.due_at" } else { "`due_at` IS NOT NULL" };
        planner
            .explain(part, &types("(text[])"))
            .uses("deliveries_due_idx (endpoint_id=?", "using deliveries_due_idx")
            .sorts_nothing();
    }

    async fn a_turn_is_settled_by_two_look_ups(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let route = || async {
            let event = given::accepted(&planner.store, 1, Instant::now()).await[0];
            let row = hookyard_store::NewDelivery {
                order_key: Some("=a".to_owned()),
                ..given::delivery(event, "1", Instant::now())
            };
            let routing = planner.store.routing_queue(QueueOptions::default()).unwrap();
            routing.route(vec![routed(event, vec![row])]).await.unwrap();
        };
        let quoted = |text: &str| if yard.is_postgres() { text.replace('`', "\"") } else { text.to_owned() };
        route().await;
        planner.plan(&quoted("`turn_due_at` IS NULL")).uses("deliveries_turn_idx (endpoint_id=? AND order_key=?)", "deliveries_turn_idx");
        route().await;
        planner
            .plan(&quoted("ORDER BY `deliveries`.`event_id`"))
            .uses("deliveries_order_idx (endpoint_id=? AND order_key=?)", "deliveries_order_idx")
            .sorts_nothing();
    }

    async fn sleeping_lanes_are_looked_for_by_one_probe_an_endpoint(yard: &Yard) {
        let planner = Planner::over(yard).await;
        yard.execute("UPDATE endpoint_lanes SET ready_at = NULL");
        planner.store.wake_lanes(None, 10, Instant::now()).await.unwrap();
        planner
            .explain("RECURSIVE turn", &Asked { text: "ep_1", ..Asked::default() })
            .uses("deliveries_due_idx (endpoint_id>?)", "deliveries_due_idx")
            .sorts_nothing();
    }

    async fn a_sweep_that_stands_still_frees_its_lanes_before_an_accept_gives_up(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.lease_due(Instant::now(), 10, (Uuid::new_v4(), Duration::ZERO), vec![]).await.unwrap();
        let locked = planner.statements_of("AS ready");
        assert_eq!(!locked.is_empty(), yard.is_postgres(), "{locked:#?}");
        for statement in locked {
            // The last of a setting holds.
            let bound = statement.session.rsplit("idle_in_transaction_session_timeout").next().unwrap_or_default();
            assert!(bound.starts_with(" = '2s'"), "{statement:#?}");
        }
    }

    async fn the_reaper_looks_through_the_leases_alone(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.reap(Instant::now(), Duration::ZERO, 10).await.unwrap();
        let types = "(timestamptz, timestamptz, timestamptz, timestamptz, bigint)";
        planner
            .explain("UPDATE deliveries", &Asked { types, ..Asked::default() })
            .uses("deliveries_lease_idx", "deliveries_lease_idx");
    }

    async fn jobs_are_found_by_their_keys_in_their_own_days(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let id = DeliveryId::of(EventId::generate(), &given::endpoint_id("1"), 0);
        planner.store.leased_jobs(vec![(id, Uuid::new_v4())]).await.unwrap();
        let (first, end) = (id.instant(), id.instant() + Duration::from_millis(1));
        let uuids = vec![id.uuid(), EventId::new(first, 0).uuid(), EventId::new(end, 0).uuid()];
        let plan = planner
            .explain("deliveries", &Asked { uuids, ..Asked::default() })
            .uses("SEARCH events USING INDEX sqlite_autoindex_events_1 (id=?)", "_pkey on events_{today}");
        assert!(plan.text.contains("deliveries_pkey") || plan.text.contains("deliveries_1 (id=?)"), "{}", plan.text);
        assert_eq!(plan.text.matches(" on events_").count(), usize::from(yard.is_postgres()), "{}", plan.text);
    }

    async fn events_are_listed_in_the_order_of_their_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for before in [None, Some(EventId::generate())] {
            planner.store.events(&workspace(), EventFilter::default(), before, 50).await.unwrap();
            let large = Asked { text: "ws_1", ..Asked::default() };
            planner
                .explain("events", &large)
                .uses("events_workspace_idx (workspace_id=?", "events_{today}_workspace_id_id_idx on events_{today}")
                .sorts_nothing();
        }
        planner.store.events(&workspace(), EventFilter::default(), None, 50).await.unwrap();
        planner.plan("events").uses("events_workspace_idx", "events_{today}_workspace_id_id_idx on events_{today}");
    }

    async fn deliveries_of_a_workspace_are_listed_in_the_order_of_their_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for before in [None, Some(DeliveryId::from_uuid(Uuid::new_v4()))] {
            planner.store.deliveries(&workspace(), DeliveryFilter::default(), before, 50).await.unwrap();
            planner.plan("deliveries").uses("deliveries_workspace_idx", "using deliveries_workspace_idx").sorts_nothing();
        }
    }

    async fn deliveries_of_an_endpoint_are_listed_in_the_order_of_their_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let filter = DeliveryFilter { endpoint_id: Some(given::endpoint_id("1")), ..DeliveryFilter::default() };
        for before in [None, Some(DeliveryId::from_uuid(Uuid::new_v4()))] {
            planner.store.deliveries(&workspace(), filter.clone(), before, 50).await.unwrap();
            planner.plan("deliveries").uses("deliveries_endpoint_idx", "using deliveries_endpoint_idx").sorts_nothing();
        }
    }

    async fn what_an_operator_must_look_at_has_indexes_of_its_own(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for state in [DeliveryState::DeadLetter, DeliveryState::Failed] {
            let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
            planner.store.deliveries(&workspace(), filter, None, 50).await.unwrap();
            planner.plan("deliveries").uses("deliveries_failed_idx", "using deliveries_failed_idx").sorts_nothing();
        }
        let filter = EventFilter { state: Some(EventState::Quarantined), ..EventFilter::default() };
        planner.store.events(&workspace(), filter, None, 50).await.unwrap();
        planner.plan("events").uses("events_quarantined_idx", "events_{today}_workspace_id_id_idx1 on events_{today}");
    }

    async fn deliveries_of_an_event_are_found_by_it(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for endpoint_id in [None, Some(given::endpoint_id("1"))] {
            let event = EventId::generate();
            let filter = DeliveryFilter { event_id: Some(event), endpoint_id, state: None };
            let of_endpoint = filter.endpoint_id.is_some();
            planner.store.deliveries(&workspace(), filter, None, 50).await.unwrap();
            let (first, end) = (event.instant(), event.instant() + Duration::from_millis(1));
            let uuids = vec![EventId::new(first, 0).uuid(), EventId::new(end, 0).uuid(), event.uuid()];
            let (sqlite, postgres) = if of_endpoint {
                ("deliveries_endpoint_idx (endpoint_id=? AND id>? AND id<?)", "'accepted'::text) AND (id >= ")
            } else {
                ("deliveries_1 (id>? AND id<?)", "Index Cond: ((id >= ")
            };
            planner.explain("deliveries", &Asked { uuids, ..Asked::default() }).uses(sqlite, postgres).sorts_nothing();
        }
    }

    async fn what_events_became_is_counted_by_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.outcomes_of(vec![EventId::generate(), EventId::generate()]).await.unwrap();
        planner
            .explain("deliveries", &Asked { types: "(uuid[], uuid[], uuid[])", ..Asked::default() })
            .uses("deliveries_1 (id>? AND id<?)", "Index Cond: ((id >= asked.first) AND (id < asked.until))");
        planner.store.outcomes_of(vec![EventId::generate(), EventId::generate()]).await.unwrap();
        planner.plan("runs").uses("runs_event_idx", "runs_event_idx");
    }

    async fn attempts_are_found_by_their_delivery(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.attempts(DeliveryId::from_uuid(Uuid::new_v4())).await.unwrap();
        // An old delivery's: every day since then is looked at.
        let uuids = vec![Uuid::nil()];
        planner
            .explain("attempts", &Asked { uuids, ..Asked::default() })
            .uses("sqlite_autoindex_attempts_1 (delivery_id=?", "attempts_{today}_pkey on attempts_{today}");
    }

    async fn attempts_without_a_delivery_are_looked_for_along_their_key(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let now = Instant::now();
        for after in [None, Some(Uuid::nil())] {
            planner.store.expire(History::Attempts, None, now, (after, 500)).await.unwrap();
            let uuids = vec![EventId::generate().uuid(), Uuid::nil()];
            planner
                .explain("SELECT DISTINCT", &Asked { uuids, ..Asked::default() })
                .uses("sqlite_autoindex_attempts_1", "attempts_{today}_pkey on attempts_{today}")
                .sorts_nothing();
        }
    }

    async fn rejections_are_listed_in_the_order_of_their_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for before in [None, Some(RejectionId::generate())] {
            planner.store.rejections(&workspace(), RejectionFilter::default(), before, 50).await.unwrap();
            planner.plan("rejections").uses("rejections_workspace_idx", "using rejections_workspace_idx").sorts_nothing();
            let filter = RejectionFilter { source_id: Some(SourceId::generate()), ..RejectionFilter::default() };
            planner.store.rejections(&workspace(), filter, before, 50).await.unwrap();
            planner.plan("rejections").uses("rejections_source_idx", "using rejections_source_idx").sorts_nothing();
        }
    }

    async fn runs_are_listed_and_swept_in_the_order_of_their_indexes(yard: &Yard) {
        let planner = Planner::over(yard).await;
        for before in [None, Some(RunId::generate())] {
            planner.store.runs(&workspace(), None, before, 50).await.unwrap();
            planner.plan("runs").uses("runs_workspace_idx", "using runs_workspace_idx").sorts_nothing();
            planner.store.runs_of(&PlaybookId::from_stored("pb_1"), None, before, 50).await.unwrap();
            planner.plan("runs").uses("runs_playbook_idx", "using runs_playbook_idx").sorts_nothing();
        }
        for state in RunState::UNFINISHED {
            planner.store.runs(&workspace(), Some(state), None, 50).await.unwrap();
            planner.plan("runs").uses("runs_unfinished_idx", "using runs_unfinished_idx").sorts_nothing();
            planner.store.runs_of(&PlaybookId::from_stored("pb_1"), Some(state), None, 50).await.unwrap();
            planner.plan("runs").uses("runs_playbook_unfinished_idx", "using runs_playbook_unfinished_idx").sorts_nothing();
        }
        for state in [RunState::Faulted, RunState::Cancelled] {
            planner.store.runs(&workspace(), Some(state), None, 50).await.unwrap();
            planner.plan("runs").uses("runs_failed_idx", "using runs_failed_idx").sorts_nothing();
            planner.store.runs_of(&PlaybookId::from_stored("pb_1"), Some(state), None, 50).await.unwrap();
            planner.plan("runs").uses("runs_playbook_failed_idx", "using runs_playbook_failed_idx").sorts_nothing();
        }
    }

    async fn a_source_is_found_by_its_token_and_by_its_slugs(yard: &Yard) {
        many_sources(yard);
        let planner = Planner::over(yard).await;
        planner.store.source_by_token("src_1").await.unwrap();
        planner.plan("sources").uses("(token=?)", "sources_token_key");
        planner.store.source_by_slugs("w1", "s1").await.unwrap();
        planner.plan("sources").uses("(workspace_id=? AND slug=?)", "sources_slug_key");
    }
}

/// Enough for an index to be worth it.
fn many_sources(yard: &Yard) {
    let at = yard.literal(Instant::now());
    let numbers = "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 2000)";
    let cast = if yard.is_postgres() { "n::text" } else { "n" };
    yard.execute(&format!(
        "INSERT INTO workspaces (id, slug, name, created_at, updated_at) {numbers} \
         SELECT 'ws_' || {cast}, 'w' || {cast}, '', {at}, {at} FROM g; \
         INSERT INTO environments (id, workspace_id, slug, created_at, updated_at) {numbers} \
         SELECT 'env_' || {cast}, 'ws_' || {cast}, '', {at}, {at} FROM g; \
         INSERT INTO sources (id, workspace_id, environment_id, slug, token, spec, created_at, updated_at) {numbers} \
         SELECT 'so_' || {cast}, 'ws_' || {cast}, 'env_' || {cast}, 's' || {cast}, 'src_' || {cast}, '{{\"slug\":\"s\"}}', {at}, {at} FROM g; \
         ANALYZE",
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_look_up_by_id_reads_one_partition() {
    let yard = Yard::on_postgres().await;
    let planner = Planner::over(&yard).await;
    planner
        .store
        .event(&workspace(), EventId::generate())
        .await
        .unwrap();
    let plan = planner.plan("events");
    let scans: Vec<&str> = plan.text.lines().filter(|line| line.contains("Scan")).collect();
    assert_eq!(scans.len(), 1, "{}", plan.text);
}
