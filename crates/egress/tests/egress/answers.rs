//! What is sent, what comes back, and what is made of it.

use hookyard_egress::{Error, HeaderMap, HeaderValue, Kind, Method, Request, SendError};

use crate::receiver::{OK, Receiver};
use crate::{client, post};

#[tokio::test]
async fn a_request_goes_out_as_it_was_given() {
    let receiver = Receiver::answering(OK).await;
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let request = Request {
        headers,
        custom_headers: vec![
            ("X-Team".to_owned(), "pay".to_owned()),
            (
                "Content-Type".to_owned(),
                "application/cloudevents+json".to_owned(),
            ),
        ],
        ..post(format!("{}/%0d%0aX-Injected:1?b=%20#fragment", receiver.url()))
    };
    let answer = client().send(request).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.body, answer.body_truncated),
        (200, &b"ok"[..], false)
    );
    assert_eq!(answer.headers.get("content-length").unwrap(), "2");

    let requests = receiver.requests();
    let (head, body) = requests.first().unwrap().split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines.sort_unstable();
    let host = format!("host: 127.0.0.1:{}", receiver.port());
    let user_agent = concat!("user-agent: hookyard/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        lines,
        [
            "POST /hooks/%0d%0aX-Injected:1?b=%20 HTTP/1.1",
            "accept: */*",
            "content-length: 7",
            "content-type: application/cloudevents+json",
            &host,
            user_agent,
            "webhook-id: msg_1",
            "x-team: pay",
        ]
    );
    assert_eq!(body, "{\"a\":1}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let trap = Receiver::answering(OK).await;
    let receiver = Receiver::start({
        let answer = format!(
            "HTTP/1.1 307 Temporary\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            trap.url()
        );
        move |mut connection| {
            let answer = answer.clone();
            async move {
                connection.request().await;
                connection.send(&answer).await;
            }
        }
    })
    .await;
    assert_eq!(client().send(post(receiver.url())).await.unwrap().status, 307);
    assert_eq!((receiver.connections(), trap.connections()), (1, 0));
}

#[tokio::test]
async fn an_answer_is_cut_at_the_limit_and_the_status_decides() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        while connection.send(&chunk).await {}
    })
    .await;
    let answer = client().send(post(receiver.url())).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.body.len(), answer.body_truncated),
        (200, 64 * 1024, true)
    );
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_whole() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345").await;
    for (max_answer_bytes, body, body_truncated) in [(5, "12345", false), (4, "1234", true), (0, "", true)] {
        let answer = client()
            .send(Request {
                max_answer_bytes,
                ..post(receiver.url())
            })
            .await
            .unwrap();
        assert_eq!(
            (&*answer.body, answer.body_truncated),
            (body.as_bytes(), body_truncated)
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_its_status() {
    let receiver = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection
            .send("HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nsorry")
            .await;
    })
    .await;
    let answer = client().send(post(receiver.url())).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.body, answer.body_truncated),
        (500, &b"sorry"[..], true)
    );
}

#[tokio::test]
async fn a_receiver_that_changes_the_protocol_has_answered_that() {
    let receiver = Receiver::answering(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    .await;
    let answer = client().send(post(receiver.url())).await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (101, &b""[..]));
}

#[tokio::test]
async fn a_receiver_that_hangs_up_is_a_reset() {
    let politely = Receiver::start(|mut connection| async move {
        connection.request().await;
    })
    .await;
    let rudely = Receiver::start(|mut connection| async move {
        connection.request().await;
        connection.into_stream().set_zero_linger().unwrap();
    })
    .await;
    let at_once = Receiver::start(|_connection| async {}).await;
    for receiver in [politely, rudely, at_once] {
        let error = client().send(post(receiver.url())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Reset, "{error:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_port_is_a_failed_connection() {
    // An address of its own, so that no other test can get the port meanwhile.
    let listener = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = client().send(post(url)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Connect, "{error:?}");
    assert!(error.to_string().contains("nothing listens there"), "{error:?}");
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let long_head = format!("HTTP/1.1 200 OK\r\n{}", "x-padding: 0123456789\r\n".repeat(4000)).leak();
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        long_head,
    ] {
        let receiver = Receiver::answering(answer).await;
        let error = client().send(post(receiver.url())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error:?}");
    }
}

#[tokio::test]
async fn what_may_not_be_sent_never_leaves() {
    let receiver = Receiver::answering(OK).await;
    let custom = |name: &str, value: &str| Request {
        custom_headers: vec![(name.to_owned(), value.to_owned())],
        ..post(receiver.url())
    };
    let framing = Request {
        headers: HeaderMap::from_iter([("host".parse().unwrap(), "x".parse().unwrap())]),
        ..post(receiver.url())
    };
    let tunnel = Request {
        method: Method::CONNECT,
        ..post(receiver.url())
    };
    let many = Request {
        custom_headers: vec![("X-A".to_owned(), "1".to_owned()); 65],
        ..post(receiver.url())
    };
    for request in [
        custom("X-A", "b\r\nHost: evil"),
        custom("webhook-signature", "v1,x"),
        custom("Transfer-Encoding", "chunked"),
        framing,
        tunnel,
        many,
        post("http://10.0.0.1/"),
        post("not a URL"),
    ] {
        let error = client().send(request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Blocked, "{error:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_refusal_says_what_it_refuses() {
    let error = client()
        .send(post("http://10.0.0.1/token/S3CRET"))
        .await
        .unwrap_err();
    assert!(matches!(&error, SendError::Refused(Error::Address { .. })));
    assert!(
        error.to_string().contains("a private network") && !error.to_string().contains("S3CRET"),
        "{error}"
    );
}
