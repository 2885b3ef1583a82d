//! Compressed bodies, where a source takes them.

use crate::wire_http::{Reply, raw, send, send_chunked};
use crate::yard::{Yard, app, channel, hmac_hex, spec, verified_by};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;
use wire::resource::{Adapter, SourceSpec};

const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn takes(spec: SourceSpec) -> SourceSpec {
    SourceSpec { gzip: true, ..spec }
}

async fn post(yard: &Yard, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    send(yard.address, "POST /ingest/src_shop", headers, body).await
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_compressed_body_is_kept_as_it_was_before() {
    let yard = Yard::start().await;
    yard.source(takes(spec("shop")), &[]).await;
    let large = vec![b'a'; 3 << 20];
    for body in [&b"{\"n\": 1}"[..], b"", b"\xff\x00", &large] {
        for name in ["gzip", "GZIP", "x-gzip"] {
            let reply = post(&yard, &[("Content-Encoding", name)], &gzipped(body)).await;
            assert_eq!(reply.status, 202, "{reply:?}");
            let event = yard.event(reply.json()["data"]["id"].as_str().unwrap()).await;
            assert_eq!(event.body.as_ref(), body);
            let kept = String::from_utf8_lossy(&event.headers).into_owned();
            assert!(!kept.contains("content-encoding"), "{kept}");
        }
    }
    let plain = post(&yard, &[], b"{}").await;
    assert_eq!(plain.status, 202, "nobody has to compress");
    // In several members, as RFC 1952 §2.2 allows.
    let members = [gzipped(b"one "), gzipped(b"two")].concat();
    let reply = post(&yard, &[GZIP], &members).await;
    let event = yard.event(reply.json()["data"]["id"].as_str().unwrap()).await;
    assert_eq!(event.body.as_ref(), b"one two");
}

#[tokio::test]
async fn a_signature_is_of_what_was_compressed() {
    let yard = Yard::start().await;
    yard.source(takes(verified_by("shop", "github")), &["secret"])
        .await;
    let body = br#"{"zen": "Half measures are as bad as nothing at all."}"#;
    let compressed = gzipped(body);
    let of = |bytes: &[u8]| format!("sha256={}", hmac_hex("secret", &[bytes]));
    let right = post(&yard, &[GZIP, ("X-Hub-Signature-256", &of(body))], &compressed).await;
    assert_eq!(right.status, 202);
    let wrong = post(
        &yard,
        &[GZIP, ("X-Hub-Signature-256", &of(&compressed))],
        &compressed,
    )
    .await;
    assert_eq!(code(&wrong), (401, "invalid_signature".to_owned()));
}

#[tokio::test]
async fn the_limit_is_for_what_is_unpacked() {
    let yard = Yard::start().await;
    let limited = SourceSpec {
        max_body_bytes: Some(100_000),
        ..takes(spec("shop"))
    };
    yard.source(limited, &[]).await;
    let exact = post(&yard, &[GZIP], &gzipped(&vec![b'a'; 100_000])).await;
    assert_eq!(exact.status, 202);
    let over = post(&yard, &[GZIP], &gzipped(&vec![b'a'; 100_001])).await;
    assert_eq!(code(&over), (413, "payload_too_large".to_owned()));
    // 64 MiB in 64 KiB: not unpacked any further than the limit.
    let bomb = gzipped(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let began = std::time::Instant::now();
    let refused = post(&yard, &[GZIP], &bomb).await;
    assert_eq!(code(&refused), (413, "payload_too_large".to_owned()));
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    assert!(yard.events().await.rows.len() == 1);
}

#[tokio::test]
async fn what_is_packed_far_over_the_limit_is_too_large_as_well() {
    let yard = Yard::start().await;
    let limited = SourceSpec {
        max_body_bytes: Some(1_000),
        ..takes(spec("shop"))
    };
    yard.source(limited, &[]).await;
    let empty_members = gzipped(b"").repeat(1_000);
    assert_eq!(post(&yard, &[GZIP], &empty_members).await.status, 413);
    // What cannot be compressed is longer packed than it is.
    let mut noise = vec![0_u8; 1_001];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    let packed = gzipped(&noise[..1_000]);
    assert!(packed.len() > 1_000, "{}", packed.len());
    assert_eq!(post(&yard, &[GZIP], &packed).await.status, 202);
    assert_eq!(
        code(&post(&yard, &[GZIP], &gzipped(&noise)).await),
        (413, "payload_too_large".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_gzip_is_a_broken_body() {
    let yard = Yard::start().await;
    yard.source(takes(spec("shop")), &[]).await;
    let whole = gzipped(b"{\"a\": 1}");
    let mut wrong = whole.clone();
    let sum = wrong.len() - 8;
    wrong[sum] ^= 1;
    for body in [
        &b""[..],
        b"{}",
        b"\x1f\x8b",
        &whole[..whole.len() - 1],
        &[&whole[..], b"more"].concat(),
        &wrong,
    ] {
        let reply = post(&yard, &[GZIP], body).await;
        assert_eq!(code(&reply), (400, "invalid_body".to_owned()), "{body:?}");
    }
    for other in ["br", "deflate", "gzip, gzip", "gzip, br"] {
        let reply = post(&yard, &[("Content-Encoding", other)], &whole).await;
        assert_eq!(code(&reply), (415, "unsupported_encoding".to_owned()), "{other}");
    }
    yard.source(takes(channel("orders", true)), &[]).await;
    let headers = [GZIP, ("X-Channel-Secret", "s3cret"), ("X-Idempotency-Key", "k")];
    let reply = send(
        yard.address,
        "POST /api/channels/orgs/acme/orders",
        &headers,
        &wrong,
    )
    .await;
    assert_eq!(code(&reply), (400, "invalid_body".to_owned()));
    assert_eq!(reply.json()["issues"][0]["path"], "", "{reply:?}");
    let twice = post(&yard, &[GZIP, GZIP], &gzipped(&whole)).await;
    assert_eq!(twice.status, 415);
    assert!(yard.events().await.rows.is_empty());
}

#[tokio::test]
async fn only_a_source_that_says_so_takes_gzip() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let reply = post(&yard, &[GZIP], &gzipped(b"{}")).await;
    assert_eq!(code(&reply), (415, "unsupported_encoding".to_owned()));
}

#[tokio::test]
async fn channels_and_apps_take_it_too() {
    let yard = Yard::start().await;
    yard.source(takes(channel("orders", true)), &[]).await;
    let headers = [GZIP, ("X-Channel-Secret", "s3cret"), ("X-Idempotency-Key", "k")];
    let line = "POST /api/channels/orgs/acme/orders";
    let first = send(yard.address, line, &headers, &gzipped(b"{\"n\":1}")).await;
    assert_eq!(first.status, 202, "{first:?}");
    // The fingerprint is of what was compressed, so how well it was makes no conflict.
    let plain = [("X-Channel-Secret", "s3cret"), ("X-Idempotency-Key", "k")];
    let again = send(yard.address, line, &plain, b"{\"n\":1}").await;
    assert_eq!(again.json()["status"], "replayed");

    yard.app(takes(app("cu", Adapter::Custom)), &["s3cret"]).await;
    let body = br#"{"id":"m1","sender":{"id":"ada"}}"#;
    let signature = hmac_hex("s3cret", &[body]);
    let headers = [GZIP, ("X-Signature", signature.as_str())];
    let reply = send(
        yard.address,
        "POST /api/v1/webhooks/app_cu",
        &headers,
        &gzipped(body),
    )
    .await;
    assert_eq!(reply.json()["status"], json!("accepted"), "{reply:?}");
}

#[tokio::test]
async fn a_compressed_body_may_come_in_chunks_and_must_come_in_time() {
    let yard = Yard::with(&[("gateway.body_timeout", "300ms")]).await;
    yard.source(takes(spec("shop")), &[]).await;
    let plain = send_chunked(yard.address, "POST /ingest/src_shop", b"{}").await;
    assert_eq!(plain.status, 202);
    let late = raw(
        yard.address,
        b"POST /ingest/src_shop HTTP/1.1\r\nHost: yard\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08",
    )
    .await;
    assert_eq!(code(&late), (408, "request_timeout".to_owned()));
}
