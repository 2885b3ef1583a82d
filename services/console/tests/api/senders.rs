//! API keys, management tokens and contacts, one at a time; and the workspace that they are of.

use crate::on_both;
use crate::yard::{OPERATOR, TOKEN, Yard};
use serde_json::{Value, json};

/// The paths of what is wrong.
fn paths(details: &[String]) -> Vec<&str> {
    let mut paths: Vec<&str> = details
        .iter()
        .map(|detail| detail.split(": ").next().unwrap())
        .collect();
    paths.sort_unstable();
    paths
}

async fn is_key(yard: &Yard, key: &str) -> bool {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(key.as_bytes()).into();
    yard.store.api_key(hash).await.unwrap().is_some()
}

on_both! {
    async fn an_api_key_is_shown_once_and_changed_without_it(yard: &Yard) {
        let body = json!({
            "name": "shop", "environment": "staging", "scopes": ["trigger"], "enabled": false,
            "rateLimit": {"perSecond": 200, "burst": 400},
        });
        let made = yard.post("api-keys", &body).await.expect(201);
        let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
        assert!(id.starts_with("key_") && token.starts_with("nhk_") && token.len() > 40);
        assert!(token.ends_with(made["hint"].as_str().unwrap()) && made["hint"].as_str().unwrap().len() == 4);
        assert!(is_key(yard, token).await);
        let mut shown = made.clone();
        shown.as_object_mut().unwrap().remove("token");
        for (field, value) in [
            ("name", json!("shop")), ("environmentId", json!("env_staging")), ("scopes", json!(["trigger"])),
            ("enabled", json!(false)), ("rateLimit", json!({"perSecond": 200.0, "burst": 400})),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        assert_eq!(yard.get("api-keys").await.expect(200), json!([shown]));
        assert_eq!(yard.get("api-keys/shop").await.expect(200), shown);
        assert_eq!(yard.get(&format!("api-keys/{id}")).await.expect(200), shown);

        let change = json!({"name": "web", "environment": null, "scopes": ["trigger", "ingest"], "enabled": true, "rateLimit": null});
        let changed = yard.patch("api-keys/shop", &change).await.expect(200);
        for (field, value) in [
            ("name", json!("web")), ("environmentId", Value::Null), ("scopes", json!(["ingest", "trigger"])),
            ("enabled", json!(true)), ("rateLimit", Value::Null), ("hint", made["hint"].clone()),
        ] {
            assert_eq!(changed[field], value, "{field}");
        }
        assert!(changed.get("token").is_none() && is_key(yard, token).await);
        let as_it_was = yard.patch("api-keys/web", &json!({})).await.expect(200);
        assert_eq!((&as_it_was["scopes"], &as_it_was["hint"]), (&changed["scopes"], &changed["hint"]));

        let rotated = yard.ask("POST", "api-keys/web/rotate", "").await.expect(200);
        let fresh = rotated["token"].as_str().unwrap();
        assert!(fresh != token && is_key(yard, fresh).await && !is_key(yard, token).await);

        assert_eq!(yard.delete("api-keys/web").await.status.as_u16(), 204);
        assert!(!is_key(yard, fresh).await);
        for method in ["GET", "PATCH", "DELETE"] {
            yard.ask(method, "api-keys/web", "{}").await.refused(404, "not_found");
        }
        yard.ask("POST", "api-keys/web/rotate", "").await.refused(404, "not_found");
    }

    async fn a_given_key_is_taken_as_it_is_and_stays_the_only_one(yard: &Yard) {
        let body = json!({"name": "shop", "id": "key_shop", "token": "nhk_us_shop_test_key_0001"});
        let made = yard.post("api-keys", &body).await.expect(201);
        assert_eq!((&made["token"], &made["hint"]), (&body["token"], &json!("0001")));
        assert_eq!((&made["scopes"], &made["enabled"]), (&json!(["ingest", "trigger"]), &json!(true)));
        assert_eq!(made["environmentId"], Value::Null);
        for (body, what) in [
            (json!({"name": "shop"}), "the name"),
            (json!({"name": "other", "id": "key_shop"}), "the id"),
            (json!({"name": "other", "token": "nhk_us_shop_test_key_0001"}), "the token"),
        ] {
            let error = yard.post("api-keys", &body).await.expect(409);
            assert_eq!(error["error"]["message"], format!("{what} is taken by another thing"));
        }
        yard.post("api-keys", &json!({"name": "two"})).await.expect(201);
        yard.patch("api-keys/two", &json!({"name": "shop"})).await.refused(409, "conflict");
    }

    async fn nobody_locks_themselves_out(yard: &Yard) {
        let made = yard.post("management-tokens", &json!({"name": "bird"})).await.expect(201);
        let token = made["token"].as_str().unwrap().to_owned();
        assert!(made["id"].as_str().unwrap().starts_with("mt_") && token.starts_with("nhm_"));
        let list = yard.get("management-tokens").await.expect(200);
        let names: Vec<&Value> = list.as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["bird", "ci"]);
        assert!(!list.to_string().contains(&token) && !list.to_string().contains(TOKEN));

        let id = made["id"].as_str().unwrap();
        for name in ["bird", id] {
            let shown = yard.get(&format!("management-tokens/{name}")).await.expect(200);
            assert_eq!(shown, list[0], "{name}");
        }
        yard.get("management-tokens/none").await.refused(404, "not_found");

        // Its own, while there is another one; then the other one has none to spare.
        let bearer = format!("Bearer {token}");
        let as_bird = async |method: &str, path: &str| {
            let path = format!("/management/v1/workspaces/acme/{path}");
            yard.send(method, &path, &[("Authorization", &bearer)], "").await
        };
        assert_eq!(yard.delete("management-tokens/ci").await.status.as_u16(), 204);
        yard.get("events").await.refused(401, "unauthorized");
        as_bird("DELETE", "management-tokens/bird").await.refused(409, "in_use");
        as_bird("DELETE", "management-tokens/none").await.refused(404, "not_found");
        as_bird("GET", "events").await.expect(200);
        // The operator's token is none of the workspace's.
        let operator = format!("Bearer {OPERATOR}");
        let path = "/management/v1/workspaces/acme/management-tokens/bird";
        let gone = yard.send("DELETE", path, &[("Authorization", &operator)], "").await;
        assert_eq!(gone.status.as_u16(), 204);
        as_bird("GET", "events").await.refused(401, "unauthorized");
    }

    async fn a_contact_is_known_by_its_addresses(yard: &Yard) {
        let body = json!({"name": "Ada", "addresses": [{"source": "stripe", "id": "U2"}, {"source": "so_stripe", "id": "U1"}]});
        let made = yard.post("contacts", &body).await.expect(201);
        assert!(made["id"].as_str().unwrap().starts_with("con_"));
        let addresses = json!([{"source": "stripe", "id": "U1"}, {"source": "stripe", "id": "U2"}]);
        assert_eq!(made["addresses"], addresses);
        assert_eq!(yard.get("contacts").await.expect(200), json!([made]));
        assert_eq!(yard.get("contacts/Ada").await.expect(200), made);
        let renamed = yard.patch("contacts/Ada", &json!({"name": "Ada L."})).await.expect(200);
        assert_eq!((&renamed["name"], &renamed["addresses"]), (&json!("Ada L."), &addresses));
        let taken = yard.post("contacts", &json!({"name": "Bob", "addresses": [{"source": "stripe", "id": "U1"}]})).await.expect(409);
        assert_eq!(taken["error"]["message"], "the address is taken by another thing");
        yard.post("contacts", &json!({"name": "Ada L."})).await.refused(409, "conflict");
        yard.post("contacts", &json!({"name": "Cid", "id": made["id"]})).await.refused(409, "conflict");
        let path = format!("contacts/{}", made["id"].as_str().unwrap());
        assert_eq!(yard.patch(&path, &json!({"addresses": []})).await.expect(200)["addresses"], json!([]));
        yard.post("contacts", &json!({"name": "Bob", "addresses": [{"source": "stripe", "id": "U1"}]})).await.expect(201);
        assert_eq!(yard.delete(&path).await.status.as_u16(), 204);
        for method in ["GET", "PATCH", "DELETE"] {
            yard.ask(method, &path, "{}").await.refused(404, "not_found");
        }
    }

    async fn a_contact_has_a_hundred_addresses_at_the_most(yard: &Yard) {
        let body = |count: usize| {
            let address = |number: usize| json!({"source": "stripe", "id": format!("U{number}")});
            json!({"name": "Ada", "addresses": (0..count).map(address).collect::<Vec<_>>()})
        };
        let details = yard.post("contacts", &body(101)).await.refused(400, "invalid_request");
        assert_eq!(paths(&details), ["addresses"]);
        yard.post("contacts", &body(100)).await.expect(201);
        let shown = yard.get("contacts/Ada").await.expect(200);
        assert_eq!(shown["addresses"].as_array().unwrap().len(), 100);
    }

    async fn the_workspace_is_closed_and_limited_over_the_api(yard: &Yard) {
        let mut announced = yard.conveyor.changes();
        let path = "/management/v1/workspaces/acme";
        let bearer = format!("Bearer {TOKEN}");
        let ask = async |method: &str, body: Value| yard.send(method, path, &[("Authorization", &bearer)], body.to_string()).await;
        let shown = ask("GET", json!({})).await.expect(200);
        for (field, value) in [
            ("id", json!("ws_acme")), ("slug", json!("acme")), ("name", json!("Acme Inc.")), ("accepting", json!(true)),
            ("rateLimit", Value::Null),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        let body = json!({"name": "Acme", "accepting": false, "rateLimit": {"perSecond": 0.5}});
        let changed = ask("PATCH", body).await.expect(200);
        assert_eq!(changed["rateLimit"], json!({"perSecond": 0.5, "burst": null}));
        // What is shown can be sent back.
        let same = ask("PATCH", json!({"rateLimit": changed["rateLimit"]})).await.expect(200);
        assert_eq!(same["rateLimit"], changed["rateLimit"]);
        assert_eq!((&changed["name"], &changed["accepting"]), (&json!("Acme"), &json!(false)));
        let change = tokio::time::timeout(testkit::DEADLINE, announced.next()).await.unwrap().unwrap();
        assert_eq!(change.workspace, Some(crate::yard::workspace()));
        assert!(!yard.store.source_by_token("src_stripe").await.unwrap().unwrap().1);
        let opened = ask("PATCH", json!({"accepting": true, "rateLimit": null})).await.expect(200);
        assert_eq!((&opened["name"], &opened["rateLimit"]), (&json!("Acme"), &Value::Null));
        let bad = json!({"slug": "other", "name": "", "accepting": "no", "rateLimit": {"perSecond": 0, "burst": 0}});
        let details = ask("PATCH", bad).await.refused(400, "invalid_request");
        assert_eq!(paths(&details), ["accepting", "name", "rateLimit.burst", "rateLimit.perSecond", "slug"]);
        ask("DELETE", json!({})).await.refused(405, "method_not_allowed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_is_refused_by_its_path() {
    let yard = Yard::on_sqlite().await;
    yard.post("api-keys", &json!({"name": "shop"})).await.expect(201);
    yard.post("contacts", &json!({"name": "Ada"})).await.expect(201);
    let limit = json!({"perSecond": "fast", "burst": 0, "per_second": 1});
    for (method, path, body, expected) in [
        (
            "POST",
            "api-keys",
            json!({"id": "so_a", "name": "a\nb", "token": "nhm_a", "environment": "none", "environmentId": 7,
                "scopes": ["all"], "enabled": 1, "rateLimit": limit, "hint": "a"}),
            &[
                "enabled",
                "environment",
                "environmentId",
                "hint",
                "id",
                "name",
                "rateLimit.burst",
                "rateLimit.perSecond",
                "rateLimit.per_second",
                "scopes[0]",
                "token",
            ][..],
        ),
        ("POST", "api-keys", json!({"scopes": []}), &["name", "scopes"]),
        // What is well beside it is not taken for unknown.
        (
            "PATCH",
            "api-keys/shop",
            json!({"rateLimit": {"perSecond": "fast", "burst": 5}}),
            &["rateLimit.perSecond"],
        ),
        (
            "PATCH",
            "api-keys/shop",
            json!({"token": "nhk_a", "id": "key_b", "name": null}),
            &["id", "name", "token"],
        ),
        (
            "POST",
            "management-tokens",
            json!({"id": "key_a", "token": "nhm_", "enabled": true}),
            &["enabled", "id", "name", "token"],
        ),
        (
            "POST",
            "contacts",
            json!({"id": "c", "addresses": [7, {}, {"source": "none", "id": "a\u{0}"}, {"source": "stripe", "id": 1, "name": ""}]}),
            &[
                "addresses[0]",
                "addresses[1].id",
                "addresses[1].source",
                "addresses[2].id",
                "addresses[2].source",
                "addresses[3].id",
                "addresses[3].name",
                "id",
                "name",
            ],
        ),
        (
            "PATCH",
            "contacts/Ada",
            json!({"addresses": [{"source": "stripe", "id": "a"}, {"source": "so_stripe", "id": "a"}]}),
            &["addresses[1].id"],
        ),
        (
            "PATCH",
            "contacts/Ada",
            json!({"addresses": null, "name": 7}),
            &["addresses", "name"],
        ),
    ] {
        let answer = yard.ask(method, path, body.to_string()).await;
        let details = answer.refused(400, "invalid_request");
        assert_eq!(paths(&details), expected, "{method} {path}: {details:#?}");
    }
    yard.get("api-keys/shop/rotate")
        .await
        .refused(405, "method_not_allowed");
}
