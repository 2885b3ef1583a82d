//! Recoveries: what failed is sent again once, at a pace, whoever works on it; and dead letters, counted.

use crate::given::{self, accepted, delivery, endpoint_id, routed, workspace};
use crate::on_both;
use crate::planner::Planner;
use crate::yard::Yard;
use hookyard_store::{Advance, Delivery, DeliveryFilter, Edit, QueueOptions, RecoveryLease, Steering};
use std::collections::HashSet;
use std::time::Duration;
use wire::resource::RecoverySpec;
use wire::{DeliveryId, DeliveryState, EndpointId, Instant, RecoveryId, RecoveryState, WorkspaceId};

pub(crate) const HOLD: Duration = Duration::from_secs(30);

pub(crate) fn spec() -> RecoverySpec {
    RecoverySpec {
        endpoint: None,
        states: vec![DeliveryState::DeadLetter],
        error_kind: None,
        event_type: None,
        from: None,
        until: None,
        per_second: 1_000,
    }
}

/// Dead letters to these endpoints, one event each, with `timeout` for their error.
pub(crate) async fn dead(yard: &Yard, endpoints: &[&str], count: usize) -> Vec<DeliveryId> {
    let now = Instant::now();
    let mut edits = given::tenant("acme");
    edits.extend(
        endpoints
            .iter()
            .map(|name| Edit::Endpoint(given::endpoint("acme", name))),
    );
    yard.store.edit(edits, now).await.unwrap();
    let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
    let mut made = Vec::new();
    for event in accepted(&yard.store, count, now - Duration::from_mins(1)).await {
        let rows: Vec<_> = endpoints
            .iter()
            .map(|endpoint| delivery(event, endpoint, now))
            .collect();
        made.extend(rows.iter().map(|row| row.id));
        routing.route(vec![routed(event, rows)]).await.unwrap();
    }
    yard.execute("UPDATE deliveries SET state = 'dead_letter', due_at = NULL, error_kind = 'timeout'");
    made
}

pub(crate) async fn started(yard: &Yard, spec: RecoverySpec) -> RecoveryId {
    let (id, now) = (RecoveryId::generate(), Instant::now());
    yard.store
        .on_record(vec![])
        .save_recovery(&workspace(), id, spec, now)
        .await
        .unwrap();
    let start = Steering::Start { total: 0 };
    assert!(
        yard.store
            .on_record(vec![])
            .steer_recovery(&workspace(), id, start, now)
            .await
            .unwrap()
    );
    id
}

async fn taken(yard: &Yard, at: Instant) -> RecoveryLease {
    yard.store.take_recovery(at, HOLD).await.unwrap().unwrap()
}

pub(crate) async fn advanced(yard: &Yard, at: Instant) -> Advance {
    let lease = taken(yard, at).await;
    yard.store.advance_recovery(lease, at).await.unwrap()
}

async fn all(yard: &Yard) -> Vec<Delivery> {
    yard.store
        .deliveries(&workspace(), DeliveryFilter::default(), None, 1_000)
        .await
        .unwrap()
        .rows
}

/// What was sent again, by what it replays.
async fn replayed(yard: &Yard) -> Vec<DeliveryId> {
    all(yard).await.iter().filter_map(|row| row.replay_of).collect()
}

on_both! {
    async fn each_delivery_that_matches_is_sent_again_once_and_the_old_one_stays(yard: &Yard) {
        let made = dead(yard, &["one"], 5).await;
        yard.execute(if yard.is_postgres() {
            "UPDATE deliveries SET body = '\\x5b315d'"
        } else {
            "UPDATE deliveries SET body = x'5b315d'"
        });
        let id = started(yard, spec()).await;
        let now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Completed(5));
        assert_eq!(replayed(yard).await.into_iter().collect::<HashSet<_>>(), made.iter().copied().collect());
        for row in all(yard).await {
            match row.replay_of {
                Some(first) => {
                    assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 0));
                    let bodies = (yard.store.transformed(row.id).await.unwrap(), yard.store.transformed(first).await.unwrap());
                    assert!(bodies.0.is_some() && bodies.0 == bodies.1);
                    assert_eq!(row.id, first.recovered(id, row.event_id, &row.endpoint_id));
                }
                None => assert_eq!((row.state, row.recovery_id), (DeliveryState::DeadLetter, Some(id))),
            }
        }
        let recovery = yard.store.recovery(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((recovery.state, recovery.recovered), (RecoveryState::Completed, 5));
        assert!(recovery.ended_at.is_some());
        assert!(yard.store.take_recovery(now + HOLD, HOLD).await.unwrap().is_none());
        // Nothing is left for another one.
        started(yard, spec()).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Completed(0));
    }

    async fn the_pace_is_kept_and_the_place_with_it(yard: &Yard) {
        dead(yard, &["one"], 5).await;
        let id = started(yard, RecoverySpec { per_second: 2, ..spec() }).await;
        let mut now = Instant::now();
        for left in [2, 2, 1] {
            let expected = if left == 1 { Advance::Completed(1) } else { Advance::Sent(left) };
            assert_eq!(advanced(yard, now).await, expected);
            // The next batch is due a second later, and not before.
            assert!(yard.store.take_recovery(now + Duration::from_millis(900), HOLD).await.unwrap().is_none());
            now = now + Duration::from_secs(1);
        }
        assert_eq!(yard.store.recovery(&workspace(), id).await.unwrap().unwrap().recovered, 5);
        let once: HashSet<_> = replayed(yard).await.into_iter().collect();
        assert_eq!((once.len(), all(yard).await.len()), (5, 10));
    }

    async fn of_two_processes_with_one_batch_one_does_nothing(yard: &Yard) {
        dead(yard, &["one"], 3).await;
        started(yard, spec()).await;
        let now = Instant::now();
        let first = taken(yard, now).await;
        // It is thought dead, and comes back.
        assert!(yard.store.take_recovery(now, HOLD).await.unwrap().is_none());
        let later = now + HOLD + Duration::from_secs(1);
        let second = taken(yard, later).await;
        assert_eq!(yard.store.advance_recovery(first.clone(), later).await.unwrap(), Advance::Lost);
        assert_eq!(yard.store.advance_recovery(second, later).await.unwrap(), Advance::Completed(3));
        assert_eq!(yard.store.advance_recovery(first, later).await.unwrap(), Advance::Lost);
        assert_eq!(all(yard).await.len(), 6);
    }

    async fn many_workers_at_once_send_each_delivery_once(yard: &Yard) {
        dead(yard, &["one"], 30).await;
        let id = started(yard, RecoverySpec { per_second: 7, ..spec() }).await;
        let began = Instant::now();
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = yard.store.clone();
            workers.spawn(async move {
                for step in 0..40_u64 {
                    let now = began + Duration::from_secs(step);
                    if let Some(lease) = store.take_recovery(now, HOLD).await.unwrap() {
                        store.advance_recovery(lease, now).await.unwrap();
                    }
                }
            });
        }
        workers.join_all().await;
        // They had different times; the last of them may have left something.
        let mut now = began + Duration::from_mins(1);
        while let Some(lease) = yard.store.take_recovery(now, HOLD).await.unwrap() {
            yard.store.advance_recovery(lease, now).await.unwrap();
            now = now + Duration::from_secs(1);
        }
        let recovery = yard.store.recovery(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((recovery.state, recovery.recovered), (RecoveryState::Completed, 30));
        assert_eq!(all(yard).await.len(), 60);
    }

    async fn what_is_paused_holds_and_goes_on_where_it_was(yard: &Yard) {
        dead(yard, &["one"], 4).await;
        let id = started(yard, RecoverySpec { per_second: 2, ..spec() }).await;
        let now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Sent(2));
        let later = now + Duration::from_secs(10);
        let in_hand = taken(yard, later).await;
        let steer = async |steering| yard.store.on_record(vec![]).steer_recovery(&workspace(), id, steering, later).await.unwrap();
        assert!(steer(Steering::Pause).await);
        assert!(!steer(Steering::Pause).await && !steer(Steering::Start { total: 1 }).await);
        // Whoever was in the middle does no more.
        assert_eq!(yard.store.advance_recovery(in_hand, later).await.unwrap(), Advance::Lost);
        assert!(yard.store.take_recovery(later + HOLD * 2, HOLD).await.unwrap().is_none());
        assert!(steer(Steering::Resume).await && !steer(Steering::Resume).await);
        // A process that begins anew finds the place in the row.
        let other = yard.another_process().await;
        let lease = other.take_recovery(later, HOLD).await.unwrap().unwrap();
        assert_eq!(other.advance_recovery(lease, later).await.unwrap(), Advance::Completed(2));
        assert_eq!(replayed(yard).await.len(), 4);
        assert!(!steer(Steering::Cancel).await, "it has ended");
    }

    async fn what_is_cancelled_sends_no_more(yard: &Yard) {
        dead(yard, &["one"], 4).await;
        let id = started(yard, RecoverySpec { per_second: 1, ..spec() }).await;
        let now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Sent(1));
        assert!(yard.store.on_record(vec![]).steer_recovery(&workspace(), id, Steering::Cancel, now).await.unwrap());
        assert!(yard.store.take_recovery(now + HOLD, HOLD).await.unwrap().is_none());
        assert!(!yard.store.on_record(vec![]).steer_recovery(&workspace(), id, Steering::Resume, now).await.unwrap());
        let stranger = WorkspaceId::from_stored("ws_other");
        assert!(!yard.store.on_record(vec![]).steer_recovery(&stranger, id, Steering::Cancel, now).await.unwrap());
        assert!(yard.store.recovery(&stranger, id).await.unwrap().is_none());
        assert_eq!(replayed(yard).await.len(), 1);
    }

    async fn the_filter_leaves_out_what_does_not_match(yard: &Yard) {
        let made = dead(yard, &["one", "two"], 3).await;
        yard.execute("UPDATE deliveries SET error_kind = 'dns' WHERE endpoint_id = 'ep_two'");
        let now = Instant::now();
        let first = made.iter().min().unwrap().instant();
        for (spec, count) in [
            (spec(), 6),
            (RecoverySpec { endpoint: Some(endpoint_id("one")), ..spec() }, 3),
            (RecoverySpec { error_kind: Some("dns".to_owned()), ..spec() }, 3),
            (RecoverySpec { error_kind: Some("tls".to_owned()), ..spec() }, 0),
            (RecoverySpec { event_type: Some("payment.*".parse().unwrap()), ..spec() }, 6),
            (RecoverySpec { event_type: Some("order.*".parse().unwrap()), ..spec() }, 0),
            (RecoverySpec { states: vec![DeliveryState::Failed], ..spec() }, 0),
            (RecoverySpec { until: Some(first), ..spec() }, 0),
            (RecoverySpec { from: Some(first + Duration::from_millis(1)), ..spec() }, 4),
            (RecoverySpec { from: Some(first), until: Some(first + Duration::from_millis(1)), ..spec() }, 2),
        ] {
            let preview = yard.store.preview_recovery(&workspace(), spec.clone(), now).await.unwrap();
            assert_eq!((preview.count, preview.is_complete), (count, true), "{spec:?}");
            assert_eq!(preview.sample.len(), usize::try_from(count).unwrap().min(10));
            assert_eq!(preview.oldest.is_some(), count > 0);
        }
        let narrow = RecoverySpec { endpoint: Some(endpoint_id("two")), ..spec() };
        started(yard, narrow).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Completed(3));
        assert!(all(yard).await.iter().filter(|row| row.replay_of.is_some()).all(|row| row.endpoint_id == endpoint_id("two")));
    }

    async fn fresh_traffic_goes_first_and_the_rest_gets_its_turn(yard: &Yard) {
        dead(yard, &["busy", "idle"], 3).await;
        let now = Instant::now();
        let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
        for event in accepted(&yard.store, 60, now).await {
            routing.route(vec![routed(event, vec![delivery(event, "busy", now)])]).await.unwrap();
        }
        let id = started(yard, spec()).await;
        let now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Sent(3));
        assert!(all(yard).await.iter().filter(|row| row.replay_of.is_some()).all(|row| row.endpoint_id == endpoint_id("idle")));
        // When its queue is short, it gets what was left.
        yard.execute("UPDATE deliveries SET state = 'delivered' WHERE state = 'pending'");
        let later = now + Duration::from_secs(6);
        assert_eq!(advanced(yard, later).await, Advance::Completed(3));
        let recovery = yard.store.recovery(&workspace(), id).await.unwrap().unwrap();
        assert_eq!((recovery.recovered, recovery.deferred), (6, 0));
    }

    async fn what_is_retried_by_hand_after_a_recovery_can_be_a_dead_letter_again(yard: &Yard) {
        let made = dead(yard, &["one"], 1).await;
        started(yard, spec()).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Completed(1));
        assert!(yard.store.dead_letters(&workspace(), None).await.unwrap().0.is_empty());
        assert!(yard.store.on_record(vec![]).retry_delivery(&workspace(), made[0], Instant::now()).await.unwrap());
        yard.execute("UPDATE deliveries SET state = 'dead_letter', due_at = NULL WHERE replay_of IS NULL");
        let (groups, _) = yard.store.dead_letters(&workspace(), None).await.unwrap();
        assert_eq!(groups.iter().map(|group| group.count).sum::<i64>(), 1);
        started(yard, spec()).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Completed(1));
    }

    async fn what_fails_again_is_not_sent_again_by_the_same_recovery(yard: &Yard) {
        dead(yard, &["one"], 2).await;
        started(yard, RecoverySpec { per_second: 1, ..spec() }).await;
        let mut now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Sent(1));
        yard.execute("UPDATE deliveries SET state = 'dead_letter' WHERE state = 'pending'");
        now = now + Duration::from_secs(1);
        yard.execute(&format!("UPDATE deliveries SET created_at = {} WHERE replay_of IS NOT NULL", yard.literal(now)));
        assert_eq!(advanced(yard, now).await, Advance::Completed(1));
        assert_eq!(all(yard).await.len(), 4);
    }

    async fn what_has_no_endpoint_or_no_event_any_more_is_skipped(yard: &Yard) {
        let made = dead(yard, &["one", "gone"], 2).await;
        yard.execute(&format!("UPDATE endpoints SET deleted_at = {} WHERE id = 'ep_gone'", yard.literal(Instant::now())));
        let row = yard.store.delivery(&workspace(), made[0]).await.unwrap().unwrap();
        let event = if yard.is_postgres() { format!("'{}'", row.event_id.uuid()) } else { format!("x'{}'", row.event_id.uuid().simple()) };
        yard.execute(&format!("DELETE FROM events WHERE id = {event}"));
        let id = started(yard, spec()).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Completed(1));
        assert_eq!(yard.store.recovery(&workspace(), id).await.unwrap().unwrap().skipped, 3);
    }

    async fn recoveries_are_paged_newest_first(yard: &Yard) {
        let mut made = Vec::new();
        for number in 0..3 {
            let at = Instant::now() + Duration::from_millis(number);
            let id = RecoveryId::new(at, 0);
            yard.store.on_record(vec![]).save_recovery(&workspace(), id, spec(), at).await.unwrap();
            made.insert(0, id);
        }
        let page = yard.store.recoveries(&workspace(), None, 2).await.unwrap();
        assert_eq!((page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), page.more), (made[..2].to_vec(), true));
        let page = yard.store.recoveries(&workspace(), Some(made[1]), 2).await.unwrap();
        assert_eq!((page.rows[0].id, page.more), (made[2], false));
    }

    async fn dead_letters_are_counted_by_endpoint_kind_and_type(yard: &Yard) {
        dead(yard, &["one", "two"], 3).await;
        yard.execute("UPDATE deliveries SET error_kind = NULL WHERE endpoint_id = 'ep_two'");
        let count = async |endpoint: Option<EndpointId>| {
            let (groups, is_complete) = yard.store.dead_letters(&workspace(), endpoint).await.unwrap();
            assert!(is_complete && groups.iter().all(|group| group.oldest <= group.newest));
            groups.into_iter().map(|group| (group.endpoint_id.to_string(), group.error_kind, group.event_type, group.count)).collect::<Vec<_>>()
        };
        let paid = || Some("payment.succeeded".to_owned());
        let (one, two) = (("ep_one".to_owned(), Some("timeout".to_owned()), paid(), 3), ("ep_two".to_owned(), None, paid(), 3));
        assert_eq!(count(None).await, [one.clone(), two.clone()]);
        assert_eq!(count(Some(endpoint_id("two"))).await, std::slice::from_ref(&two));
        started(yard, RecoverySpec { endpoint: Some(endpoint_id("one")), ..spec() }).await;
        advanced(yard, Instant::now()).await;
        assert_eq!(count(None).await, [two]);
        assert!(yard.store.dead_letters(&WorkspaceId::from_stored("ws_other"), None).await.unwrap().0.is_empty());
    }

    async fn recoveries_read_by_index(yard: &Yard) {
        let planner = Planner::over(yard).await;
        planner.store.preview_recovery(&workspace(), spec(), Instant::now()).await.unwrap();
        let plan = planner.plan("deliveries").sorts_nothing();
        // Where nothing was sent again yet, the index of all that failed is as good.
        let is_indexed = ["deliveries_recoverable_idx", "deliveries_failed_idx"].iter().any(|index| plan.text.contains(index));
        assert!(is_indexed, "{}", plan.text);
        planner.store.take_recovery(Instant::now(), HOLD).await.unwrap();
        let plan = planner.plan("recoveries");
        // There are few, and Postgres reads a few rows as they lie.
        assert!(yard.is_postgres() || plan.text.contains("recoveries_due_idx"), "{}", plan.text);
        planner.store.recoveries(&workspace(), None, 10).await.unwrap();
        let plan = planner.plan("recoveries");
        assert!(yard.is_postgres() || plan.text.contains("recoveries_workspace_idx"), "{}", plan.text);
        for endpoint in [None, Some(endpoint_id("1"))] {
            planner.store.dead_letters(&workspace(), endpoint).await.unwrap();
            let plan = planner.plan("letter");
            let indexes = ["deliveries_dead_letters_idx", "deliveries_failed_idx", "deliveries_recoverable_idx"];
            assert!(indexes.iter().any(|index| plan.text.contains(index)), "{}", plan.text);
            assert!(yard.is_postgres() || plan.text.contains("deliveries_dead_letters_idx"), "{}", plan.text);
        }
    }
}
