//! Retention: what is done with goes, and nothing that is unfinished does.

use crate::given::{self, accepted, delivery, routed, workspace};
use crate::on_both;
use crate::planner::{Asked, Planner};
use crate::yard::Yard;
use bytes::Bytes;
use hookyard_store::{Actor, AuditEntry, History, NewDelivery, NewRun, QueueOptions, RoutedEvent, Steering};
use std::time::Duration;
use wire::resource::RecoverySpec;
use wire::{
    AuditId, DeliveryId, DeliveryState, EventId, Instant, PlaybookId, RecoveryId, RunId, Trigger, WorkspaceId,
};

const DAY: Duration = Duration::from_hours(24);

/// Every batch of a pass over one table; returns how many rows went.
async fn emptied(yard: &Yard, history: History, of: Option<&WorkspaceId>, before: Instant) -> usize {
    let (mut after, mut removed) = (None, 0);
    loop {
        let expired = yard.store.expire(history, of, before, (after, 2)).await.unwrap();
        removed += expired.removed;
        after = expired.next;
        if after.is_none() {
            return removed;
        }
    }
}

async fn passed(yard: &Yard, before: Instant) -> [usize; 4] {
    let mut removed = [0; 4];
    for (count, history) in removed.iter_mut().zip(History::ALL) {
        *count = emptied(yard, history, None, before).await;
    }
    removed
}

/// An event of a time with one delivery in this state and one attempt, which are as old.
async fn delivered(yard: &Yard, at: Instant, state: &str) -> (EventId, DeliveryId) {
    yard.store.make_partitions(at, 1).await.unwrap();
    let event = accepted(&yard.store, 1, at).await[0];
    let row = delivery(event, "one", at);
    let id = row.id;
    let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
    let decided = RoutedEvent {
        at,
        ..routed(event, vec![row])
    };
    routing.route(vec![decided]).await.unwrap();
    let (key, attempt) = (
        literal(yard, id.uuid()),
        literal(yard, wire::AttemptId::new(at, 1).uuid()),
    );
    let (then, empty) = (
        yard.literal(at),
        if yard.is_postgres() { "''::bytea" } else { "x''" },
    );
    yard.execute(&format!(
        "UPDATE deliveries SET state = '{state}', due_at = NULL, first_attempt_at = {then}, updated_at = {then} WHERE id = {key}"
    ));
    yard.execute(&format!(
        "INSERT INTO attempts (id, delivery_id, number, duration_ms, request_headers, response_headers, response_body, created_at) \
         VALUES ({attempt}, {key}, 1, 1, {empty}, {empty}, {empty}, {then})"
    ));
    (event, id)
}

fn literal(yard: &Yard, id: uuid::Uuid) -> String {
    if yard.is_postgres() {
        format!("'{id}'::uuid")
    } else {
        format!("x'{}'", id.simple())
    }
}

fn run_of(event: EventId) -> NewRun {
    let playbook_id = PlaybookId::from_stored("pb_greet");
    NewRun {
        id: RunId::of(event, &playbook_id, 0),
        workspace_id: workspace(),
        playbook_id,
        route_id: None,
        input: Bytes::from_static(b"{}"),
        trigger: Trigger::Route,
        project: None,
        template: None,
        generation: 0,
    }
}

async fn is_there(yard: &Yard, event: EventId) -> bool {
    yard.store.event(&workspace(), event).await.unwrap().is_some()
}

on_both! {
    async fn what_has_come_to_an_end_goes_with_all_that_is_its(yard: &Yard) {
        let now = Instant::now();
        for (number, state) in ["delivered", "dead_letter", "failed", "skipped"].into_iter().enumerate() {
            delivered(yard, now - DAY * 40 + Duration::from_secs(number as u64), state).await;
        }
        let (young, kept) = delivered(yard, now - DAY, "delivered").await;
        assert_eq!(passed(yard, now - DAY * 30).await, [4, 4, 4, 0]);
        assert_eq!(passed(yard, now - DAY * 30).await, [0; 4]);
        assert!(is_there(yard, young).await);
        assert_eq!(yard.store.attempts(kept).await.unwrap().len(), 1);
    }

    async fn what_waits_or_is_under_way_stays_with_its_event_and_attempts(yard: &Yard) {
        let now = Instant::now();
        let mut held = Vec::new();
        for (number, state) in ["pending", "scheduled_retry", "delivering"].into_iter().enumerate() {
            held.push(delivered(yard, now - DAY * 40 + Duration::from_secs(number as u64), state).await);
        }
        assert_eq!(passed(yard, now - DAY * 30).await, [0; 4]);
        let dropped = yard.store.drop_partitions(now - DAY * 30).await.unwrap();
        assert!(!dropped.iter().any(|name| name.contains(&day(now - DAY * 40))), "{dropped:?}");
        for (event, delivery) in held {
            assert!(is_there(yard, event).await);
            let row = yard.store.delivery(&workspace(), delivery).await.unwrap().unwrap();
            assert!(!row.state.is_final());
            assert_eq!(yard.store.attempts(delivery).await.unwrap().len(), 1);
        }
    }

    async fn one_of_an_events_deliveries_that_waits_keeps_the_event(yard: &Yard) {
        let now = Instant::now();
        let (event, done) = delivered(yard, now - DAY * 40, "delivered").await;
        let replay = NewDelivery { replay_of: Some(done), ..delivery(event, "two", now) };
        let id = replay.id;
        assert!(yard.store.on_record(vec![]).replay(event, (vec![replay], vec![]), now).await.unwrap());
        assert_eq!(passed(yard, now - DAY * 30).await, [1, 1, 0, 0]);
        assert!(is_there(yard, event).await);
        assert_eq!(yard.store.delivery(&workspace(), id).await.unwrap().unwrap().state, DeliveryState::Pending);
    }

    async fn what_was_tried_again_since_has_its_own_end_to_wait_for(yard: &Yard) {
        let now = Instant::now();
        let (_, id) = delivered(yard, now - DAY * 40, "dead_letter").await;
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), id, now - DAY).await.unwrap());
        yard.execute("UPDATE deliveries SET state = 'delivered'");
        assert_eq!(passed(yard, now - DAY * 30).await, [0; 4]);
        assert_eq!(passed(yard, now).await, [1, 1, 1, 0]);
    }

    async fn an_event_that_is_not_routed_yet_stays(yard: &Yard) {
        let now = Instant::now();
        yard.store.make_partitions(now - DAY * 40, 1).await.unwrap();
        let event = accepted(&yard.store, 1, now - DAY * 40).await[0];
        assert_eq!(passed(yard, now - DAY * 30).await, [0; 4]);
        let dropped = yard.store.drop_partitions(now - DAY * 30).await.unwrap();
        assert!(!dropped.contains(&format!("events_{}", day(now - DAY * 40))), "{dropped:?}");
        assert!(is_there(yard, event).await);
    }

    async fn a_run_that_goes_on_keeps_its_event_and_those_it_is_told_of(yard: &Yard) {
        let now = Instant::now();
        let at = now - DAY * 40;
        yard.store.make_partitions(at, 1).await.unwrap();
        let made = accepted(&yard.store, 2, at).await;
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        let started = RoutedEvent { runs: vec![run_of(made[0])], ..routed(made[0], vec![]) };
        routing.route(vec![started, routed(made[1], vec![])]).await.unwrap();
        let (run, told) = (literal(yard, run_of(made[0]).id.uuid()), literal(yard, made[1].uuid()));
        yard.execute(&format!(
            "INSERT INTO run_inbox (id, run_id, kind, event_id, created_at) VALUES ({told}, {run}, 'message', {told}, {})",
            yard.literal(now)
        ));
        for state in ["pending", "running", "waiting", "paused"] {
            yard.execute(&format!("UPDATE runs SET state = '{state}'"));
            assert_eq!(passed(yard, now - DAY * 30).await, [0; 4], "{state}");
            assert!(yard.store.drop_partitions(now - DAY * 30).await.unwrap().iter().all(|name| *name != format!("events_{}", day(at))));
        }
        yard.execute("UPDATE runs SET state = 'completed'");
        assert_eq!(passed(yard, now - DAY * 30).await, [0, 0, 2, 0]);
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs"), 1, "its history is its own");
    }

    async fn a_replay_of_what_is_gone_makes_nothing(yard: &Yard) {
        let now = Instant::now();
        let (event, _) = delivered(yard, now - DAY * 40, "delivered").await;
        passed(yard, now - DAY * 30).await;
        let again = delivery(event, "one", now);
        assert!(!yard.store.on_record(vec![]).replay(event, (vec![again], vec![run_of(event)]), now).await.unwrap());
        assert_eq!(yard.number("SELECT count(*) AS value FROM deliveries"), 0);
        assert_eq!(yard.number("SELECT count(*) AS value FROM runs"), 0);
    }

    async fn one_workspaces_window_touches_no_other(yard: &Yard) {
        let now = Instant::now();
        let (event, _) = delivered(yard, now - DAY * 5, "delivered").await;
        let stranger = WorkspaceId::from_stored("ws_other");
        for history in History::ALL {
            assert_eq!(emptied(yard, history, Some(&stranger), now).await, 0);
        }
        assert!(is_there(yard, event).await);
        for (history, removed) in History::ALL.into_iter().zip([1, 0, 1, 0]) {
            assert_eq!(emptied(yard, history, Some(&workspace()), now - DAY).await, removed, "{history:?}");
        }
        assert_eq!(yard.number("SELECT count(*) AS value FROM attempts"), 0, "they went with their delivery");
    }

    async fn a_run_that_has_ended_goes_with_all_that_is_its(yard: &Yard) {
        let now = Instant::now();
        let at = now - DAY * 40;
        yard.store.make_partitions(at, 1).await.unwrap();
        let made = accepted(&yard.store, 3, at).await;
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        for event in &made {
            routing.route(vec![RoutedEvent { runs: vec![run_of(*event)], ..routed(*event, vec![]) }]).await.unwrap();
        }
        let (then, empty) = (yard.literal(at), if yard.is_postgres() { "''::bytea" } else { "x''" });
        for event in &made {
            let run = literal(yard, run_of(*event).id.uuid());
            let message = literal(yard, uuid::Uuid::new_v4());
            yard.execute(&format!(
                "INSERT INTO steps (run_id, number, pointer, name, kind, status, attempt, input, is_cut, started_at, ended_at) \
                 VALUES ({run}, 1, '', '', '', 'completed', 1, {empty}, FALSE, {then}, {then}); \
                 INSERT INTO run_inbox (id, run_id, kind, created_at, taken_at) VALUES ({message}, {run}, 'resume', {then}, {then}); \
                 UPDATE runs SET state = 'completed', ended_at = {then}, ready_at = NULL WHERE id = {run}"
            ));
        }
        // One goes on, and one is wanted to.
        let (goes_on, wanted) = (literal(yard, run_of(made[1]).id.uuid()), literal(yard, run_of(made[2]).id.uuid()));
        yard.execute(&format!("UPDATE runs SET state = 'running', ended_at = NULL WHERE id = {goes_on}"));
        yard.execute(&format!("UPDATE runs SET ready_at = {} WHERE id = {wanted}", yard.literal(now)));
        let stranger = WorkspaceId::from_stored("ws_other");
        assert_eq!(emptied(yard, History::Runs, Some(&stranger), now - DAY * 30).await, 0);
        assert_eq!(emptied(yard, History::Runs, None, now - DAY * 41).await, 0);
        assert_eq!(emptied(yard, History::Runs, None, now - DAY * 30).await, 1);
        for table in ["runs", "steps", "run_inbox"] {
            assert_eq!(yard.number(&format!("SELECT count(*) AS value FROM {table}")), 2, "{table}");
        }
    }

    async fn a_recovery_that_has_ended_goes(yard: &Yard) {
        let now = Instant::now();
        let at = now - DAY * 40;
        let spec = || RecoverySpec {
            endpoint: None,
            states: vec![DeliveryState::DeadLetter],
            error_kind: None,
            event_type: None,
            from: None,
            until: None,
            per_second: 1,
        };
        for nonce in 0..2 {
            let id = RecoveryId::new(at + Duration::from_secs(nonce), 0);
            yard.store.on_record(vec![]).save_recovery(&workspace(), id, spec(), at).await.unwrap();
            if nonce == 0 {
                assert!(yard.store.on_record(vec![]).steer_recovery(&workspace(), id, Steering::Cancel, at).await.unwrap());
            }
        }
        assert_eq!(emptied(yard, History::Recoveries, None, now - DAY * 30).await, 1);
        assert_eq!(yard.store.recoveries(&workspace(), None, 10).await.unwrap().rows.len(), 1);
    }

    async fn the_audit_goes_when_its_time_is_over(yard: &Yard) {
        let now = Instant::now();
        let at = |days: u32| AuditEntry {
            id: AuditId::numbered(now - DAY * days, 0, rand::random()),
            ..AuditEntry::new(&workspace(), &Actor::operator(), "endpoint.create", &"ep_a")
        };
        let entries = [1, 10, 40, 41, 42].map(at).to_vec();
        yard.store.on_record(entries).keep().await.unwrap();
        let stranger = WorkspaceId::from_stored("ws_other");
        assert_eq!(emptied(yard, History::Audit, Some(&stranger), now - DAY * 30).await, 0);
        assert_eq!(emptied(yard, History::Audit, None, now - DAY * 30).await, 3);
        assert_eq!(yard.store.audit(&workspace(), None, 10).await.unwrap().rows.len(), 2);
    }

    async fn retention_reads_by_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        let now = Instant::now();
        let of = workspace();
        planner.store.expire(History::Deliveries, Some(&of), now, (None, 10)).await.unwrap();
        planner.plan("ORDER BY").uses("deliveries_workspace_idx", "deliveries_workspace_idx");
        planner.store.expire(History::Events, None, now, (Some(EventId::new(now - DAY, 0).uuid()), 10)).await.unwrap();
        let uuids = vec![EventId::generate().uuid(), EventId::new(now - DAY, 0).uuid()];
        planner.explain("LIMIT", &Asked { uuids, ..Asked::default() }).sorts_nothing();
        planner.store.expire(History::Runs, Some(&of), now, (None, 10)).await.unwrap();
        planner.plan("LIMIT").uses("runs_workspace_idx", "runs_workspace_idx");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_day_is_dropped_once_nothing_in_it_is_needed() {
    let yard = Yard::on_postgres().await;
    let now = Instant::now();
    let at = now - DAY * 40;
    delivered(&yard, at, "delivered").await;
    let (held, waiting) = delivered(&yard, at - DAY * 3, "pending").await;
    let before = now - DAY * 30;
    assert!(
        yard.store
            .drop_partitions(before)
            .await
            .unwrap()
            .iter()
            .all(|name| !name.contains(&day(at)))
    );
    emptied(&yard, History::Deliveries, None, before).await;
    let dropped = yard.store.drop_partitions(before).await.unwrap();
    assert!(dropped.contains(&format!("events_{}", day(at))), "{dropped:?}");
    // An older delivery that waits keeps its event's day, and the days of its attempts, and no others.
    assert!(dropped.contains(&format!("attempts_{}", day(at))), "{dropped:?}");
    assert!(
        !dropped.iter().any(|name| name.contains(&day(at - DAY * 3))),
        "{dropped:?}"
    );
    assert!(is_there(&yard, held).await);
    assert_eq!(yard.store.attempts(waiting).await.unwrap().len(), 1);
    yard.execute("UPDATE deliveries SET state = 'delivered'");
    emptied(&yard, History::Deliveries, None, before).await;
    let dropped = yard.store.drop_partitions(before).await.unwrap();
    for name in [
        format!("events_{}", day(at - DAY * 3)),
        format!("attempts_{}", day(at - DAY * 3)),
    ] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    // Today's are as they were.
    let queue = yard.accept_queue();
    queue.accept(given::keyless("{}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_dropping_a_day_never_holds_it_while_it_waits_for_the_others() {
    let yard = Yard::on_postgres().await;
    let now = Instant::now();
    // The first of the days that are made, and thus of those that are dropped.
    let at = now - DAY * 41;
    yard.store.make_partitions(at + DAY, 1).await.unwrap();
    let mut router = yard.raw();
    // As a batch does that has planned for all days, and not yet locked each.
    router.execute("BEGIN; LOCK TABLE ONLY events IN ROW EXCLUSIVE MODE; SET LOCAL lock_timeout = '50ms'");
    let store = yard.store.clone();
    let dropping = tokio::spawn(async move { store.drop_partitions(now - DAY * 30).await.unwrap() });
    let mut locked = 0;
    while !dropping.is_finished() {
        router.execute(&format!(
            "SAVEPOINT one; LOCK TABLE events_{} IN ROW EXCLUSIVE MODE; ROLLBACK TO one",
            day(at)
        ));
        locked += 1;
    }
    let dropped = dropping.await.unwrap();
    assert!(
        locked > 0 && !dropped.contains(&format!("events_{}", day(at))),
        "{locked} {dropped:?}"
    );
    router.execute("ROLLBACK");
    let dropped = yard.store.drop_partitions(now - DAY * 30).await.unwrap();
    assert!(dropped.contains(&format!("events_{}", day(at))), "{dropped:?}");
}

/// `20261121`.
fn day(at: Instant) -> String {
    at.to_string()
        .chars()
        .take(10)
        .filter(char::is_ascii_digit)
        .collect()
}
