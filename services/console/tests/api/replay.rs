//! Replays with today's rules, and the difference that they would make.

use crate::given;
use crate::on_both;
use crate::yard::{Yard, in_place};
use bytes::Bytes;
use serde_json::{Value, json};
use store::NewDelivery;
use wire::EventId;

/// What is configured by the time of the replay.
async fn configured(yard: &Yard, routes: &str) {
    let base = crate::yard::ACME.replace(
        "endpoints: [",
        "endpoints: [{slug: other, id: ep_other, url: 'https://other.example/'}, ",
    );
    let playbooks = format!(
        "playbooks: [{{slug: greet, id: pb_greet, definition: {}}}]",
        in_place("greet")
    );
    yard.apply("?prune=true", &format!("{base}{routes}{playbooks}\n"))
        .await
        .expect(200);
}

/// An event that was delivered as `[1]` to `ep_billing`.
async fn delivered(yard: &Yard) -> (EventId, String) {
    let event = given::accepted(yard, None, br#"{"amount": 7}"#).await;
    let delivery = NewDelivery {
        body: Some(Bytes::from_static(b"[1]")),
        ..given::delivery(event)
    };
    let id = delivery.id.to_string();
    given::routed(yard, event, vec![delivery], None).await;
    (event, id)
}

fn to<'a>(answer: &'a Value, endpoint: &str) -> &'a Value {
    let mut list = answer["deliveries"].as_array().unwrap().iter();
    list.find(|entry| entry["endpointId"] == endpoint).unwrap()
}

const TODAY: &str = r#"
routes:
  - {name: paid, id: rt_paid, transform: "{total: .amount}", to: {endpoint: billing}}
  - {name: copied, id: rt_copied, to: {endpoint: other}}
  - {name: greeted, id: rt_greeted, to: {playbook: greet}}
"#;

on_both! {
    async fn todays_rules_make_new_deliveries_and_runs_and_leave_the_old_ones(yard: &Yard) {
        let (event, first) = delivered(yard).await;
        configured(yard, TODAY).await;
        let replayed = yard.post(&format!("events/{event}/replay"), &json!({"mode": "current"})).await.expect(202);
        assert_eq!((&replayed["mode"], &replayed["eventId"]), (&json!("current"), &json!(event.to_string())));
        let (billing, other) = (to(&replayed, "ep_billing"), to(&replayed, "ep_other"));
        assert_eq!((&billing["replayOf"], &billing["status"]), (&json!(first), &json!("pending")));
        assert_eq!((&other["replayOf"], &other["routeId"]), (&Value::Null, &json!("rt_copied")));
        let sent = async |delivery: &Value| {
            let path = format!("deliveries/{}?include=payload", delivery["id"].as_str().unwrap());
            yard.get(&path).await.expect(200)["payload"]["data"].clone()
        };
        assert_eq!((sent(billing).await, sent(other).await), (json!({"total": 7}), json!({"amount": 7})));
        let run = replayed["runs"][0].as_str().unwrap();
        assert_eq!(yard.get(&format!("runs/{run}")).await.expect(200)["input"], json!({"amount": 7}));

        // The original stays, and so does the trace of then.
        let old = yard.get(&format!("deliveries/{first}?include=payload")).await.expect(200);
        assert_eq!(old["payload"]["data"], json!([1]));
        assert_eq!(yard.get(&format!("events/{event}/trace")).await.expect(200)["routes"].as_array().unwrap().len(), 1);

        // Each replay is one of its own; who names endpoints gets no runs.
        let again = yard.post(&format!("events/{event}/replay"), &json!({"mode": "current", "endpoints": ["other"]})).await.expect(202);
        assert_eq!((again["deliveries"].as_array().unwrap().len(), &again["runs"]), (1, &json!([])));
        assert_ne!(again["deliveries"][0]["id"], other["id"]);
        let one = yard.post(&format!("deliveries/{first}/replay"), &json!({"mode": "current"})).await.expect(202);
        assert_eq!((one["deliveries"].as_array().unwrap().len(), &one["deliveries"][0]["endpointId"]), (1, &json!("ep_billing")));
        assert_eq!(one["runs"], json!([]));
    }

    async fn what_todays_rules_do_not_send_is_refused_or_skipped(yard: &Yard) {
        let (event, first) = delivered(yard).await;
        configured(yard, "routes: [{name: copied, id: rt_copied, filter: .amount > 100, to: {endpoint: other}}]\n").await;
        for path in [format!("events/{event}/replay"), format!("deliveries/{first}/replay")] {
            yard.post(&path, &json!({"mode": "current"})).await.refused(409, "invalid_state");
            let details = yard.post(&path, &json!({"mode": "current", "endpoints": ["other"]})).await.refused(400, "invalid_request");
            assert!(details[0].starts_with("endpoints[0]: "), "{details:?}");
        }
        configured(yard, "routes: [{name: odd, id: rt_odd, transform: error, to: {endpoint: billing}}]\n").await;
        let replayed = yard.post(&format!("events/{event}/replay"), &json!({"mode": "current"})).await.expect(202);
        let skipped = to(&replayed, "ep_billing");
        assert_eq!((&skipped["status"], &skipped["replayOf"]), (&json!("skipped"), &json!(first)));
    }

    async fn a_difference_shows_both_and_sends_nothing(yard: &Yard) {
        let (event, first) = delivered(yard).await;
        configured(yard, TODAY).await;
        let diff = yard.post(&format!("events/{event}/replay"), &json!({"mode": "diff"})).await.expect(200);
        let (billing, other) = (to(&diff, "ep_billing"), to(&diff, "ep_other"));
        assert_eq!((&billing["change"], &billing["was"]["deliveryId"]), (&json!("changed"), &json!(first)));
        assert_eq!((&billing["was"]["payload"]["data"], &billing["now"]["payload"]["data"]), (&json!([1]), &json!({"total": 7})));
        assert_eq!((&other["change"], &other["was"]), (&json!("added"), &Value::Null));
        let changes: Vec<_> = diff["routes"].as_array().unwrap().iter()
            .map(|route| (route["name"].as_str().unwrap(), route["change"].as_str().unwrap())).collect();
        assert_eq!(changes, [("paid", "same"), ("copied", "added"), ("greeted", "added")]);

        // The same rules come to the same; without rules nothing would be sent.
        configured(yard, "routes: [{name: paid, id: rt_paid, transform: '[1]', to: {endpoint: billing}}]\n").await;
        let diff = yard.post(&format!("deliveries/{first}/replay"), &json!({"mode": "diff"})).await.expect(200);
        assert_eq!(to(&diff, "ep_billing")["change"], "same");
        configured(yard, "routes: []\n").await;
        let diff = yard.post(&format!("deliveries/{first}/replay"), &json!({"mode": "diff"})).await.expect(200);
        assert_eq!((&to(&diff, "ep_billing")["change"], &diff["routes"][0]["change"]), (&json!("removed"), &json!("removed")));
        yard.post(&format!("events/{event}/replay"), &json!({"mode": "diff", "endpoints": ["other"]})).await.refused(400, "invalid_request");

        assert_eq!(yard.get(&format!("events/{event}")).await.expect(200)["deliveries"], 1);
        assert_eq!(yard.get("runs").await.expect(200)["runs"], json!([]));
    }

    async fn no_rule_decides_where_the_sender_named_the_endpoint(yard: &Yard) {
        let (event, first) = given::named(yard, b"{}").await;
        configured(yard, TODAY).await;
        let diff = yard.post(&format!("events/{event}/replay"), &json!({"mode": "diff"})).await.expect(200);
        assert_eq!((&to(&diff, "ep_billing")["change"], diff["deliveries"].as_array().unwrap().len()), (&json!("same"), 1));
        let replayed = yard.post(&format!("events/{event}/replay"), &json!({"mode": "current"})).await.expect(202);
        assert_eq!(replayed["deliveries"].as_array().unwrap().len(), 1);
        assert_eq!(replayed["deliveries"][0]["replayOf"], first.to_string());
        assert_eq!(replayed["runs"], json!([]));
    }
}
