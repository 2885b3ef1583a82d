//! A receiver that speaks plain bytes, so that a test can make it do what no web server would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The answer of a receiver that is content.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(crate) struct Receiver {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Receiver {
    /// Starts a receiver on a free port of 127.0.0.1 that handles every connection with `handle`.
    pub(crate) async fn start<Handled>(handle: impl Fn(Connection) -> Handled + Send + Sync + 'static) -> Self
    where
        Handled: Future<Output = ()> + Send + 'static,
    {
        Self::start_on("127.0.0.1:0", handle).await
    }

    pub(crate) async fn start_on<Handled>(
        address: &str,
        handle: impl Fn(Connection) -> Handled + Send + Sync + 'static,
    ) -> Self
    where
        Handled: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(handle(Connection {
                        stream,
                        seen: Arc::clone(&seen),
                    }));
                }
            }
        });
        Self { address, seen, task }
    }

    /// Starts a receiver that answers every request on every connection with the same bytes.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.send(answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The requests as they came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    seen: Arc<Seen>,
}

impl Connection {
    /// Reads one request with its body; `None` when the client closes the connection instead.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut request = Vec::new();
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            request.push(byte);
            if request.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(request.clone()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).await.ok()?;
        request.extend(body);
        let request = String::from_utf8(request).unwrap();
        self.seen.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Sends bytes; `false` when the client is gone.
    pub(crate) async fn send(&mut self, bytes: &str) -> bool {
        self.stream.write_all(bytes.as_bytes()).await.is_ok()
    }

    /// Waits until the client closes the connection.
    pub(crate) async fn wait_for_close(mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new()).await;
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}
