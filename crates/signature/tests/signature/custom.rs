//! Schemes that operators write.

use hookyard_signature::{Credentials, Profile, Reason, Verdict};
use serde_json::{Value, json};

use super::{NOW, hex_hmac, post, secrets};

fn error_of(scheme: &Value) -> String {
    Profile::from_json(scheme)
        .expect_err("the scheme is wrong")
        .to_string()
}

#[test]
fn one_header_makes_a_scheme() {
    let profile =
        Profile::from_json(&json!({"signature": {"from": "header:X-Signature"}})).expect("a scheme");
    let signature = hex_hmac("key", b"{}");
    let headers = [("x-signature", signature.as_bytes())];
    let secrets = secrets(&["key"]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    assert_eq!(
        profile.verify(&post(&headers, b"{}"), &credentials, NOW),
        Verdict::Valid { secret: Some(0) }
    );
    assert_eq!(
        profile.verify(&post(&headers, b"{ }"), &credentials, NOW),
        Verdict::Invalid(Reason::SignatureMismatch)
    );
}

#[test]
fn header_algorithm_prefix_clock_and_identity_are_configurable() {
    let profile: Profile = serde_json::from_value(json!({
        "algorithm": "hmac-sha256",
        "key": {"encoding": "hex"},
        "content": "{header:X-Time}\n{method} {header:X-Part?}{body}",
        "signature": {"from": "header:X-Signature", "prefix": "hmac "},
        "timestamp": {"from": "header:X-Time", "unit": "auto", "tolerance": 60},
        "event": {"id": ["header:X-Id"], "type": ["json:/kind", "const:unknown"]},
    }))
    .expect("a scheme");
    let signature = format!("hmac {}", hex_hmac("key", b"1790000030\nPOST {}"));
    let headers: [(&str, &[u8]); 3] = [
        ("X-Signature", signature.as_bytes()),
        ("X-Time", b"1790000030"),
        ("X-Id", b"e1"),
    ];
    let secrets = secrets(&["6b6579"]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let request = post(&headers, b"{}");
    assert!(
        profile.verify(&request, &credentials, NOW).is_valid(),
        "the clock may be behind"
    );
    assert_eq!(
        profile.verify(&request, &credentials, NOW + 91).reason(),
        Some(Reason::TimestampOutOfTolerance)
    );
    assert_eq!(profile.event_id(&request).as_deref(), Some("e1"));
    assert_eq!(profile.event_type(&request).as_deref(), Some("unknown"));
}

/// Each scheme has one mistake, and its error begins so.
fn assert_mistakes(cases: &[(Value, &str)]) {
    for (scheme, path) in cases {
        let error = error_of(scheme);
        assert!(error.starts_with(path), "{scheme} gave: {error}");
    }
}

#[test]
fn a_mistake_in_the_signature_is_named_with_its_path() {
    let wrong = |field: Value| json!({"signature": field});
    assert_mistakes(&[
        (json!({}), "signature: is missing"),
        (
            wrong(json!({"from": "header:X", "encodng": "hex"})),
            "signature.encodng: unknown field",
        ),
        (
            wrong(json!({"from": "header:X", "encoding": "base32"})),
            "signature.encoding: unknown variant",
        ),
        (
            wrong(json!({"from": "X-Signature"})),
            "signature.from: `X-Signature` is not a selector",
        ),
        (
            wrong(json!({"from": ["header:X", "json:id"]})),
            "signature.from[1]: the pointer in",
        ),
        (
            wrong(json!({"from": "header:a b"})),
            "signature.from: `a b` is not a header name",
        ),
        (wrong(json!({"from": []})), "signature.from: names no place"),
        (
            wrong(json!({"from": "const:x"})),
            "signature.from: must be a part of the request",
        ),
        (
            wrong(json!({"from": "header:X", "item": "v1="})),
            "signature.item: only goes with `parse: list`",
        ),
        (
            wrong(json!({"from": "header:X", "parse": "kv"})),
            "signature.key: is missing",
        ),
    ]);
}

#[test]
fn a_mistake_beside_the_signature_is_named_with_its_path() {
    let with = |field: &str, value: Value| json!({"signature": {"from": "header:X"}, field: value});
    let body = |text: &str| with("content", json!(text));
    assert_mistakes(&[
        (
            with("algorithm", json!("md5")),
            "algorithm: unknown variant `md5`",
        ),
        (
            with("algorithm", json!("sha256")),
            "content: a plain hash proves nothing",
        ),
        (body("{bdy}"), "content: unknown placeholder `{bdy}`"),
        (body("{body"), "content: the placeholder `{body` has no closing"),
        (body(""), "content: the content is empty"),
        (body("{sig:t}.{body}"), "content: a sig: selector needs"),
        (body("{secret}{body}"), "content: {secret} only goes with"),
        (
            with("timestamp", json!({"from": "sig:t"})),
            "timestamp.from: a sig: selector needs",
        ),
        (
            with("timestamp", json!({"from": "header:T", "tolerance": -1})),
            "timestamp.tolerance: ",
        ),
        (
            with("event", json!({"id": ["nowhere"]})),
            "event.id[0]: `nowhere` is not a selector",
        ),
        (
            with("handshake", json!([{"respond": {"body": "{nowhere}"}}])),
            "handshake[0].respond.body: `nowhere` is not a selector",
        ),
        (
            with("handshake", json!([{"when": {"json:/events": [1]}}])),
            "handshake[0].when",
        ),
        (with("code", json!("paypal")), "signature: is known to the code"),
        (with("code", json!("perl")), "code: unknown variant `perl`"),
        (json!({"code": "jwt"}), "jwt: is missing"),
    ]);
}
