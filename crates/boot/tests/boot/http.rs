//! What every answer has, and how a server begins and ends.

use crate::wire::{Connection, DEADLINE, get};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, error};
use hookyard_boot::http::{self, Listen, RequestId};
use hookyard_boot::{
    Error, Process, Sources, health, metrics, report, shutdown::Cause, telemetry::Telemetry, trace,
};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

fn process() -> Process {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    let settings = Sources::new()
        .with_environment([("HOOKYARD__LOG__LEVEL", "warn")])
        .load()
        .unwrap();
    TELEMETRY.get_or_init(|| Telemetry::start(&settings, "boot-test").unwrap());
    let process = Process::new("boot-test", settings);
    process.health.started();
    process
}

fn anywhere() -> Listen {
    Listen {
        address: ([127, 0, 0, 1], 0).into(),
        workers: 1,
        server: "the test",
        setting: "gateway.listen",
    }
}

fn pages(config: &mut ServiceConfig) {
    config
        .route(
            "/ok",
            web::get().to(async |request: HttpRequest| RequestId::of(&request).as_str().to_owned()),
        )
        .route(
            "/traced/{token}",
            web::get().to(async || trace::current().unwrap_or_default()),
        )
        .route(
            "/sized/{way}",
            web::post().to(async |body: web::Bytes| body.len().to_string()),
        )
        .route(
            "/fails",
            web::get().to(async || Err::<HttpResponse, _>(error::ErrorBadGateway("no"))),
        )
        .service(
            web::scope("/guarded")
                .wrap(actix_web::middleware::from_fn(
                    async |_request, _next: actix_web::middleware::Next<actix_web::body::BoxBody>| {
                        Err::<actix_web::dev::ServiceResponse, _>(error::ErrorForbidden("never"))
                    },
                ))
                .route("", web::get().to(HttpResponse::Ok)),
        );
}

fn served(process: &Process) -> SocketAddr {
    http::serve(anywhere(), &process.tasks, pages).unwrap()
}

#[tokio::test]
async fn every_answer_carries_the_request_id_and_no_server_header() {
    let process = process();
    let address = served(&process);
    for (path, status) in [
        ("/ok", 200),
        ("/nowhere", 404),
        ("/fails", 502),
        ("/guarded", 403),
    ] {
        let answer = get(address, path, &[("X-Request-Id", "caller-1")]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-request-id"), Some("caller-1"), "{path}");
        assert_eq!(answer.header("server"), None, "{path}");
    }
    assert_eq!(
        get(address, "/ok", &[("X-Request-Id", "caller-1")]).await.body,
        "caller-1"
    );
}

#[tokio::test]
async fn an_unusable_request_id_is_replaced() {
    let process = process();
    let address = served(&process);
    let long = "x".repeat(129);
    for bad in ["", "two words", &long, "caf\u{e9}"] {
        let answer = get(address, "/ok", &[("X-Request-Id", bad)]).await;
        let id = answer.header("x-request-id").unwrap();
        assert_ne!(id, bad);
        assert_eq!(id.len(), 32, "{id}");
        assert_eq!(id, answer.body);
    }
    let longest = "x".repeat(128);
    let answer = get(address, "/ok", &[("X-Request-Id", &longest)]).await;
    assert_eq!(answer.header("x-request-id"), Some(longest.as_str()));
}

#[tokio::test]
async fn a_request_joins_the_trace_of_its_sender() {
    let process = process();
    let address = served(&process);
    let sender = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = get(address, "/traced/secret", &[("traceparent", sender)]).await;
    let parts: Vec<&str> = answer.body.split('-').collect();
    assert_eq!(parts[1], "0af7651916cd43dd8448eb211c80319c");
    assert_ne!(parts[2], "b7ad6b7169203331", "the request has a span of its own");
    assert_eq!(parts[3], "01", "and is sampled as its sender is");

    let alone = get(address, "/traced/secret", &[]).await;
    assert_eq!(alone.body.len(), sender.len());
}

#[tokio::test]
async fn metrics_name_the_route_and_never_the_path() {
    let process = process();
    let inside = health::pages(&process.health);
    let address = http::serve(anywhere(), &process.tasks, move |config| {
        pages(config);
        inside(config);
    })
    .unwrap();
    get(address, "/traced/topsecret", &[]).await;
    let answer = get(address, "/metrics", &[]).await;
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert!(
        answer.body.contains("http_route=\"/traced/{token}\""),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("topsecret"));
}

#[tokio::test]
async fn bodies_are_measured_whether_or_not_their_senders_say_how_long_they_are() {
    let process = process();
    let address = served(&process);
    for (said, sent) in [
        ("Content-Length: 5", "hello"),
        (
            "Transfer-Encoding: chunked",
            "7\r\nhello, \r\n6\r\nworld!\r\n0\r\n\r\n",
        ),
    ] {
        let mut connection = Connection::open(address).await;
        let head = format!("POST /sized/secret HTTP/1.1\r\nHost: test\r\n{said}\r\n\r\n");
        connection.send(&format!("{head}{sent}")).await;
        assert_eq!(connection.answer().await.status, 200, "{said}");
    }
    let labels = "http_request_method=\"POST\",http_response_status_code=\"200\",http_route=\"/sized/{way}\"";
    let shown = metrics::text();
    for (part, value) in [("sum", 5 + 13), ("count", 2)] {
        let expected = format!("http_server_request_body_size_bytes_{part}{{{labels}}} {value}\n");
        assert!(shown.contains(&expected), "{expected} is not in:\n{shown}");
    }
}

#[tokio::test]
async fn the_health_pages_tell_the_phases_of_a_process() {
    let process = process();
    process.health.register(
        "database",
        health::Weight::Required,
        async || Ok::<(), String>(()),
    );
    process
        .health
        .register("conveyor", health::Weight::Degrades, async || {
            Err::<(), _>("connection refused")
        });
    let address = http::serve(anywhere(), &process.tasks, health::pages(&process.health)).unwrap();

    assert_eq!(get(address, "/livez", &[]).await.status, 200);
    assert_eq!(get(address, "/startupz", &[]).await.status, 200);
    assert_eq!(
        get(address, "/version", &[]).await.body,
        r#"{"name":"boot-test","version":"0.1.0"}"#
    );
    let ready = get(address, "/readyz", &[]).await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    let verbose = get(address, "/readyz?verbose", &[]).await;
    assert_eq!(verbose.header("content-type"), Some("application/json"));
    assert_eq!(
        verbose.body,
        r#"{"status":"ready","checks":[{"name":"database","weight":"required","ok":true},{"name":"conveyor","weight":"degrades","ok":false,"error":"connection refused"}]}"#
    );

    process.shutdown.begin(Cause::Signal("SIGTERM"));
    let ending = get(address, "/readyz", &[]).await;
    assert_eq!((ending.status, ending.body.as_str()), (503, "stopping\n"));
    assert_eq!(get(address, "/livez", &[]).await.status, 200);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_which_setting_to_change() {
    let process = process();
    let taken = served(&process);
    let again = http::serve(
        Listen {
            address: taken,
            ..anywhere()
        },
        &process.tasks,
        pages,
    );
    let error = again.unwrap_err();
    assert!(matches!(error, Error::Listen { .. }));
    let text = report(&error);
    assert!(
        text.contains(&taken.to_string()) && text.contains("HOOKYARD__GATEWAY__LISTEN"),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let process = process();
    let address = served(&process);
    let mut slow = Connection::open(address).await;
    slow.send("GET /ok HTTP/1.1\r\nHost: te").await;
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_drain_finishes_requests_in_hand_and_closes_idle_connections() {
    let process = process();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (in_handler, may_go) = (Arc::clone(&entered), Arc::clone(&release));
    let address = http::serve(anywhere(), &process.tasks, move |config: &mut ServiceConfig| {
        let (entered, release) = (Arc::clone(&in_handler), Arc::clone(&may_go));
        let slow = move || {
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            async move {
                entered.notify_one();
                release.notified().await;
                "finished"
            }
        };
        config.route("/slow", web::get().to(slow)).configure(pages);
    })
    .unwrap();

    let mut idle = Connection::open(address).await;
    idle.send("GET /ok HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut busy = Connection::open(address).await;
    busy.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    entered.notified().await;

    process.shutdown.begin(Cause::Requested);
    let ended = tokio::spawn({
        let process = process.clone();
        async move { process.end().await }
    });
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert!(!ended.is_finished(), "a request is still in hand");
    release.notify_one();
    assert_eq!(busy.answer().await.body, "finished");
    assert_eq!(
        tokio::time::timeout(DEADLINE, ended).await.unwrap().unwrap(),
        Cause::Requested
    );
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "the door is closed"
    );
}
