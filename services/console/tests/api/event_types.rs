//! Registered names, who has subscribed to them, and where they are shown.

use crate::on_both;
use crate::yard::Yard;
use serde_json::{Value, json};

/// The paths of what is wrong.
fn paths(details: &[String]) -> Vec<&str> {
    details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect()
}

async fn event_type(yard: &Yard, name: &str) -> String {
    let made = yard.post("event-types", &json!({"name": name})).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn subscriptions(yard: &Yard) -> Vec<String> {
    let list = yard.get("endpoints/billing/subscriptions").await.expect(200);
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["eventTypeName"].as_str().unwrap().to_owned())
        .collect()
}

on_both! {
    async fn an_event_type_is_made_read_changed_and_removed(yard: &Yard) {
        let schema = json!({"type": "object", "required": ["id"]});
        let body = json!({"name": "payment.succeeded", "description": "Money came in.", "schema": schema});
        let made = yard.post("event-types", &body).await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("evt_"));
        for (field, value) in [
            ("name", json!("payment.succeeded")), ("description", json!("Money came in.")), ("schema", schema),
            ("subscriberCount", json!(0)),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        assert!(made["createdAt"].is_string() && made["updatedAt"].is_string());
        assert_eq!(yard.get("event-types").await.expect(200), json!([made]));
        assert_eq!(yard.get(&format!("event-types/{id}")).await.expect(200), made);
        assert_eq!(yard.get("event-types/payment.succeeded").await.expect(200), made);

        let path = format!("event-types/{id}");
        let changed = yard.patch(&path, &json!({"description": "changed"})).await.expect(200);
        assert_eq!((&changed["description"], &changed["schema"]), (&json!("changed"), &made["schema"]));
        let changed = yard.patch(&path, &json!({"description": null, "schema": null})).await.expect(200);
        assert_eq!((&changed["description"], &changed["schema"]), (&Value::Null, &Value::Null));
        assert_eq!(changed["createdAt"], made["createdAt"]);
        // As it is.
        yard.patch(&path, &json!({"name": "payment.succeeded", "id": id})).await.expect(200);
        let details = yard.patch(&path, &json!({"name": "other", "id": "evt_other"})).await.refused(400, "invalid_request");
        assert_eq!(details, ["id: cannot be changed", "name: cannot be changed"]);

        assert_eq!(yard.delete(&path).await.status.as_u16(), 204);
        yard.get(&path).await.refused(404, "not_found");
        yard.patch(&path, &json!({})).await.refused(404, "not_found");
        yard.delete(&path).await.refused(404, "not_found");
        assert_eq!(yard.get("event-types").await.expect(200), json!([]));
    }

    async fn a_name_is_taken_once_and_an_id_may_be_pinned(yard: &Yard) {
        let pinned = json!({"id": "evt_integration_001", "name": "a.b"});
        assert_eq!(yard.post("event-types", &pinned).await.expect(201)["id"], "evt_integration_001");
        let says = |answer: crate::yard::Answer| answer.expect(409)["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(says(yard.post("event-types", &json!({"name": "a.b"})).await), "the name is taken by another thing");
        let same = json!({"id": "evt_integration_001", "name": "c"});
        assert_eq!(says(yard.post("event-types", &same).await), "the id is taken by another thing");
        assert_eq!(yard.get("event-types").await.expect(200).as_array().unwrap().len(), 1);
    }

    async fn an_endpoint_subscribes_to_all_of_a_list_or_to_nothing(yard: &Yard) {
        let (one, two) = (event_type(yard, "a.one").await, event_type(yard, "a.two").await);
        let path = "endpoints/billing/subscriptions";
        assert_eq!(yard.get(path).await.expect(200), json!([]));
        let unknown = json!({"eventTypeIds": [one, "evt_nobody", 7, "a.thre"]});
        let details = yard.post(path, &unknown).await.refused(400, "invalid_request");
        assert_eq!(paths(&details), ["eventTypeIds[1]", "eventTypeIds[2]", "eventTypeIds[3]"]);
        assert_eq!(subscriptions(yard).await, Vec::<String>::new());

        assert_eq!(yard.post(path, &json!({"eventTypeIds": [one]})).await.expect(201), json!({"subscribed": 1}));
        let list = yard.get(path).await.expect(200);
        assert!(list[0]["id"].as_str().unwrap().starts_with("sub_"));
        assert_eq!((&list[0]["eventTypeId"], &list[0]["eventTypeName"]), (&json!(one), &json!("a.one")));
        assert!(list[0]["createdAt"].is_string());
        // Those that are there count and stay; one that is named twice is one.
        let again = json!({"eventTypeIds": [two, one, two, "a.one"]});
        assert_eq!(yard.post(path, &again).await.expect(201), json!({"subscribed": 2}));
        assert_eq!(yard.get(path).await.expect(200)[0], list[0]);
        assert_eq!(subscriptions(yard).await, ["a.one", "a.two"]);
        assert_eq!(yard.get(&format!("event-types/{two}")).await.expect(200)["subscriberCount"], 1);
        assert_eq!(yard.get("event-types").await.expect(200)[0]["subscriberCount"], 1);

        let sub = list[0]["id"].as_str().unwrap();
        assert_eq!(yard.get("routes").await.expect(200), json!([]));
        yard.get(&format!("routes/{sub}")).await.refused(404, "not_found");
        yard.delete(&format!("routes/{sub}")).await.refused(404, "not_found");
        // Every route is tried before it.
        let route = json!({"name": "all", "to": {"endpoint": "billing"}});
        assert_eq!(yard.post("routes", &route).await.expect(201)["position"], 1);
        let table = yard.store.routing_table(&crate::yard::workspace()).await.unwrap();
        let order: Vec<&str> = table.routes.iter().map(|route| route.spec.name.as_str()).collect();
        assert_eq!(order, [
            "all", "subscription of ep_billing to a.one", "subscription of ep_billing to a.two",
        ]);

        let gone = yard.delete(&format!("{path}/{one}")).await;
        assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
        assert_eq!(subscriptions(yard).await, ["a.two"]);
        for missing in [one.as_str(), "evt_nobody", "nobody", "a b"] {
            yard.delete(&format!("{path}/{}", missing.replace(' ', "%20"))).await.refused(404, "not_found");
        }
        yard.get("endpoints/ep_nobody/subscriptions").await.refused(404, "not_found");
        yard.post("endpoints/ep_nobody/subscriptions", &again).await.refused(404, "not_found");
        yard.delete(&format!("endpoints/ep_nobody/subscriptions/{two}")).await.refused(404, "not_found");

        // It goes with its event type, and with its endpoint.
        assert_eq!(yard.delete(&format!("event-types/{two}")).await.status.as_u16(), 204);
        assert_eq!(subscriptions(yard).await, Vec::<String>::new());
        yard.post(path, &json!({"eventTypeIds": [one]})).await.expect(201);
        assert_eq!(yard.delete("endpoints/billing").await.status.as_u16(), 204);
        assert_eq!(yard.get(&format!("event-types/{one}")).await.expect(200)["subscriberCount"], 0);
    }

    async fn whoever_subscribes_at_the_same_time_makes_one_subscription(yard: &Yard) {
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(event_type(yard, name).await);
        }
        let body = json!({"eventTypeIds": ids});
        let all = (0..6).map(|_| yard.post("endpoints/billing/subscriptions", &body));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.expect(201), json!({"subscribed": 3}));
        }
        assert_eq!(subscriptions(yard).await.len(), 3);
    }

    async fn what_an_environment_shows_is_said_type_by_type(yard: &Yard) {
        let id = event_type(yard, "a.one").await;
        event_type(yard, "a.two").await;
        let list = yard.get("environments/staging/event-types").await.expect(200);
        let hidden = json!({"eventTypeId": id, "eventTypeName": "a.one", "published": false});
        assert_eq!((list.as_array().unwrap().len(), &list[0]), (2, &hidden));

        let path = format!("environments/env_staging/event-types/{id}/visibility");
        let shown = json!({"eventTypeId": id, "eventTypeName": "a.one", "published": true});
        for _ in 0..2 {
            assert_eq!(yard.ask("PUT", &path, r#"{"published": true}"#).await.expect(200), shown);
        }
        assert_eq!(yard.get("environments/staging/event-types").await.expect(200)[0], shown);
        assert_eq!(yard.get("environments/production/event-types").await.expect(200)[0], hidden);
        for _ in 0..2 {
            assert_eq!(yard.ask("PUT", &path, r#"{"published": false}"#).await.expect(200), hidden);
        }
        for (body, path_of_it) in [
            ("{}", "published"), (r#"{"published": "yes"}"#, "published"), (r#"{"published": null}"#, "published"),
            (r#"{"published": true, "visible": true}"#, "visible"), ("[]", ""), ("", ""),
        ] {
            let details = yard.ask("PUT", &path, body).await.refused(400, "invalid_request");
            assert_eq!(paths(&details), [path_of_it], "{body}");
        }
        yard.ask("PUT", &path, r#"{"published": true, "published": true}"#).await.refused(400, "invalid_body");
        for missing in [
            "environments/nowhere/event-types".to_owned(),
            format!("environments/nowhere/event-types/{id}/visibility"),
            "environments/staging/event-types/evt_nobody/visibility".to_owned(),
        ] {
            let method = if missing.ends_with("visibility") { "PUT" } else { "GET" };
            yard.ask(method, &missing, r#"{"published": true}"#).await.refused(404, "not_found");
        }
        // It goes with its environment.
        yard.ask("PUT", &path, r#"{"published": true}"#).await.expect(200);
        assert_eq!(yard.delete("environments/staging").await.status.as_u16(), 204);
        assert_eq!(yard.delete(&format!("event-types/{id}")).await.status.as_u16(), 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_event_type_is_told_with_its_path() {
    let yard = Yard::on_sqlite().await;
    let large = json!({"a": "x".repeat(300_000)});
    for (body, path) in [
        (json!({}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "!!!invalid event type!!!"}), "name"),
        (json!({"name": "a..b"}), "name"),
        (json!({"name": "a.*"}), "name"),
        (json!({"name": "a\n"}), "name"),
        (json!({"name": "a".repeat(129)}), "name"),
        (json!({"name": "a", "id": "ep_a"}), "id"),
        (json!({"name": "a", "id": "evt_\u{0}"}), "id"),
        (json!({"name": "a", "description": 7}), "description"),
        (json!({"name": "a", "description": "\u{0}"}), "description"),
        (
            json!({"name": "a", "description": "x".repeat(2_001)}),
            "description",
        ),
        (json!({"name": "a", "schema": "object"}), "schema"),
        (json!({"name": "a", "schema": []}), "schema"),
        (json!({"name": "a", "schema": large}), "schema"),
        (json!({"name": "a", "descripton": "b"}), "descripton"),
    ] {
        let details = yard
            .post("event-types", &body)
            .await
            .refused(400, "invalid_request");
        assert_eq!(paths(&details), [path], "{body}");
    }
    yard.ask("POST", "event-types", r#"{"name": "a", "name": "a"}"#)
        .await
        .refused(400, "invalid_body");
    assert_eq!(yard.get("event-types").await.expect(200), json!([]));
    for (body, path) in [
        (json!({}), "eventTypeIds"),
        (json!({"eventTypeIds": null}), "eventTypeIds"),
        (json!({"eventTypeIds": "evt_a"}), "eventTypeIds"),
        (json!({"eventTypeIds": []}), "eventTypeIds"),
        (json!({"eventTypeIds": [null]}), "eventTypeIds[0]"),
        (json!({"eventTypeIds": ["\u{0}"]}), "eventTypeIds[0]"),
        (json!({"event_type_ids": []}), "eventTypeIds"),
    ] {
        let details = yard
            .post("endpoints/billing/subscriptions", &body)
            .await
            .refused(400, "invalid_request");
        assert!(paths(&details).contains(&path), "{body}: {details:?}");
    }
}
