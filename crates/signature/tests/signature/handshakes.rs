//! Handshakes beyond the vectors: what is handed to the operator, and what is never answered.

use hookyard_signature::{Answer, Credentials, Handshake, Profile, Request};
use secrecy::ExposeSecret;

use super::{NOW, builtin, post};

fn unsigned(provider: &str, request: &Request<'_>) -> Option<Handshake> {
    builtin(provider).unsigned_handshake(request, &Credentials::default())
}

fn answer(handshake: Option<Handshake>) -> Answer {
    let answer = handshake.and_then(|handshake| match handshake {
        Handshake::Answer(answer) => Some(answer),
        Handshake::Refused { .. } => None,
    });
    answer.expect("an answer")
}

#[test]
fn a_secret_that_comes_with_the_handshake_waits_for_the_operator() {
    let asana = answer(unsigned("asana", &post(&[("x-hook-secret", b"s3cret")], b"{}")));
    assert_eq!(asana.captured.expect("captured").expose_secret(), "s3cret");
    let notion = answer(unsigned(
        "notion",
        &post(&[], br#"{"verification_token":"secret_1"}"#),
    ));
    assert_eq!(notion.captured.expect("captured").expose_secret(), "secret_1");
    assert!(
        !format!(
            "{:?}",
            unsigned("notion", &post(&[], br#"{"verification_token":"secret_1"}"#))
        )
        .contains("secret_1")
    );
}

#[test]
fn a_profile_says_what_its_handshakes_bring_and_take() {
    let those = |is: fn(&Profile) -> bool| -> Vec<&str> {
        hookyard_signature::builtin_names()
            .filter(|name| is(builtin(name)))
            .collect()
    };
    assert_eq!(those(Profile::captures_secret), ["asana", "notion"]);
    assert_eq!(those(Profile::asks_verify_token), ["ebay", "meta", "strava"]);
}

#[test]
fn every_answer_forbids_sniffing() {
    let request = Request {
        method: "GET",
        url: "https://h/?challenge=%3Cscript%3E",
        headers: &[],
        body: b"",
    };
    let dropbox = answer(unsigned("dropbox", &request));
    assert_eq!(dropbox.body, "<script>");
    assert!(
        dropbox
            .headers
            .contains(&("X-Content-Type-Options".to_owned(), "nosniff".to_owned()))
    );
    assert!(
        dropbox
            .headers
            .contains(&("Content-Type".to_owned(), "text/plain".to_owned()))
    );
}

#[test]
fn an_echo_cannot_become_a_second_header() {
    let headers: [(&str, &[u8]); 1] = [("X-Hook-Secret", b"a\tb")];
    assert!(matches!(
        unsigned("asana", &post(&headers, b"{}")),
        Some(Handshake::Refused { status: 400, .. })
    ));
}

#[test]
fn a_signed_handshake_is_not_answered_before_verification() {
    let body = br#"{"type":"url_verification","challenge":"c"}"#;
    assert!(unsigned("slack", &post(&[], body)).is_none());
    let signed = builtin("slack").signed_handshake(&post(&[], body), &Credentials::default(), None);
    assert_eq!(answer(signed).body, r#"{"challenge":"c"}"#);
}

#[test]
fn an_ordinary_event_is_no_handshake() {
    let event = post(&[], br#"{"type":"event_callback"}"#);
    for provider in hookyard_signature::builtin_names() {
        assert!(unsigned(provider, &event).is_none(), "{provider}");
        let credentials = Credentials::default();
        assert!(
            builtin(provider)
                .signed_handshake(&event, &credentials, None)
                .is_none(),
            "{provider}"
        );
    }
}

#[test]
fn only_amazon_is_called_back_to_confirm_a_subscription() {
    let confirm = |url: &str| {
        let body = format!(r#"{{"Type":"SubscriptionConfirmation","SubscribeURL":"{url}"}}"#);
        builtin("aws-sns").signed_handshake(&post(&[], body.as_bytes()), &Credentials::default(), None)
    };
    let url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t";
    assert_eq!(answer(confirm(url)).confirm_url.as_deref(), Some(url));
    for evil in [
        "https://169.254.169.254/",
        "https://sns.eu-west-1.amazonaws.com.evil.test/",
        "",
    ] {
        assert!(
            matches!(confirm(evil), Some(Handshake::Refused { status: 400, .. })),
            "{evil}"
        );
    }
}

#[test]
fn the_keys_url_is_only_given_if_it_may_be_fetched() {
    let key_url = |url: &str| {
        let body = format!(r#"{{"SigningCertURL":"{url}","Signature":"AAAA","SignatureVersion":"2"}}"#);
        builtin("aws-sns").key_url(&post(&[], body.as_bytes()), &[])
    };
    let url = "https://sns.eu-west-1.amazonaws.com/x.pem";
    assert_eq!(key_url(url), Ok(Some(url.to_owned())));
    assert_eq!(
        key_url("https://evil.test/x.pem"),
        Err(hookyard_signature::Reason::KeyUntrusted)
    );
    assert_eq!(builtin("aws-sns").key_url(&post(&[], b"{}"), &[]), Ok(None));
    assert_eq!(builtin("github").key_url(&post(&[], b"{}"), &[]), Ok(None));
    let headers: [(&str, &[u8]); 1] = [("paypal-cert-url", b"https://api.paypal.com/c")];
    assert_eq!(
        builtin("paypal").key_url(&post(&headers, b"{}"), &[]),
        Ok(Some("https://api.paypal.com/c".to_owned()))
    );
}

#[test]
fn a_fetched_certificate_serves_as_well_as_a_pinned_one() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors.json")).expect("json");
    let vectors = vectors["vectors"].as_array().expect("vectors");
    let vector = vectors
        .iter()
        .find(|vector| vector["id"] == "own/sns-version-2")
        .expect("the vector");
    let certificate = vector["secrets"][0].as_str().expect("a certificate");
    let body = vector["body_b64"].as_str().expect("a body");
    let body = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).expect("base64");
    let credentials = Credentials {
        fetched_key: Some(certificate),
        ..Credentials::default()
    };
    let verdict = builtin("aws-sns").verify(&post(&[], &body), &credentials, NOW);
    assert_eq!(verdict, hookyard_signature::Verdict::Valid { secret: None });
}
