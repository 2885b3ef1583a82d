//! Door 4, against GetHook's document (`seeds/gethook-ingest.md`) and the contract's additions to it.

use crate::wire_http::{Reply, raw, send, send_chunked};
use crate::yard::{Yard, source, spec, verified_by, workspace};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::collections::HashSet;
use std::time::Duration;
use store::Edit;
use wire::resource::{DedupeSpec, SourceSpec, ValueRule, VerifyMode};

async fn post(yard: &Yard, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(yard.address, &format!("POST /ingest/{token}"), headers, body).await
}

fn id(reply: &Reply) -> String {
    reply.json()["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .to_owned()
}

fn github_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn any_body_is_accepted_and_readable_at_once_to_the_byte() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    for body in [
        &b"{\"a\":1, \"a\":2}"[..],
        b"",
        b"a=b&c=d",
        b"\xff\x00\xfe",
        b"<xml/>",
        br#""\u0000""#,
    ] {
        let reply = post(&yard, "src_shop", &[("Content-Type", "text/odd")], body).await;
        assert_eq!(reply.status, 202);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(reply.header("server").is_none() && reply.header("x-request-id").is_some());
        assert_eq!(
            reply.json(),
            json!({"data": {"id": id(&reply), "status": "queued"}})
        );
        let event = yard.event(&id(&reply)).await;
        assert_eq!(
            (event.body.as_ref(), event.content_type.as_deref()),
            (body, Some("text/odd"))
        );
    }
}

#[tokio::test]
async fn a_repeated_key_is_a_duplicate_under_each_of_the_four_headers() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    for name in ["X-Webhook-Id", "X-Event-Id", "Idempotency-Key", "X-Request-Id"] {
        let key = format!("key-{name}");
        let first = post(&yard, "src_shop", &[(name, &key)], b"{}").await;
        let again = post(&yard, "src_shop", &[(name, &key)], b"{}").await;
        assert_eq!(again.status, 202);
        assert_eq!(
            again.json(),
            json!({"data": {"id": id(&first), "status": "accepted", "note": "duplicate"}})
        );
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("idempotency-mismatch"), None);
        assert_eq!(first.header("idempotent-replayed"), None);
    }
    assert_eq!(yard.events().await.rows.len(), 4);
}

#[tokio::test]
async fn a_repeated_key_with_another_body_is_a_duplicate_that_says_so() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let first = post(&yard, "src_shop", &[("X-Webhook-Id", "k")], b"one").await;
    let other = post(&yard, "src_shop", &[("X-Webhook-Id", "k")], b"two").await;
    assert_eq!((other.status, id(&other)), (202, id(&first)));
    assert_eq!(other.header("idempotency-mismatch"), Some("true"));
    let claim = yard.store.claim("so_shop", "k").await.unwrap().unwrap();
    assert_eq!((claim.repeats, claim.mismatches), (1, 1));
}

#[tokio::test]
async fn the_first_of_the_headers_is_the_key() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let all = [
        ("X-Request-Id", "d"),
        ("Idempotency-Key", "c"),
        ("X-Event-Id", "b"),
        ("X-Webhook-Id", "a"),
    ];
    let reply = post(&yard, "src_shop", &all, b"{}").await;
    assert_eq!(
        yard.event(&id(&reply)).await.idempotency_key.as_deref(),
        Some("a")
    );
}

#[tokio::test]
async fn a_source_can_name_its_own_key_and_switch_request_ids_off() {
    let yard = Yard::start().await;
    let dedupe = DedupeSpec {
        body: Some(".id".to_owned()),
        request_id: false,
        ..DedupeSpec::default()
    };
    yard.source(
        SourceSpec {
            dedupe,
            ..spec("shop")
        },
        &[],
    )
    .await;
    let first = post(&yard, "src_shop", &[], br#"{"id": "evt_1"}"#).await;
    let again = post(&yard, "src_shop", &[], br#"{"id": "evt_1", "n": 2}"#).await;
    assert_eq!(id(&first), id(&again));
    let one = post(&yard, "src_shop", &[("X-Request-Id", "r")], b"{}").await;
    let two = post(&yard, "src_shop", &[("X-Request-Id", "r")], b"{}").await;
    assert_ne!(id(&one), id(&two));
}

#[tokio::test]
async fn a_body_can_be_its_own_key_where_there_is_no_other() {
    let yard = Yard::start().await;
    let dedupe = DedupeSpec {
        same_body: Some(Duration::from_secs(1)),
        ..DedupeSpec::default()
    };
    yard.source(
        SourceSpec {
            dedupe,
            ..spec("shop")
        },
        &[],
    )
    .await;
    yard.source(spec("plain"), &[]).await;
    let first = post(&yard, "src_shop", &[], b"{}").await;
    let again = post(&yard, "src_shop", &[], b"{}").await;
    assert_eq!(id(&first), id(&again));
    assert_eq!(again.json()["data"]["note"], "duplicate");
    // Another body, another key, and another source's.
    for (source, headers, body) in [
        ("src_shop", &[][..], &b"{ }"[..]),
        ("src_shop", &[("X-Webhook-Id", "a")], b"{}"),
        ("src_plain", &[], b"{}"),
        ("src_plain", &[], b"{}"),
    ] {
        let reply = post(&yard, source, headers, body).await;
        assert_eq!(reply.json()["data"]["status"], "queued", "{source} {headers:?}");
    }
    // Its own window counts, and not that of keys.
    testkit::until("the body is new again", async || {
        id(&post(&yard, "src_shop", &[], b"{}").await) != id(&first)
    })
    .await;
}

#[tokio::test]
async fn a_key_is_1_to_255_bytes_without_control_characters_sent_once() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let long = "k".repeat(256);
    for headers in [
        &[("X-Webhook-Id", "")][..],
        &[("X-Webhook-Id", &long)],
        &[("X-Webhook-Id", "a\tb")],
        &[("X-Webhook-Id", "a"), ("x-webhook-id", "a")],
    ] {
        let reply = post(&yard, "src_shop", headers, b"{}").await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (400, &json!("invalid_idempotency_key"))
        );
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn parallel_twins_are_one_event() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let twins = futures_util::future::join_all(
        (0..64).map(|_| post(&yard, "src_shop", &[("X-Webhook-Id", "twin")], b"{}")),
    )
    .await;
    assert!(twins.iter().all(|reply| reply.status == 202));
    assert_eq!(twins.iter().map(id).collect::<HashSet<_>>().len(), 1);
    assert_eq!(
        twins
            .iter()
            .filter(|reply| reply.json()["data"]["status"] == "queued")
            .count(),
        1
    );
    assert_eq!(yard.events().await.rows.len(), 1);
}

#[tokio::test]
async fn unknown_disabled_and_closed_are_the_same_404_to_the_byte() {
    let yard = Yard::start().await;
    yard.source(spec("open"), &[]).await;
    yard.source(
        SourceSpec {
            enabled: false,
            ..spec("shut")
        },
        &[],
    )
    .await;
    let unknown = post(&yard, "src_nobody", &[], b"{}").await;
    let disabled = post(&yard, "src_shut", &[], b"{}").await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]),
        (404, &json!("not_found"))
    );
    assert_eq!((disabled.status, &disabled.body), (404, &unknown.body));
    assert_eq!(post(&yard, "src_open", &[], b"{}").await.status, 202);
    yard.edit(vec![Edit::Workspace(workspace(false))]).await;
    testkit::until("the kill switch acts", async || {
        let closed = post(&yard, "src_open", &[], b"{}").await;
        (closed.status, &closed.body) == (404, &unknown.body)
    })
    .await;
    yard.edit(vec![Edit::Workspace(workspace(true))]).await;
    testkit::until("the doors open again", async || {
        post(&yard, "src_open", &[], b"{}").await.status == 202
    })
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    let yard = Yard::start().await;
    yard.source(
        SourceSpec {
            max_body_bytes: Some(100_000),
            ..spec("small")
        },
        &[],
    )
    .await;
    let large = vec![b'a'; 100_001];
    let chunked = send_chunked(yard.address, "POST /ingest/src_small", &large).await;
    for reply in [post(&yard, "src_small", &[], &large).await, chunked] {
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (413, &json!("payload_too_large"))
        );
    }
    assert_eq!(post(&yard, "src_small", &[], &large[1..]).await.status, 202);
    assert_eq!(yard.events().await.rows.len(), 1);
    let rejections = yard.rejections().await;
    assert!(
        rejections
            .iter()
            .all(|row| row.cause == "payload_too_large" && row.body_preview.is_empty())
    );
}

#[tokio::test]
async fn the_limit_without_a_setting_is_5_mib() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let body = vec![b'a'; 5 * 1024 * 1024];
    assert_eq!(post(&yard, "src_shop", &[], &body).await.status, 202);
    assert_eq!(
        post(&yard, "src_shop", &[], &[&body[..], b"a"].concat())
            .await
            .status,
        413
    );
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let reply = post(&yard, "src_shop", &[("Content-Encoding", "gzip")], b"\x1f\x8b").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (415, &json!("unsupported_encoding"))
    );
    assert_eq!(
        post(&yard, "src_shop", &[("Content-Encoding", "identity")], b"{}")
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn a_signature_is_checked_over_the_raw_bytes() {
    let yard = Yard::start().await;
    yard.source(verified_by("gh", "github"), &["new-secret", "old-secret"])
        .await;
    let body = br#"{"zen": "Keep it logically awesome."}"#;
    for secret in ["new-secret", "old-secret"] {
        let signature = github_signature(secret, body);
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("X-GitHub-Event", "ping"),
            ("X-GitHub-Delivery", secret),
        ];
        let reply = post(&yard, "src_gh", &headers, body).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let event = yard.event(&id(&reply)).await;
        assert_eq!(
            (event.verified, event.event_type.as_deref()),
            (Some(true), Some("ping"))
        );
        assert_eq!(
            event.idempotency_key.as_deref(),
            Some(secret),
            "the preset's id is the key"
        );
    }
}

#[tokio::test]
async fn an_invalid_signature_is_one_401_and_kept_with_its_cause() {
    let yard = Yard::start().await;
    yard.source(verified_by("gh", "github"), &["secret"]).await;
    let wrong = github_signature("other", b"{}");
    let headers = [
        ("X-Hub-Signature-256", wrong.as_str()),
        ("Authorization", "Bearer canary-1"),
        ("X-Api-Token", "canary-2"),
    ];
    let mismatch = post(&yard, "src_gh", &headers, b"{}").await;
    let missing = post(&yard, "src_gh", &[], b"{}").await;
    assert_eq!(
        (mismatch.status, &mismatch.json()["error"]),
        (401, &json!("invalid_signature"))
    );
    assert_eq!(missing.body, mismatch.body, "outside there is one answer");
    testkit::until("both are kept", async || yard.rejections().await.len() == 2).await;
    let causes: HashSet<String> = yard
        .rejections()
        .await
        .iter()
        .map(|row| row.cause.clone())
        .collect();
    assert_eq!(
        causes,
        ["signature_mismatch", "signature_missing"]
            .map(ToOwned::to_owned)
            .into()
    );
    for row in yard.rejections().await {
        assert!(!String::from_utf8_lossy(&row.headers).contains("canary"));
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_source_that_records_accepts_what_does_not_verify_and_says_so() {
    let yard = Yard::start().await;
    let mut spec = verified_by("gh", "github");
    spec.verify.as_mut().unwrap().mode = VerifyMode::Record;
    yard.source(spec, &["secret"]).await;
    let reply = post(&yard, "src_gh", &[], b"{}").await;
    assert_eq!(
        (reply.status, yard.event(&id(&reply)).await.verified),
        (202, Some(false))
    );
}

#[tokio::test]
async fn a_signed_challenge_is_answered_and_is_no_event() {
    let yard = Yard::start().await;
    yard.source(verified_by("sl", "slack"), &["slack-secret"]).await;
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1aB10FEMAGAZd4FyFQ"}"#;
    let now = wire::Instant::now().unix_seconds().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"slack-secret").unwrap();
    mac.update(&[b"v0:", now.as_bytes(), b":", body].concat());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let reply = post(
        &yard,
        "src_sl",
        &[
            ("X-Slack-Signature", &signature),
            ("X-Slack-Request-Timestamp", &now),
        ],
        body,
    )
    .await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"challenge": "3eZbrw1aB10FEMAGAZd4FyFQ"}))
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn metas_handshake_is_answered_for_the_right_token_alone() {
    let yard = Yard::start().await;
    let mut meta = source(verified_by("me", "meta"), &["app-secret"]);
    meta.verify_token = Some("right & proper".into());
    let untold = source(verified_by("un", "meta"), &["app-secret"]);
    yard.edit(vec![Edit::Source(meta), Edit::Source(untold)]).await;
    let ask = async |token: &str, shown: &str| {
        let line = format!(
            "GET /ingest/{token}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={shown}"
        );
        send(yard.address, &line, &[], b"").await
    };
    let reply = ask("src_me", "right%20%26%20proper").await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"1158201444"[..]));
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    for (token, shown) in [
        ("src_me", "wrong"),
        ("src_me", ""),
        ("src_un", ""),
        ("src_un", "wrong"),
    ] {
        let reply = ask(token, shown).await;
        assert_eq!(
            (reply.status, reply.json()["error"].clone()),
            (403, json!("forbidden"))
        );
    }
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_provider_that_insists_on_an_answer_of_its_own_gets_it() {
    let yard = Yard::start().await;
    let key = [7_u8; 32];
    yard.source(verified_by("ad", "adyen-payments"), &[&hex::encode(key)])
        .await;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"psp::merchant:order:100:EUR:AUTHORISATION:true");
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": {
        "pspReference": "psp", "merchantAccountCode": "merchant", "merchantReference": "order",
        "amount": {"value": 100, "currency": "EUR"}, "eventCode": "AUTHORISATION", "success": "true",
        "additionalData": {"hmacSignature": signature}}}]});
    let send_it = async |body: String| {
        let headers = [("X-Webhook-Id", "k"), ("X-Request-Id", "r")];
        post(&yard, "src_ad", &headers, body.as_bytes()).await
    };
    let first = send_it(body.to_string()).await;
    assert_eq!(
        (first.status, first.body.as_slice(), first.header("x-request-id")),
        (202, &b"[accepted]"[..], Some("r")),
        "{first:?}"
    );
    assert!(first.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = send_it(format!("{body} ")).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    assert_eq!(
        (
            again.header("idempotent-replayed"),
            again.header("idempotency-mismatch")
        ),
        (Some("true"), Some("true"))
    );
    assert_eq!(yard.events().await.rows.len(), 1);
    let refused = post(&yard, "src_ad", &[], b"{}").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &json!("invalid_signature"))
    );
}

#[tokio::test]
async fn a_405_names_the_methods_that_the_sources_provider_uses() {
    let yard = Yard::start().await;
    yard.source(verified_by("me", "meta"), &["secret"]).await;
    yard.source(verified_by("tr", "trello"), &["secret"]).await;
    for (token, allowed) in [("src_me", "GET, POST"), ("src_tr", "HEAD, POST")] {
        let reply = send(yard.address, &format!("PUT /ingest/{token}"), &[], b"").await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)));
    }
}

#[tokio::test]
async fn the_event_type_is_the_senders_then_the_sources_then_the_providers() {
    let yard = Yard::start().await;
    yard.source(
        SourceSpec {
            event_type: Some(ValueRule::Body(".kind".to_owned())),
            ..spec("body")
        },
        &[],
    )
    .await;
    let event_type = async |headers: &[(&str, &str)], body: &[u8]| {
        let reply = post(&yard, "src_body", headers, body).await;
        yard.event(&id(&reply)).await.event_type
    };
    assert_eq!(
        event_type(&[("X-Event-Type", "own")], br#"{"kind":"ruled"}"#)
            .await
            .as_deref(),
        Some("own")
    );
    assert_eq!(
        event_type(&[], br#"{"kind":"ruled"}"#).await.as_deref(),
        Some("ruled")
    );
    assert_eq!(event_type(&[], b"not json").await, None);
    let nonsense = post(&yard, "src_body", &[("X-Event-Type", &"t".repeat(129))], b"{}").await;
    assert_eq!(
        (nonsense.status, &nonsense.json()["error"]),
        (400, &json!("invalid_event_type"))
    );
}

#[tokio::test]
async fn query_method_and_headers_are_kept_but_no_credentials() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let headers = [
        ("Authorization", "Bearer canary"),
        ("Cookie", "canary"),
        ("Proxy-Authorization", "canary"),
        ("X-Kind", "é"),
    ];
    let reply = send(yard.address, "POST /ingest/src_shop?a=1&b=%20", &headers, b"{}").await;
    let event = yard.event(&id(&reply)).await;
    assert_eq!(
        (event.method.as_str(), event.query.as_deref()),
        ("POST", Some("a=1&b=%20"))
    );
    assert_eq!(event.remote_address.as_deref(), Some("127.0.0.1"));
    let kept = String::from_utf8(event.headers.to_vec()).unwrap();
    assert!(
        kept.contains(r#"["x-kind","é"]"#) && !kept.contains("canary"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_header_that_is_the_sources_secret_is_not_kept() {
    let yard = Yard::start().await;
    yard.source(verified_by("gl", "gitlab-token"), &["canary-token"])
        .await;
    let headers = [
        ("X-Gitlab-Token", "canary-token"),
        ("X-Gitlab-Event", "Push Hook"),
    ];
    let reply = post(&yard, "src_gl", &headers, b"{}").await;
    let kept = String::from_utf8(yard.event(&id(&reply)).await.headers.to_vec()).unwrap();
    assert!(kept.contains("Push Hook") && !kept.contains("canary"), "{kept}");
}

#[tokio::test]
async fn other_methods_and_other_paths_are_refused_in_the_same_shape() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let wrong = send(yard.address, "PUT /ingest/src_shop", &[], b"{}").await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]),
        (405, &json!("method_not_allowed"))
    );
    assert_eq!(wrong.header("allow"), Some("POST"));
    for path in [
        "/ingest/",
        "/ingest/src_shop/more",
        "/ingest/src%5Fshop%2F..",
        "/ingest/%00",
        "/ingest/..%2f..",
        "/nowhere",
    ] {
        let reply = send(yard.address, &format!("POST {path}"), &[], b"{}").await;
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let yard = Yard::with(&[("gateway.body_timeout", "200ms")]).await;
    yard.source(spec("shop"), &[]).await;
    let reply = raw(
        yard.address,
        b"POST /ingest/src_shop HTTP/1.1\r\nHost: yard\r\nContent-Length: 10\r\n\r\nabc",
    )
    .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (408, &json!("request_timeout"))
    );
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn a_flood_of_bad_requests_does_not_disturb_the_good_ones() {
    let yard = Yard::start().await;
    yard.source(verified_by("gh", "github"), &["secret"]).await;
    let good = github_signature("secret", b"{}");
    let replies = futures_util::future::join_all((0..200).map(|index| {
        let (yard, good) = (&yard, good.as_str());
        async move {
            let signature = if index % 4 == 0 { good } else { "sha256=00" };
            (
                index % 4 == 0,
                post(yard, "src_gh", &[("X-Hub-Signature-256", signature)], b"{}")
                    .await
                    .status,
            )
        }
    }))
    .await;
    assert!(
        replies
            .iter()
            .all(|(good, status)| *status == if *good { 202 } else { 401 }),
        "{replies:?}"
    );
    assert_eq!(yard.events().await.rows.len(), 50);
    let _ = source(spec("unused"), &[]);
}
