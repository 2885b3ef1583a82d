//! Traces on their way to a collector, and what happens when there is none.

use crate::child::Service;
use crate::wire::get;
use actix_web::{App, HttpResponse, HttpServer, web};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Takes OTLP and hands on the raw bytes.
fn collector(received: SyncSender<Vec<u8>>) -> std::net::SocketAddr {
    let server = HttpServer::new(move || {
        let received = received.clone();
        let take = move |body: web::Bytes| {
            let received = received.clone();
            async move {
                let _ = received.try_send(body.to_vec());
                HttpResponse::Ok().finish()
            }
        };
        App::new().route("/v1/traces", web::post().to(take))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    tokio::spawn(server.run());
    address
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_reach_the_collector_before_the_process_exits() {
    let (sender, received) = sync_channel(100);
    let endpoint = format!("http://{}", collector(sender));
    let service = Service::start(
        "http",
        &[
            ("HOOKYARD__TELEMETRY__OTLP_ENDPOINT", &endpoint),
            ("HOOKYARD__TELEMETRY__SERVICE_NAME", "child-service"),
        ],
    );
    let doors = service.address("the child");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(
        get(doors, "/traced", &[("traceparent", parent)]).await.status,
        200
    );
    service.signal("TERM");
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");

    let bytes = received.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(contains(&bytes, b"GET /traced"), "the span is named by its route");
    assert!(contains(&bytes, b"child-service"));
    assert!(
        contains(
            &bytes,
            &0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()
        ),
        "in the caller's trace"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_hurts_nobody_and_is_mentioned_once() {
    // Port 9 (discard) has no listener on any machine of ours; a refused connection is what a dead collector looks like.
    let service = Service::start(
        "http",
        &[
            ("HOOKYARD__TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ],
    );
    let doors = service.address("the child");
    assert_eq!(get(doors, "/traced", &[]).await.status, 200);
    service.line("the collector does not take traces");
    for _ in 0..20 {
        assert_eq!(get(doors, "/traced", &[]).await.status, 200);
    }
    service.signal("TERM");
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let complaints = lines
        .iter()
        .filter(|line| line.contains("collector") || line.contains("\"ERROR\""));
    assert_eq!(complaints.count(), 0, "{lines:#?}");
}
