//! What came in, and what became of it.

use crate::given;
use crate::on_both;
use crate::yard::{Yard, definition};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use store::{Acceptance, NewEvent, QueueOptions, Verification};
use wire::{DeliveryId, EndpointId, Instant, PlaybookId, RunId};

on_both! {
    async fn an_event_is_listed_and_shown_whole(yard: &Yard) {
        let id = given::accepted(yard, Some("key-1"), b"{\"id\": 1.00}").await;
        let one = yard.get(&format!("events/{id}")).await.expect(200);
        assert_eq!(one["headers"], json!([["content-type", "application/json"], ["x-a", "1"], ["x-a", "2"]]));
        for (field, value) in [
            ("id", json!(id.to_string())), ("sourceId", json!("so_stripe")), ("source", json!("stripe")),
            ("type", json!("payment.succeeded")), ("status", json!("accepted")), ("verified", json!(true)),
            ("verification", json!({"reason": null, "secretId": "sec_one"})),
            ("contentType", json!("application/json")), ("size", json!(12)), ("idempotencyKey", json!("key-1")),
            ("deliveries", json!(0)), ("runs", json!(0)), ("method", json!("POST")), ("query", json!("a=1")),
            ("remoteAddress", json!("192.0.2.7")), ("body", json!("{\"id\": 1.00}")), ("bodyEncoding", json!(null)),
        ] {
            assert_eq!(one[field], value, "{field}");
        }
        let time = one["receivedAt"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");

        let list = yard.get("events").await.expect(200);
        assert_eq!(list["nextCursor"], Value::Null);
        let mut line = one.clone();
        for field in ["method", "query", "remoteAddress", "headers", "body", "bodyEncoding"] {
            line.as_object_mut().unwrap().remove(field);
        }
        assert_eq!(list["events"], json!([line]));

        let binary = given::accepted(yard, None, b"\xff\x00").await;
        let binary = yard.get(&format!("events/{binary}")).await.expect(200);
        assert_eq!((&binary["body"], &binary["bodyEncoding"]), (&json!("/wA="), &json!("base64")));
        for missing in ["msg_00000000000000000000000001", "msg_1", "del_1", "%00", "nothing"] {
            yard.get(&format!("events/{missing}")).await.refused(404, "not_found");
        }
    }

    async fn an_event_says_why_its_signature_is_not_valid_and_whether_there_was_a_check(yard: &Yard) {
        let queue = yard.store.accept_queue(QueueOptions::default()).unwrap();
        let invalid = Verification::Invalid { reason: "signature_mismatch" };
        for (verified, is_valid, shown) in [
            (Some(invalid), json!(false), json!({"reason": "signature_mismatch", "secretId": null})),
            (Some(Verification::Valid { secret_id: None }), json!(true), json!({"reason": null, "secretId": null})),
            (None, json!(null), json!(null)),
        ] {
            let event = NewEvent { verified, ..given::event(Instant::now(), b"{}") };
            let id = event.id;
            queue.accept(Acceptance { routed: None, claim: None, event }).await.unwrap();
            let one = yard.get(&format!("events/{id}")).await.expect(200);
            assert_eq!((&one["verified"], &one["verification"]), (&is_valid, &shown));
        }
    }

    async fn what_became_of_an_event_is_counted_and_traced(yard: &Yard) {
        let playbook = format!("{}\nplaybooks: [{{slug: welcome, id: pb_1, definition: {}}}]", crate::yard::ACME, crate::yard::in_place("welcome"));
        yard.apply("", &playbook).await.expect(200);
        let id = given::accepted(yard, None, b"{}").await;
        let trace = yard.get(&format!("events/{id}/trace")).await.expect(200);
        assert_eq!(trace, json!({"eventId": id.to_string(), "routes": []}));

        let delivery = given::delivery(id);
        let delivery_id = delivery.id;
        given::routed(yard, id, vec![delivery], Some(&PlaybookId::from_stored("pb_1"))).await;
        let trace = yard.get(&format!("events/{id}/trace")).await.expect(200);
        assert_eq!((&trace["routes"][0]["routeId"], &trace["routes"][0]["matched"]), (&json!("rt_paid"), &json!(true)));
        let one = yard.get(&format!("events/{id}")).await.expect(200);
        assert_eq!((&one["status"], &one["deliveries"], &one["runs"]), (&json!("routed"), &json!(1), &json!(1)));
        assert_eq!(yard.get("events").await.expect(200)["events"][0]["deliveries"], 1);
        let deliveries = yard.get(&format!("events/{id}/deliveries")).await.expect(200);
        assert_eq!(deliveries["deliveries"][0]["id"], delivery_id.to_string());

        let runs = yard.get("runs").await.expect(200);
        let run = &runs["runs"][0];
        assert_eq!(yard.get(&format!("runs/{}", run["id"].as_str().unwrap())).await.expect(200), *run);
        for (field, value) in [
            ("playbook", json!("welcome")), ("status", json!("pending")), ("trigger", json!("route")),
            ("version", json!(1)), ("output", json!(null)), ("steps", json!(0)), ("startedAt", json!(null)),
        ] {
            assert_eq!(run[field], value, "{field}");
        }
        assert_eq!(run["input"]["id"], 1.0);
        yard.get("runs/run_1").await.refused(404, "not_found");
    }

    async fn pages_lead_through_a_list_once_and_completely(yard: &Yard) {
        let queue = yard.store.accept_queue(QueueOptions::default()).unwrap();
        let start = Instant::now() - Duration::from_hours(1);
        let events: Vec<_> = (0..250)
            .map(|index| given::event(start + Duration::from_millis(index), b"{}"))
            .collect();
        let ids: Vec<String> = events.iter().rev().map(|event| event.id.to_string()).collect();
        for event in events {
            queue.accept(Acceptance { routed: None, claim: None, event }).await.unwrap();
        }
        for (limit, pages) in [("", 5), ("limit=100&", 3), ("limit=1&", 250)] {
            let (mut seen, mut cursor, mut count) = (Vec::new(), String::new(), 0);
            loop {
                let page = yard.get(&format!("events?{limit}{cursor}")).await.expect(200);
                let events = page["events"].as_array().unwrap();
                seen.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
                count += 1;
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = format!("cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(count, pages, "{limit}");
            assert_eq!(seen, ids);
        }
        let first = yard.get("events?limit=2").await.expect(200);
        let cursor = first["nextCursor"].as_str().unwrap();
        // The cursor of one list is no use to another.
        for list in ["deliveries", "rejections", "runs"] {
            let details = yard.get(&format!("{list}?cursor={cursor}")).await.refused(400, "invalid_query");
            assert_eq!(details, ["cursor: must be the nextCursor of this list"]);
        }
        for bad in [
            "limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999999999999", "cursor=x",
            "cursor=AAAA", "cursor=%00", "limit=1&limit=1", "staus=routed", "status=lost", "source=nobody", "a=%FF",
        ] {
            let details = yard.get(&format!("events?{bad}")).await.refused(400, "invalid_query");
            assert_eq!(details.len(), 1, "{bad}");
        }
    }

    async fn events_are_filtered(yard: &Yard) {
        let routed = given::accepted(yard, None, b"{}").await;
        given::routed(yard, routed, Vec::new(), None).await;
        let waiting = given::accepted(yard, None, b"{}").await;
        let found = async |query: &str| -> HashSet<String> {
            let list = yard.get(&format!("events?{query}")).await.expect(200);
            let list = list["events"].as_array().unwrap().clone();
            list.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
        };
        let both = HashSet::from([routed.to_string(), waiting.to_string()]);
        assert_eq!(found("source=stripe&type=payment.succeeded").await, both);
        assert_eq!(found("sourceId=so_stripe").await, both);
        assert_eq!(found("status=routed").await, HashSet::from([routed.to_string()]));
        assert_eq!(found("type=payment.failed").await, HashSet::new());
    }

    async fn a_claim_tells_what_its_key_produced(yard: &Yard) {
        let id = given::accepted(yard, Some("order/7 ä"), b"{}").await;
        for scope in ["so_stripe", "stripe"] {
            let claim = yard.get(&format!("claims/{scope}/order%2F7%20%C3%A4")).await.expect(200);
            assert_eq!(claim["produced"], id.to_string());
            assert_eq!((&claim["scope"], &claim["key"]), (&json!("so_stripe"), &json!("order/7 ä")));
            assert_eq!(claim["fingerprint"], "ab".repeat(32));
            assert_eq!((&claim["repeats"], &claim["mismatches"]), (&json!(0), &json!(0)));
            assert!(claim["firstSeenAt"].as_str() < claim["expiresAt"].as_str());
        }
        for missing in ["claims/so_stripe/other", "claims/so_nobody/order%2F7%20%C3%A4", "claims/%00/a", "claims/so_stripe/%00"] {
            yard.get(missing).await.refused(404, "not_found");
        }
    }

    async fn a_claim_of_a_playbook_is_a_run_and_of_an_endpoint_a_delivery(yard: &Yard) {
        let made = yard.post("playbooks", &json!({"slug": "greet", "definition": definition("greet")})).await.expect(201);
        let playbook = PlaybookId::from_stored(made["id"].as_str().unwrap());
        let made = yard.post("event-types", &json!({"name": "a.b"})).await.expect(201);
        let event_type = made["id"].as_str().unwrap();
        let endpoint = EndpointId::from_stored("ep_billing");
        for (scope, names) in [
            (playbook.as_str(), ["greet", playbook.as_str()]), ("ep_billing", ["billing", "ep_billing"]),
            (event_type, ["a.b", event_type]),
        ] {
            let id = given::claimed(yard, scope, "k").await;
            let produced = match scope {
                "ep_billing" => DeliveryId::of(id, &endpoint, 0).to_string(),
                scope if scope.starts_with("pb_") => RunId::of(id, &playbook, 0).to_string(),
                _ => id.to_string(),
            };
            for name in names {
                let claim = yard.get(&format!("claims/{name}/k")).await.expect(200);
                assert_eq!((&claim["scope"], &claim["produced"]), (&json!(scope), &json!(produced)));
            }
        }
    }

    async fn a_claim_is_found_by_its_scopes_name_whatever_else_has_that_name(yard: &Yard) {
        let endpoint = json!({"slug": "stripe", "url": "https://example.com/hooks"});
        let endpoint = yard.post("endpoints", &endpoint).await.expect(201);
        let endpoint = endpoint["id"].as_str().unwrap();
        given::claimed(yard, "so_stripe", "of-the-source").await;
        given::claimed(yard, endpoint, "of-the-endpoint").await;
        for (key, scope) in [("of-the-source", "so_stripe"), ("of-the-endpoint", endpoint)] {
            let claim = yard.get(&format!("claims/stripe/{key}")).await.expect(200);
            assert_eq!(claim["scope"], json!(scope), "{key}");
        }
    }

    async fn rejections_are_listed_newest_first(yard: &Yard) {
        let now = Instant::now();
        let first = given::rejected(yard, now - Duration::from_secs(1)).await;
        let second = given::rejected(yard, now).await;
        let list = yard.get("rejections").await.expect(200);
        let [newest, oldest] = list["rejections"].as_array().unwrap().as_slice() else { panic!("{list}") };
        assert_eq!((&newest["id"], &oldest["id"]), (&json!(second.to_string()), &json!(first.to_string())));
        for (field, value) in [
            ("sourceId", json!("so_stripe")), ("cause", json!("signature_mismatch")), ("bodyPreview", json!("{}")),
            ("bodyEncoding", json!(null)), ("remoteAddress", json!("192.0.2.7")),
            ("headers", json!([["x-hub-signature-256", "(redacted)"]])), ("source", json!("stripe")), ("door", json!("token")),
            ("method", json!("POST")), ("query", json!(null)), ("acceptable", json!(false)), ("eventId", json!(null)),
        ] {
            assert_eq!(newest[field], value, "{field}");
        }
        assert_eq!(&yard.get(&format!("rejections/{second}")).await.expect(200), newest);
        for missing in ["rejections/rej_00000000000000000000000000", "rejections/msg_1", "rejections/%00"] {
            yard.get(missing).await.refused(404, "not_found");
        }
        for (query, count) in [
            ("source=stripe", 2), ("sourceId=so_stripe&cause=signature_mismatch", 2), ("cause=unknown_sender", 0),
        ] {
            let list = yard.get(&format!("rejections?{query}")).await.expect(200);
            assert_eq!(list["rejections"].as_array().unwrap().len(), count, "{query}");
        }
        yard.get("rejections?source=nobody").await.refused(400, "invalid_query");
        let page = yard.get("rejections?limit=1").await.expect(200);
        let cursor = page["nextCursor"].as_str().unwrap();
        let page = yard.get(&format!("rejections?limit=1&cursor={cursor}")).await.expect(200);
        assert_eq!((&page["rejections"][0]["id"], &page["nextCursor"]), (&json!(first.to_string()), &Value::Null));
    }
}
