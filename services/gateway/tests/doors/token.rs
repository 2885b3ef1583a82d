//! Door 4, against GetHook's document (`seeds/gethook-ingest.md`) and the contract's additions to it.

use crate::wire_http::{Reply, raw, send, send_chunked};
use crate::yard::{Yard, hmac_hex, spec, verified_by, workspace};
use serde_json::json;
use store::Edit;
use wire::resource::{SourceSpec, ValueRule};

pub(crate) async fn post(yard: &Yard, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(yard.address, &format!("POST /ingest/{token}"), headers, body).await
}

pub(crate) fn id(reply: &Reply) -> String {
    reply.json()["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .to_owned()
}

pub(crate) fn github_signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_hex(secret, &[body]))
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
}
