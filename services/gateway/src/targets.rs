//! Where events can go, as the doors need it: the routing tables of workspaces, and their event types.

use crate::problem::Problem;
use crate::sources::REMEMBERED;
use broker::Generation;
use moka::future::Cache;
use std::sync::Arc;
use std::time::Duration;
use store::{EventType, RoutingTable, Store};
use wire::resource::EventTypeSpec;
use wire::{ConfiguredId, EventTypeId, EventTypeName, Instant, WorkspaceId};

/// The most event types that a workspace's senders may register.
const MOST_TYPES: usize = 10_000;

#[derive(Debug, Clone)]
pub(crate) struct Targets {
    store: Store,
    generation: Generation,
    tables: Cache<(u64, WorkspaceId), Arc<RoutingTable>>,
    types: Cache<(u64, WorkspaceId, Arc<str>), EventTypeId>,
    /// Whether a run that begins may listen.
    listening: Cache<(u64, WorkspaceId), bool>,
}

impl Targets {
    pub(crate) fn new(store: Store, generation: Generation, ttl: Duration) -> Self {
        Self {
            store,
            generation,
            tables: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
            types: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
            listening: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(ttl)
                .build(),
        }
    }

    /// A workspace's routes and what they lead to.
    pub(crate) async fn routes(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Arc<RoutingTable>, Arc<store::Error>> {
        let key = (self.generation.now(), workspace.clone());
        self.tables.try_get_with(key, self.read(workspace)).await
    }

    /// The same, read anew: before a sender is told that something is not there. It may have been made a moment ago, by
    /// a process whose announcement is still on its way.
    pub(crate) async fn routes_now(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Arc<RoutingTable>, Arc<store::Error>> {
        let key = (self.generation.now(), workspace.clone());
        let table = self.read(workspace).await?;
        self.tables.insert(key, Arc::clone(&table)).await;
        Ok(table)
    }

    /// Whether a run of the workspace may take an event that comes now: it goes on, or begins before the event is recorded.
    pub(crate) async fn may_be_awaited(&self, workspace: &WorkspaceId) -> Result<bool, Arc<store::Error>> {
        let key = (self.generation.now(), workspace.clone());
        let could_listen = self.store.could_listen(workspace);
        // Which runs go on must not come from memory.
        Ok(self.listening.try_get_with(key, could_listen).await? || self.store.may_listen(workspace).await?)
    }

    async fn read(&self, workspace: &WorkspaceId) -> Result<Arc<RoutingTable>, store::Error> {
        self.store.routing_table(workspace).await.map(Arc::new)
    }

    /// The event type of this name, registered on its first use.
    pub(crate) async fn event_type(
        &self,
        workspace: &WorkspaceId,
        name: &EventTypeName,
    ) -> Result<EventTypeId, Problem> {
        let key = (self.generation.now(), workspace.clone(), Arc::from(name.as_str()));
        if let Some(known) = self.types.get(&key).await {
            return Ok(known);
        }
        let failed = |error: store::Error| crate::doors::lookup_failed(&Arc::new(error));
        let found = self.store.event_type(workspace, name.as_str()).await;
        // A name may read like another type's id.
        let found = found.map_err(failed)?.filter(|found| found.name == name.as_str());
        let id = match found {
            Some(found) => found.id,
            None => self.register(workspace, name).await?,
        };
        self.types.insert(key, id.clone()).await;
        Ok(id)
    }

    async fn register(&self, workspace: &WorkspaceId, name: &EventTypeName) -> Result<EventTypeId, Problem> {
        let failed = |error: store::Error| crate::doors::lookup_failed(&Arc::new(error));
        let known = self.store.event_types(workspace).await.map_err(failed)?;
        if known.len() >= MOST_TYPES {
            return Err(Problem::TooManyTypes);
        }
        let now = Instant::now();
        let row = EventType {
            id: EventTypeId::new(now, rand::random()),
            workspace_id: workspace.clone(),
            name: name.as_str().to_owned(),
            spec: EventTypeSpec::default(),
            created_at: now,
            updated_at: now,
        };
        let registered = self.store.register_event_type(row).await.map_err(failed)?;
        Ok(registered.id)
    }
}
