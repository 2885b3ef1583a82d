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

    async fn a_client_of_a_token_endpoint_is_kept_without_its_secret_shown(yard: &Yard) {
        let client = json!({"tokenUrl": "https://auth.example/token", "clientId": "shop", "clientSecret": "canary", "scope": "hooks"});
        let body = json!({"id": "ep_auth", "url": "https://a.example/", "auth": {"oauth2": client}});
        let made = yard.post("endpoints", &body).await;
        assert!(!made.text.contains("canary"), "{}", made.text);
        let shown = json!({"oauth2": {"tokenUrl": "https://auth.example/token", "clientId": "shop", "scope": "hooks", "audience": null}});
        assert_eq!(made.expect(201)["auth"], shown);
        let (spec, secret) = kept(yard, "ep_auth").await;
        assert_eq!(secret.as_deref(), Some("canary"));
        let Some(AuthSpec::Oauth2(spec)) = spec else { panic!("{spec:?}") };
        assert_eq!((spec.client_id.as_str(), spec.scope.as_deref()), ("shop", Some("hooks")));

        let with = |name: &str, value: Value| {
            let mut client = client.clone();
            client[name] = value;
            json!({"auth": {"oauth2": client}})
        };
        refused(yard, &[
            (with("tokenUrl", json!("http://127.0.0.1/token")), &["auth.oauth2.tokenUrl"]),
            (with("tokenUrl", json!("ftp://auth.example/")), &["auth.oauth2.tokenUrl"]),
            (with("tokenUrl", json!("http://auth.example/token")), &["auth.oauth2.tokenUrl"]),
            (with("clientId", json!("a\r\nb")), &["auth.oauth2.clientId"]),
            (with("clientSecret", json!("")), &["auth.oauth2.clientSecret"]),
            (with("scope", json!("canary\u{0}")), &["auth.oauth2.scope"]),
            (with("grant", json!("password")), &["auth.oauth2.grant"]),
            (json!({"auth": {"oauth2": {"clientId": "a"}}}), &["auth.oauth2.clientSecret", "auth.oauth2.tokenUrl"]),
            (json!({"auth": {"oauth2": null}}), &["auth.oauth2"]),
            (json!({"auth": {"oauth2": client, "bearer": "canary"}}), &["auth.basic"]),
            (json!({"auth": {"oauth2": client}, "headers": {"authorization": "x"}}), &["auth"]),
        ]).await;
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

/// Asks for endpoints like these; each is refused for what is wrong at these paths, and no answer repeats a secret.
async fn refused(yard: &Yard, cases: &[(Value, &[&str])]) {
    for (body, paths) in cases {
        let mut body = body.clone();
        body["url"] = json!("https://a.example/");
        let answer = yard.post("endpoints", &body).await;
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        let mut details = answer.refused(400, "invalid_request");
        details.sort();
        let found: Vec<&str> = details
            .iter()
            .map(|detail| detail.split(": ").next().unwrap())
            .collect();
        assert_eq!(found, *paths, "{body}: {details:?}");
    }
}

/// `{"auth": {"basic": {…}}}`
fn said(username: &str, password: &str) -> Value {
    json!({"auth": {"basic": {"username": username, "password": password}}})
}

/// `{"auth": {"header": {…}}}`
fn header(name: &str, value: &str) -> Value {
    json!({"auth": {"header": {"name": name, "value": value}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_credential_is_told_without_it() {
    let yard = Yard::on_sqlite().await;
    let two = json!({"auth": {"bearer": "canary", "basic": {"username": "a", "password": "b"}}});
    let long = said(&"a".repeat(256), &"c".repeat(1_025));
    let extra = json!({"auth": {"basic": {"username": "a", "password": "b", "realm": "canary"}}});
    let cases: &[(Value, &[&str])] = &[
        (json!({"auth": "canary"}), &["auth"]),
        (json!({"auth": {}}), &["auth.basic"]),
        (two, &["auth.basic"]),
        (json!({"auth": {"bearer": 7}}), &["auth.bearer"]),
        (json!({"auth": {"bearer": null}}), &["auth.bearer"]),
        (json!({"auth": {"bearer": ""}}), &["auth.bearer"]),
        (json!({"auth": {"bearer": "canary canary"}}), &["auth.bearer"]),
        (
            json!({"auth": {"bearer": "canary\r\nX-Evil: 1"}}),
            &["auth.bearer"],
        ),
        (json!({"auth": {"bearer": "c".repeat(4_097)}}), &["auth.bearer"]),
        (
            json!({"auth": {"bearr": "canary"}}),
            &["auth.basic", "auth.bearr"],
        ),
        (json!({"auth": {"basic": "canary"}}), &["auth.basic"]),
        (json!({"auth": {"basic": null}}), &["auth.basic"]),
        (
            json!({"auth": {"basic": {}}}),
            &["auth.basic.password", "auth.basic.username"],
        ),
        (said("a:b", "canary"), &["auth.basic.username"]),
        (said("a", "canary\n"), &["auth.basic.password"]),
        (long, &["auth.basic.password", "auth.basic.username"]),
        (extra, &["auth.basic.realm"]),
    ];
    refused(&yard, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_header_must_be_free_and_nobody_elses() {
    let yard = Yard::on_sqlite().await;
    let mut doubled = header("x-team", "canary");
    doubled["headers"] = json!({"X-Team": "a"});
    let cases: &[(Value, &[&str])] = &[
        (
            json!({"auth": {"header": {"name": "X-A"}}}),
            &["auth.header.value"],
        ),
        (header("X A", "canary"), &["auth.header.name"]),
        (header("Host", "canary"), &["auth.header.name"]),
        (header("webhook-id", "canary"), &["auth.header.name"]),
        (header("X-A", "canary\u{0}"), &["auth.header.value"]),
        (header("X-A", " canary"), &["auth.header.value"]),
        (header("X-A", ""), &["auth.header.value"]),
        (doubled, &["auth"]),
        (
            json!({"auth": {"bearer": "canary"}, "headers": {"authorization": "a"}}),
            &["auth"],
        ),
    ];
    refused(&yard, cases).await;
    // The one in one request and the other in the next.
    let bearer = json!({"auth": {"bearer": "canary"}});
    yard.patch("endpoints/billing", &bearer).await.expect(200);
    let headers = json!({"headers": {"Authorization": "a"}});
    let answer = yard.patch("endpoints/billing", &headers).await;
    assert_eq!(answer.refused(400, "invalid_request").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nahooks_clients_send_is_checked_as_well() {
    let yard = Yard::on_sqlite().await;
    let cases: &[(Value, &[&str])] = &[
        (json!({"authUsername": "a"}), &["authPassword"]),
        (json!({"authPassword": "canary"}), &["authUsername"]),
        (
            json!({"authUsername": "a", "authPassword": null}),
            &["authPassword"],
        ),
        (
            json!({"authUsername": 7, "authPassword": "canary"}),
            &["authUsername"],
        ),
        (
            json!({"authUsername": "a:", "authPassword": "canary\n"}),
            &["authPassword", "authUsername"],
        ),
        (
            json!({"authUsername": "a", "authPassword": "canary", "auth": null}),
            &["auth"],
        ),
        (json!({"type": "slack"}), &["type"]),
        (json!({"type": 7}), &["type"]),
        (json!({"config": []}), &["config"]),
        (json!({"config": "canary"}), &["config"]),
        (json!({"config": {"a": "x".repeat(20_000)}}), &["config"]),
        (
            json!({"metadata": {"a": 1, "b": "\u{0}"}}),
            &["metadata.a", "metadata.b"],
        ),
    ];
    refused(&yard, cases).await;
}
