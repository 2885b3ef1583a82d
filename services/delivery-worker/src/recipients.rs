//! The endpoints as attempts need them, remembered for some seconds.

use crate::lines::Limits;
use crate::rate::Rate;
use moka::future::Cache;
use signature::{SignatureError, SigningKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{Endpoint, Error, SigningSecret, Store};
use wire::{EndpointId, Instant};

/// How long an endpoint is remembered when no announcement says that it changed.
const TIME_TO_LIVE: Duration = Duration::from_secs(10);

/// How many endpoints are remembered.
const CAPACITY: u64 = 20_000;

/// An endpoint that is there, ready to be sent to.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) endpoint: Endpoint,
    /// What its deliveries are signed with, newest first; an error when one of its secrets cannot be used.
    pub(crate) keys: Result<Vec<SigningKey>, SignatureError>,
}

impl Recipient {
    /// Prepares the secrets that are live at `now`.
    pub(crate) fn of(endpoint: Endpoint, now: Instant) -> Self {
        let mut live: Vec<&SigningSecret> = endpoint
            .secrets
            .iter()
            .filter(|secret| secret.is_live(now))
            .collect();
        live.sort_by_key(|secret| std::cmp::Reverse(secret.created_at));
        let keys = live
            .into_iter()
            .map(|secret| SigningKey::parse(&secret.value))
            .collect();
        Self { endpoint, keys }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            concurrency: usize::try_from(self.endpoint.spec.concurrency)
                .unwrap_or(usize::MAX)
                .max(1),
            rate: self.endpoint.spec.rate_limit.map(Rate::of),
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.endpoint.spec.enabled
    }
}

/// Looks endpoints up. Clones share what they remember.
#[derive(Debug, Clone)]
pub(crate) struct Recipients {
    store: Store,
    /// Counts changes. It is part of the key, so what was read before a change is not found after it.
    generation: Arc<AtomicU64>,
    cache: Cache<(u64, EndpointId), Option<Arc<Recipient>>>,
}

impl Recipients {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            generation: Arc::default(),
            cache: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(TIME_TO_LIVE)
                .build(),
        }
    }

    /// The endpoint, unless it does not exist or is deleted. Many callers at once read it once.
    pub(crate) async fn find(&self, id: &EndpointId) -> Result<Option<Arc<Recipient>>, Arc<Error>> {
        let key = (self.generation.load(Ordering::Acquire), id.clone());
        let read = async {
            let found = self.store.endpoint(id).await?;
            let alive = found.filter(|endpoint| endpoint.deleted_at.is_none());
            Ok(alive.map(|endpoint| Arc::new(Recipient::of(endpoint, Instant::now()))))
        };
        self.cache.try_get_with(key, read).await
    }

    /// Forgets everything, because something changed.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate_all();
    }
}
