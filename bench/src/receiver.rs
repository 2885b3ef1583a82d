//! Where the yard delivers to: counts what arrives, and how long that took since it was due.
//!
//! It runs on a thread of its own, so that the load's connections never keep it waiting. `/hang…` is never answered,
//! `/slow…` after half a second, everything else at once. Between the calls of a run it also measures what the runner
//! takes: from its answer to one call to the arrival of the next.

use crate::clock::Clock;
use crate::http::content_length;
use crate::latencies::Latencies;
use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BytesMut};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// How long `/slow` takes.
pub(crate) const SLOW: Duration = Duration::from_millis(500);

/// Heads of more headers are refused.
const MOST_HEADERS: usize = 64;

/// Names the run that makes a call (playbooks, *What a receiver gets*).
const RUN_HEADER: &str = "x-hookyard-run";

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
    /// From the answer to a run's call to its next call.
    between_calls: Latencies,
    /// When each run's last call was answered.
    answered: Mutex<HashMap<String, Instant>>,
    /// How long what is never answered was held by its client.
    held: Latencies,
    /// Gets a permit for each arrival.
    window: Arc<Semaphore>,
}

impl Receiver {
    pub(crate) fn start(clock: Clock) -> Result<Self> {
        let book = Arc::new(Book {
            clock,
            arrived: AtomicU64::new(0),
            latencies: Latencies::new(),
            between_calls: Latencies::new(),
            answered: Mutex::default(),
            held: Latencies::new(),
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

    /// From each answer to a run's call to the arrival of its next.
    pub(crate) fn between_calls(&self) -> Latencies {
        self.book.between_calls.clone()
    }

    /// How long clients waited for the answers that never come, of those that have given up.
    pub(crate) fn held(&self) -> Latencies {
        self.book.held.clone()
    }

    /// Forgets what has arrived.
    pub(crate) fn reset(&self) {
        self.book.arrived.store(0, Ordering::Relaxed);
        self.book.latencies.clear();
        self.book.between_calls.clear();
        self.book.answered().clear();
        self.book.held.clear();
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
        while let Some(request) = next(&received)? {
            received.advance(request.length);
            if request.manner == Manner::Hang {
                return hang(stream, received, book).await;
            }
            book.enter(&request);
            if request.manner == Manner::Slow {
                tokio::time::sleep(SLOW).await;
            }
            if let Some(run) = request.run {
                // Before it is written: the next call may be here before this task goes on.
                book.answered().insert(run, Instant::now());
            }
            stream.write_all(ANSWER).await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// Answers nothing, until the client has had enough.
async fn hang(mut stream: TcpStream, mut received: BytesMut, book: &Book) -> Result<()> {
    let began = Instant::now();
    let ended = loop {
        received.clear();
        match stream.read_buf(&mut received).await {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            // A client may also end it with a reset.
            Err(error) => break Err(error.into()),
        }
    };
    book.held.record(began.elapsed());
    ended
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Prompt,
    Slow,
    Hang,
}

/// What matters of a request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Of its head and its body.
    length: usize,
    manner: Manner,
    /// When what led to it was due.
    stamp: Option<u64>,
    /// The run that makes the call.
    run: Option<String>,
}

impl Book {
    fn enter(&self, request: &Request) {
        if let Some(stamp) = request.stamp {
            self.latencies.record(self.clock.since(stamp));
        }
        if let Some(run) = &request.run
            && let Some(answered) = self.answered().remove(run)
        {
            self.between_calls.record(answered.elapsed());
        }
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.window.add_permits(1);
    }

    fn answered(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request at the beginning of `received`, if it is whole.
fn next(received: &[u8]) -> Result<Option<Request>> {
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
    let run = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(RUN_HEADER));
    Ok(Some(Request {
        length,
        manner,
        stamp: stamp_in(body),
        run: run.map(|header| String::from_utf8_lossy(header.value).into_owned()),
    }))
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
        let expected = Request {
            length: whole.len() - 3,
            manner: Manner::Hang,
            stamp: Some(1),
            run: None,
        };
        assert_eq!(next(whole).unwrap(), Some(expected));
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

    #[tokio::test]
    async fn between_a_runs_calls_is_what_follows_each_answer_and_no_other_runs_time() {
        let receiver = Receiver::start(Clock::start()).unwrap();
        let mut connection = Connection::open(receiver.address).await.unwrap();
        for run in ["run_a", "run_b", "run_a"] {
            let request = format!("POST /x HTTP/1.1\r\nX-Hookyard-Run: {run}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(connection.exchange(request.as_bytes()).await.unwrap(), 200);
        }
        let between = receiver.between_calls();
        assert_eq!(between.count(), 1);
        receiver.reset();
        assert_eq!(between.count(), 0);
    }

    #[tokio::test]
    async fn what_hangs_is_held_until_its_client_gives_up() {
        let receiver = Receiver::start(Clock::start()).unwrap();
        let patience = Duration::from_millis(50);
        let mut connection = Connection::open(receiver.address).await.unwrap();
        let hanging = connection.exchange(b"POST /hang HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        tokio::time::timeout(patience, hanging).await.unwrap_err();
        drop(connection);
        let deadline = Instant::now() + Duration::from_secs(10);
        while receiver.held().count() == 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The receiver may have begun a little later than the client.
        assert!(receiver.held().quantile(0.5).unwrap() >= patience / 2);
        assert_eq!(receiver.arrived(), 0);
    }
}
