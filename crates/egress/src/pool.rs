//! Connections that wait to be used again, by host *and* address, and by the certificate that was shown on them.
//!
//! A connection is found only by an address that the current look-up returned and the policy let through. So a
//! receiver that moves in DNS is followed, and an address that became forbidden is not reached through an old
//! connection either.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::link::Link;
use crate::{CheckedUrl, Security};

/// Shorter than the keep-alive of the common servers (Node.js closes after 5 s), so that we rarely write to a
/// connection that is being closed over there.
const KEPT_FOR: Duration = Duration::from_secs(4);
/// How many may wait for one receiver; a burst beyond that opens new ones.
const MOST_PER_KEY: usize = 64;
/// How many may wait in all: each is a file descriptor and some 20 KiB.
const MOST_IN_ALL: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    https: bool,
    host: Arc<str>,
    port: u16,
    address: IpAddr,
    /// Names the certificate, the authorities and the owner of a connection that has any.
    security: Option<[u8; 32]>,
}

impl Key {
    pub(crate) fn new(target: &CheckedUrl, address: IpAddr, security: Option<&Security>) -> Self {
        Self {
            https: target.is_https(),
            host: target.shared_host(),
            port: target.port(),
            address,
            security: security.map(Security::name),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    links: HashMap<Key, Vec<Parked>>,
    count: usize,
    /// Whether a task sweeps out what nobody came for.
    swept: bool,
}

#[derive(Debug)]
struct Parked {
    link: Link,
    since: Instant,
}

impl Parked {
    fn is_usable(&self, now: Instant) -> bool {
        !self.link.is_closed() && now.duration_since(self.since) < KEPT_FOR
    }
}

impl Pool {
    /// A connection to one of the addresses, the most recently used one first.
    pub(crate) fn take(
        &self,
        target: &CheckedUrl,
        addresses: &[IpAddr],
        security: Option<&Security>,
    ) -> Option<(Key, Link)> {
        let now = Instant::now();
        let mut waiting = self.lock();
        addresses.iter().find_map(|address| {
            let key = Key::new(target, *address, security);
            waiting.take(&key, now).map(|link| (key, link))
        })
    }

    /// Lets others share a connection that has just been opened, if it can be shared.
    pub(crate) fn share(self: &Arc<Self>, key: &Key, link: &Link) {
        if let Link::H2(sender) = link {
            self.park(key.clone(), Link::H2(sender.clone()));
        }
    }

    /// Takes a connection back after an answer has been read to its end.
    pub(crate) fn give_back(self: &Arc<Self>, key: Key, mut link: Link) {
        if link.is_ready() {
            self.park(key, link);
        } else if !link.is_closed() {
            // The connection's own task has yet to notice the end of the answer.
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                if let Ok(true) = tokio::time::timeout(KEPT_FOR, link.ready()).await {
                    pool.park(key, link);
                }
            });
        }
    }

    /// Lets everybody else open a connection of their own, after one has proved dead.
    pub(crate) fn forget(&self, key: &Key) {
        let mut waiting = self.lock();
        if let Some(links) = waiting.links.remove(key) {
            waiting.count -= links.len();
        }
    }

    fn park(self: &Arc<Self>, key: Key, link: Link) {
        let mut waiting = self.lock();
        if waiting.park(
            key,
            Parked {
                link,
                since: Instant::now(),
            },
        ) && !waiting.swept
        {
            waiting.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under the lock can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, key: &Key, now: Instant) -> Option<Link> {
        let links = self.links.get_mut(key)?;
        while let Some(mut last) = links.pop() {
            if last.is_usable(now) {
                if let Link::H2(sender) = &last.link {
                    let shared = Link::H2(sender.clone());
                    last.since = now;
                    links.push(last);
                    return Some(shared);
                }
                self.count -= 1;
                return Some(last.link);
            }
            self.count -= 1;
        }
        self.links.remove(key);
        None
    }

    /// Whether the connection was kept.
    fn park(&mut self, key: Key, parked: Parked) -> bool {
        let links = self.links.entry(key).or_default();
        let shared_already = matches!(parked.link, Link::H2(_)) && !links.is_empty();
        if shared_already || links.len() >= MOST_PER_KEY || self.count >= MOST_IN_ALL {
            return false;
        }
        links.push(parked);
        self.count += 1;
        true
    }

    fn drop_unusable(&mut self, now: Instant) {
        self.links.retain(|_, links| {
            links.retain(|parked| parked.is_usable(now));
            !links.is_empty()
        });
        self.count = self.links.values().map(Vec::len).sum();
    }
}

/// Closes what nobody came for; ends when nothing waits any more, or nobody could come.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(KEPT_FOR / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut waiting = pool.lock();
        waiting.drop_unusable(Instant::now());
        if waiting.links.is_empty() {
            waiting.swept = false;
            return;
        }
    }
}
