//! Near misses: each ordinary mistake is found, and nothing is found where there is none to find.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookyard_signature::{Credentials, Profile, Reason, Request, lookalikes};
use ring::hmac;

use super::{NOW, builtin, hex_hmac, post, secrets};

/// What a near miss is made of, without the ways out.
fn missed(profile: &Profile, request: &Request<'_>, secret: &str, now: i64) -> Vec<String> {
    let secrets = secrets(&[secret]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let found = profile.near_miss(request, &credentials, now);
    let changes = found.into_iter().flat_map(|found| found.changes);
    changes
        .inspect(|change| assert!(!change.way_out.is_empty()))
        .map(|change| change.what)
        .collect()
}

/// The same for a request that GitHub signed over `signed`, and that came with `body`.
fn github(signed: &[u8], body: &[u8], secret: &str) -> Vec<String> {
    let signature = format!("sha256={}", hex_hmac("s3cret", signed));
    let headers = [("X-Hub-Signature-256", signature.as_bytes())];
    missed(builtin("github"), &post(&headers, body), secret, NOW)
}

#[test]
fn a_body_that_was_changed_on_its_way_is_found() {
    let compact = "{\"a\":1,\"b\":\"ä\"}".as_bytes();
    for (signed, body, what) in [
        (&b"{}"[..], &b"{}\n"[..], "the body without its final line break"),
        (b"{}", b"{}\r\n", "the body without its final line break"),
        (b"{}\n", b"{}", "the body with a line break at its end"),
        (b"a\nb", b"a\r\nb", "the body with LF for its CRLF line breaks"),
        (
            b"a\r\nb\r\n",
            b"a\nb\n",
            "the body with CRLF for its LF line breaks",
        ),
        (
            compact,
            "{ \"a\": 1, \"b\": \"ä\" }".as_bytes(),
            "the body as JSON without blanks",
        ),
        (
            compact,
            br#"{"a": 1, "b": "\u00e4"}"#,
            "the body as JavaScript writes JSON",
        ),
        (
            br#"{"a": 1, "b": "\u00e4"}"#,
            compact,
            "the body as Python writes JSON",
        ),
        (
            b"{\n  \"a\": []\n}",
            b"{\"a\":[]}",
            "the body as JSON indented by two blanks",
        ),
        (b"{\"a\":1}", b"eyJhIjoxfQ==", "the body decoded from base64"),
        (
            "ä".as_bytes(),
            "Ã¤".as_bytes(),
            "the body with its UTF-8, which was taken for Latin-1, repaired",
        ),
        (b"{}", b"\xef\xbb\xbf{}", "the body without its byte order mark"),
        (b"", b"{\"a\":1}", "an empty body"),
    ] {
        assert_eq!(github(signed, body, "s3cret"), [what]);
    }
}

#[test]
fn a_secret_that_was_copied_badly_is_found() {
    for (secret, what) in [
        (" s3cret\n", "the secret without the blanks around it"),
        ("s3c\n ret", "the secret without the blanks in it"),
        ("\"s3cret\"", "the secret without its quotes"),
        ("s3%63ret", "the secret with its percent escapes undone"),
        ("czNjcmV0", "the secret decoded from base64"),
        ("733363726574", "the secret decoded from hexadecimal"),
    ] {
        assert_eq!(github(b"{}", b"{}", secret), [what], "{secret:?}");
    }
    let raw = [0xfb_u8; 30];
    let key = hmac::Key::new(hmac::HMAC_SHA256, &raw);
    let tag = STANDARD.encode(hmac::sign(&key, format!("msg_1.{NOW}.{{}}").as_bytes()));
    let (signature, now) = (format!("v1,{tag}"), NOW.to_string());
    let headers = [
        ("webhook-id", &b"msg_1"[..]),
        ("webhook-timestamp", now.as_bytes()),
        ("webhook-signature", signature.as_bytes()),
    ];
    let svix = |secret: &str| missed(builtin("standard-webhooks"), &post(&headers, b"{}"), secret, NOW);
    assert!(svix(&format!("whsec_{}", STANDARD.encode(raw))).is_empty());
    let of_urls = STANDARD.encode(raw).replace('+', "-").replace('/', "_");
    assert_eq!(
        svix(&format!("whsec_{}", of_urls.trim_end_matches('='))),
        ["the secret as padded base64"]
    );
    assert_eq!(
        svix(&hex::encode(raw)),
        ["the secret taken for hexadecimal (key.encoding)"]
    );
}

#[test]
fn a_url_from_the_other_side_of_a_proxy_is_found() {
    let public = "https://hooks.example.com/in/src_1?a=1";
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"s3cret");
    let signature = STANDARD.encode(hmac::sign(&key, public.as_bytes()));
    for (url, more) in [
        ("http://hooks.example.com/in/src_1?a=1", &[][..]),
        ("https://hooks.example.com/in/src_1/?a=1", &[]),
        (
            "http://10.0.0.7:8080/in/src_1?a=1",
            &[("X-Forwarded-Host", &b"hooks.example.com"[..])],
        ),
        (
            "http://gateway/src_1?a=1",
            &[("Host", b"hooks.example.com"), ("X-Forwarded-Prefix", b"/in")],
        ),
    ] {
        let mut headers = vec![("X-Twilio-Signature", signature.as_bytes())];
        headers.extend_from_slice(more);
        let request = Request {
            url,
            ..post(&headers, b"")
        };
        assert_eq!(
            missed(builtin("twilio"), &request, "s3cret", NOW),
            [format!("the URL {public}")],
            "{url}"
        );
    }
}

#[test]
fn a_clock_that_is_off_is_found_beside_another_mistake() {
    let header = format!(
        "t={NOW},v1={}",
        hex_hmac("s3cret", format!("{NOW}.{{}}").as_bytes())
    );
    let headers = [("Stripe-Signature", header.as_bytes())];
    let stripe = |body: &[u8], now: i64| missed(builtin("stripe"), &post(&headers, body), "s3cret", now);
    assert_eq!(stripe(b"{}", NOW + 7_205), ["a clock that is 7205 s behind"]);
    assert_eq!(stripe(b"{}", NOW - 3_600), ["a clock that is 3600 s ahead"]);
    assert_eq!(
        stripe(b"{}\n", NOW + 301),
        [
            "the body without its final line break",
            "a clock that is 301 s behind"
        ]
    );
}

#[test]
fn two_mistakes_at_once_are_found() {
    assert_eq!(
        github(b"{}", b"{}\n", "s3cret "),
        [
            "the secret without the blanks around it",
            "the body without its final line break"
        ]
    );
}

#[test]
fn a_scheme_with_one_mistake_is_found() {
    let signed = hex_hmac("s3cret", b"{}");
    let tag = hex::decode(&signed).expect("hexadecimal");
    let sha1 = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"s3cret");
    let sha1 = hex::encode(hmac::sign(&sha1, b"{}"));
    let scheme = r#"{"algorithm": "hmac-sha256", "signature": {"from": "header:X-Signature"}}"#;
    let profile = Profile::from_yaml(scheme).expect("a scheme");
    for (value, what) in [
        (STANDARD.encode(tag), "the signature taken for base64"),
        (sha1, "the algorithm hmac-sha1"),
        (format!("sha256={signed}"), "a signature behind `sha256=`"),
    ] {
        let headers = [("X-Signature", value.as_bytes())];
        assert_eq!(missed(&profile, &post(&headers, b"{}"), "s3cret", NOW), [what]);
    }
}

#[test]
fn headers_that_came_twice_or_under_the_names_of_a_log_are_found() {
    let signature = format!("sha256={}", hex_hmac("s3cret", b"{}"));
    let twice = [
        ("X-Hub-Signature-256", signature.as_bytes()),
        ("x-hub-signature-256", b"sha256=00"),
    ];
    let headers = [("HTTP_X_HUB_SIGNATURE_256", signature.as_bytes())];
    let github = |headers: &[(&str, &[u8])]| missed(builtin("github"), &post(headers, b"{}"), "s3cret", NOW);
    assert_eq!(github(&twice), ["only the first of each repeated header"]);
    assert_eq!(github(&headers), ["the headers with `-` for `_` in their names"]);
}

#[test]
fn nothing_is_found_for_what_is_authentic() {
    assert!(github(b"{}", b"{}", "s3cret").is_empty());
}

#[test]
fn nothing_is_found_for_another_secret_or_a_forged_body() {
    assert!(github(b"{}", b"{}", "another").is_empty());
    assert!(github(br#"{"amount":1}"#, br#"{"amount":2}"#, "s3cret").is_empty());
    let token = [("X-Gitlab-Token", &b"s3cret"[..])];
    assert!(missed(builtin("gitlab-token"), &post(&token, b"{}"), "s3cre", NOW).is_empty());
}

#[test]
fn another_providers_request_is_recognised() {
    let secrets = secrets(&["s3cret"]);
    let credentials = Credentials {
        secrets: &secrets,
        ..Credentials::default()
    };
    let header = format!(
        "t={NOW},v1={}",
        hex_hmac("s3cret", format!("{NOW}.{{}}").as_bytes())
    );
    let headers = [("Stripe-Signature", header.as_bytes())];
    let request = post(&headers, b"{}");
    let found = lookalikes(&request, &credentials, Reason::SignatureMissing, NOW + 9_000);
    assert_eq!(
        found.first().map(|one| (one.provider, one.is_valid)),
        Some(("stripe", true)),
        "{found:?}"
    );
    let found = lookalikes(
        &post(&headers, b"{ }"),
        &credentials,
        Reason::SignatureMissing,
        NOW,
    );
    assert_eq!(
        found.first().map(|one| (one.provider, one.is_valid)),
        Some(("stripe", false)),
        "{found:?}"
    );
    assert!(lookalikes(&post(&[], b"{}"), &credentials, Reason::SignatureMissing, NOW).is_empty());
}
