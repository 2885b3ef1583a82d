//! A workspace's customers, their endpoints, and the way into the portal.

use crate::on_both;
use crate::portal::secrets;
use crate::yard::{PUBLIC_URL, Yard};
use serde_json::{Value, json};
use std::time::Duration;
use wire::resource::PortalRole;

const URL: &str = "https://hooks.customer.example/in";

fn paths(details: &[String]) -> Vec<&str> {
    details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect()
}

/// The ids of the endpoints that an application has.
async fn endpoints(yard: &Yard, application: &str) -> Vec<String> {
    let list = yard.get(&format!("applications/{application}/endpoints")).await;
    let list = list.expect(200);
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn an_application_is_made_read_changed_and_removed(yard: &Yard) {
        let body = json!({
            "name": "First customer", "externalId": "customers/1 ü", "metadata": {"plan": "gold"}, "maxEndpoints": 3,
            "showEventTypes": false,
        });
        let made = yard.post("applications", &body).await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("app_"));
        for field in ["name", "externalId", "metadata", "maxEndpoints", "showEventTypes"] {
            assert_eq!(made[field], body[field], "{field}");
        }
        assert!(made["createdAt"].is_string() && made["updatedAt"].is_string());
        let path = format!("applications/{id}");
        assert_eq!(yard.get(&path).await.expect(200), made);
        assert_eq!(yard.get("applications/customers%2F1%20%C3%BC").await.expect(200), made);
        assert_eq!(yard.get("applications").await.expect(200), json!([made]));

        // What is left out stays; null clears the limit.
        let changed = yard.patch(&path, &json!({"name": "Renamed"})).await.expect(200);
        assert_eq!((&changed["name"], &changed["maxEndpoints"]), (&json!("Renamed"), &json!(3)));
        assert_eq!((&changed["metadata"], &changed["showEventTypes"]), (&json!({"plan": "gold"}), &json!(false)));
        let changed = yard.patch(&path, &json!({"maxEndpoints": null, "showEventTypes": true, "metadata": {"a": "b"}})).await;
        let changed = changed.expect(200);
        assert_eq!((&changed["maxEndpoints"], &changed["showEventTypes"]), (&Value::Null, &json!(true)));
        assert_eq!(changed["metadata"], json!({"a": "b"}));
        let changed = yard.patch(&path, &json!({"maxEndpoints": 0, "metadata": null, "externalId": null})).await.expect(200);
        assert_eq!((&changed["maxEndpoints"], &changed["metadata"]), (&json!(0), &json!({})));
        assert_eq!(changed["externalId"], Value::Null);
        assert_eq!(yard.get(&path).await.expect(200), changed);

        let gone = yard.delete(&path).await;
        assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
        yard.get(&path).await.refused(404, "not_found");
        yard.patch(&path, &json!({})).await.refused(404, "not_found");
        yard.delete(&path).await.refused(404, "not_found");

        let least = yard.post("applications", &json!({"name": "a"})).await.expect(201);
        for (field, value) in [
            ("externalId", json!(null)), ("metadata", json!({})), ("maxEndpoints", json!(null)), ("showEventTypes", json!(true)),
        ] {
            assert_eq!(least[field], value, "{field}");
        }
    }

    async fn applications_are_listed_oldest_first_from_an_offset(yard: &Yard) {
        for id in ["app_c", "app_a", "app_b"] {
            yard.post("applications", &json!({"id": id, "name": id})).await.expect(201);
        }
        let listed = async |query: &str| -> Vec<String> {
            let list = yard.get(&format!("applications{query}")).await.expect(200);
            list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(listed("").await, ["app_c", "app_a", "app_b"]);
        assert_eq!(listed("?limit=2").await, ["app_c", "app_a"]);
        assert_eq!(listed("?limit=2&offset=1").await, ["app_a", "app_b"]);
        assert_eq!(listed("?offset=3").await, Vec::<String>::new());
        for bad in ["limit=0", "limit=-1", "limit=ten", "limit=1.5", "limit=99999999999999999999", "offset=-1", "offset=a",
            "limit=1&limit=2", "offset=%00", "cursor=a", "page=1"] {
            yard.get(&format!("applications?{bad}")).await.refused(400, "invalid_query");
        }
    }

    async fn an_id_and_an_external_id_are_taken_once(yard: &Yard) {
        let body = json!({"id": "app_one", "name": "a", "externalId": "one"});
        yard.post("applications", &body).await.expect(201);
        let says = |answer: crate::yard::Answer| answer.expect(409)["error"]["message"].as_str().unwrap().to_owned();
        let external = yard.post("applications", &json!({"name": "b", "externalId": "one"})).await;
        assert_eq!(says(external), "the external id is taken by another thing");
        let id = yard.post("applications", &json!({"id": "app_one", "name": "b"})).await;
        assert_eq!(says(id), "the id is taken by another thing");
        // An external id may look like an id; the id comes first.
        yard.post("applications", &json!({"name": "b", "externalId": "app_one"})).await.expect(201);
        assert_eq!(yard.get("applications/app_one").await.expect(200)["externalId"], "one");
        let endpoint = yard.post("endpoints", &json!({"url": URL, "application": "app_one"})).await.expect(201);
        assert_eq!(endpoint["applicationId"], "app_one");
    }

    async fn an_application_has_endpoints_of_its_own(yard: &Yard) {
        yard.post("applications", &json!({"id": "app_one", "name": "a", "externalId": "one"})).await.expect(201);
        yard.post("applications", &json!({"id": "app_two", "name": "b"})).await.expect(201);
        let body = json!({"url": URL, "description": "theirs", "environmentId": "env_staging", "metadata": {"a": "b"}});
        let made = yard.post("applications/one/endpoints", &body).await.expect(201);
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        assert_eq!((&made["applicationId"], &made["environmentId"]), (&json!("app_one"), &json!("env_staging")));
        let id = made["id"].as_str().unwrap();
        assert_eq!(endpoints(yard, "app_one").await, [id]);
        assert_eq!(endpoints(yard, "app_two").await, Vec::<String>::new());
        let one = yard.get(&format!("endpoints/{id}")).await.expect(200);
        assert_eq!((&one["applicationId"], one.get("secret")), (&json!("app_one"), None));
        assert_eq!(yard.get("endpoints").await.expect(200).as_array().unwrap().len(), 2);
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["applicationId"], Value::Null);

        // At the address of one customer, another one is refused.
        let other = json!({"url": URL, "applicationId": "app_two"});
        let details = yard.post("applications/one/endpoints", &other).await.refused(400, "invalid_request");
        assert_eq!(paths(&details), ["applicationId"]);
        yard.post("applications/one/endpoints", &json!({"url": URL, "applicationId": "app_one"})).await.expect(201);
        let nobody = json!({"url": URL, "applicationId": "app_nobody"});
        assert_eq!(paths(&yard.post("endpoints", &nobody).await.refused(400, "invalid_request")), ["applicationId"]);
        for missing in ["applications/nobody/endpoints", "applications/app_nobody/endpoints", "applications/%00/endpoints"] {
            yard.get(missing).await.refused(404, "not_found");
            yard.post(missing, &json!({"url": URL})).await.refused(404, "not_found");
        }

        // A change says nothing of it unless it does.
        let moved = yard.patch(&format!("endpoints/{id}"), &json!({"enabled": false})).await.expect(200);
        assert_eq!(moved["applicationId"], "app_one");
        let known = secrets(yard, id).await;
        let moved = yard.patch(&format!("endpoints/{id}"), &json!({"application": "app_two"})).await.expect(200);
        assert_eq!(moved["applicationId"], "app_two");
        // Who had it knows its secret, and must not be able to sign what its next owner gets.
        let now = secrets(yard, id).await;
        assert!(now.len() == 1 && !known.contains(&now[0]), "{moved}");
        assert_eq!(moved["secret"], now[0]);
        let moved = yard.patch(&format!("endpoints/{id}"), &json!({"applicationId": null})).await.expect(200);
        assert_eq!(moved["applicationId"], Value::Null);

        // They go with it.
        assert_eq!(endpoints(yard, "app_one").await.len(), 1);
        let theirs = endpoints(yard, "app_one").await.remove(0);
        assert_eq!(yard.delete("applications/one").await.status.as_u16(), 204);
        yard.get(&format!("endpoints/{theirs}")).await.refused(404, "not_found");
        yard.get(&format!("endpoints/{id}")).await.expect(200);
    }

    async fn a_limit_counts_disabled_endpoints_and_zero_means_none(yard: &Yard) {
        yard.post("applications", &json!({"id": "app_one", "name": "a", "maxEndpoints": 1})).await.expect(201);
        let path = "applications/app_one/endpoints";
        let body = json!({"url": URL});
        let first = yard.post(path, &body).await.expect(201);
        let first = format!("endpoints/{}", first["id"].as_str().unwrap());
        let full = async |answer: crate::yard::Answer| {
            let details = answer.refused(403, "application_endpoint_limit_reached");
            assert!(details.is_empty());
            assert_eq!(endpoints(yard, "app_one").await.len(), 1);
        };
        full(yard.post(path, &body).await).await;
        full(yard.post("endpoints", &json!({"url": URL, "applicationId": "app_one"})).await).await;
        full(yard.patch("endpoints/billing", &json!({"applicationId": "app_one"})).await).await;
        yard.patch(&first, &json!({"isActive": false})).await.expect(200);
        full(yard.post(path, &body).await).await;
        // A lower limit takes nothing away, and what is there can be changed.
        yard.patch("applications/app_one", &json!({"maxEndpoints": 0})).await.expect(200);
        yard.patch(&first, &json!({"isActive": true})).await.expect(200);
        full(yard.post(path, &body).await).await;

        yard.patch("applications/app_one", &json!({"maxEndpoints": null})).await.expect(200);
        yard.post(path, &body).await.expect(201);
        yard.patch("applications/app_one", &json!({"maxEndpoints": 2})).await.expect(200);
        yard.post(path, &body).await.refused(403, "application_endpoint_limit_reached");
        // A deleted one makes room.
        assert_eq!(yard.delete(&first).await.status.as_u16(), 204);
        yard.post(path, &body).await.expect(201);

        yard.post("applications", &json!({"id": "app_none", "name": "a", "maxEndpoints": 0})).await.expect(201);
        yard.post("applications/app_none/endpoints", &body).await.refused(403, "application_endpoint_limit_reached");
    }

    async fn of_many_endpoints_at_once_only_as_many_are_made_as_may_be(yard: &Yard) {
        yard.post("applications", &json!({"id": "app_one", "name": "a", "maxEndpoints": 3})).await.expect(201);
        let body = json!({"url": URL});
        let all = (0..12).map(|_| yard.post("applications/app_one/endpoints", &body));
        let answers = futures_util::future::join_all(all).await;
        let made = answers.iter().filter(|answer| answer.status.as_u16() == 201).count();
        let full = answers.iter().filter(|answer| answer.status.as_u16() == 403).count();
        assert_eq!((made, full), (3, 9), "{answers:?}");
        assert_eq!(endpoints(yard, "app_one").await.len(), 3);
    }

    async fn an_application_that_goes_leaves_no_endpoint_behind(yard: &Yard) {
        let body = json!({"url": URL});
        for round in 0..40 {
            let application = format!("applications/app_{round}");
            yard.post("applications", &json!({"id": format!("app_{round}"), "name": "a"})).await.expect(201);
            let path = format!("{application}/endpoints");
            let making = futures_util::future::join_all((0..6).map(|_| yard.post(&path, &body)));
            let (made, gone) = futures_util::future::join(making, yard.delete(&application)).await;
            assert_eq!(gone.status.as_u16(), 204);
            for answer in made {
                assert!(matches!(answer.status.as_u16(), 201 | 404 | 409), "{}", answer.text);
            }
        }
        let left = yard.get("endpoints").await.expect(200);
        let left: Vec<&Value> = left.as_array().unwrap().iter().map(|endpoint| &endpoint["applicationId"]).collect();
        assert_eq!(left, [&Value::Null]);
    }

    async fn a_link_into_the_portal_is_made_and_only_its_hash_is_kept(yard: &Yard) {
        yard.post("applications", &json!({"id": "app_one", "name": "a", "externalId": "one"})).await.expect(201);
        let before = wire::Instant::now();
        let made = yard.ask("POST", "applications/one/portal", "").await.expect(201);
        let code = made["code"].as_str().unwrap();
        assert!(code.len() >= 40);
        assert_eq!(made["url"], format!("{PUBLIC_URL}/portal/{code}"));
        let fields: Vec<_> = made.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 3);
        let expires_at: wire::Instant = serde_json::from_value(made["expiresAt"].clone()).unwrap();
        let lasts = expires_at.since(before);
        assert!(lasts > Duration::from_mins(59) && lasts < Duration::from_mins(61), "{lasts:?}");

        let cookie = [9; 32];
        let hash = |code: &str| -> [u8; 32] { sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), code)).into() };
        assert!(yard.store.open_portal_session(hash(code), cookie, before).await.unwrap());
        let session = yard.store.portal_session(cookie, before).await.unwrap().unwrap();
        assert_eq!(session.application_id.as_str(), "app_one");
        assert_eq!(session.spec.role, PortalRole::Admin);

        let body = json!({"role": "viewer", "expiresInMinutes": 10_080, "metadata": {"user": "ada"}});
        let made = yard.post("applications/app_one/portal", &body).await.expect(201);
        let cookie = [8; 32];
        let code = made["code"].as_str().unwrap();
        assert!(yard.store.open_portal_session(hash(code), cookie, before).await.unwrap());
        let session = yard.store.portal_session(cookie, before).await.unwrap().unwrap();
        assert_eq!(session.spec.role, PortalRole::Viewer);
        assert_eq!(session.spec.metadata["user"], "ada");
        assert!(session.expires_at.since(before) > Duration::from_hours(167));
        yard.ask("POST", "applications/nobody/portal", "{}").await.refused(404, "not_found");
        yard.get("applications/app_one/portal").await.refused(405, "method_not_allowed");
    }

    async fn another_workspaces_customers_are_nobodys_business(yard: &Yard) {
        let other = "
workspace: {slug: other}
management_tokens: [{name: ci, token: nhm_other_token}]
";
        let path = |path: &str| format!("/management/v1/workspaces/other/{path}");
        let operator = format!("Bearer {}", crate::yard::OPERATOR);
        yard.send("PUT", &path("configuration"), &[("Authorization", &operator)], other).await.expect(200);
        let token = [("Authorization", "Bearer nhm_other_token")];
        yard.post("applications", &json!({"id": "app_one", "name": "a", "externalId": "one"})).await.expect(201);
        yard.post("event-types", &json!({"id": "evt_one", "name": "a.one"})).await.expect(201);
        for (method, address, body) in [
            ("GET", "applications/app_one", ""),
            ("PATCH", "applications/one", "{}"),
            ("DELETE", "applications/app_one", ""),
            ("GET", "applications/app_one/endpoints", ""),
            ("POST", "applications/app_one/endpoints", r#"{"url": "https://thief.example/"}"#),
            ("POST", "applications/app_one/portal", "{}"),
            ("GET", "event-types/evt_one", ""),
            ("PATCH", "event-types/a.one", "{}"),
            ("DELETE", "event-types/evt_one", ""),
            ("GET", "endpoints/ep_billing/subscriptions", ""),
            ("POST", "endpoints/ep_billing/subscriptions", r#"{"eventTypeIds": ["evt_one"]}"#),
            ("PUT", "environments/env_staging/event-types/evt_one/visibility", r#"{"published": true}"#),
        ] {
            yard.send(method, &path(address), &token, body).await.refused(404, "not_found");
        }
        for (address, body) in [
            ("applications", r#"{"id": "app_one", "name": "thief"}"#),
            ("event-types", r#"{"id": "evt_one", "name": "thief"}"#),
        ] {
            yard.send("POST", &path(address), &token, body).await.refused(409, "conflict");
        }
        let stolen = r#"{"url": "https://thief.example/", "applicationId": "app_one"}"#;
        yard.send("POST", &path("endpoints"), &token, stolen).await.refused(400, "invalid_request");
        assert_eq!(yard.get("applications/one").await.expect(200)["name"], "a");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_application_is_told_with_its_path() {
    let yard = Yard::on_sqlite().await;
    let many: serde_json::Map<String, Value> = (0..51).map(|n| (n.to_string(), json!("a"))).collect();
    for (body, path) in [
        (json!({"name": "a", "nmae": "b"}), "nmae"),
        (json!({}), "name"),
        (json!({"name": null}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "a".repeat(101)}), "name"),
        (json!({"name": "a", "id": "ep_a"}), "id"),
        (json!({"name": "a", "id": ""}), "id"),
        (json!({"name": "a", "externalId": 7}), "externalId"),
        (json!({"name": "a", "externalId": ""}), "externalId"),
        (json!({"name": "a", "externalId": "a\u{0}"}), "externalId"),
        (json!({"name": "a", "externalId": "a".repeat(256)}), "externalId"),
        (json!({"name": "a", "metadata": []}), "metadata"),
        (json!({"name": "a", "metadata": "a"}), "metadata"),
        (json!({"name": "a", "metadata": many}), "metadata"),
        (json!({"name": "a", "metadata": {"k": 1}}), "metadata.k"),
        (json!({"name": "a", "metadata": {"k": null}}), "metadata.k"),
        (json!({"name": "a", "metadata": {"k": {"l": "m"}}}), "metadata.k"),
        (json!({"name": "a", "metadata": {"k": "\u{0}"}}), "metadata.k"),
        (
            json!({"name": "a", "metadata": {"k": "x".repeat(2_001)}}),
            "metadata.k",
        ),
        (json!({"name": "a", "metadata": {"": "x"}}), "metadata."),
        (json!({"name": "a", "maxEndpoints": -1}), "maxEndpoints"),
        (json!({"name": "a", "maxEndpoints": 1.5}), "maxEndpoints"),
        (json!({"name": "a", "maxEndpoints": "3"}), "maxEndpoints"),
        (
            json!({"name": "a", "maxEndpoints": 4_294_967_296_u64}),
            "maxEndpoints",
        ),
        (json!({"name": "a", "showEventTypes": "no"}), "showEventTypes"),
        (json!({"name": "a", "showEventTypes": null}), "showEventTypes"),
    ] {
        let details = yard
            .post("applications", &body)
            .await
            .refused(400, "invalid_request");
        assert_eq!(paths(&details), [path], "{body}");
    }
    yard.ask("POST", "applications", r#"{"name": "a", "name": "a"}"#)
        .await
        .refused(400, "invalid_body");
    yard.post("applications", &json!({"id": "app_one", "name": "a"}))
        .await
        .expect(201);
    for (body, path) in [
        (json!({"role": "owner"}), "role"),
        (json!({"role": "Admin"}), "role"),
        (json!({"role": null}), "role"),
        (json!({"role": 7}), "role"),
        (json!({"expiresInMinutes": 0}), "expiresInMinutes"),
        (json!({"expiresInMinutes": -5}), "expiresInMinutes"),
        (json!({"expiresInMinutes": 10_081}), "expiresInMinutes"),
        (json!({"expiresInMinutes": "60"}), "expiresInMinutes"),
        (json!({"expiresInMinutes": 1.5}), "expiresInMinutes"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
        (json!({"expires": 5}), "expires"),
        (json!([]), ""),
    ] {
        let details = yard
            .post("applications/app_one/portal", &body)
            .await
            .refused(400, "invalid_request");
        assert_eq!(paths(&details), [path], "{body}");
    }
}
