//! What a person is shown.

use hookyard_signature::{Credentials, Profile};
use secrecy::ExposeSecret;

use super::{NOW, builtin, hex_hmac, post, secrets};

fn lines(profile: &Profile, headers: &[(&str, &[u8])], body: &[u8], values: &[&str]) -> Vec<String> {
    let secrets = secrets(values);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let explanation = profile.explain(&post(headers, body), &credentials, NOW);
    explanation
        .steps
        .into_iter()
        .map(|step| format!("{}: {}", step.name, step.detail))
        .collect()
}

#[test]
fn a_mismatch_is_explained_step_by_step() {
    let header = format!("t=1789999990,v1={}", "0".repeat(64));
    let expected = hex_hmac("new", b"1789999990.{\"a\":\"\n\"}");
    assert_eq!(
        lines(
            builtin("stripe"),
            &[("stripe-signature", header.as_bytes())],
            b"{\"a\":\"\n\"}",
            &["new"]
        ),
        [
            format!("signature: header:Stripe-Signature: {}", "0".repeat(64)),
            "timestamp: sig:t: 1789999990, 10.000 s old, at most 300 s".to_owned(),
            r#"content: 1789999990.{"a":"\n"}"#.to_owned(),
            format!(
                "compare: secret `s0`: no match, expected {}…",
                expected.split_at(8).0
            ),
            "verdict: invalid, signature_mismatch: check the secret, then the public base URL, \
             then whether something rewrites the body"
                .to_owned(),
        ]
    );
}

#[test]
fn every_secret_and_every_url_variant_is_listed_until_one_matches() {
    let secret = "right";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = ring::hmac::sign(&key, b"https://hooks.example.com:443/ingest/src_1");
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
    let lines = lines(
        builtin("twilio"),
        &[("X-Twilio-Signature", signature.as_bytes())],
        b"",
        &["wrong", secret],
    );
    let compared: Vec<_> = lines.iter().filter(|line| line.starts_with("compare")).collect();
    assert_eq!(compared.len(), 4, "{lines:#?}");
    assert!(
        compared[0].contains("secret `s0`, URL as_is (https://hooks.example.com/ingest/src_1): no match")
    );
    assert_eq!(
        compared[3],
        "compare: secret `s1`, URL with_port (https://hooks.example.com:443/ingest/src_1): match"
    );
    assert_eq!(
        lines.last().map(String::as_str),
        Some("verdict: valid, signed with secret `s1`")
    );
}

#[test]
fn a_missing_signature_says_where_it_was_looked_for() {
    let lines = lines(
        builtin("github"),
        &[("X-Hub-Signature", b"sha1=00")],
        b"{}",
        &["s"],
    );
    assert_eq!(
        lines[0],
        "signature: header:X-Hub-Signature-256: signature_missing"
    );
}

#[test]
fn what_is_absent_or_repeated_is_named() {
    let signature = format!("v1,{}=", "A".repeat(43));
    let headers: [(&str, &[u8]); 2] = [
        ("webhook-timestamp", b"1790000000"),
        ("webhook-signature", signature.as_bytes()),
    ];
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let no_id = lines(builtin("standard-webhooks"), &headers, b"{}", &[secret]);
    assert_eq!(no_id[2], "content: header:webhook-id was signed and is absent");
    let no_time = lines(builtin("standard-webhooks"), &headers[1..], b"{}", &[secret]);
    assert_eq!(no_time[1], "timestamp: header:webhook-timestamp is absent");
    let twice = [headers, headers].concat();
    let twice = lines(builtin("standard-webhooks"), &twice, b"{}", &[secret]);
    assert_eq!(twice[0], "headers: webhook-signature came more than once");
}

#[test]
fn no_secret_is_ever_shown() {
    let hidden = "hunter2-and-more";
    let basic = format!(
        "Basic {}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hidden)
    );
    let cases: [(&str, &str, &str); 4] = [
        ("gitlab-token", "X-Gitlab-Token", hidden),
        ("basic-auth", "Authorization", &basic),
        ("hubspot-v1", "X-HubSpot-Signature", &"0".repeat(64)),
        ("braintree", "X", "x"),
    ];
    for (provider, header, value) in cases {
        let shown = lines(builtin(provider), &[(header, value.as_bytes())], b"{}", &[hidden]).join("\n");
        assert!(
            !shown.contains(hidden) && !shown.contains(&basic),
            "{provider}:\n{shown}"
        );
    }
    let secret = &secrets(&[hidden])[0];
    assert!(!format!("{secret:?}").contains(hidden));
    assert_eq!(secret.value.expose_secret(), hidden);
}
