//! Where the yard delivers to: counts what arrives, and how long that took since it was due.
//!
//! It runs on a thread of its own, so that the load's connections never keep it waiting. `/hang…` is never answered,
//! `/slow…` after half a second, everything else at once.

use crate::clock::Clock;
use crate::http::content_length;
use crate::latencies::Latencies;
use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BytesMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// How long `/slow` takes.
pub(crate) const SLOW: Duration = Duration::from_millis(500);

/// Heads of more headers are refused.
const MOST_HEADERS: usize = 64;

/// A receiver; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    book: Arc<Book>,
    _end: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Book {
    clock: Clock,
    arrived: AtomicU64,
    latencies: Latencies,
    /// Gets a permit for each arrival.
    window: Arc<Semaphore>,
}

impl Receiver {
    pub(crate) fn start(clock: Clock) -> Result<Self> {
        let book = Arc::new(Book {
            clock,
            arrived: AtomicU64::new(0),
            latencies: Latencies::new(),
            window: Arc::new(Semaphore::new(0)),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&book);
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = listen(listener, shared) => {}
                        _ = ended => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            book,
            _end: end,
        })
    }

    /// What endpoints and playbooks call: `http://127.0.0.1:PORT{path}`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests it has answered since it was last [reset](Self::reset).
    pub(crate) fn arrived(&self) -> u64 {
        self.book.arrived.load(Ordering::Relaxed)
    }

    /// From when they were due to their arrival.
    pub(crate) fn latencies(&self) -> Latencies {
        self.book.latencies.clone()
    }

    /// Forgets what has arrived.
    pub(crate) fn reset(&self) {
        self.book.arrived.store(0, Ordering::Relaxed);
        self.book.latencies.clear();
    }

    /// A window that lets at most `size` be under way between a sender and here.
    pub(crate) fn window(&self, size: usize) -> Arc<Semaphore> {
        let window = &self.book.window;
        window.forget_permits(usize::MAX >> 3);
        window.add_permits(size);
        Arc::clone(window)
    }

    /// Waits until so many have arrived; returns when the last did.
    pub(crate) async fn until(&self, count: u64, patience: Duration) -> Result<Instant> {
        let deadline = Instant::now() + patience;
        while self.arrived() < count {
            if Instant::now() > deadline {
                bail!(
                    "of {count} only {} have arrived within {patience:?}",
                    self.arrived()
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Instant::now())
    }
}

async fn listen(listener: std::net::TcpListener, book: Arc<Book>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let book = Arc::clone(&book);
        // A connection that breaks is its client's to notice.
        tokio::spawn(async move { serve(stream, &book).await.ok() });
    }
}

async fn serve(mut stream: TcpStream, book: &Book) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut received = BytesMut::with_capacity(4_096);
    loop {
        while let Some((length, manner, stamp)) = next(&received)? {
            received.advance(length);
            match manner {
                // Until the client has had enough.
                Manner::Hang => {
                    while stream.read_buf(&mut received).await? > 0 {
                        received.clear();
                    }
                    return Ok(());
                }
                Manner::Slow => {
                    book.enter(stamp);
                    tokio::time::sleep(SLOW).await;
                }
                Manner::Prompt => book.enter(stamp),
            }
            stream.write_all(ANSWER).await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Prompt,
    Slow,
    Hang,
}

impl Book {
    fn enter(&self, stamp: Option<u64>) {
        if let Some(stamp) = stamp {
            self.latencies.record(self.clock.since(stamp));
        }
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.window.add_permits(1);
    }
}

/// The request at the beginning of `received`, if it is whole: its length, its manner, and the stamp in its body.
fn next(received: &[u8]) -> Result<Option<(usize, Manner, Option<u64>)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received)? else {
        return Ok(None);
    };
    let length = head + content_length(request.headers)?;
    let Some(body) = received.get(head..length) else {
        return Ok(None);
    };
    let path = request.path.context("a request without a path")?;
    let manner = match path {
        path if path.starts_with("/hang") => Manner::Hang,
        path if path.starts_with("/slow") => Manner::Slow,
        _ => Manner::Prompt,
    };
    Ok(Some((length, manner, stamp_in(body))))
}

/// The number after `"at":`. Playbooks write the object anew, so it need not be at the beginning.
fn stamp_in(body: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"at\":";
    let begin = body.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = body.get(begin..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        assert_eq!(stamp_in(b"{\"at\":123,\"pad\":\"x\"}"), Some(123));
        assert_eq!(stamp_in(b"{\"a\":1,\"at\":7}"), Some(7));
        assert_eq!(stamp_in(b"{\"at\":\"7\"}"), None);
        assert_eq!(stamp_in(b"{}"), None);
    }

    #[test]
    fn a_request_counts_when_it_is_whole() {
        let whole = b"POST /hang/1 HTTP/1.1\r\ncontent-length: 8\r\n\r\n{\"at\":1}GET";
        let cut = whole.len() - 4;
        assert_eq!(next(&whole[..cut]).unwrap(), None);
        assert_eq!(
            next(whole).unwrap(),
            Some((whole.len() - 3, Manner::Hang, Some(1)))
        );
    }

    #[tokio::test]
    async fn what_arrives_is_counted_and_widens_the_window() {
        let clock = Clock::start();
        let receiver = Receiver::start(clock).unwrap();
        let window = receiver.window(3);
        assert_eq!(receiver.window(3).available_permits(), 3);
        let mut connection = Connection::open(receiver.address).await.unwrap();
        let request = b"POST /ok HTTP/1.1\r\ncontent-length: 8\r\n\r\n{\"at\":1}";
        for _ in 0..2 {
            assert_eq!(connection.exchange(request).await.unwrap(), 200);
        }
        receiver.until(2, Duration::from_secs(10)).await.unwrap();
        assert_eq!(window.available_permits(), 5);
        assert!(receiver.latencies().quantile(0.5).is_some());
        receiver.reset();
        assert_eq!(
            (receiver.arrived(), receiver.latencies().quantile(0.5)),
            (0, None)
        );
    }
}
