//! Counting the handshakes that were answered, and keeping the secrets that come with some.
//!
//! Anybody who knows a source's address can shake hands as often as they like, so the counts are written together, at most
//! once in some seconds, and a source takes one new secret in that time.

use crate::problem::Problem;
use boot::Tasks;
use moka::future::Cache;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Captured, NewHandshakes, Store};
use tokio::sync::Notify;
use wire::{Instant, SourceId};

/// The least time between two writes.
const PAUSE: Duration = Duration::from_secs(3);

/// Sources that handed over a secret within [`PAUSE`].
const REMEMBERED: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Handshakes {
    store: Store,
    counted: Arc<Counted>,
    /// The hash of the secret that each source kept last.
    kept: Cache<SourceId, [u8; 32]>,
}

/// What is not written yet: at most one entry for each source.
#[derive(Debug, Default)]
struct Counted {
    by_source: Mutex<HashMap<SourceId, NewHandshakes>>,
    some: Notify,
}

impl Handshakes {
    pub(crate) fn start(store: Store, tasks: &Tasks) -> Self {
        let counted = Arc::<Counted>::default();
        let stopping = tasks.shutdown().stopping();
        let (writer, written) = (store.clone(), Arc::clone(&counted));
        tasks.spawn("gateway.handshakes", async move {
            loop {
                tokio::select! {
                    () = written.some.notified() => {}
                    () = stopping.cancelled() => return written.write(&writer).await,
                }
                written.write(&writer).await;
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stopping.cancelled() => return written.write(&writer).await,
                }
            }
        });
        Self {
            store,
            counted,
            kept: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(PAUSE)
                .build(),
        }
    }

    /// Counts one. Never waits.
    pub(crate) fn count(&self, source: &SourceId, now: Instant) {
        self.counted.add(source, now);
        self.counted.some.notify_one();
    }

    /// Keeps the secret that came with a handshake, before its sender is told that it arrived: it is sent once.
    pub(crate) async fn keep(&self, source: &SourceId, captured: Captured) -> Result<(), Problem> {
        let hash: [u8; 32] = Sha256::digest(captured.secret.expose_secret()).into();
        let write = async {
            let new = NewHandshakes {
                source_id: source.clone(),
                answered: 0,
                last_at: captured.at,
                captured: Some(captured),
            };
            self.store.record_handshakes(vec![new]).await.map(|()| hash)
        };
        match self.kept.try_get_with(source.clone(), write).await {
            Ok(kept) if kept == hash => Ok(()),
            Ok(_another) => Err(Problem::Overloaded),
            Err(error) => {
                tracing::warn!(error = %error, "a secret that a sender handed over could not be kept");
                Err(Problem::Unavailable)
            }
        }
    }
}

impl Counted {
    fn by_source(&self) -> MutexGuard<'_, HashMap<SourceId, NewHandshakes>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, source: &SourceId, now: Instant) {
        let mut by_source = self.by_source();
        let known = by_source.entry(source.clone()).or_insert_with(|| NewHandshakes {
            source_id: source.clone(),
            answered: 0,
            last_at: now,
            captured: None,
        });
        known.answered = known.answered.saturating_add(1);
        known.last_at = now;
    }

    async fn write(&self, store: &Store) {
        let new = std::mem::take(&mut *self.by_source());
        if new.is_empty() {
            return;
        }
        if let Err(error) = store.record_handshakes(new.into_values().collect()).await {
            // They are for people to look at, and more will come.
            tracing::warn!(error = %error, "handshakes could not be counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_row_for_each_source() {
        let (one, two) = (SourceId::from_stored("so_1"), SourceId::from_stored("so_2"));
        let at = |second: i64| Instant::from_unix_micros(second * 1_000_000);
        let counted = Counted::default();
        (0..1_000).for_each(|second| counted.add(&one, at(second)));
        counted.add(&two, at(7));
        let by_source = counted.by_source();
        let known = |source| (by_source[source].answered, by_source[source].last_at);
        assert_eq!((known(&one), known(&two)), ((1_000, at(999)), (1, at(7))));
        assert_eq!(by_source.len(), 2);
    }
}
