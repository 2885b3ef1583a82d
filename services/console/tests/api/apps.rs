//! Apps: what a source is told of a platform, and what is kept of its secrets.

use crate::on_both;
use crate::yard::{Yard, definition};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::Source;

/// The source whose app has this id.
async fn source(yard: &Yard, app: &Value) -> Source {
    let app = app.as_str().unwrap();
    yard.store.source_by_app(app).await.unwrap().unwrap().0
}

/// What its platform may sign with, newest first.
async fn signing(yard: &Yard, app: &Value) -> Vec<String> {
    let source = source(yard, app).await;
    let secrets = source.app_secrets.signing.iter();
    secrets
        .map(|secret| secret.value.expose_secret().to_owned())
        .collect()
}

on_both! {
    async fn an_app_is_given_changed_and_taken_away(yard: &Yard) {
        yard.post("playbooks", &json!({"slug": "triage", "definition": definition("triage")})).await.expect(201);
        let body = json!({"slug": "support", "app": {
            "id": "app_support", "adapter": "slack", "signingSecret": "s-1", "contacts": "optional", "doorkeeper": "triage",
        }});
        let made = yard.post("sources", &body).await.expect(201);
        let app = &made["app"];
        assert_eq!((&app["id"], &app["adapter"], &app["scheme"]), (&json!("app_support"), &json!("slack"), &Value::Null));
        assert_eq!((&app["contacts"], &app["doorkeeper"]), (&json!("optional"), &json!("triage")));
        assert_eq!(app["secrets"].as_array().unwrap().len(), 1);
        assert!(made.get("appSecret").is_none() && !made.to_string().contains("s-1"));
        assert_eq!(yard.get("sources/support").await.expect(200), made);
        let changed = yard.patch("sources/support", &json!({"app": {"contacts": "required", "doorkeeper": null}})).await.expect(200);
        assert_eq!((&changed["app"]["contacts"], &changed["app"]["doorkeeper"]), (&json!("required"), &Value::Null));
        assert_eq!(signing(yard, &app["id"]).await, ["s-1"]);
        // Another id is another address.
        let moved = yard.patch("sources/support", &json!({"app": {"id": "app_other", "signingSecret": "s-2"}})).await.expect(200);
        assert_eq!((moved["app"]["adapter"].clone(), signing(yard, &moved["app"]["id"]).await), (json!("slack"), vec!["s-2".to_owned()]));
        assert!(yard.store.source_by_app("app_support").await.unwrap().is_none());
        let taken = json!({"slug": "two", "app": {"id": "app_other", "adapter": "telegram"}});
        let taken = yard.post("sources", &taken).await.expect(409);
        assert_eq!(taken["error"]["message"], "the app's id is taken by another thing");
        let gone = yard.patch("sources/support", &json!({"app": null})).await.expect(200);
        assert_eq!(gone["app"], Value::Null);
        let id = wire::SourceId::from_stored(made["id"].as_str().unwrap());
        assert!(yard.store.source(&id).await.unwrap().unwrap().app_secrets.is_empty());
    }

    async fn each_platform_has_the_secrets_that_it_knows(yard: &Yard) {
        let post = async |app: Value| yard.post("sources", &json!({"slug": "x", "app": app})).await;
        let meta = post(json!({"adapter": "whatsapp", "signingSecret": "m-1"})).await.expect(201);
        let token = meta["verifyToken"].as_str().unwrap().to_owned();
        assert!(token.starts_with("app-") && meta.get("appSecret").is_none());
        let kept = source(yard, &meta["app"]["id"]).await.app_secrets.verify_token.unwrap();
        assert_eq!(kept.expose_secret(), token);
        // Another adapter takes what does not fit away.
        let telegram = yard.patch("sources/x", &json!({"app": {"adapter": "telegram"}})).await.expect(200);
        assert!(source(yard, &telegram["app"]["id"]).await.app_secrets.verify_token.is_none());
        assert_eq!(signing(yard, &telegram["app"]["id"]).await, ["m-1"]);
        let far = yard.patch("sources/x", &json!({"app": {"adapter": "https://adapter.example"}})).await.expect(200);
        assert_eq!(far["app"]["adapter"], "https://adapter.example/");
        assert!(source(yard, &far["app"]["id"]).await.app_secrets.is_empty());
        yard.delete("sources/x").await;
        let telegram = post(json!({"adapter": "telegram"})).await.expect(201);
        assert_eq!(signing(yard, &telegram["app"]["id"]).await, [telegram["appSecret"].as_str().unwrap()]);
        yard.delete("sources/x").await;
        let scheme = json!({"signature": {"from": "header:X-Sig"}});
        let own = post(json!({"adapter": "custom", "scheme": scheme, "signingSecret": "c-1"})).await.expect(201);
        assert_eq!((&own["app"]["scheme"], own.get("appSecret")), (&scheme, None));
        let plain = yard.patch("sources/x", &json!({"app": {"scheme": null}})).await.expect(200);
        assert_eq!(plain["app"]["scheme"], Value::Null);
        assert_eq!(signing(yard, &own["app"]["id"]).await, ["c-1"]);
    }

    async fn the_secret_of_an_app_is_rotated_apart(yard: &Yard) {
        let body = json!({"slug": "both", "verify": {"provider": "github", "secrets": ["v-1"]},
            "app": {"id": "app_both", "adapter": "slack", "signingSecret": "a-1"}});
        yard.post("sources", &body).await.expect(201);
        let app = json!("app_both");
        let rotated = yard.post("sources/both/rotate-secret", &json!({"of": "app", "overlap": "1h", "secret": "a-2"})).await;
        assert_eq!(rotated.expect(200)["secret"], "a-2");
        assert_eq!(signing(yard, &app).await, ["a-2", "a-1"]);
        let source = source(yard, &app).await;
        assert_eq!(source.secrets.len(), 1);
        assert!(source.app_secrets.signing[1].expires_at.is_some());
        // The file that says the current one leaves the old one to its end.
        let again = yard.patch("sources/both", &json!({"app": {"signingSecret": "a-2"}})).await.expect(200);
        assert_eq!(again["app"]["secrets"].as_array().unwrap().len(), 2);
        // Without a word, it is the check's.
        yard.ask("POST", "sources/both/rotate-secret", "").await.expect(200);
        assert_eq!(signing(yard, &app).await.len(), 2);
        yard.patch("sources/both", &json!({"verify": null})).await.expect(200);
        yard.post("sources/both/rotate-secret", &json!({"overlap": "0s"})).await.expect(200);
        assert_eq!(signing(yard, &app).await.len(), 1);
        yard.post("sources/both/rotate-secret", &json!({"of": "verify"})).await.refused(409, "invalid_state");
        yard.post("sources/stripe/rotate-secret", &json!({"of": "app"})).await.refused(409, "invalid_state");
        let details = yard.post("sources/both/rotate-secret", &json!({"of": "channel"})).await.refused(400, "invalid_request");
        assert_eq!(details, ["of: must be `verify` or `app`"]);
        let far = json!({"app": {"adapter": "https://adapter.example/"}});
        yard.patch("sources/both", &far).await.expect(200);
        let details = yard.post("sources/both/rotate-secret", &json!({"of": "app", "secret": "x"})).await.refused(400, "invalid_request");
        assert_eq!(details, ["secret: has no use here: an adapter of your own checks signatures itself"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_app_is_told_by_its_path() {
    let yard = Yard::on_sqlite().await;
    for (app, expected) in [
        (json!("slack"), &["app: must be an object, not a text"][..]),
        (json!({}), &["app.adapter: is missing"]),
        (
            json!({"adapter": "slack"}),
            &["app.signingSecret: is missing, and this platform's secrets come from the platform"],
        ),
        (
            json!({"adapter": "whatsapp"}),
            &["app.signingSecret: is missing, and this platform's secrets come from the platform"],
        ),
        (
            json!({"adapter": "teams"}),
            &["app.adapter: `teams` is no built-in adapter, and no URL of one"],
        ),
        (
            json!({"adapter": "telegram", "signingSecret": "a b"}),
            &["app.signingSecret: must be 1 to 256 letters, digits, `-` or `_`, as Telegram has it"],
        ),
        (
            json!({"adapter": "telegram", "scheme": {}, "verifyToken": "a", "contacts": "none"}),
            &[
                "app.contacts: must be `required` or `optional`",
                "app.scheme: goes with the adapter `custom` alone",
                "app.verifyToken: goes with the adapter `whatsapp` alone",
            ],
        ),
        (
            json!({"adapter": "custom", "scheme": {"algorithm": "ed25519", "signature": {"from": "header:X"}}}),
            &["app.signingSecret: is missing, and this platform's secrets come from the platform"],
        ),
    ] {
        let body = json!({"slug": "x", "app": app});
        let mut details = yard.post("sources", &body).await.refused(400, "invalid_request");
        details.sort();
        assert_eq!(details, expected, "{body}");
    }
    for bad in [
        json!({"adapter": "http://10.0.0.1/", "signingSecret": "s"}),
        json!({"adapter": "https://169.254.169.254/"}),
        json!({"adapter": "ftp://a.example/"}),
        json!({"adapter": "slack", "signingSecret": ""}),
        json!({"adapter": "slack", "signingSecret": "s", "id": "app_a/b"}),
        json!({"adapter": "slack", "signingSecret": "s", "doorkeeper": "none"}),
        json!({"adapter": "slack", "signing_secret": "s"}),
    ] {
        let answer = yard.post("sources", &json!({"slug": "x", "app": bad})).await;
        answer.refused(400, "invalid_request");
    }
}
