//! Outbound signatures against the reference library of Standard Webhooks, and against ourselves.

use hookyard_signature::{
    Credentials, Reason, Secret, SignatureError, SigningKey, generate_secret, generate_signing_key, sign,
};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::Webhook;

use super::{NOW, builtin, post};

fn key(secret: &str) -> SigningKey {
    SigningKey::parse(&SecretString::from(secret)).expect("a signing secret")
}

fn headers<'a>(id: &'a str, timestamp: &'a str, signature: &'a str) -> [(&'a str, &'a [u8]); 3] {
    [
        ("webhook-id", id.as_bytes()),
        ("webhook-timestamp", timestamp.as_bytes()),
        ("webhook-signature", signature.as_bytes()),
    ]
}

proptest! {
    #[test]
    fn v1_is_what_the_reference_library_signs(
        seed in any::<[u8; 32]>(),
        id in "[a-z0-9_]{1,40}",
        timestamp in 0_i64..4_000_000_000,
        body in ".{0,200}",
    ) {
        let secret = generate_secret(&seed);
        let reference = Webhook::new(secret.expose_secret()).expect("the library reads our secrets");
        let ours = sign(&[SigningKey::parse(&secret).expect("we read our secrets")], &id, timestamp, body.as_bytes());
        prop_assert_eq!(ours, reference.sign(&id, timestamp, body.as_bytes()).expect("a signature"));
    }

    #[test]
    fn v1a_verifies_with_its_public_key_alone(seed in any::<[u8; 32]>(), body in any::<Vec<u8>>()) {
        let pair = SigningKey::parse(&generate_signing_key(&seed)).expect("a key pair");
        let signature = sign(std::slice::from_ref(&pair), "msg_1", NOW, &body);
        let timestamp = NOW.to_string();
        let headers = headers("msg_1", &timestamp, &signature);
        let secrets = [Secret::new("public", pair.public_key().expect("a public key"))];
        let credentials = Credentials { secrets: &secrets, ..Credentials::default() };
        let receiver = builtin("standard-webhooks-v1a");
        prop_assert!(receiver.verify(&post(&headers, &body), &credentials, NOW).is_valid());
        let longer = [&body[..], b"x"].concat();
        prop_assert_eq!(
            receiver.verify(&post(&headers, &longer), &credentials, NOW).reason(),
            Some(Reason::SignatureMismatch)
        );
    }
}

#[test]
fn while_a_secret_is_rotated_receivers_of_either_verify() {
    let (new, old) = (generate_secret(&[1; 32]), generate_secret(&[2; 32]));
    let keys = [
        key(new.expose_secret()),
        key(old.expose_secret()),
        key(generate_signing_key(&[3; 32]).expose_secret()),
    ];
    let signature = sign(&keys, "msg_1", NOW, b"{}");
    let versions: Vec<_> = signature
        .split(' ')
        .filter_map(|one| one.split_once(','))
        .map(|(version, _)| version)
        .collect();
    assert_eq!(versions, ["v1", "v1", "v1a"]);
    let timestamp = NOW.to_string();
    let headers = headers("msg_1", &timestamp, &signature);
    for secret in [new, old] {
        let secrets = [Secret::new("its own", secret)];
        let credentials = Credentials {
            secrets: &secrets,
            ..Credentials::default()
        };
        assert!(
            builtin("standard-webhooks")
                .verify(&post(&headers, b"{}"), &credentials, NOW)
                .is_valid()
        );
    }
}

#[test]
fn a_secret_that_cannot_sign_is_refused_without_being_shown() {
    for bad in [
        "",
        "whsec_",
        "whsec_$$$$",
        "whsec_c2hvcnQ=",
        "whsk_c2hvcnQ=",
        "hunter2hunter2hunter2hunter2hunter2",
    ] {
        let error = SigningKey::parse(&SecretString::from(bad)).expect_err(bad);
        assert!(matches!(error, SignatureError::SigningSecret(_)));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let mut pair = [4_u8; 64];
    pair[63] = 9;
    let halves = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
    SigningKey::parse(&SecretString::from(format!("whsk_{halves}")))
        .expect_err("the halves do not belong together");
}

#[test]
fn a_symmetric_key_has_no_public_half() {
    assert_eq!(key(generate_secret(&[0; 32]).expose_secret()).public_key(), None);
}
