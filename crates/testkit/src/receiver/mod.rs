//! A real HTTP/1.1 receiver that remembers what it got and answers as it is told, also badly.

mod connection;
mod reply;

pub use reply::Reply;

use crate::thread::Thread;
use crate::until;
use reply::Script;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One request, complete with its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// `/hooks/1?a=b`.
    pub target: String,
    /// As they came: in order, with their case and their repetitions.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The exact bytes, without the chunks' framing.
    pub body: Vec<u8>,
    /// When its last byte was read.
    pub at: Instant,
}

impl Request {
    /// The first header of that name, in any case, when it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the test sent JSON, because it asks for JSON")
    }
}

/// Listens on a free port of 127.0.0.1 and answers 200 until told otherwise; ends when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Request>,
    /// By path without query; the empty one is for paths that have none of their own.
    scripts: HashMap<String, Script>,
    in_flight: usize,
    most_in_flight: usize,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port, because a test uses few");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address, because the system gave it one");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let served = Arc::clone(&shared);
        let thread = Thread::start("test-receiver", move || connection::serve(listener, served));
        Self {
            address,
            shared,
            _thread: thread,
        }
    }

    /// `http://127.0.0.1:49152`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request this way from now on.
    pub fn answer_all(&self, reply: Reply) {
        self.answer_all_at("", reply);
    }

    /// Answers the next requests with these, one each, then as before.
    pub fn answer_next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.answer_next_at("", replies);
    }

    /// Answers every request of `path` (`/slow`) this way from now on.
    pub fn answer_all_at(&self, path: &str, reply: Reply) {
        lock(&self.shared)
            .scripts
            .insert(path.to_owned(), Script::of(reply));
    }

    /// Answers the next requests of `path` with these, one each, then as before.
    pub fn answer_next_at(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut shared = lock(&self.shared);
        shared.scripts.entry(path.to_owned()).or_default().add(replies);
    }

    /// What came so far, in the order of completion.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).requests.clone()
    }

    /// Waits until at least `count` requests came; answers with all that did.
    pub async fn received(&self, count: usize) -> Vec<Request> {
        let what = format!("{count} requests at the receiver");
        until(&what, async || lock(&self.shared).requests.len() >= count).await;
        self.requests()
    }

    /// The most requests that waited for their answer at one time.
    pub fn most_in_flight(&self) -> usize {
        lock(&self.shared).most_in_flight
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
