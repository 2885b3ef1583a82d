//! Certificates of endpoints: what is kept, what is shown, and what is told of a wrong one.

use crate::on_both;
use crate::yard::{ACME, Yard};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::certificate::{Certified, pem};
use wire::EndpointId;
use wire::resource::AuthSpec;

/// What the delivery worker finds: the certificate, its key, and the authorities.
async fn kept(yard: &Yard, id: &str) -> (Option<String>, Option<String>, Option<String>) {
    let id = EndpointId::from_stored(id);
    let row = yard.store.endpoint(&id).await.unwrap().unwrap();
    let key = row.client_key.map(|key| key.expose_secret().to_owned());
    (row.spec.client_certificate, key, row.spec.ca)
}

fn said(made: &Certified) -> Value {
    json!({"certificate": made.certificate(), "key": made.key()})
}

/// A part of a PEM that nothing else has.
fn inside(pem: &str) -> &str {
    pem.lines().nth(1).unwrap()
}

on_both! {
    async fn a_certificate_is_kept_with_its_key_and_shown_without(yard: &Yard) {
        let authority = Certified::authority("clients");
        let (one, two) = (authority.issue("shop"), authority.issue("shop two"));
        let body = json!({
            "id": "ep_mtls", "url": "https://a.example/", "auth": {"clientCertificate": said(&one)},
            "ca": authority.certificate()
        });
        let made = yard.post("endpoints", &body).await;
        assert!(!made.text.contains(inside(&one.key())) && !made.text.contains("PRIVATE"), "{}", made.text);
        let made = made.expect(201);
        let shown = &made["auth"]["clientCertificate"];
        assert_eq!((&shown["subject"], &shown["state"]), (&json!("CN=shop"), &json!("valid")));
        assert_eq!(shown["fingerprint"].as_str().unwrap().len(), 64);
        assert_eq!(made["ca"][0]["subject"], "CN=clients");
        assert_eq!(made["auth"].as_object().unwrap().len(), 1);
        let expected = (Some(one.certificate()), Some(one.key().trim().to_owned()), Some(authority.certificate()));
        assert_eq!(kept(yard, "ep_mtls").await, expected);

        let with = |made: &Certified| (Some(made.certificate()), Some(made.key().trim().to_owned()));
        for (change, kinds, certificate) in [
            (json!({"description": "a"}), 0, Some(&one)),
            (json!({"authUsername": "a", "authPassword": "b"}), 1, Some(&one)),
            (json!({"auth": {"bearer": "canary", "clientCertificate": said(&two)}}), 1, Some(&two)),
            (json!({"auth": {"bearer": "canary"}}), 1, None),
            (json!({"auth": {"clientCertificate": said(&two), "header": {"name": "X-A", "value": "b"}}}), 1, Some(&two)),
            (json!({"auth": {"clientCertificate": said(&one)}}), 0, Some(&one)),
            (json!({"auth": null}), 0, None),
        ] {
            let answer = yard.patch("endpoints/ep_mtls", &change).await;
            assert!(!answer.text.contains(inside(&two.key())) && !answer.text.contains("canary"), "{}", answer.text);
            let shown = answer.expect(200)["auth"].clone();
            let count = shown.as_object().map_or(0, serde_json::Map::len);
            assert_eq!(count, kinds + usize::from(certificate.is_some()), "{change}: {shown}");
            let (pem, key, _) = kept(yard, "ep_mtls").await;
            assert_eq!((pem, key), certificate.map(with).unwrap_or_default(), "{change}");
        }
        assert_eq!(yard.patch("endpoints/ep_mtls", &json!({"ca": null})).await.expect(200)["ca"], json!([]));
        assert_eq!(kept(yard, "ep_mtls").await.2, None);
    }

    async fn a_file_has_certificates_too_and_a_changed_key_is_noticed(yard: &Yard) {
        let authority = Certified::authority("clients");
        let (one, two) = (authority.issue("shop"), authority.issue("shop"));
        let file = |made: &Certified| {
            let certificate = json!({"certificate": made.certificate(), "key": made.key()});
            let more = format!("auth: {{bearer: b-1, client_certificate: {certificate}}}, ca: {}", json!(authority.certificate()));
            ACME.replace("hooks'}]", &format!("hooks', {more}}}]"))
        };
        let fields = async |made: &Certified| -> Vec<String> {
            let answer = yard.apply("", &file(made)).await;
            assert!(!answer.text.contains(inside(&made.key())), "{}", answer.text);
            let applied = answer.expect(200);
            let fields = applied["changes"][0]["fields"].as_array().cloned().unwrap_or_default();
            fields.iter().map(|change| change["field"].as_str().unwrap().to_owned()).collect()
        };
        let first = fields(&one).await;
        for field in ["auth", "auth.client_certificate.key", "ca"] {
            assert!(first.contains(&field.to_owned()), "{first:?}");
        }
        let row = yard.store.endpoint(&EndpointId::from_stored("ep_billing")).await.unwrap().unwrap();
        assert_eq!(row.spec.auth, Some(AuthSpec::Bearer));
        assert_eq!(kept(yard, "ep_billing").await.0, Some(one.certificate()));
        assert!(fields(&one).await.is_empty());
        let second = fields(&two).await;
        assert!(second.contains(&"auth.client_certificate.key".to_owned()), "{second:?}");
        assert!(second.contains(&"auth.client_certificate.fingerprint".to_owned()), "{second:?}");
    }
}

/// Asks for an endpoint like this; it is refused for one thing, at this path and in these words, and no answer repeats
/// the key.
async fn refused(yard: &Yard, mut body: Value, path: &str, words: &str, key: &str) {
    if body.get("url").is_none() {
        body["url"] = json!("https://a.example/");
    }
    let answer = yard.post("endpoints", &body).await;
    assert!(!answer.text.contains(inside(key)), "{}", answer.text);
    let details = answer.refused(400, "invalid_request");
    let [detail] = details.as_slice() else {
        panic!("{path}, {words}: {details:?}")
    };
    assert!(
        detail.starts_with(&format!("{path}: ")) && detail.contains(words),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_client_certificate_is_told_at_the_part_that_is_wrong() {
    let yard = Yard::on_sqlite().await;
    let authority = Certified::authority("clients");
    let (one, two) = (authority.issue("shop"), authority.issue("other"));
    let expired = authority.issue_between("old", 2020, 2021);
    let early = authority.issue_between("early", 2090, 2091);
    let (certificate, key) = (one.certificate(), one.key());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = pem("CERTIFICATE", b"broken");
    for (certificate, key_given, part, words) in [
        (&certificate, &two.key(), "key", "does not belong"),
        (&certificate, &String::new(), "key", "no private key"),
        (&certificate, &encrypted, "key", "passphrase"),
        (&certificate, &certificate, "key", "no private key"),
        (&String::new(), &key, "certificate", "no certificate"),
        (&broken, &key, "certificate", "damaged"),
        (&key, &key, "certificate", "private key"),
        (
            &expired.certificate(),
            &expired.key(),
            "certificate",
            "has expired",
        ),
        (&early.certificate(), &early.key(), "certificate", "not valid yet"),
    ] {
        let pair = json!({"certificate": certificate, "key": key_given});
        let body = json!({"auth": {"clientCertificate": pair}});
        let path = format!("auth.clientCertificate.{part}");
        refused(&yard, body, &path, words, &key).await;
    }
    for (given, path, words) in [
        (Value::Null, "auth.clientCertificate", "null"),
        (
            json!({"certificate": certificate}),
            "auth.clientCertificate.key",
            "missing",
        ),
        (
            json!({"key": key}),
            "auth.clientCertificate.certificate",
            "missing",
        ),
    ] {
        let body = json!({"auth": {"clientCertificate": given}});
        refused(&yard, body, path, words, &key).await;
    }
    let plain = json!({"url": "http://a.example/", "auth": {"clientCertificate": said(&one)}});
    refused(&yard, plain, "auth", "https", &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_authorities_is_told() {
    let yard = Yard::on_sqlite().await;
    let authority = Certified::authority("servers");
    let expired = authority.issue_between("old", 2020, 2021);
    for (body, words) in [
        (json!({"ca": ""}), "no certificate"),
        (json!({"ca": expired.certificate()}), "has expired"),
        (json!({"ca": authority.key()}), "private key"),
        (json!({"ca": 7}), "a text"),
        (
            json!({"url": "http://a.example/", "ca": authority.certificate()}),
            "https",
        ),
    ] {
        refused(&yard, body, "ca", words, &authority.key()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_a_certificate_stays_on_https() {
    let yard = Yard::on_sqlite().await;
    let one = Certified::authority("clients").issue("shop");
    let auth = json!({"auth": {"clientCertificate": said(&one)}});
    yard.patch("endpoints/billing", &auth).await.expect(200);
    let plain = json!({"url": "http://billing.example/"});
    let details = yard
        .patch("endpoints/billing", &plain)
        .await
        .refused(400, "invalid_request");
    assert_eq!(details.len(), 1, "{details:?}");
}
