//! When the ledger or the conveyor is away.

use crate::wire_http::send;
use crate::yard::{Yard, spec, verified_by};
use serde_json::json;
use std::time::Duration;
use testkit::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::{Queue, Reference};

/// A yard whose Postgres is behind a proxy that can be cut.
async fn behind_a_proxy(settings: &[(&str, &str)]) -> (Proxy, Yard) {
    let database = testkit::database::postgres();
    let url: String = database.url().to_owned();
    let server = url
        .rsplit('@')
        .next()
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let proxy = Proxy::start(server.parse().unwrap());
    let through = url.replace(&server, &proxy.address().to_string());
    let yard = Yard::on(database, through, settings).await;
    (proxy, yard)
}

#[tokio::test]
async fn without_the_ledger_the_answer_is_503_and_afterwards_all_is_well() {
    let (proxy, yard) = behind_a_proxy(&[("gateway.accept_timeout", "2s")]).await;
    yard.source(spec("shop"), &[]).await;
    let post = async |key: &str| {
        send(
            yard.address,
            "POST /ingest/src_shop",
            &[("X-Webhook-Id", key)],
            b"{}",
        )
        .await
    };
    assert_eq!(post("before").await.status, 202);
    proxy.cut();
    let away = post("during").await;
    assert_eq!((away.status, &away.json()["error"]), (503, &json!("unavailable")));
    assert!(away.header("retry-after").is_some());
    proxy.restore();
    testkit::until("the ledger is back", async || post("after").await.status == 202).await;
    let during = post("during").await;
    assert_eq!(during.status, 202, "sending again with the same key is safe");
    let keys: Vec<Option<String>> = yard
        .events()
        .await
        .rows
        .into_iter()
        .map(|row| row.idempotency_key)
        .collect();
    for key in ["before", "during", "after"] {
        assert_eq!(
            keys.iter().filter(|known| known.as_deref() == Some(key)).count(),
            1,
            "{keys:?}"
        );
    }
}

/// A Postgres that is frozen keeps its connections and answers nothing, also not that a source is unknown.
#[tokio::test]
async fn a_look_up_that_is_not_answered_is_given_up_in_time_at_every_door() {
    let (proxy, yard) = behind_a_proxy(&[("gateway.accept_timeout", "500ms")]).await;
    yard.source(spec("shop"), &[]).await;
    // The source is known from now on, and nothing else that an event of it needs.
    let refused = send(
        yard.address,
        "POST /ingest/src_shop",
        &[("X-Webhook-Id", "")],
        b"{}",
    )
    .await;
    assert_eq!(refused.status, 400);
    proxy.stall();
    let key = ("Authorization", "Bearer nhk_us_none");
    for line in [
        "POST /ingest/src_shop",
        "POST /ingest/src_none",
        "POST /api/channels/orgs/acme/none",
        "POST /api/webhooks/orgs/acme/playbooks/none",
        "POST /api/ingest/ep_none",
        "POST /api/ingest/event/batch",
        "POST /api/v1/webhooks/app_none",
        "POST /api/v1/hooks/hook_none",
        "POST /api/v1/trigger",
    ] {
        let asked = std::time::Instant::now();
        let reply = send(yard.address, line, &[key], b"{}").await;
        let took = asked.elapsed();
        let expected = if line.contains("/api/ingest/") {
            (
                504,
                json!({"code": "ingest_timeout", "message": reply.json()["error"]["message"]}),
            )
        } else {
            (503, json!("unavailable"))
        };
        assert_eq!((reply.status, reply.json()["error"].clone()), expected, "{line}");
        assert!(reply.header("retry-after").is_some(), "{line}");
        // Much more than the limit, for a busy machine; the ledger's own bounds are longer still.
        assert!(took < Duration::from_secs(10), "{line} took {took:?}");
    }
    proxy.restore();
    testkit::until("the ledger is back", async || {
        send(yard.address, "POST /ingest/src_shop", &[], b"{}")
            .await
            .status
            == 202
    })
    .await;
}

#[tokio::test]
async fn an_accepted_event_is_told_to_the_router() {
    let yard = Yard::start().await;
    yard.source(spec("shop"), &[]).await;
    let mut consumer = yard.conveyor.consume(Queue::Route, 10.try_into().unwrap());
    let reply = send(yard.address, "POST /ingest/src_shop", &[], b"{}").await;
    let received = tokio::time::timeout(Duration::from_secs(10), consumer.next())
        .await
        .unwrap()
        .unwrap();
    let [Reference::Event { id }] = received.message.refs[..] else {
        panic!("{:?}", received.message)
    };
    assert_eq!(reply.json()["data"]["id"], json!(id.to_string()));
}

#[tokio::test]
async fn under_overload_every_answer_is_202_or_429_and_every_202_is_recorded() {
    let yard = Yard::with(&[("gateway.accept_queue", "1")]).await;
    yard.source(spec("shop"), &[]).await;
    let replies = futures_util::future::join_all(
        (0..300).map(|_| send(yard.address, "POST /ingest/src_shop", &[], b"{}")),
    )
    .await;
    let accepted = replies.iter().filter(|reply| reply.status == 202).count();
    for refused in replies.iter().filter(|reply| reply.status != 202) {
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    }
    assert_eq!(yard.events().await.rows.len(), accepted);
}

#[tokio::test]
async fn large_bodies_that_find_no_room_are_asked_to_come_again_and_small_ones_are_taken() {
    let yard = Yard::with(&[
        ("gateway.bodies_at_once", "1MiB"),
        ("gateway.max_body_limit", "1MiB"),
        ("gateway.token_body_limit", "1MiB"),
    ])
    .await;
    yard.source(spec("shop"), &[]).await;
    let line = "POST /ingest/src_shop";
    let (large, small) = (vec![b'a'; 900 << 10], vec![b'a'; 10 << 10]);
    // One that has sent all but its last byte, and holds its part. While both are being read either may find no room; if it was
    // this one, it comes again.
    let mut slow = begin(yard.address, line, &large).await;
    testkit::until("there is no room for another", async || {
        if answered(&slow) {
            slow = begin(yard.address, line, &large).await;
        }
        let refused = send(yard.address, line, &[], &large).await;
        let waits = (refused.status, refused.header("retry-after")) == (429, Some("1"));
        waits && !answered(&slow)
    })
    .await;
    assert_eq!(send(yard.address, line, &[], &small).await.status, 202);
    slow.write_all(b"a").await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    testkit::until("its part is free again", async || {
        send(yard.address, line, &[], &large).await.status == 202
    })
    .await;
}

#[tokio::test]
async fn a_message_whose_key_cannot_be_fetched_now_is_asked_for_again_and_not_refused() {
    let yard = Yard::start().await;
    yard.source(verified_by("topic", "aws-sns"), &[]).await;
    let message = json!({
        "Type": "Notification", "MessageId": "m1", "TopicArn": "arn:aws:sns:us-west-2:1:T", "Message": "hi",
        "Timestamp": "2026-09-21T13:33:20.000Z", "SignatureVersion": "2", "Signature": "c2lnbmVk",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/key.pem",
    });
    let reply = send(
        yard.address,
        "POST /ingest/src_topic",
        &[],
        message.to_string().as_bytes(),
    )
    .await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.header("retry-after").is_some());
    assert!(yard.events().await.rows.is_empty());
    // One that points elsewhere is not to be believed, whether it can be fetched or not.
    let elsewhere = message
        .to_string()
        .replace("sns.us-west-2.amazonaws.com", "sns.example.com");
    let reply = send(yard.address, "POST /ingest/src_topic", &[], elsewhere.as_bytes()).await;
    assert_eq!(reply.status, 401, "{reply:?}");
}

/// A request that has sent all of its body but the last byte.
async fn begin(to: std::net::SocketAddr, line: &str, body: &[u8]) -> tokio::net::TcpStream {
    let mut request = tokio::net::TcpStream::connect(to).await.unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    request.write_all(head.as_bytes()).await.unwrap();
    // Who is refused in the middle may close before it has all.
    let _ = request.write_all(&body[1..]).await;
    request
}

/// Whether it has an answer, or was closed.
fn answered(request: &tokio::net::TcpStream) -> bool {
    !matches!(request.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
