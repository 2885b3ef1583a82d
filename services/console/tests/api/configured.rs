//! Endpoints, routes, environments and playbooks, one at a time.

use crate::on_both;
use crate::yard::Yard;
use serde_json::{Value, json};

/// A thing without what is shown beside it where it alone is asked for.
fn without_company(mut view: Value) -> Value {
    for field in ["lane", "effectivePolicy"] {
        view.as_object_mut().unwrap().remove(field);
    }
    view
}

on_both! {
    async fn an_endpoint_is_made_read_changed_and_removed(yard: &Yard) {
        let body = json!({
            "slug": "mail", "url": " https://MAIL.example/in?a=1 ", "description": "letters",
            "headers": {"X-Team": "pay"}, "timeout": "20s", "retry": {"schedule": ["0s", "5s"], "jitter": 0.1},
            "rateLimit": {"perSecond": 50, "burst": 5}, "concurrency": 3, "environment": "staging",
        });
        let made = yard.post("endpoints", &body).await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("ep_") && made["secret"].as_str().unwrap().starts_with("whsec_"));
        assert_eq!(made["url"], "https://mail.example/in?a=1");
        assert_eq!(made["environmentId"], "env_staging");
        assert_eq!(made["rateLimit"], json!({"perSecond": 50.0, "burst": 5}));
        assert_eq!((&made["enabled"], &made["isActive"]), (&json!(true), &json!(true)));

        let mut expected = made.clone();
        expected.as_object_mut().unwrap().remove("secret");
        assert_eq!(without_company(yard.get(&format!("endpoints/{id}")).await.expect(200)), expected);
        assert_eq!(without_company(yard.get("endpoints/mail").await.expect(200)), expected);
        let list = yard.get("endpoints").await.expect(200);
        assert_eq!(list.as_array().unwrap().len(), 2);
        let read = yard.get("endpoints/mail").await.expect(200);
        assert!(list.as_array().unwrap().contains(&read));

        let change = json!({"isActive": false, "description": null, "headers": {}, "timeout": "1m"});
        let changed = yard.patch("endpoints/mail", &change).await.expect(200);
        assert_eq!(changed["enabled"], false);
        assert_eq!((&changed["description"], &changed["headers"]), (&Value::Null, &json!({})));
        assert_eq!((&changed["timeout"], &changed["concurrency"]), (&json!("1m"), &json!(3)));
        assert_eq!(changed.get("secret"), None);

        let gone = yard.delete("endpoints/mail").await;
        assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
        yard.get(&format!("endpoints/{id}")).await.refused(404, "not_found");
        yard.delete(&format!("endpoints/{id}")).await.refused(404, "not_found");
        assert_eq!(yard.get("endpoints").await.expect(200).as_array().unwrap().len(), 1);
    }

    async fn a_rotated_secret_is_shown_once_and_the_old_one_lives_for_the_overlap(yard: &Yard) {
        let before = secrets_of(yard).await;
        let rotated = yard.post("endpoints/ep_billing/rotate-secret", &json!({"overlap": "1h"})).await.expect(200);
        let after = secrets_of(yard).await;
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], rotated["secret"].as_str().unwrap());
        assert_eq!(after[1], before[0]);
        assert_eq!(yard.get("endpoints/billing").await.expect(200).get("secret"), None);

        // Without a body the overlap is a day; without an overlap the old ones are gone at once.
        yard.ask("POST", "endpoints/ep_billing/rotate-secret", "").await.expect(200);
        assert_eq!(secrets_of(yard).await.len(), 3);
        yard.post("endpoints/billing/rotate-secret", &json!({"overlap": "0s"})).await.expect(200);
        assert_eq!(secrets_of(yard).await.len(), 1);
        for bad in [json!({"overlap": "8d"}), json!({"overlap": "soon"}), json!({"overlap": 5}), json!([])] {
            yard.post("endpoints/billing/rotate-secret", &bad).await.refused(400, "invalid_request");
        }
    }

    async fn an_endpoint_signs_with_a_key_pair_on_request(yard: &Yard) {
        let made = json!({"url": "https://a.example/", "slug": "pair", "signing": "v1a"});
        let made = yard.post("endpoints", &made).await.expect(201);
        assert_eq!((&made["signing"], made.get("secret")), (&json!("v1a"), None));
        assert!(made["publicKey"].as_str().unwrap().starts_with("whpk_"), "{made}");
        assert_eq!(yard.get("endpoints/pair").await.expect(200)["publicKey"], made["publicKey"]);

        // A pair follows a pair unless another kind is asked for.
        let rotated = yard.ask("POST", "endpoints/pair/rotate-secret", "").await.expect(200);
        assert_eq!(rotated["signing"], "v1a");
        assert_ne!(rotated["publicKey"], made["publicKey"]);
        let same = yard.patch("endpoints/pair", &json!({"signing": "v1a"})).await.expect(200);
        assert_eq!(same["publicKey"], rotated["publicKey"]);
        let back = yard.patch("endpoints/pair", &json!({"signing": "v1"})).await.expect(200);
        assert_eq!((&back["signing"], &back["publicKey"]), (&json!("v1"), &rotated["publicKey"]));
        assert!(back["secret"].as_str().unwrap().starts_with("whsec_"), "{back}");

        let secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5";
        for bad in [json!({"signing": "v2"}), json!({"signing": "v1a", "secret": secret})] {
            yard.patch("endpoints/pair", &bad).await.refused(400, "invalid_request");
        }
        yard.post("sources/stripe/rotate-secret", &json!({"signing": "v1"})).await.refused(400, "invalid_request");
    }

    async fn a_route_names_sources_and_targets_by_slug_or_id(yard: &Yard) {
        let body = json!({
            "name": "paid", "from": ["stripe"], "eventTypes": ["payment.*", "*"], "filter": ".data.amount > 100",
            "transform": "{id: .id}", "delay": "5m", "to": {"endpoint": "billing"},
        });
        let made = yard.post("routes", &body).await.expect(201);
        assert_eq!((&made["from"], &made["to"]), (&json!(["stripe"]), &json!({"endpoint": "ep_billing"})));
        assert_eq!((&made["position"], &made["enabled"]), (&json!(1), &json!(true)));
        let id = made["id"].as_str().unwrap();
        assert_eq!(without_company(yard.get(&format!("routes/{id}")).await.expect(200)), made);
        assert_eq!(without_company(yard.get("routes/paid").await.expect(200)), made);

        let second = json!({"name": "all of it", "from": ["so_stripe"], "to": {"endpoint": "ep_billing"}});
        let second = yard.post("routes", &second).await.expect(201);
        assert_eq!(second["position"], 2);
        let names: Vec<Value> = yard.get("routes").await.expect(200).as_array().unwrap().iter()
            .map(|route| route["name"].clone()).collect();
        assert_eq!(names, ["paid", "all of it"]);

        let changed = yard.patch("routes/paid", &json!({"filter": null, "eventTypes": [], "enabled": false})).await;
        let changed = changed.expect(200);
        assert_eq!((&changed["filter"], &changed["eventTypes"]), (&Value::Null, &json!([])));
        assert_eq!((&changed["transform"], &changed["enabled"]), (&json!("{id: .id}"), &json!(false)));
        yard.patch("routes/paid", &json!({"name": "all of it"})).await.refused(409, "conflict");
        assert_eq!(yard.delete("routes/all%20of%20it").await.status.as_u16(), 204);
        yard.get("routes/all%20of%20it").await.refused(404, "not_found");
    }

    async fn one_environment_is_always_the_default(yard: &Yard) {
        let list = yard.get("environments").await.expect(200);
        let defaults = |list: &Value| -> Vec<String> {
            let list = list.as_array().unwrap().iter().filter(|one| one["isDefault"] == true);
            list.map(|one| one["slug"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(defaults(&list), ["production"]);
        let made = yard.post("environments", &json!({"slug": "test"})).await.expect(201);
        assert_eq!((&made["isDefault"], &made["name"]), (&json!(false), &json!("test")));
        let named = yard.patch("environments/test", &json!({"name": "Test Env"})).await.expect(200);
        assert_eq!((&named["name"], &named["slug"]), (&json!("Test Env"), &json!("test")));
        yard.patch("environments/test", &json!({"slug": "test"})).await.expect(200);
        assert_eq!(yard.get("environments/test").await.expect(200)["name"], "Test Env");
        assert_eq!(yard.patch("environments/test", &json!({"name": null})).await.expect(200)["name"], "test");
        for bad in [json!({"name": ""}), json!({"name": 7}), json!({"name": "a\n"}), json!({"name": "a".repeat(101)})] {
            yard.patch("environments/test", &bad).await.refused(400, "invalid_request");
        }
        let made = json!({"slug": "live", "name": "Live", "isDefault": true});
        let made = yard.post("environments", &made).await.expect(201);
        assert_eq!(made["name"], "Live");
        assert_eq!(defaults(&yard.get("environments").await.expect(200)), ["live"]);
        let id = made["id"].as_str().unwrap();
        yard.patch(&format!("environments/{id}"), &json!({"isDefault": false})).await.refused(400, "invalid_request");
        yard.patch("environments/production", &json!({"isDefault": true})).await.expect(200);
        assert_eq!(defaults(&yard.get("environments").await.expect(200)), ["production"]);

        yard.delete("environments/production").await.refused(409, "in_use");
        let inside = json!({"slug": "inside", "url": "https://a.example/", "environmentId": "env_staging"});
        yard.post("endpoints", &inside).await.expect(201);
        yard.delete("environments/staging").await.refused(409, "in_use");
        // A deleted endpoint keeps no environment alive.
        yard.delete("endpoints/inside").await;
        assert_eq!(yard.delete("environments/staging").await.status.as_u16(), 204);
        assert_eq!(yard.delete(&format!("environments/{id}")).await.status.as_u16(), 204);
        yard.get("environments/live").await.refused(404, "not_found");
        yard.post("environments", &json!({"slug": "test"})).await.refused(409, "conflict");
    }

    async fn what_is_unique_is_refused_with_its_name(yard: &Yard) {
        let url = "https://a.example/";
        let says = |answer: crate::yard::Answer| answer.expect(409)["error"]["message"].as_str().unwrap().to_owned();
        let slug = yard.post("endpoints", &json!({"slug": "billing", "url": url})).await;
        assert_eq!(says(slug), "the slug is taken by another thing");
        let id = yard.post("endpoints", &json!({"id": "ep_billing", "url": url})).await;
        assert_eq!(says(id), "the id is taken by another thing");
        let token = yard.post("sources", &json!({"slug": "other", "token": "src_stripe"})).await;
        assert_eq!(says(token), "the token is taken by another thing");
        // What is refused changes nothing.
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["url"], "https://billing.example/hooks");
    }

    async fn an_id_of_another_workspace_cannot_be_taken_over(yard: &Yard) {
        let other = "
workspace: {slug: other}
management_tokens: [{name: ci, token: nhm_other_token}]
";
        let path = |path: &str| format!("/management/v1/workspaces/other/{path}");
        let operator = format!("Bearer {}", crate::yard::OPERATOR);
        yard.send("PUT", &path("configuration"), &[("Authorization", &operator)], other).await.expect(200);
        let token = [("Authorization", "Bearer nhm_other_token")];
        let stolen = json!({"id": "ep_billing", "url": "https://thief.example/"}).to_string();
        yard.send("POST", &path("endpoints"), &token, stolen).await.refused(409, "conflict");
        let stolen = json!({"id": "so_stripe", "slug": "stripe"}).to_string();
        yard.send("POST", &path("sources"), &token, stolen).await.refused(409, "conflict");
        let stolen = format!("{other}endpoints: [{{slug: a, id: ep_billing, url: 'https://thief.example/'}}]");
        yard.send("PUT", &path("configuration"), &token, stolen).await.refused(409, "conflict");
        for foreign in ["endpoints/ep_billing", "sources/so_stripe", "sources/stripe", "environments/env_staging"] {
            yard.send("GET", &path(foreign), &token, "").await.refused(404, "not_found");
            yard.send("DELETE", &path(foreign), &token, "").await.refused(404, "not_found");
        }
        assert_eq!(yard.get("endpoints/billing").await.expect(200)["url"], "https://billing.example/hooks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn playbooks_are_listed_and_shown() {
    let yard = Yard::on_sqlite().await;
    let file = format!(
        "{}\nplaybooks: [{{slug: onboarding, id: pb_1, number: 42, enabled: false, definition: {}}}]",
        crate::yard::ACME,
        crate::yard::in_place("onboarding")
    );
    yard.apply("", &file).await.expect(200);
    let list = yard.get("playbooks").await.expect(200);
    let one = yard.get("playbooks/onboarding").await.expect(200);
    assert_eq!(list, json!([one]));
    assert_eq!(
        (&one["id"], &one["number"], &one["enabled"]),
        (&json!("pb_1"), &json!(42), &json!(false))
    );
    assert_eq!(
        one["definition"],
        r#"{"do":[{"keep":{"set":{"seen":true}}}],"document":{"dsl":"1.0.3","name":"onboarding","namespace":"acme","version":"1.0.0"}}"#
    );
    assert_eq!(yard.get("playbooks/pb_1").await.expect(200), one);
    yard.get("playbooks/none").await.refused(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_announced() {
    let yard = Yard::on_sqlite().await;
    let mut changes = yard.conveyor.changes();
    let url = json!({"url": "https://a.example/"});
    let id = yard.post("endpoints", &url).await.expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    yard.patch(&format!("endpoints/{id}"), &url).await.expect(200);
    yard.ask("POST", &format!("endpoints/{id}/rotate-secret"), "")
        .await
        .expect(200);
    yard.delete(&format!("endpoints/{id}")).await;
    yard.patch("sources/stripe", &json!({"enabled": false}))
        .await
        .expect(200);
    yard.post("routes", &json!({"name": "a", "to": {"endpoint": "billing"}}))
        .await
        .expect(201);
    yard.post("environments", &json!({"slug": "a"})).await.expect(201);
    yard.apply("", crate::yard::ACME).await.expect(200);
    for count in 0..8 {
        let change = tokio::time::timeout(testkit::DEADLINE, changes.next()).await;
        assert_eq!(
            change.unwrap().unwrap().workspace,
            Some(crate::yard::workspace()),
            "{count}"
        );
    }
}

async fn secrets_of(yard: &Yard) -> Vec<String> {
    use secrecy::ExposeSecret as _;
    let id = wire::EndpointId::from_stored("ep_billing");
    let row = yard.store.endpoint(&id).await.unwrap().unwrap();
    let secrets = row.secrets.iter();
    secrets
        .map(|secret| secret.value.expose_secret().to_owned())
        .collect()
}
