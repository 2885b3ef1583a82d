//! HTTP to the byte: a test sends what no client library would.

use serde_json::Value;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;
use testkit::{Described, Exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the doors say that they answer.
static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let document = hookyard_gateway::api().document("", "");
    Described::by(serde_json::to_value(document).unwrap())
});

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("the answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        }
    }
}

/// Sends bytes as they are and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Reply {
    let answered = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Reply::parse(&answer)
    };
    tokio::time::timeout(Duration::from_secs(30), answered)
        .await
        .expect("the server answers")
}

/// A request with a body whose length it tells truly.
pub(crate) async fn send(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut request = format!(
        "{line} HTTP/1.1\r\nHost: yard\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    request.push_str("\r\n");
    let reply = raw(address, &[request.as_bytes(), body].concat()).await;
    check(line, body, &reply);
    reply
}

/// Every answer is one that the doors' description has.
fn check(line: &str, sent: &[u8], reply: &Reply) {
    let (method, target) = line.split_once(' ').unwrap();
    DESCRIBED.check(&Exchange {
        method,
        target,
        sent,
        status: reply.status,
        content_type: reply.header("content-type"),
        body: &reply.body,
    });
}

/// The same in chunks, without a length.
pub(crate) async fn send_chunked(address: SocketAddr, line: &str, body: &[u8]) -> Reply {
    let mut request =
        format!("{line} HTTP/1.1\r\nHost: yard\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    for chunk in body.chunks(64 * 1024) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let reply = raw(address, &request).await;
    check(line, body, &reply);
    reply
}
