//! What keeps an endpoint's deliveries, holding them, and letting them go.

use crate::given;
use crate::on_both;
use crate::yard::Yard;
use serde_json::json;
use store::{Outcome, QueueOptions};
use wire::circuit::Answered;
use wire::{DeliveryState, Instant};

on_both! {
    async fn an_endpoint_shows_its_lane(yard: &Yard) {
        given::delivered_event(yard, b"{}").await;
        let lane = yard.get("endpoints/billing?include=lane").await.expect(200)["lane"].clone();
        for (field, value) in [
            ("state", json!("flowing")), ("circuit", json!("closed")), ("openedAt", json!(null)), ("nextProbeAt", json!(null)),
            ("failingSince", json!(null)), ("failuresInARow", json!(0)), ("limit", json!(10)), ("inFlight", json!(0)),
            ("waiting", json!(1)), ("held", json!(null)),
        ] {
            assert_eq!(lane[field], value, "{field}");
        }
        for plain in [yard.get("endpoints/billing").await.expect(200), yard.get("endpoints").await.expect(200)[0].clone()] {
            assert_eq!(plain.get("lane"), None, "only where it is asked for");
        }
        yard.get("endpoints?include=payload").await.refused(400, "invalid_query");
    }

    async fn an_operator_holds_an_endpoints_deliveries_and_drains_them(yard: &Yard) {
        let (_, id) = given::delivered_event(yard, b"{}").await;
        let held = yard.post("endpoints/billing/hold", &json!({})).await.expect(200);
        assert_eq!((&held["enabled"], &held["lane"]["state"]), (&json!(false), &json!("held")));
        assert_eq!((&held["lane"]["waiting"], &held["lane"]["held"]["reason"]), (&json!(1), &json!("paused")));
        let now = Instant::now();
        let lease = (uuid::Uuid::new_v4(), std::time::Duration::from_mins(1));
        assert!(yard.store.lease_due(now, 10, lease, Vec::new()).await.unwrap().jobs.is_empty());
        let list = yard.get("endpoints?include=lane").await.expect(200);
        let listed = list.as_array().unwrap().iter().find(|endpoint| endpoint["slug"] == "billing").unwrap();
        assert_eq!((&listed["lane"]["state"], &listed["lane"]["held"]), (&json!("held"), &held["lane"]["held"]));
        assert_eq!(listed["lane"].get("waiting"), None, "a list counts nothing");
        let again = yard.post("endpoints/billing/hold", &json!({})).await.expect(200);
        assert_eq!(again["lane"]["held"], held["lane"]["held"], "since the first time");

        let drained = yard.post("endpoints/billing/drain", &json!({})).await.expect(200);
        assert_eq!((&drained["enabled"], &drained["lane"]["held"]), (&json!(true), &json!(null)));
        let lane = &drained["lane"];
        assert_eq!((&lane["state"], &lane["circuit"], &lane["limit"]), (&json!("limited"), &json!("closed"), &json!(1)));
        assert_eq!(given::attempted(yard, 200).await, id);
        for action in ["hold", "drain"] {
            yard.post(&format!("endpoints/nobody/{action}"), &json!({})).await.refused(404, "not_found");
        }
    }

    async fn an_open_circuit_is_shown_with_what_waits(yard: &Yard) {
        let mut failing = Vec::new();
        for _ in 0..11 {
            failing.push(given::delivered_event(yard, b"{}").await.1);
        }
        let now = Instant::now();
        let token = uuid::Uuid::new_v4();
        let lease = (token, std::time::Duration::from_mins(1));
        let jobs = yard.store.lease_due(now, 10, lease, Vec::new()).await.unwrap().jobs;
        let queue = yard.store.outcome_queue(QueueOptions::default()).unwrap();
        for job in &jobs {
            let failed = Outcome {
                answered: Some(Answered::Overloaded),
                ..given::outcome(job, token, DeliveryState::ScheduledRetry, now)
            };
            queue.record(failed).await.unwrap();
        }
        let lane = yard.get("endpoints/billing?include=lane").await.expect(200)["lane"].clone();
        assert_eq!((&lane["state"], &lane["circuit"], &lane["limit"]), (&json!("open"), &json!("open"), &json!(1)));
        assert_eq!((&lane["waiting"], &lane["failuresInARow"]), (&json!(11), &json!(10)));
        for time in ["openedAt", "nextProbeAt", "failingSince", "oldestDueAt"] {
            assert!(lane[time].is_string(), "{time}: {lane}");
        }
    }
}
