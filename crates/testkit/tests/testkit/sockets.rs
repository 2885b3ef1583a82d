//! The receiver and the proxy, over plain sockets.

use hookyard_testkit::proxy::Proxy;
use hookyard_testkit::receiver::{Receiver, Reply};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends `request` and reads the answer's status line and the rest of its first packet.
fn exchange(stream: &mut TcpStream, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_receiver_remembers_each_request_of_a_kept_connection() {
    let receiver = Receiver::start();
    let mut stream = connect(receiver.address());
    let post = "POST /hooks HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\n{}";
    assert!(exchange(&mut stream, post).unwrap().starts_with("HTTP/1.1 200"));
    let chunked =
        "POST /hooks HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(
        exchange(&mut stream, chunked)
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );

    let requests = receiver.received(2).await;
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("POST", "/hooks")
    );
    assert_eq!(requests[0].header("x-A"), Some("1"));
    assert_eq!(requests[0].headers.len(), 3);
    assert_eq!(requests[0].json(), serde_json::json!({}));
    assert_eq!(requests[1].body, b"abcde");
}

#[test]
fn a_receiver_answers_by_its_script_and_then_as_before() {
    let receiver = Receiver::start();
    receiver.answer_all(Reply::status(202));
    receiver.answer_next([
        Reply::status(500),
        Reply::status(503).header("retry-after", "7").body("no"),
    ]);
    let mut stream = connect(receiver.address());
    assert!(exchange(&mut stream, GET).unwrap().starts_with("HTTP/1.1 500"));
    let second = exchange(&mut stream, GET).unwrap();
    assert!(
        second.starts_with("HTTP/1.1 503") && second.contains("retry-after: 7") && second.ends_with("no")
    );
    assert!(exchange(&mut stream, GET).unwrap().starts_with("HTTP/1.1 202"));
}

#[test]
fn a_path_may_have_a_script_of_its_own() {
    let receiver = Receiver::start();
    receiver.answer_all_at("/a", Reply::status(418));
    let mut stream = connect(receiver.address());
    assert!(exchange(&mut stream, GET).unwrap().starts_with("HTTP/1.1 418"));
    let other = GET.replace("/a?b=c", "/b");
    assert!(exchange(&mut stream, &other).unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_receiver_can_misbehave() {
    let receiver = Receiver::start();
    receiver.answer_next([
        Reply::reset(),
        Reply::endless_body(),
        Reply::raw("nonsense"),
        Reply::hang(),
    ]);

    let reset = exchange(&mut connect(receiver.address()), GET);
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut endless = connect(receiver.address());
    exchange(&mut endless, GET).unwrap();
    let mut much = vec![0; 10_000];
    endless.read_exact(&mut much).unwrap();

    assert_eq!(
        exchange(&mut connect(receiver.address()), GET).unwrap(),
        "nonsense"
    );

    let mut hung = connect(receiver.address());
    hung.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let nothing = exchange(&mut hung, GET).unwrap_err().kind();
    assert!(matches!(nothing, ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert_eq!(receiver.requests().len(), 4);
}

#[test]
fn a_cut_proxy_ends_old_and_new_connections_until_it_is_restored() {
    let receiver = Receiver::start();
    let proxy = Proxy::start(receiver.address());
    let mut old = connect(proxy.address());
    assert!(exchange(&mut old, GET).unwrap().starts_with("HTTP/1.1 200"));

    proxy.cut();
    let ended = |answer: std::io::Result<String>| answer.map_or(true, |text| text.is_empty());
    assert!(ended(exchange(&mut old, GET)));
    assert!(ended(exchange(&mut connect(proxy.address()), GET)));

    proxy.restore();
    let mut new = connect(proxy.address());
    assert!(exchange(&mut new, GET).unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_stalled_proxy_forwards_nothing_and_later_everything() {
    let receiver = Receiver::start();
    let proxy = Proxy::start(receiver.address());
    let mut stream = connect(proxy.address());
    assert!(exchange(&mut stream, GET).unwrap().starts_with("HTTP/1.1 200"));

    proxy.stall();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(exchange(&mut stream, GET).is_err());

    proxy.restore();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}
