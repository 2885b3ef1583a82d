//! Accepting what is decided already: an event, its deliveries and its runs in one statement.

use crate::given::{self, delivery, endpoint_id, keyed, keyless, leased, workspace};
use crate::on_both;
use crate::planner::{Asked, Planner};
use crate::recorder::Recorder;
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{AcceptError, Acceptance, Accepted, NewDelivery, NewRun, QueueOptions, RoutedEvent};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;
use wire::{DeliveryId, DeliveryState, EventId, EventState, Instant, PlaybookId, RunId, RunState, Trigger};

/// A run of the playbook `onboarding`.
fn run(event: EventId) -> NewRun {
    let playbook_id = PlaybookId::from_stored("pb_onboarding");
    NewRun {
        id: RunId::of(event, &playbook_id, 0),
        workspace_id: workspace(),
        playbook_id,
        route_id: None,
        input: Bytes::from_static(b"{\"a\":1}"),
        trigger: Trigger::Webhook,
        project: Some("crm".to_owned()),
        template: Some("welcome".to_owned()),
        generation: 0,
    }
}

/// The request, decided by its door: one delivery and one run come of it.
fn decided(row: Acceptance) -> Acceptance {
    let id = row.event.id;
    let routed = RoutedEvent {
        runs: vec![run(id)],
        ..given::routed(id, vec![delivery(id, "one", Instant::now())])
    };
    Acceptance {
        routed: Some(routed),
        ..row
    }
}

/// How many events, deliveries and runs there are.
fn made(yard: &Yard) -> [i64; 3] {
    ["events", "deliveries", "runs"]
        .map(|table| yard.number(&format!("SELECT count(*) AS value FROM {table}")))
}

fn first_of(answer: &Result<Accepted, AcceptError>) -> Option<EventId> {
    match answer {
        Ok(Accepted::Replayed { event_id, .. }) => Some(*event_id),
        _ => None,
    }
}

fn is_created(answer: &Result<Accepted, AcceptError>) -> bool {
    matches!(answer, Ok(Accepted::Created))
}

on_both! {
    async fn a_decided_event_its_deliveries_and_its_runs_are_there_at_once(yard: &Yard) {
        let mut row = decided(keyed("k", "{}"));
        let id = row.event.id;
        let due_at = Instant::now() + Duration::from_secs(30);
        let skipped = NewDelivery {
            state: DeliveryState::Skipped,
            reason: Some("endpoint_disabled".to_owned()),
            due_at: None,
            ..delivery(id, "two", due_at)
        };
        let transformed = NewDelivery { body: Some(Bytes::from_static(b"\0less")), ..delivery(id, "three", due_at) };
        let token = Uuid::new_v4();
        let deliveries = vec![leased(id, "one", token, due_at), skipped, transformed];
        let ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
        let routed = row.routed.as_mut().unwrap();
        routed.deliveries = deliveries;
        routed.trace = Bytes::from_static(b"{\"routes\":[\"rt_paid\"]}");
        let at = routed.at;
        assert_eq!(yard.accept_queue().accept(row).await.unwrap(), Accepted::Created);

        let event = yard.store.event(&workspace(), id).await.unwrap().unwrap();
        assert_eq!(
            (event.state, event.trace.as_deref(), event.failures),
            (EventState::Routed, Some(&b"{\"routes\":[\"rt_paid\"]}"[..]), 0)
        );
        let of = workspace();
        let read = |index: usize| yard.store.delivery(&of, ids[index]);
        let (one, two, three) = (
            read(0).await.unwrap().unwrap(), read(1).await.unwrap().unwrap(), read(2).await.unwrap().unwrap(),
        );
        assert_eq!(
            (one.state, one.event_id, one.endpoint_id, one.attempts, one.created_at),
            (DeliveryState::Delivering, id, endpoint_id("one"), 0, at)
        );
        assert_eq!((two.state, two.reason.as_deref(), two.due_at), (DeliveryState::Skipped, Some("endpoint_disabled"), None));
        assert_eq!((three.state, three.due_at), (DeliveryState::Pending, Some(due_at)));
        assert_eq!(yard.store.transformed(ids[2]).await.unwrap().as_deref(), Some(&b"\0less"[..]));
        let jobs = yard.store.leased_jobs(vec![(ids[0], token)]).await.unwrap();
        assert_eq!(jobs.iter().map(|job| (job.delivery_id, job.event_id)).collect::<Vec<_>>(), [(ids[0], id)]);

        let run = yard.store.run(&workspace(), run(id).id).await.unwrap().unwrap();
        assert_eq!((run.event_id, run.state, run.input.as_slice()), (Some(id), RunState::Pending, &b"{\"a\":1}"[..]));
        assert_eq!(
            (run.trigger, run.project.as_deref(), run.template.as_deref(), run.created_at),
            (Trigger::Webhook, Some("crm"), Some("welcome"), at)
        );
        assert_eq!(yard.store.outcomes_of(vec![id]).await.unwrap(), HashMap::from([(id, (3, 1))]));
    }

    async fn no_router_sees_a_decided_event(yard: &Yard) {
        let row = decided(keyless("{}"));
        let id = row.event.id;
        yard.accept_queue().accept(row).await.unwrap();
        let later = Instant::now() + Duration::from_mins(1);
        assert!(yard.store.unrouted_events(later, vec![], 10).await.unwrap().0.is_empty());
        assert!(yard.store.unrouted(vec![id]).await.unwrap().events.is_empty());
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let again = routing.route(vec![given::routed(id, vec![delivery(id, "two", later)])]).await.unwrap();
        assert!(matches!(again.as_slice(), [Ok(false)]), "{again:?}");
        assert_eq!(made(yard), [1, 1, 1]);
    }

    async fn decided_and_undecided_events_share_a_batch(yard: &Yard) {
        let mut quarantined = decided(keyless("4"));
        let decision = quarantined.routed.as_mut().unwrap();
        (decision.state, decision.deliveries, decision.runs) = (EventState::Quarantined, vec![], vec![]);
        let rows = vec![
            keyless("0"), decided(keyed("a", "1")), keyed("b", "2"), decided(keyless("3")), quarantined, keyed("c", "5"),
        ];
        let ids: Vec<EventId> = rows.iter().map(|row| row.event.id).collect();
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(answers.iter().all(is_created), "{answers:?}");
        for (number, (state, outcome)) in [
            (EventState::Accepted, None),
            (EventState::Routed, Some((1, 1))),
            (EventState::Accepted, None),
            (EventState::Routed, Some((1, 1))),
            (EventState::Quarantined, None),
            (EventState::Accepted, None),
        ]
        .into_iter()
        .enumerate()
        {
            let event = yard.store.event(&workspace(), ids[number]).await.unwrap().unwrap();
            assert_eq!(event.state, state, "{number}");
            assert_eq!(event.body, number.to_string(), "each has its own body");
            assert_eq!(event.trace.is_some(), state != EventState::Accepted, "{number}");
            let outcomes = yard.store.outcomes_of(vec![ids[number]]).await.unwrap();
            assert_eq!(outcomes.get(&ids[number]).copied(), outcome, "{number}");
        }
    }

    async fn a_decided_twin_gets_the_first_id_and_makes_nothing(yard: &Yard) {
        let queue = yard.accept_queue();
        let (first, undecided) = (decided(keyed("k", "{}")), keyed("u", "{}"));
        let (id, undecided_id) = (first.event.id, undecided.event.id);
        queue.accept(first).await.unwrap();
        queue.accept(undecided).await.unwrap();
        assert_eq!(first_of(&queue.accept(decided(keyed("k", "{}"))).await), Some(id));
        assert_eq!(first_of(&queue.accept(keyed("k", "{}")).await), Some(id));
        assert_eq!(first_of(&queue.accept(decided(keyed("u", "{}"))).await), Some(undecided_id));
        assert_eq!(made(yard), [2, 1, 1]);
        let event = yard.store.event(&workspace(), undecided_id).await.unwrap().unwrap();
        assert_eq!(event.state, EventState::Accepted, "its twin decides nothing of it");
    }

    async fn decided_twins_of_one_batch_make_one_delivery_and_one_run(yard: &Yard) {
        let old = decided(keyed("old", "{}"));
        let old_id = old.event.id;
        yard.accept_queue().accept(old).await.unwrap();
        let rows: Vec<Acceptance> =
            ["new", "old", "new", "old", "new"].map(|key| decided(keyed(key, "{}"))).into();
        let id = rows[0].event.id;
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(is_created(&answers[0]), "{answers:?}");
        for (number, first) in [(1, old_id), (2, id), (3, old_id), (4, id)] {
            assert_eq!(first_of(&answers[number]), Some(first), "{number}");
        }
        // The plug that held the batch back is an event of its own.
        assert_eq!(made(yard), [3, 2, 2]);
    }

    async fn sixty_four_decided_twins_at_two_queues_make_one_delivery_and_one_run(yard: &Yard) {
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let queue = yard.another_process().await.accept_queue(QueueOptions::default()).unwrap();
            for _ in 0..32 {
                let queue = queue.clone();
                answers.spawn(async move {
                    let row = decided(keyed("k", "{}"));
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
        assert_eq!(made(yard), [1, 1, 1]);
        let id = ids.into_iter().next().unwrap();
        assert_eq!(yard.store.outcomes_of(vec![id]).await.unwrap(), HashMap::from([(id, (1, 1))]));
        assert_eq!(yard.number("SELECT sum(repeats) AS value FROM claims"), 63);
    }

    async fn a_batch_that_is_run_again_makes_nothing_twice(yard: &Yard) {
        let rows = vec![decided(keyed("a", "1")), decided(keyless("2")), keyed("b", "3"), decided(keyed("c", "4"))];
        let answers = yard.accept_in_one_batch(rows.clone()).await;
        assert!(answers.iter().all(is_created), "{answers:?}");
        // Meanwhile somebody went on with what the first try made.
        yard.execute("UPDATE deliveries SET state = 'delivered'; UPDATE runs SET state = 'completed'");
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(answers.iter().all(is_created), "{answers:?}");
        assert_eq!(made(yard), [4 + 2, 3, 3], "and two plugs");
        let untouched = "SELECT count(*) AS value FROM deliveries JOIN runs ON runs.event_id = deliveries.event_id \
                         WHERE deliveries.state = 'delivered' AND runs.state = 'completed'";
        assert_eq!(yard.number(untouched), 3);
        assert_eq!(yard.number("SELECT sum(repeats) AS value FROM claims"), 0);
    }

    async fn an_expired_key_starts_anew_with_deliveries_and_runs_of_its_own(yard: &Yard) {
        let queue = yard.accept_queue();
        queue.accept(decided(keyed("k", "{}"))).await.unwrap();
        let past = yard.literal(Instant::now() - Duration::from_secs(1));
        yard.execute(&format!("UPDATE claims SET expires_at = {past}"));
        assert_eq!(queue.accept(decided(keyed("k", "{}"))).await.unwrap(), Accepted::Created);
        assert_eq!(made(yard), [2, 2, 2]);
    }

    async fn a_decision_that_the_ledger_refuses_fails_alone_and_leaves_nothing(yard: &Yard) {
        let mut rows: Vec<Acceptance> = (0..9)
            .map(|number| match number % 3 {
                0 => keyed(&format!("k{number}"), "{}"),
                _ => decided(keyed(&format!("k{number}"), "{}")),
            })
            .collect();
        let bad = rows[4].event.id;
        poison(yard, &mut rows[4]).await;
        let before = made(yard);
        let answers = yard.accept_in_one_batch(rows).await;
        for (number, answer) in answers.iter().enumerate() {
            if number == 4 {
                assert!(matches!(answer, Err(AcceptError::Refused(_))), "{answer:?}");
            } else {
                assert!(is_created(answer), "{number}: {answer:?}");
            }
        }
        assert_eq!(made(yard), [before[0] + 8 + 1, before[1] + 5, before[2] + 5], "with the plug");
        assert!(yard.store.event(&workspace(), bad).await.unwrap().is_none());
        assert!(yard.store.claim("so_stripe", "k4").await.unwrap().is_none(), "a refused request uses up no key");
        assert!(yard.store.outcomes_of(vec![bad]).await.unwrap().is_empty());
    }

    async fn what_becomes_of_an_event_is_its_own_whatever_the_decision_is_called(yard: &Yard) {
        let mut row = decided(keyless("{}"));
        let id = row.event.id;
        row.routed.as_mut().unwrap().id = EventId::generate();
        yard.accept_queue().accept(row).await.unwrap();
        let event = yard.store.event(&workspace(), id).await.unwrap().unwrap();
        assert_eq!(event.state, EventState::Routed);
        assert_eq!(yard.store.outcomes_of(vec![id]).await.unwrap(), HashMap::from([(id, (1, 1))]));
    }

    async fn events_with_hundreds_of_deliveries_do_not_travel_in_one_statement(yard: &Yard) {
        let recorder = Recorder::start(yard.database.url());
        let rows = (0..4)
            .map(|_| {
                let mut row = decided(keyless("{}"));
                let id = row.event.id;
                row.routed.as_mut().unwrap().deliveries = (0..900)
                    .map(|number| delivery(id, &number.to_string(), Instant::now()))
                    .collect();
                row
            })
            .collect();
        let answers = yard.accept_in_one_batch(rows).await;
        assert!(answers.iter().all(is_created), "{answers:?}");
        assert_eq!(made(yard), [4 + 1, 4 * 900, 4]);
        let run = recorder.take().run;
        let statements = run.iter().filter(|statement| statement.sql.contains("INSERT INTO deliveries")).count();
        // On SQLite every row is a statement anyway.
        assert!(!yard.is_postgres() || statements == 2, "{statements}");
    }
}

/// Makes the ledger refuse the row for one of its deliveries: Postgres takes no NUL in a text. SQLite takes anything, so
/// there a second row meets an index of the test's own.
async fn poison(yard: &Yard, row: &mut Acceptance) {
    let routed = row.routed.as_mut().unwrap();
    if yard.is_postgres() {
        routed.deliveries[0].reason = Some("bad\0".to_owned());
    } else {
        yard.execute("CREATE UNIQUE INDEX poison ON deliveries (workspace_id) WHERE reason = 'bad'");
        let bad = |event| NewDelivery {
            reason: Some("bad".to_owned()),
            ..delivery(event, "bad", Instant::now())
        };
        let event = EventId::generate();
        let twin = yard.store.add_deliveries(event, vec![bad(event)], Instant::now());
        twin.await.unwrap();
        routed.deliveries[0] = bad(row.event.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_decided_event_is_one_statement() {
    let yard = Yard::on_postgres().await;
    let recorder = Recorder::start(yard.database.url());
    let queue = yard.accept_queue();
    queue.accept(keyless("opens the connection")).await.unwrap();
    recorder.take();
    queue.accept(decided(keyed("k", "{}"))).await.unwrap();
    let run = recorder.take().run;
    let [statement] = run.as_slice() else {
        panic!("{run:#?}")
    };
    for table in ["claims", "events", "deliveries", "runs"] {
        assert!(
            statement.sql.contains(&format!("INSERT INTO {table} ")),
            "{table}: {}",
            statement.sql
        );
    }
    queue.accept(keyed("plain", "{}")).await.unwrap();
    let run = recorder.take().run;
    assert_eq!(run.len(), 1, "{run:#?}");
    assert!(
        !run[0].sql.contains("deliveries"),
        "a batch without decisions pays for none: {}",
        run[0].sql
    );
}

/// The types of a plain batch's arrays, of the decisions', of the deliveries' and of the runs'.
const PLAIN: &str = "uuid[], text[], text[], text[], bool[], timestamptz[], text[], text[], text[], bytea[], text[], bytea[], \
                     text[], text[], text[], text[], text[], text[], bytea[], bytea[], bigint[]";
const DECIDED: &str = "uuid[], text[], bytea[]";
/// The endpoints and states that the gate asks for, and then the columns.
const DELIVERIES: &str = "text[], text[], uuid[], text[], uuid[], text[], text[], text[], text[], text[], timestamptz[], \
                          timestamptz[], uuid[], bytea[], uuid[], text[], timestamptz[]";
const RUNS: &str =
    "uuid[], text[], text[], uuid[], text[], bytea[], text[], text[], text[], int[], timestamptz[]";

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_accepting_touches_every_table_by_its_key_alone() {
    let yard = Yard::on_postgres().await;
    let planner = Planner::over(&yard).await;
    let queue = planner.store.accept_queue(QueueOptions::default()).unwrap();
    let decided_types = format!("({PLAIN}, {DECIDED}, {DELIVERIES}, {RUNS})");
    let plain_types = format!("({PLAIN})");
    let keys = ["claims", "events"];
    let all = ["claims", "events", "deliveries", "runs"];
    for (row, types, tables) in [
        (keyed("plain", "{}"), plain_types, keys.as_slice()),
        (decided(keyed("decided", "{}")), decided_types, &all),
    ] {
        queue.accept(row).await.unwrap();
        let asked = Asked {
            types: &types,
            ..Asked::default()
        };
        let plan = planner.explain("INSERT INTO claims", &asked);
        let mut scans = plan.text.lines().filter(|line| line.contains(" Scan on "));
        let own = ["Function Scan", "CTE Scan", "Subquery Scan"];
        assert!(
            scans.all(|scan| own.iter().any(|own| scan.contains(own))),
            "a table is read: {}",
            plan.text
        );
        // What has a key that somebody else may have is asked for by it, and what is new is not.
        let arbiters = plan.text.matches("Conflict Arbiter Indexes: ").count();
        let lanes = usize::from(tables.len() > 2);
        assert!(
            plan.text.contains("Conflict Arbiter Indexes: claims_pkey"),
            "{}",
            plan.text
        );
        assert_eq!(arbiters, 1 + lanes, "{}", plan.text);
        // Who has won is looked up in a hash table, and nothing is joined with it row by row. Only the decisions are.
        assert_eq!(
            plan.text.matches("hashed SubPlan").count(),
            tables.len() - 1,
            "{}",
            plan.text
        );
        assert_eq!(
            plan.text.matches("Nested Loop").count(),
            usize::from(tables.len() > 2),
            "{}",
            plan.text
        );
    }
}
