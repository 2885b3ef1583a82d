//! Sources, one at a time.

use crate::on_both;
use crate::yard::Yard;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use wire::SourceId;

on_both! {
    async fn a_source_is_made_read_changed_and_removed(yard: &Yard) {
        let body = json!({
            "slug": "github", "verify": {"provider": "github", "secrets": ["hunter2"]},
            "eventType": {"body": ".action"}, "dedupe": {"headers": ["X-Id"], "window": "7d", "requestId": false, "sameBody": "10m"},
            "channel": {"secret": "open-sesame"}, "maxBodyBytes": 1000,
        });
        let made = yard.post("sources", &body).await.expect(201);
        assert!(made["id"].as_str().unwrap().starts_with("so_"));
        assert!(made["token"].as_str().unwrap().starts_with("src_"));
        // What the caller brought is not told back.
        assert_eq!((made.get("secret"), made.get("channelSecret")), (None, None));
        assert_eq!((&made["verify"]["provider"], &made["verify"]["mode"]), (&json!("github"), &json!("enforce")));
        assert_eq!(made["verify"]["secrets"].as_array().unwrap().len(), 1);
        assert_eq!((&made["eventType"], &made["channel"]), (&json!({"body": ".action"}), &json!({"directIngest": true})));
        assert_eq!(made["dedupe"], json!({"headers": ["X-Id"], "body": null, "window": "7d", "requestId": false, "sameBody": "10m"}));
        assert_eq!(yard.get("sources/github").await.expect(200), made);
        assert!(yard.get("sources").await.expect(200).as_array().unwrap().contains(&made));
        assert_eq!(secrets(yard, &made).await, ["hunter2"]);

        let change = json!({"enabled": false, "verify": {"mode": "record"}, "channel": null, "token": "src_new"});
        let changed = yard.patch("sources/github", &change).await.expect(200);
        assert_eq!((&changed["enabled"], &changed["channel"]), (&json!(false), &Value::Null));
        assert_eq!((&changed["verify"]["provider"], &changed["verify"]["mode"]), (&json!("github"), &json!("record")));
        assert_eq!(changed["token"], "src_new");
        assert_eq!(secrets(yard, &made).await, ["hunter2"]);

        let changed = yard.patch("sources/github", &json!({"verify": null})).await.expect(200);
        assert_eq!(changed["verify"], Value::Null);
        assert!(secrets(yard, &made).await.is_empty());
        assert_eq!(yard.delete("sources/github").await.status.as_u16(), 204);
        yard.get("sources/github").await.refused(404, "not_found");
    }

    async fn left_out_secrets_are_made_and_shown_once(yard: &Yard) {
        let body = json!({"slug": "a", "verify": {"provider": "github"}, "channel": {"directIngest": false}});
        let made = yard.post("sources", &body).await.expect(201);
        let secret = made["secret"].as_str().unwrap();
        assert_eq!(secrets(yard, &made).await, [secret]);
        assert!(made["channelSecret"].as_str().unwrap().starts_with("chs_"));
        let shown = yard.get("sources/a").await.expect(200);
        assert_eq!((shown.get("secret"), shown.get("channelSecret")), (None, None));

        // A change that says nothing of them leaves them.
        let changed = yard.patch("sources/a", &json!({"verify": {"provider": "github"}, "channel": {}})).await.expect(200);
        assert_eq!((changed.get("secret"), &changed["channel"]), (None, &json!({"directIngest": false})));
        assert_eq!(secrets(yard, &made).await, [secret]);
    }

    async fn a_sender_that_publishes_its_key_needs_no_secret(yard: &Yard) {
        for (slug, verify) in [
            ("a", json!({"provider": "aws-sns"})),
            ("b", json!({"provider": "aws-sns", "secrets": []})),
        ] {
            let made = yard.post("sources", &json!({"slug": slug, "verify": verify})).await.expect(201);
            assert_eq!((made.get("secret"), &made["verify"]["secrets"]), (None, &json!([])));
            assert!(secrets(yard, &made).await.is_empty());
        }
    }

    async fn a_secret_for_basic_credentials_is_a_user_and_a_password(yard: &Yard) {
        let body = json!({"slug": "a", "verify": {"provider": "basic-auth"}});
        let made = yard.post("sources", &body).await.expect(201);
        let secret = made["secret"].as_str().unwrap();
        assert!(secret.strip_prefix("hookyard:").is_some_and(|password| password.len() == 64), "{secret}");
        assert_eq!(secrets(yard, &made).await, [secret]);
        let rotated = yard.post("sources/a/rotate-secret", &json!({})).await.expect(200);
        assert!(rotated["secret"].as_str().unwrap().starts_with("hookyard:"));
        let bare = json!({"verify": {"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}});
        let details = yard.patch("sources/a", &bare).await.refused(400, "invalid_request");
        assert_eq!(details, ["verify.secrets[0]: cannot be a key: it is not `user:password`"]);
        yard.patch("sources/a", &json!({"verify": {"secrets": ["ada:lovelace"]}})).await.expect(200);
        assert_eq!(secrets(yard, &made).await, ["ada:lovelace"]);
    }

    async fn a_verify_token_is_given_or_made_and_never_shown_again(yard: &Yard) {
        let verify = json!({"provider": "meta", "secrets": ["app"]});
        let made = yard.post("sources", &json!({"slug": "a", "verify": verify})).await.expect(201);
        let token = made["verifyToken"].as_str().unwrap();
        assert_eq!(verify_token(yard, &made).await.as_deref(), Some(token));
        assert_eq!(yard.get("sources/a").await.expect(200).get("verifyToken"), None);

        for kept in [json!({"verify": {"provider": "meta"}}), json!({"enabled": false})] {
            assert_eq!(yard.patch("sources/a", &kept).await.expect(200).get("verifyToken"), None);
            assert_eq!(verify_token(yard, &made).await.as_deref(), Some(token));
        }
        let given = json!({"verify": {"verifyToken": "hunter2"}});
        assert!(!yard.patch("sources/a", &given).await.text.contains("hunter2"));
        assert_eq!(verify_token(yard, &made).await.as_deref(), Some("hunter2"));
        let gone = json!({"verify": {"provider": "github"}});
        yard.patch("sources/a", &gone).await.expect(200);
        assert_eq!(verify_token(yard, &made).await, None);
        let details = yard.patch("sources/a", &given).await.refused(400, "invalid_request");
        assert!(details[0].starts_with("verify.verifyToken: "), "{details:?}");
    }

    async fn a_secret_that_came_with_a_handshake_is_taken_over_with_one_call(yard: &Yard) {
        let made = yard.post("sources", &json!({"slug": "n", "verify": {"provider": "notion"}})).await.expect(201);
        assert_eq!((made.get("secret"), &made["verify"]["secrets"]), (None, &json!([])));
        assert_eq!((&made["handshakes"], &made["lastHandshakeAt"], &made["capturedSecret"]), (&json!(0), &Value::Null, &Value::Null));
        yard.post("sources/n/captured-secret/accept", &json!({})).await.refused(409, "invalid_state");

        let at = hand_over(yard, &made, "secret_one").await;
        let shown = yard.get("sources/n").await;
        assert!(!shown.text.contains("secret_one"), "{}", shown.text);
        let shown = shown.expect(200);
        assert_eq!((&shown["handshakes"], &shown["lastHandshakeAt"]), (&json!(1), &at));
        assert_eq!(shown["capturedSecret"], json!({"capturedAt": at, "remoteAddress": "192.0.2.7"}));
        assert!(yard.get("sources").await.expect(200).as_array().unwrap().contains(&shown));

        let taken = yard.ask("POST", "sources/n/captured-secret/accept", "").await.expect(200);
        assert_eq!((&taken["secret"], &taken["capturedSecret"]), (&json!("secret_one"), &Value::Null));
        assert_eq!(secrets(yard, &made).await, ["secret_one"]);
        assert_eq!(yard.get("sources/n").await.expect(200)["handshakes"], 1);

        // The old one goes on counting, unless it is said otherwise.
        hand_over(yard, &made, "secret_two").await;
        yard.post("sources/n/captured-secret/accept", &json!({"overlap": "1h"})).await.expect(200);
        assert_eq!(secrets(yard, &made).await, ["secret_two", "secret_one"]);

        hand_over(yard, &made, "secret_strange").await;
        assert_eq!(yard.delete("sources/n/captured-secret").await.status.as_u16(), 204);
        yard.delete("sources/n/captured-secret").await.refused(409, "invalid_state");
        assert_eq!(secrets(yard, &made).await, ["secret_two", "secret_one"]);
    }

    async fn a_source_rotates_to_a_secret_of_its_own_or_of_the_senders(yard: &Yard) {
        let body = json!({"slug": "a", "verify": {"provider": "stripe", "secrets": ["whsec_one"]}});
        let made = yard.post("sources", &body).await.expect(201);
        let rotated = yard.post("sources/a/rotate-secret", &json!({"secret": "whsec_two", "overlap": "1h"})).await;
        assert_eq!(rotated.expect(200)["secret"], "whsec_two");
        assert_eq!(secrets(yard, &made).await, ["whsec_two", "whsec_one"]);
        let rotated = yard.post("sources/a/rotate-secret", &json!({"overlap": "0s"})).await.expect(200);
        assert_eq!(secrets(yard, &made).await, [rotated["secret"].as_str().unwrap()]);
        let bad = yard.post("sources/a/rotate-secret", &json!({"overlap": "-1s"})).await;
        bad.refused(400, "invalid_request");
        // A source without a check has nothing to rotate.
        yard.post("sources/stripe/rotate-secret", &json!({})).await.refused(409, "invalid_state");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_of_ones_own_is_checked_where_it_is_wrong() {
    let yard = Yard::on_sqlite().await;
    let source = |verify: Value| json!({"slug": "a", "verify": verify});
    let scheme =
        json!({"algorithm": "hmac-sha512", "signature": {"from": "header:X-Signature", "prefix": "sha512="}});
    let good = source(json!({"scheme": scheme, "secrets": ["s"]}));
    assert_eq!(
        yard.post("sources", &good).await.expect(201)["verify"]["scheme"],
        scheme
    );
    for (verify, path) in [
        (
            json!({"scheme": {"signature": {"from": "header:X", "encoding": "rot13"}}}),
            "verify.scheme.signature.encoding",
        ),
        (json!({"scheme": {}}), "verify.scheme.signature"),
        (json!({"scheme": scheme, "provider": "github"}), "verify.scheme"),
        (json!({"provider": "githbu"}), "verify.provider"),
        (json!({}), "verify.provider"),
        (json!({"provider": "github", "secrets": []}), "verify.secrets"),
        (json!({"provider": "discord"}), "verify.secrets"),
        (
            json!({"provider": "discord", "secrets": ["zz"]}),
            "verify.secrets[0]",
        ),
        (json!({"provider": "github", "mode": "maybe"}), "verify.mode"),
        (json!("github"), "verify"),
    ] {
        let details = yard
            .post("sources", &source(verify.clone()))
            .await
            .refused(400, "invalid_request");
        assert!(
            details
                .iter()
                .any(|detail| detail.starts_with(&format!("{path}: "))),
            "{verify}: {details:?}"
        );
    }
    let misspelt = yard
        .post("sources", &source(json!({"provider": "githbu"})))
        .await
        .refused(400, "invalid_request");
    assert!(misspelt[0].contains("did you mean `github`?"), "{misspelt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_says_whether_it_takes_gzip() {
    let yard = Yard::on_sqlite().await;
    let made = yard
        .post("sources", &json!({"slug": "packed", "gzip": true}))
        .await
        .expect(201);
    assert_eq!(made["gzip"], true);
    assert_eq!(yard.get("sources/stripe").await.expect(200)["gzip"], false);
    let changed = yard
        .patch("sources/packed", &json!({"gzip": false}))
        .await
        .expect(200);
    assert_eq!(changed["gzip"], false);
    yard.patch("sources/packed", &json!({"gzip": "yes"}))
        .await
        .refused(400, "invalid_request");
}

async fn secrets(yard: &Yard, source: &Value) -> Vec<String> {
    let id: SourceId = source["id"].as_str().unwrap().parse().unwrap();
    let row = yard.store.source(&id).await.unwrap().unwrap();
    let secrets = row.secrets.iter();
    secrets
        .map(|secret| secret.value.expose_secret().to_owned())
        .collect()
}

async fn verify_token(yard: &Yard, source: &Value) -> Option<String> {
    let id: SourceId = source["id"].as_str().unwrap().parse().unwrap();
    let token = yard.store.source(&id).await.unwrap().unwrap().verify_token;
    token.map(|token| token.expose_secret().to_owned())
}

/// As the gateway would note it; returns when.
async fn hand_over(yard: &Yard, source: &Value, secret: &str) -> Value {
    let at = wire::Instant::now();
    let handshake = store::NewHandshakes {
        source_id: source["id"].as_str().unwrap().parse().unwrap(),
        answered: 1,
        last_at: at,
        captured: Some(store::Captured {
            secret: secret.into(),
            at,
            remote_address: Some("192.0.2.7".to_owned()),
        }),
    };
    yard.store.record_handshakes(vec![handshake]).await.unwrap();
    serde_json::to_value(at).unwrap()
}
