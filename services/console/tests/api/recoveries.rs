//! Sending again what failed, and counting it.

use crate::given;
use crate::on_both;
use crate::yard::Yard;
use serde_json::{Value, json};
use std::time::Duration;
use store::Advance;
use wire::{DeliveryState, Instant};

/// So many deliveries to `ep_billing` whose only attempt was answered 500.
async fn dead(yard: &Yard, count: usize) {
    for _ in 0..count {
        given::delivered_event(yard, b"{}").await;
        given::ended(yard, DeliveryState::DeadLetter).await;
    }
}

async fn advanced(yard: &Yard) -> Advance {
    let now = Instant::now() + Duration::from_mins(1);
    let lease = yard
        .store
        .take_recovery(now, Duration::from_secs(1))
        .await
        .unwrap()
        .unwrap();
    yard.store.advance_recovery(lease, now).await.unwrap()
}

on_both! {
    async fn a_recovery_is_looked_at_saved_started_held_and_ended(yard: &Yard) {
        dead(yard, 3).await;
        let filter = json!({"endpoint": "billing", "errorKind": "http_status", "eventType": "payment.*", "perSecond": 1});
        let preview = yard.post("recoveries/preview", &filter).await.expect(200);
        assert_eq!((&preview["count"], &preview["complete"]), (&json!(3), &json!(true)));
        assert_eq!(preview["sample"].as_array().unwrap().len(), 3);
        assert!(preview["oldest"].as_str() <= preview["newest"].as_str());
        assert_eq!(yard.get("recoveries").await.expect(200)["recoveries"], json!([]));

        let saved = yard.post("recoveries", &filter).await.expect(201);
        let path = format!("recoveries/{}", saved["id"].as_str().unwrap());
        for (field, value) in [
            ("status", json!("saved")), ("endpointId", json!("ep_billing")), ("statuses", json!(["dead_letter"])),
            ("errorKind", json!("http_status")), ("eventType", json!("payment.*")), ("perSecond", json!(1)), ("total", json!(0)),
            ("startedAt", Value::Null), ("endedAt", Value::Null), ("from", Value::Null), ("until", Value::Null),
        ] {
            assert_eq!(saved[field], value, "{field}");
        }
        assert_eq!(yard.get(&format!("{path}/preview")).await.expect(200)["count"], 3);
        let ask = async |what: &str| yard.ask("POST", &format!("{path}/{what}"), "").await;
        for early in ["pause", "resume"] {
            ask(early).await.refused(409, "invalid_state");
        }
        let started = ask("start").await.expect(200);
        assert_eq!((&started["status"], &started["total"]), (&json!("running"), &json!(3)));
        ask("start").await.refused(409, "invalid_state");
        assert_eq!(advanced(yard).await, Advance::Sent(1));
        assert_eq!(ask("pause").await.expect(200)["status"], "paused");
        assert_eq!(ask("resume").await.expect(200)["status"], "running");
        assert_eq!(advanced(yard).await, Advance::Sent(1));
        let cancelled = ask("cancel").await.expect(200);
        assert_eq!((&cancelled["status"], &cancelled["recovered"]), (&json!("cancelled"), &json!(2)));
        assert!(cancelled["endedAt"].is_string());
        for late in ["start", "pause", "resume", "cancel"] {
            ask(late).await.refused(409, "invalid_state");
        }

        // One delivery is left; what was sent again says by what.
        assert_eq!(yard.get(&format!("{path}/preview")).await.expect(200)["count"], 1);
        let list = yard.get("deliveries").await.expect(200);
        let list = list["deliveries"].as_array().unwrap();
        let recovered: Vec<_> = list.iter().filter(|row| row["recoveryId"] == saved["id"]).collect();
        assert_eq!((list.len(), recovered.len()), (5, 2));
        assert!(recovered.iter().all(|row| row["status"] == "dead_letter" && row["errorKind"] == "http_status"));
        let again = list.iter().filter(|row| recovered.iter().any(|old| old["id"] == row["replayOf"]));
        assert_eq!(again.count(), 2);
    }

    async fn recoveries_are_listed_newest_first(yard: &Yard) {
        let mut ids = Vec::new();
        for _ in 0..3 {
            let started = yard.post("recoveries", &json!({"start": true})).await.expect(201);
            assert_eq!((&started["status"], &started["perSecond"]), (&json!("running"), &json!(10)));
            ids.push(started["id"].clone());
        }
        ids.sort_by(|one, other| other.as_str().cmp(&one.as_str()));
        let page = yard.get("recoveries?limit=2").await.expect(200);
        let cursor = page["nextCursor"].as_str().unwrap();
        let rest = yard.get(&format!("recoveries?limit=2&cursor={cursor}")).await.expect(200);
        let mut listed: Vec<Value> = page["recoveries"].as_array().unwrap().clone();
        listed.extend(rest["recoveries"].as_array().unwrap().clone());
        assert_eq!(listed.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), ids);
        assert_eq!(rest["nextCursor"], Value::Null);
    }

    async fn dead_letters_are_grouped(yard: &Yard) {
        dead(yard, 2).await;
        let found = yard.get("deliveries/dead-letters").await.expect(200);
        let [group] = found["groups"].as_array().unwrap().as_slice() else { panic!("{found}") };
        for (field, value) in [
            ("endpointId", json!("ep_billing")), ("errorKind", json!("http_status")), ("eventType", json!("payment.succeeded")),
            ("count", json!(2)),
        ] {
            assert_eq!(group[field], value, "{field}");
        }
        assert!(group["oldest"].as_str() <= group["newest"].as_str() && found["complete"] == true);
        assert_eq!(yard.get("deliveries/dead-letters?endpointId=billing").await.expect(200)["groups"], found["groups"]);
        assert_eq!(yard.get("deliveries/dead-letters?endpointId=ep_gone").await.expect(200)["groups"], json!([]));
        for bad in ["endpointId=nobody", "endpoint=billing"] {
            yard.get(&format!("deliveries/dead-letters?{bad}")).await.refused(400, "invalid_query");
        }
        yard.post("recoveries", &json!({"start": true})).await.expect(201);
        assert_eq!(advanced(yard).await, Advance::Completed(2));
        assert_eq!(yard.get("deliveries/dead-letters").await.expect(200)["groups"], json!([]));
    }

    async fn what_is_no_recovery_is_refused_with_its_path(yard: &Yard) {
        for (body, path) in [
            (json!([]), ": "), (json!({"endpoint": "nobody"}), "endpoint: "), (json!({"statuses": ["delivered"]}), "statuses[0]: "),
            (json!({"statuses": []}), "statuses: "), (json!({"statuses": "failed"}), "statuses: "),
            (json!({"perSecond": 0}), "perSecond: "), (json!({"perSecond": 1001}), "perSecond: "),
            (json!({"perSecond": 1.5}), "perSecond: "), (json!({"eventType": "a..b"}), "eventType: "),
            (json!({"from": "yesterday"}), "from: "), (json!({"from": 1}), "from: "),
            (json!({"from": "2026-11-29T10:00:00Z", "until": "2026-11-29T10:00:00Z"}), "until: "),
            (json!({"start": "yes"}), "start: "), (json!({"status": "failed"}), "status: "), (json!({"errorKind": 7}), "errorKind: "),
        ] {
            for address in ["recoveries", "recoveries/preview"] {
                let details = yard.post(address, &body).await.refused(400, "invalid_request");
                assert!(details.iter().any(|detail| detail.starts_with(path)), "{body}: {details:?}");
            }
        }
        for missing in ["recoveries/rec_1", "recoveries/rec_00000000000000000000000000", "recoveries/msg_1", "recoveries/%00"] {
            yard.get(missing).await.refused(404, "not_found");
            yard.ask("POST", &format!("{missing}/start"), "").await.refused(404, "not_found");
        }
        yard.get("recoveries?status=running").await.refused(400, "invalid_query");
    }
}
