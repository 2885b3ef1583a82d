//! The workspaces' routing tables, remembered for some seconds.
//!
//! The generation in the key keeps a table that was read before a change from being found after it.

use crate::pace::Pace;
use moka::future::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{Error, Route, RoutingTable, Store};
use wire::WorkspaceId;
use wire::resource::OrderSpec;

/// How long a table is remembered when no announcement says that something changed.
const TIME_TO_LIVE: Duration = Duration::from_secs(10);

/// How much is remembered, counted in routes and targets: some 100 MiB of tables.
const CAPACITY: u64 = 200_000;

/// A workspace's table, and how fast its expressions are.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) table: RoutingTable,
    pub(crate) pace: Pace,
}

impl Known {
    fn of(table: RoutingTable) -> Self {
        let asks = |route: &Route| route.spec.filter.is_some() || route.spec.transform.is_some();
        let orders = |order: &OrderSpec| matches!(order, OrderSpec::By(_));
        let evaluates = table.routes.iter().any(asks) || table.orders.values().any(orders);
        Self {
            pace: Pace::new(evaluates),
            table,
        }
    }
}

/// Looks tables up. Clones share what they remember.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    store: Store,
    generation: Arc<AtomicU64>,
    cache: Cache<(u64, WorkspaceId), Arc<Known>>,
}

impl Tables {
    pub(crate) fn new(store: Store) -> Self {
        let weight = |_: &(u64, WorkspaceId), known: &Arc<Known>| {
            let table = &known.table;
            let lists = table.routes.len() + table.endpoints.len() + table.playbooks.len();
            let rows = 1 + lists + table.sources.len();
            u32::try_from(rows).unwrap_or(u32::MAX)
        };
        Self {
            store,
            generation: Arc::default(),
            cache: Cache::builder()
                .max_capacity(CAPACITY)
                .weigher(weight)
                .time_to_live(TIME_TO_LIVE)
                .build(),
        }
    }

    /// A workspace's table. Many callers at once read it once.
    pub(crate) async fn find(&self, workspace: &WorkspaceId) -> Result<Arc<Known>, Arc<Error>> {
        let key = (self.generation.load(Ordering::Acquire), workspace.clone());
        self.cache
            .try_get_with(key, async {
                let table = self.store.routing_table(workspace).await?;
                Ok(Arc::new(Known::of(table)))
            })
            .await
    }

    /// Forgets everything, because something changed.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate_all();
    }
}
