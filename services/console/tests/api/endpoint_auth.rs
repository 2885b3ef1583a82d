//! How endpoints want to be addressed: what is kept of it, and that the secret part is never shown.

use crate::on_both;
use crate::yard::{ACME, Yard};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use wire::EndpointId;
use wire::resource::AuthSpec;

/// What the delivery worker finds.
async fn kept(yard: &Yard, id: &str) -> (Option<AuthSpec>, Option<String>) {
    let id = EndpointId::from_stored(id);
    let row = yard.store.endpoint(&id).await.unwrap().unwrap();
    let credential = row
        .credential
        .map(|credential| credential.expose_secret().to_owned());
    (row.spec.auth, credential)
}

fn basic(username: &str, password: &str) -> (Option<AuthSpec>, Option<String>) {
    let username = username.to_owned();
    (Some(AuthSpec::Basic { username }), Some(password.to_owned()))
}

on_both! {
    async fn a_credential_is_kept_and_never_shown(yard: &Yard) {
        let body = json!({"id": "ep_auth", "url": "https://a.example/", "authUsername": "Aladdin", "authPassword": "canary"});
        let made = yard.post("endpoints", &body).await;
        assert!(!made.text.contains("canary"), "{}", made.text);
        assert_eq!(made.expect(201)["auth"], json!({"basic": {"username": "Aladdin"}}));
        assert_eq!(kept(yard, "ep_auth").await, basic("Aladdin", "canary"));

        let header = AuthSpec::Header { name: "X-Acme".to_owned() };
        for (change, shown, expected) in [
            (json!({}), json!({"basic": {"username": "Aladdin"}}), basic("Aladdin", "canary")),
            (json!({"authPassword": "canary2"}), json!({"basic": {"username": "Aladdin"}}), basic("Aladdin", "canary2")),
            (json!({"description": "a"}), json!({"basic": {"username": "Aladdin"}}), basic("Aladdin", "canary2")),
            (json!({"auth": {"bearer": "canary3"}}), json!({"bearer": {}}), (Some(AuthSpec::Bearer), Some("canary3".to_owned()))),
            (json!({"auth": {"header": {"name": "X-Acme", "value": "canary 4"}}}), json!({"header": {"name": "X-Acme"}}),
                (Some(header), Some("canary 4".to_owned()))),
            (json!({"auth": {"basic": {"username": "key", "password": ""}}}), json!({"basic": {"username": "key"}}), basic("key", "")),
            (json!({"auth": null}), Value::Null, (None, None)),
            (json!({"authUsername": "a", "authPassword": "b"}), json!({"basic": {"username": "a"}}), basic("a", "b")),
            (json!({"authUsername": null, "authPassword": null}), Value::Null, (None, None)),
        ] {
            let answer = yard.patch("endpoints/ep_auth", &change).await;
            assert!(!answer.text.contains("canary"), "{}", answer.text);
            assert_eq!(answer.expect(200)["auth"], shown, "{change}");
            assert_eq!(kept(yard, "ep_auth").await, expected, "{change}");
        }
    }

    async fn a_file_says_it_too_and_a_changed_credential_is_noticed(yard: &Yard) {
        let file = |auth: &str| ACME.replace("hooks'}]", &format!("hooks', {auth}}}]"));
        let changes = async |auth: &str| -> Vec<String> {
            let answer = yard.apply("", &file(auth)).await;
            assert!(!answer.text.contains("canary"), "{}", answer.text);
            let applied = answer.expect(200);
            let fields = applied["changes"][0]["fields"].as_array().cloned().unwrap_or_default();
            fields.iter().map(|change| format!("{} {} {}", change["field"], change["before"], change["after"])).collect()
        };
        let one = "auth: {basic: {username: ada, password: canary-1}}, metadata: {fooBar: b}, config: {oneTwo: {x: 1}}";
        let fields = changes(one).await;
        for field in [
            r#""auth" null {"basic":{"username":"ada"}}"#, r#""auth" null "(secret)""#, r#""metadata.fooBar" null "b""#,
            r#""config.oneTwo" null {"x":1}"#,
        ] {
            assert!(fields.contains(&field.to_owned()), "{fields:?}");
        }
        assert_eq!(kept(yard, "ep_billing").await, basic("ada", "canary-1"));
        assert!(changes(one).await.is_empty());
        assert_eq!(changes(&one.replace("canary-1", "canary-2")).await, [r#""auth" "(secret)" "(secret)""#]);
        assert_eq!(kept(yard, "ep_billing").await, basic("ada", "canary-2"));
        changes("timeout: 15s").await;
        assert_eq!(kept(yard, "ep_billing").await, (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_its_owner_comes_back_as_it_was() {
    let yard = Yard::on_sqlite().await;
    let config = json!({"channel": "#alerts", "nested": {"list": [1, 2.5, null, true], "Ü": "\u{0}"}});
    let body = json!({"url": "https://a.example/", "type": "webhook", "config": config, "metadata": {"team": "pay"}});
    let made = yard.post("endpoints", &body).await.expect(201);
    let path = format!("endpoints/{}", made["id"].as_str().unwrap());
    let one = yard.get(&path).await.expect(200);
    assert_eq!(
        (&one["config"], &one["metadata"]),
        (&config, &json!({"team": "pay"}))
    );
    let changed = yard.patch(&path, &json!({"description": "a"})).await.expect(200);
    assert_eq!(
        (&changed["config"], &changed["metadata"]),
        (&config, &json!({"team": "pay"}))
    );
    let changed = yard
        .patch(&path, &json!({"config": null, "metadata": {}}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["config"], &changed["metadata"]),
        (&json!({}), &json!({}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_credential_is_told_without_it() {
    let yard = Yard::on_sqlite().await;
    for (body, paths) in [
        (json!({"auth": "canary"}), vec!["auth"]),
        (json!({"auth": {}}), vec!["auth.basic"]),
        (
            json!({"auth": {"bearer": "canary", "basic": {"username": "a", "password": "b"}}}),
            vec!["auth.basic"],
        ),
        (json!({"auth": {"bearer": 7}}), vec!["auth.bearer"]),
        (json!({"auth": {"bearer": null}}), vec!["auth.bearer"]),
        (json!({"auth": {"bearer": ""}}), vec!["auth.bearer"]),
        (json!({"auth": {"bearer": "canary canary"}}), vec!["auth.bearer"]),
        (
            json!({"auth": {"bearer": "canary\r\nX-Evil: 1"}}),
            vec!["auth.bearer"],
        ),
        (
            json!({"auth": {"bearer": "c".repeat(4_097)}}),
            vec!["auth.bearer"],
        ),
        (
            json!({"auth": {"bearr": "canary"}}),
            vec!["auth.basic", "auth.bearr"],
        ),
        (json!({"auth": {"basic": "canary"}}), vec!["auth.basic"]),
        (json!({"auth": {"basic": null}}), vec!["auth.basic"]),
        (
            json!({"auth": {"basic": {}}}),
            vec!["auth.basic.password", "auth.basic.username"],
        ),
        (
            json!({"auth": {"basic": {"username": "a:b", "password": "canary"}}}),
            vec!["auth.basic.username"],
        ),
        (
            json!({"auth": {"basic": {"username": "a", "password": "canary\n"}}}),
            vec!["auth.basic.password"],
        ),
        (
            json!({"auth": {"basic": {"username": "a".repeat(256), "password": "c".repeat(1_025)}}}),
            vec!["auth.basic.password", "auth.basic.username"],
        ),
        (
            json!({"auth": {"basic": {"username": "a", "password": "b", "realm": "canary"}}}),
            vec!["auth.basic.realm"],
        ),
        (
            json!({"auth": {"header": {"name": "X-A"}}}),
            vec!["auth.header.value"],
        ),
        (
            json!({"auth": {"header": {"name": "X A", "value": "canary"}}}),
            vec!["auth.header.name"],
        ),
        (
            json!({"auth": {"header": {"name": "Host", "value": "canary"}}}),
            vec!["auth.header.name"],
        ),
        (
            json!({"auth": {"header": {"name": "webhook-id", "value": "canary"}}}),
            vec!["auth.header.name"],
        ),
        (
            json!({"auth": {"header": {"name": "X-A", "value": "canary\u{0}"}}}),
            vec!["auth.header.value"],
        ),
        (
            json!({"auth": {"header": {"name": "X-A", "value": " canary"}}}),
            vec!["auth.header.value"],
        ),
        (
            json!({"auth": {"header": {"name": "X-A", "value": ""}}}),
            vec!["auth.header.value"],
        ),
        (
            json!({"auth": {"header": {"name": "x-team", "value": "canary"}}, "headers": {"X-Team": "a"}}),
            vec!["auth"],
        ),
        (
            json!({"auth": {"bearer": "canary"}, "headers": {"authorization": "a"}}),
            vec!["auth"],
        ),
        (json!({"authUsername": "a"}), vec!["authPassword"]),
        (json!({"authPassword": "canary"}), vec!["authUsername"]),
        (
            json!({"authUsername": "a", "authPassword": null}),
            vec!["authPassword"],
        ),
        (
            json!({"authUsername": 7, "authPassword": "canary"}),
            vec!["authUsername"],
        ),
        (
            json!({"authUsername": "a:", "authPassword": "canary\n"}),
            vec!["authPassword", "authUsername"],
        ),
        (
            json!({"authUsername": "a", "authPassword": "canary", "auth": null}),
            vec!["auth"],
        ),
        (json!({"type": "slack"}), vec!["type"]),
        (json!({"type": 7}), vec!["type"]),
        (json!({"config": []}), vec!["config"]),
        (json!({"config": "canary"}), vec!["config"]),
        (json!({"config": {"a": "x".repeat(20_000)}}), vec!["config"]),
        (
            json!({"metadata": {"a": 1, "b": "\u{0}"}}),
            vec!["metadata.a", "metadata.b"],
        ),
    ] {
        let mut body = body;
        body["url"] = json!("https://a.example/");
        let answer = yard.post("endpoints", &body).await;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        let mut details = answer.refused(400, "invalid_request");
        details.sort();
        let found: Vec<&str> = details
            .iter()
            .map(|detail| detail.split(": ").next().unwrap())
            .collect();
        assert_eq!(found, paths, "{body}: {details:?}");
    }
    // The header of one change may be the other's, too.
    yard.patch("endpoints/billing", &json!({"auth": {"bearer": "canary"}}))
        .await
        .expect(200);
    let details = yard
        .patch("endpoints/billing", &json!({"headers": {"Authorization": "a"}}))
        .await;
    assert_eq!(details.refused(400, "invalid_request").len(), 1);
}
