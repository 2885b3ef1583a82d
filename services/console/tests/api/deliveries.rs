//! Events on their way to endpoints, and doing it again.

use crate::given;
use crate::on_both;
use crate::yard::Yard;
use bytes::Bytes;
use serde_json::{Value, json};
use store::NewDelivery;
use wire::{DeliveryState, EndpointId};

on_both! {
    async fn a_delivery_is_shown_with_its_payload_and_attempts(yard: &Yard) {
        let (event, id) = given::delivered_event(yard, b"{\"amount\": 1.00}").await;
        let path = format!("deliveries/{id}");
        let one = yard.get(&path).await.expect(200);
        for (field, value) in [
            ("id", json!(id.to_string())), ("endpointId", json!("ep_billing")), ("status", json!("pending")),
            ("totalAttempts", json!(0)), ("firstAttemptAt", json!(null)), ("deliveredAt", json!(null)),
            ("nextRetryAt", json!(null)), ("hasPayload", json!(true)), ("eventId", json!(event.to_string())),
            ("eventType", json!("payment.succeeded")), ("routeId", json!("rt_paid")), ("reason", json!(null)),
            ("idempotencyKey", json!(event.to_string())),
        ] {
            assert_eq!(one[field], value, "{field}");
        }
        assert_eq!(one.get("payload"), None);
        let with = yard.get(&format!("{path}?include=payload")).await;
        assert!(with.text.contains(r#""data":{"amount": 1.00}"#), "{}", with.text);
        let with = with.expect(200);
        assert_eq!((&with["payload"]["status"], &with["payload"]["contentType"]), (&json!("available"), &json!("application/json")));
        yard.get(&format!("{path}?include=everything")).await.refused(400, "invalid_query");

        assert_eq!(given::attempted(yard, 500).await, id);
        let one = yard.get(&path).await.expect(200);
        assert_eq!((&one["status"], &one["totalAttempts"]), (&json!("scheduled_retry"), &json!(1)));
        assert!(one["nextRetryAt"].is_string() && one["firstAttemptAt"].is_string());
        let attempts = yard.get(&format!("{path}/attempts")).await.expect(200);
        let [attempt] = attempts.as_array().unwrap().as_slice() else { panic!("{attempts}") };
        for (field, value) in [
            ("attemptNumber", json!(1)), ("status", json!("failed")), ("responseStatusCode", json!(500)),
            ("responseTimeMs", json!(12)), ("errorKind", json!("http_status")),
            ("errorMessage", json!("the receiver answered 500")), ("requestHeaders", json!([["webhook-id", "msg_1"]])),
            ("responseHeaders", json!([["server", "x"]])), ("responseBody", json!("/25v")),
            ("responseBodyEncoding", json!("base64")),
        ] {
            assert_eq!(attempt[field], value, "{field}");
        }
        for missing in ["deliveries/del_1", "deliveries/del_1/attempts", "deliveries/del_00000000000000000000000001"] {
            yard.get(missing).await.refused(404, "not_found");
        }
    }

    async fn an_attempt_without_an_answer_has_none_to_show(yard: &Yard) {
        given::delivered_event(yard, b"{}").await;
        let id = given::unanswered(yard).await;
        let attempts = yard.get(&format!("deliveries/{id}/attempts")).await.expect(200);
        for field in ["responseStatusCode", "responseHeaders", "responseBody", "responseBodyEncoding"] {
            assert_eq!(attempts[0].get(field), Some(&json!(null)), "{field}");
        }
        assert_eq!(attempts[0]["errorKind"], "connect");
    }

    async fn a_payload_that_is_no_json_is_a_text_or_base64(yard: &Yard) {
        for (body, data, encoding) in [(&b"plain"[..], "plain", None), (&b"\xff"[..], "/w==", Some("base64"))] {
            let (_, id) = given::delivered_event(yard, body).await;
            let payload = yard.get(&format!("deliveries/{id}?include=payload")).await.expect(200)["payload"].clone();
            assert_eq!(payload["data"], data);
            assert_eq!(payload.get("encoding").and_then(Value::as_str), encoding);
        }
        let event = given::accepted(yard, None, b"{}").await;
        let transformed = NewDelivery { body: Some(Bytes::from_static(b"[1]")), ..given::delivery(event) };
        let id = transformed.id;
        given::routed(yard, event, vec![transformed], None).await;
        let payload = yard.get(&format!("deliveries/{id}?include=payload")).await.expect(200)["payload"].clone();
        assert_eq!(payload["data"], json!([1]));
    }

    async fn deliveries_are_filtered(yard: &Yard) {
        let (event, first) = given::delivered_event(yard, b"1").await;
        let (_, second) = given::delivered_event(yard, b"2").await;
        given::attempted(yard, 200).await;
        let found = async |path: &str| -> Vec<String> {
            let list = yard.get(path).await.expect(200);
            let list = list["deliveries"].as_array().unwrap().clone();
            list.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
        };
        let both = [second.to_string(), first.to_string()];
        assert_eq!(found("deliveries").await.len(), 2);
        let mut all = found("deliveries?endpointId=billing").await;
        all.sort();
        let mut sorted = both.clone();
        sorted.sort();
        assert_eq!(all, sorted);
        assert_eq!(found("endpoints/ep_billing/deliveries?limit=1").await.len(), 1);
        assert_eq!(found(&format!("deliveries?eventId={event}")).await, [first.to_string()]);
        assert_eq!(found("deliveries?status=delivered").await.len(), 1);
        assert_eq!(found("endpoints/billing/deliveries?status=pending").await.len(), 1);
        assert_eq!(found("deliveries?endpointId=ep_gone").await, Vec::<String>::new());
        for bad in ["endpointId=nobody", "eventId=del_1", "status=lost", "event=1"] {
            yard.get(&format!("deliveries?{bad}")).await.refused(400, "invalid_query");
        }
        yard.get("endpoints/ep_nobody/deliveries").await.refused(404, "not_found");
    }

    async fn a_delivery_is_retried_and_cancelled_by_hand(yard: &Yard) {
        let (_, id) = given::delivered_event(yard, b"{}").await;
        given::attempted(yard, 500).await;
        let retried = yard.ask("POST", &format!("deliveries/{id}/retry"), "").await.expect(200);
        assert_eq!((&retried["status"], &retried["totalAttempts"]), (&json!("scheduled_retry"), &json!(1)));
        given::attempted(yard, 204).await;
        let one = yard.get(&format!("deliveries/{id}")).await.expect(200);
        assert_eq!((&one["status"], &one["totalAttempts"]), (&json!("delivered"), &json!(2)));
        yard.ask("POST", &format!("deliveries/{id}/cancel"), "").await.refused(409, "invalid_state");

        yard.ask("POST", &format!("deliveries/{id}/retry"), "").await.expect(200);
        let cancelled = yard.ask("POST", &format!("deliveries/{id}/cancel"), "").await.expect(200);
        assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("failed"), &json!("cancelled")));
        yard.ask("POST", "deliveries/del_1/retry", "").await.refused(404, "not_found");
    }

    async fn what_was_skipped_is_not_retried(yard: &Yard) {
        let event = given::accepted(yard, None, b"{}").await;
        let skipped = NewDelivery {
            state: DeliveryState::Skipped,
            reason: Some("transform_failed".to_owned()),
            due_at: None,
            ..given::delivery(event)
        };
        let id = skipped.id;
        given::routed(yard, event, vec![skipped], None).await;
        assert_eq!(yard.get(&format!("deliveries/{id}")).await.expect(200)["reason"], "transform_failed");
        yard.ask("POST", &format!("deliveries/{id}/retry"), "").await.refused(409, "invalid_state");
        yard.post(&format!("events/{event}/replay"), &json!({})).await.refused(409, "invalid_state");
        assert_eq!(yard.get(&format!("deliveries/{id}")).await.expect(200)["status"], "skipped");
    }

    async fn a_replay_sends_the_same_bytes_under_a_new_id(yard: &Yard) {
        let other = json!({"id": "ep_other", "slug": "other", "url": "https://other.example/"});
        yard.post("endpoints", &other).await.expect(201);
        let event = given::accepted(yard, None, b"{}").await;
        let transformed = NewDelivery { body: Some(Bytes::from_static(b"[1]")), ..given::delivery(event) };
        let plain = NewDelivery {
            id: wire::DeliveryId::of(event, &EndpointId::from_stored("ep_other"), 0),
            endpoint_id: EndpointId::from_stored("ep_other"),
            ..given::delivery(event)
        };
        let (first, second) = (transformed.id, plain.id);
        given::routed(yard, event, vec![transformed, plain], None).await;

        let replayed = yard.post(&format!("events/{event}/replay"), &json!({"endpoints": ["billing"]})).await.expect(202);
        assert_eq!((&replayed["eventId"], &replayed["mode"]), (&json!(event.to_string()), &json!("as_delivered")));
        let [replay] = replayed["deliveries"].as_array().unwrap().as_slice() else { panic!("{replayed}") };
        assert_eq!((&replay["endpointId"], &replay["replayOf"]), (&json!("ep_billing"), &json!(first.to_string())));
        assert_eq!((&replay["status"], &replay["routeId"]), (&json!("pending"), &json!("rt_paid")));
        assert_ne!(replay["id"], first.to_string());
        let path = format!("deliveries/{}?include=payload", replay["id"].as_str().unwrap());
        assert_eq!(yard.get(&path).await.expect(200)["payload"]["data"], json!([1]));

        // To all it went to; a replay of a replay has the first one's bytes.
        let replayed = yard.ask("POST", &format!("events/{event}/replay"), "").await.expect(202);
        let mut of: Vec<&str> = replayed["deliveries"].as_array().unwrap().iter()
            .map(|delivery| delivery["replayOf"].as_str().unwrap()).collect();
        of.sort_unstable();
        let mut originals = [first.to_string(), second.to_string()];
        originals.sort();
        assert_eq!(of, originals);
        let again = yard.post(&format!("deliveries/{second}/replay"), &json!({"mode": "as_delivered"})).await.expect(202);
        assert_eq!(again["deliveries"][0]["replayOf"], second.to_string());
        assert_eq!(yard.get(&format!("events/{event}")).await.expect(200)["deliveries"], 6);

        for (body, code) in [
            (json!({"mode": "twice"}), "invalid_request"),
            (json!({"endpoints": ["nobody"]}), "invalid_request"),
            (json!({"endpoint": "billing"}), "invalid_request"),
            (json!([]), "invalid_request"),
        ] {
            yard.post(&format!("events/{event}/replay"), &body).await.refused(400, code);
            yard.post(&format!("deliveries/{first}/replay"), &body).await.refused(400, code);
        }
        yard.post("events/msg_1/replay", &json!({})).await.refused(404, "not_found");

        yard.delete("endpoints/other").await;
        yard.post(&format!("deliveries/{second}/replay"), &json!({})).await.refused(409, "invalid_state");
    }
}
