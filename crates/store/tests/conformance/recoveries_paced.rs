//! The pauses of recoveries: none keeps a database busy that sends nothing.

use crate::given::{accepted, delivery, endpoint_id, routed, workspace};
use crate::on_both;
use crate::recoveries::{HOLD, advanced, dead, spec, started};
use crate::yard::Yard;
use hookyard_store::{Advance, NewDelivery, QueueOptions};
use std::time::Duration;
use wire::resource::RecoverySpec;
use wire::{DeliveryId, DeliveryState, Instant, RecoveryState};

/// Many deliveries of one event of a time.
async fn many(yard: &Yard, endpoint: &str, count: u128, at: Instant, state: DeliveryState) {
    let event = accepted(&yard.store, 1, at).await[0];
    let row = |nonce| NewDelivery {
        id: DeliveryId::of(event, &endpoint_id(endpoint), nonce),
        state,
        due_at: (state == DeliveryState::Pending).then_some(at),
        ..delivery(event, endpoint, at)
    };
    let routing = yard.store.routing_queue(QueueOptions::default()).unwrap();
    let rows = (0..count).map(row).collect();
    routing.route(vec![routed(event, rows)]).await.unwrap();
}

on_both! {
    async fn a_batch_that_sends_nothing_is_followed_by_a_pause(yard: &Yard) {
        dead(yard, &["one"], 1).await;
        many(yard, "one", 2_100, Instant::now(), DeliveryState::Pending).await;
        yard.execute("UPDATE deliveries SET state = 'dead_letter', due_at = NULL, error_kind = 'timeout'");
        started(yard, RecoverySpec { error_kind: Some("tls".to_owned()), ..spec() }).await;
        let now = Instant::now();
        assert_eq!(advanced(yard, now).await, Advance::Sent(0), "2,000 are looked at in one batch");
        assert!(yard.store.take_recovery(now + Duration::from_millis(99), HOLD).await.unwrap().is_none());
        let next = yard.store.next_recovery_at().await.unwrap().unwrap();
        assert_eq!(next.since(now), Duration::from_millis(250));
        assert_eq!(advanced(yard, next).await, Advance::Completed(0));
        assert_eq!(yard.store.next_recovery_at().await.unwrap(), None);
    }

    async fn passes_that_send_nothing_become_rarer(yard: &Yard) {
        dead(yard, &["busy"], 3).await;
        many(yard, "busy", 60, Instant::now(), DeliveryState::Pending).await;
        started(yard, spec()).await;
        let mut now = Instant::now();
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(advanced(yard, now).await, Advance::Sent(0));
            let next = yard.store.next_recovery_at().await.unwrap().unwrap();
            assert_eq!(next.since(now), Duration::from_secs(pause));
            now = next;
        }
        yard.execute("UPDATE deliveries SET state = 'delivered' WHERE state = 'pending'");
        assert_eq!(advanced(yard, now).await, Advance::Completed(3));
    }

    async fn an_endpoints_queue_is_what_waits_however_old_it_is(yard: &Yard) {
        let made = dead(yard, &["busy"], 1).await;
        let failed_at = made[0].instant();
        many(yard, "busy", 60, failed_at - Duration::from_mins(10), DeliveryState::Pending).await;
        // Beside the candidate and behind it is much that is done.
        many(yard, "busy", 200, failed_at - Duration::from_mins(5), DeliveryState::Skipped).await;
        many(yard, "busy", 200, Instant::now(), DeliveryState::Skipped).await;
        let id = started(yard, spec()).await;
        assert_eq!(advanced(yard, Instant::now()).await, Advance::Sent(0));
        let recovery = yard.store.recovery(&workspace(), id).await.unwrap().unwrap();
        assert_eq!(recovery.state, RecoveryState::Running);
    }
}
