//! The definitions that runs keep to, remembered: a version never changes.

use moka::future::Cache;
use playbook::{Operations, Version};
use std::sync::Arc;
use store::{Error, Store};
use wire::PlaybookId;

/// How much is remembered: a definition has up to 256 KiB, and the operations that it calls may have more.
const CAPACITY: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Versions {
    store: Store,
    cache: Cache<(PlaybookId, i32), Known>,
}

#[derive(Debug, Clone)]
struct Known {
    version: Version,
    bytes: u32,
}

/// Why there is no version to run by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    #[error("the ledger cannot be read")]
    Ledger(#[source] Arc<Error>),
    /// It does not pass.
    #[error("the definition that the run keeps to is not in the ledger any more, or is unreadable")]
    Gone,
}

impl Versions {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            cache: Cache::builder()
                .max_capacity(CAPACITY)
                .weigher(|_, known: &Known| known.bytes)
                .build(),
        }
    }

    /// A version of a playbook. Many callers at once read it once.
    pub(crate) async fn find(&self, playbook: &PlaybookId, version: i32) -> Result<Version, Missing> {
        let key = (playbook.clone(), version);
        if let Some(known) = self.cache.get(&key).await {
            return Ok(known.version);
        }
        let row = self.store.playbook_version(playbook, version).await;
        let row = row.map_err(|error| Missing::Ledger(Arc::new(error)))?;
        let row = row.ok_or(Missing::Gone)?;
        let operations: Operations =
            serde_json::from_str(&row.operations).map_err(|_unreadable| Missing::Gone)?;
        let known = Known {
            version: Version::new(&row.definition, &operations),
            bytes: u32::try_from(row.definition.len() + row.operations.len()).unwrap_or(u32::MAX),
        };
        self.cache.insert(key, known.clone()).await;
        Ok(known.version)
    }
}
