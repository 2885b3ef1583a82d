//! What the routes would make of an event, before anything is saved or sent.

use crate::given;
use crate::on_both;
use crate::yard::{Yard, in_place};
use serde_json::{Value, json};

const ROUTES: &str = r#"
routes:
  - {name: paid, id: rt_paid, from: [stripe], event_types: ["payment.*"], filter: ".amount > 100",
     transform: "{amount: .amount}", delay: 5m, to: {endpoint: billing}}
  - {name: greeted, id: rt_greeted, event_types: [customer.created], to: {playbook: greet}}
"#;

async fn with_routes(yard: &Yard) {
    let playbooks = format!(
        "playbooks: [{{slug: greet, id: pb_greet, definition: {}}}]",
        in_place("greet")
    );
    let file = format!("{}{ROUTES}{playbooks}\n", crate::yard::ACME);
    yard.apply("", &file).await.expect(200);
}

fn at<'a>(answer: &'a Value, route: &str) -> &'a Value {
    let mut routes = answer["routes"].as_array().unwrap().iter();
    routes.find(|entry| entry["name"] == route).unwrap()
}

on_both! {
    async fn each_route_says_what_decided_and_what_it_would_make(yard: &Yard) {
        with_routes(yard).await;
        let event = json!({"type": "payment.succeeded", "source": "stripe", "body": {"amount": 120, "note": "x"}});
        let said = yard.post("routes/explain", &json!({"event": event})).await.expect(200);
        assert_eq!((&said["type"], &said["source"], &said["eventId"]), (&json!("payment.succeeded"), &json!("stripe"), &Value::Null));
        let paid = at(&said, "paid");
        assert_eq!((&paid["matched"], &paid["clause"], &paid["unsaved"]), (&json!(true), &json!("all"), &json!(false)));
        assert_eq!((&paid["makes"]["kind"], &paid["makes"]["status"]), (&json!("delivery"), &json!("pending")));
        assert_eq!(paid["makes"]["payload"]["data"], json!({"amount": 120}));
        assert!(paid["makes"]["dueAt"].is_string());
        let greeted = at(&said, "greeted");
        assert_eq!((&greeted["matched"], &greeted["clause"], &greeted["makes"]), (&json!(false), &json!("event_types"), &Value::Null));
        assert_eq!(greeted["value"], "payment.succeeded");

        let cheap = json!({"event": {"type": "payment.succeeded", "source": "stripe", "body": {"amount": 1}}});
        let said = yard.post("routes/explain", &cheap).await.expect(200);
        assert_eq!((&at(&said, "paid")["clause"], &at(&said, "paid")["value"]), (&json!("filter"), &json!(false)));
        let elsewhere = json!({"event": {"type": "payment.succeeded", "body": {"amount": 120}}});
        let said = yard.post("routes/explain", &elsewhere).await.expect(200);
        assert_eq!(at(&said, "paid")["clause"], "from");

        // The type may stand in a header, as at a door; a run's input is the body.
        let headers = json!({"X-Event-Type": "customer.created"});
        let said = yard.post("routes/explain", &json!({"event": {"headers": headers, "body": {"name": "Ada"}}})).await.expect(200);
        let makes = &at(&said, "greeted")["makes"];
        assert_eq!((&makes["kind"], &makes["payload"]["data"]), (&json!("run"), &json!({"name": "Ada"})));
        // A text is a body's bytes; one that is no JSON starts no run.
        let said = yard.post("routes/explain", &json!({"event": {"type": "customer.created", "body": "hello"}})).await.expect(200);
        assert_eq!((&at(&said, "greeted")["clause"], &at(&said, "greeted")["value"]), (&json!("target"), &json!("not_json")));

        // Nothing was recorded.
        for list in ["events", "deliveries", "runs"] {
            assert_eq!(yard.get(list).await.expect(200)[list], json!([]));
        }
    }

    async fn a_transform_that_yields_nothing_makes_a_delivery_that_is_skipped(yard: &Yard) {
        let route = json!({"name": "odd", "transform": ".a | error", "to": {"endpoint": "billing"}});
        let said = yard.post("routes/explain", &json!({"event": {"body": {"a": "no"}}, "route": route})).await.expect(200);
        let odd = at(&said, "odd");
        assert_eq!((&odd["matched"], &odd["clause"], &odd["unsaved"]), (&json!(true), &json!("transform"), &json!(true)));
        assert_eq!((&odd["makes"]["status"], &odd["makes"]["payload"]), (&json!("skipped"), &Value::Null));
        assert!(odd["makes"]["reason"].as_str().unwrap().contains("no"));
    }

    async fn a_route_is_tried_before_it_is_saved(yard: &Yard) {
        with_routes(yard).await;
        let event = json!({"type": "payment.succeeded", "source": "stripe", "body": {"amount": 50}});
        // Over a saved one by its name or id, it says only what differs.
        for named in [json!({"name": "paid", "filter": ".amount > 10"}), json!({"id": "rt_paid", "filter": ".amount > 10"})] {
            let said = yard.post("routes/explain", &json!({"event": event, "route": named})).await.expect(200);
            let paid = at(&said, "paid");
            assert_eq!((&paid["matched"], &paid["unsaved"], &paid["routeId"]), (&json!(true), &json!(true), &json!("rt_paid")));
            assert_eq!(said["routes"].as_array().unwrap().len(), 2);
        }
        // A new one is tried last, and its target may have the event already.
        let new = json!({"name": "again", "to": {"endpoint": "ep_billing"}});
        let big = json!({"type": "payment.succeeded", "source": "stripe", "body": {"amount": 500}});
        let said = yard.post("routes/explain", &json!({"event": big, "route": new})).await.expect(200);
        let again = said["routes"].as_array().unwrap().last().unwrap();
        assert_eq!((&again["name"], &again["clause"], &again["value"]), (&json!("again"), &json!("target"), &json!("rt_paid")));
        let routes = yard.get("routes").await.expect(200);
        assert_eq!(routes.as_array().unwrap().len(), 2);
        assert_eq!(yard.get("routes/paid").await.expect(200)["filter"], ".amount > 100");
    }

    async fn a_recorded_event_is_explained_by_todays_routes(yard: &Yard) {
        with_routes(yard).await;
        let (event, _) = given::delivered_event(yard, br#"{"amount": 101}"#).await;
        let said = yard.post("routes/explain", &json!({"eventId": event.to_string()})).await.expect(200);
        assert_eq!(said["eventId"], event.to_string());
        assert_eq!(at(&said, "paid")["makes"]["payload"]["data"], json!({"amount": 101}));
        assert_eq!(yard.get("deliveries").await.expect(200)["deliveries"].as_array().unwrap().len(), 1);
        yard.post("routes/explain", &json!({"eventId": "msg_1"})).await.refused(404, "not_found");
    }

    async fn what_cannot_be_explained_is_refused_with_its_path(yard: &Yard) {
        for (body, path) in [
            (json!({}), "event: "), (json!({"event": null}), "event: "), (json!({"event": {}}), "event.body: "),
            (json!({"event": []}), "event: "), (json!({"event": {"body": 1}, "eventId": "msg_1"}), "eventId: "),
            (json!({"event": {"body": 1, "source": "nobody"}}), "event.source: "),
            (json!({"event": {"body": 1, "headers": {"a": 1}}}), "event.headers.a: "),
            (json!({"event": {"body": 1, "headers": []}}), "event.headers: "),
            (json!({"event": {"body": 1, "tpye": "a"}}), "event.tpye: "),
            (json!({"event": {"body": 1}, "route": {"to": {"endpoint": "billing"}}}), "route.name: "),
            (json!({"event": {"body": 1}, "route": {"name": "a"}}), "route.to: "),
            (json!({"event": {"body": 1}, "route": {"name": "a", "filter": "][", "to": {"endpoint": "billing"}}}), "route.filter: "),
            (json!({"event": {"body": 1}, "route": {"name": "a", "to": {"endpoint": "nobody"}}}), "route.to.endpoint: "),
            (json!({"event": {"body": 1}, "save": true}), "save: "),
        ] {
            let details = yard.post("routes/explain", &body).await.refused(400, "invalid_request");
            assert!(details.iter().any(|detail| detail.starts_with(path)), "{body}: {details:?}");
        }
        yard.ask("POST", "routes/explain", "{").await.refused(400, "invalid_body");
    }
}
