//! What must hold for any request.

use hookyard_signature::{Credentials, Profile, Secret, SigningKey, builtin_names, generate_secret, sign};
use proptest::prelude::*;

use super::{NOW, builtin, hex_hmac, post, secrets};

/// Names that profiles look for, so that arbitrary requests get past the first step.
const NAMES: [&str; 16] = [
    "Authorization",
    "Content-Type",
    "MessageBird-Signature-JWT",
    "Paypal-Cert-Url",
    "Paypal-Transmission-Sig",
    "Stripe-Signature",
    "X-DocuSign-Signature-1",
    "X-Gitlab-Token",
    "X-Hub-Signature-256",
    "X-Plivo-Signature-V3",
    "X-Plivo-Signature-V3-Nonce",
    "X-Twilio-Email-Event-Webhook-Signature",
    "X-Twilio-Signature",
    "webhook-signature",
    "webhook-timestamp",
    "x-contentful-signed-headers",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[a-z0-9=,;:|. +/{}-]{0,60}".prop_map(String::into_bytes),
        "(t=[0-9]{1,18},)?(v1=[0-9a-f]{64},?){0,9}".prop_map(String::into_bytes),
        "(v1a?,[A-Za-z0-9+/]{43}= ?){0,9}".prop_map(String::into_bytes),
        "([A-Za-z0-9_-]{0,20}\\.){2}[A-Za-z0-9_-]{0,43}".prop_map(String::into_bytes),
        "application/x-www-form-urlencoded".prop_map(String::into_bytes),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "(bt_signature=[a-z|0-9%&]{0,40})?(&?[a-z]{1,3}=[a-z%+]{0,5}){0,5}".prop_map(String::into_bytes),
        r#"\{"(Signature|value|notificationItems|signature|type)":(1|"[a-zA-Z=]{0,20}"|\[\{\}\]|null|\{"token":"x"\})\}"#
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_request_makes_any_profile_panic_and_an_explanation_never_differs(
        headers in proptest::collection::vec((proptest::sample::select(NAMES.as_slice()), value()), 0..8),
        body in body(),
        url in "(https?://)?[a-zé.:@\\[\\]]{0,12}(/[a-z%é]{0,4})?(\\?[a-z=&%0-9]{0,12})?",
        method in "(GET|POST|HEAD|OPTIONS)",
        secret in "(whsec_)?[A-Za-z0-9+/:=]{0,48}",
        now in any::<i64>(),
    ) {
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = hookyard_signature::Request { method: &method, url: &url, headers: &headers, body: &body };
        let secrets = secrets(&[&secret]);
        let credentials = Credentials { secrets: &secrets, ..Credentials::default() };
        for name in builtin_names() {
            let profile = builtin(name);
            let verdict = profile.verify(&request, &credentials, now);
            prop_assert_eq!(profile.explain(&request, &credentials, now).verdict, verdict, "{}", name);
            let _ = profile.unsigned_handshake(&request, &credentials);
            let _ = profile.signed_handshake(&request, &credentials, Some(0));
            let _ = profile.key_url(&request, &secrets);
            let _ = (profile.event_id(&request), profile.event_type(&request));
            let _ = profile.check_secret(&secrets[0]);
        }
    }

    #[test]
    fn no_text_makes_the_scheme_parser_panic(text in ".{0,80}", field in "(content|algorithm|code)") {
        let _ = Profile::from_json(&serde_json::json!({ field: text, "signature": {"from": text} }));
    }

    #[test]
    fn a_signed_request_verifies_and_any_flipped_bit_does_not(
        seed in any::<[u8; 32]>(),
        body in proptest::collection::vec(any::<u8>(), 1..200),
        id in "[a-z0-9_]{1,20}",
        flip in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let secret = generate_secret(&seed);
        let signature = sign(&[SigningKey::parse(&secret).expect("a key")], &id, NOW, &body);
        let timestamp = NOW.to_string();
        let mut fields = [id.into_bytes(), timestamp.into_bytes(), signature.into_bytes(), body];
        let secrets = [Secret::new("s", secret)];
        let credentials = Credentials { secrets: &secrets, ..Credentials::default() };
        let verdict = |fields: &[Vec<u8>; 4]| {
            let [id, timestamp, signature, body] = fields;
            let headers: [(&str, &[u8]); 3] =
                [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
            builtin("standard-webhooks").verify(&post(&headers, body), &credentials, NOW)
        };
        prop_assert!(verdict(&fields).is_valid());
        let mut at = flip.index(fields.iter().map(Vec::len).sum());
        for field in &mut fields {
            if let Some(byte) = field.get_mut(at) {
                *byte ^= 1 << bit;
                break;
            }
            at -= field.len();
        }
        prop_assert!(!verdict(&fields).is_valid(), "{fields:?}");
    }

    #[test]
    fn only_the_secret_that_signed_is_named(count in 1_usize..5, chosen in any::<proptest::sample::Index>()) {
        let values: Vec<String> = (0..count).map(|index| format!("secret-{index}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let chosen = chosen.index(count);
        let header = format!("sha256={}", hex_hmac(values[chosen], b"{}"));
        let secrets = secrets(&values);
        let credentials = Credentials { secrets: &secrets, ..Credentials::default() };
        let verdict = builtin("github").verify(&post(&[("X-Hub-Signature-256", header.as_bytes())], b"{}"), &credentials, NOW);
        prop_assert_eq!(verdict, hookyard_signature::Verdict::Valid { secret: Some(chosen) });
    }
}
