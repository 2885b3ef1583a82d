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
    /// Newest first; an error when one of its secrets cannot be used.
    keys: Result<Vec<Key>, SignatureError>,
}

#[derive(Debug)]
struct Key {
    key: SigningKey,
    /// When it stops signing; an endpoint may be remembered for longer.
    expires_at: Option<Instant>,
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
            .map(|secret| {
                Ok(Key {
                    key: SigningKey::parse(&secret.value)?,
                    expires_at: secret.expires_at,
                })
            })
            .collect();
        Self { endpoint, keys }
    }

    /// What a delivery at `now` is signed with, newest first; an error when one of the secrets cannot be used.
    pub(crate) fn keys_at(&self, now: Instant) -> Result<Vec<&SigningKey>, &SignatureError> {
        let keys = self.keys.as_ref()?.iter();
        let live = keys.filter(|key| key.expires_at.is_none_or(|end| now < end));
        Ok(live.map(|key| &key.key).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use wire::resource::EndpointSpec;
    use wire::{EnvironmentId, WorkspaceId};

    #[test]
    fn a_remembered_secret_signs_until_its_end_and_not_longer() {
        let now = Instant::from_unix_micros(0);
        let end = now + Duration::from_secs(1);
        let secret = |id: &str, expires_at| SigningSecret {
            id: id.to_owned(),
            value: signature::generate_secret(&[id.as_bytes()[0]; 32]),
            created_at: now,
            expires_at,
        };
        let recipient = Recipient::of(
            Endpoint {
                application_id: None,
                credential: None,
                client_key: None,
                id: EndpointId::from_stored("ep_one"),
                workspace_id: WorkspaceId::from_stored("ws_one"),
                environment_id: EnvironmentId::from_stored("env_one"),
                spec: EndpointSpec::to("https://hooks.example.com/in"),
                secrets: vec![secret("new", None), secret("old", Some(end))],
                created_at: now,
                updated_at: now,
                deleted_at: None,
            },
            now,
        );
        let count = |at| recipient.keys_at(at).unwrap().len();
        assert_eq!(count(end), 1);
        assert_eq!(count(now), 2);
    }
}
