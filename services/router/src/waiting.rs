//! Offering a batch to the runs that wait, before any route sees it.

use crate::Failure;
use crate::route::Router;
use routing::{Heard, WaitFailure};
use std::collections::{BTreeMap, HashMap};
use store::{Event, RoutingTable, WaitShape};
use wire::{EventId, RunId, WorkspaceId};

/// What is known of the waitbox for a batch.
#[derive(Debug, Default)]
pub(crate) struct Waitbox {
    /// What is asked of events, by workspace and type. Empty where nobody waits for any of them.
    shapes: HashMap<WorkspaceId, BTreeMap<String, Vec<WaitShape>>>,
    /// Who has events of the batch already.
    pub(crate) given: Vec<(EventId, RunId, bool)>,
}

impl Waitbox {
    fn of(types: &[(WorkspaceId, String)], rows: Vec<WaitShape>) -> Self {
        let mut shapes: HashMap<WorkspaceId, BTreeMap<String, Vec<WaitShape>>> = HashMap::new();
        for row in rows {
            if let Some((workspace, event_type)) = types.get(row.asked) {
                let of_workspace = shapes.entry(workspace.clone()).or_default();
                of_workspace.entry(event_type.clone()).or_default().push(row);
            }
        }
        Self {
            shapes,
            given: Vec::new(),
        }
    }
}

impl Router {
    /// Reads those of `ids` that wait to be routed, and what waits for events of their types. Returns the ids of what would be
    /// too much to read at once.
    pub(crate) async fn unrouted(
        &self,
        ids: Vec<EventId>,
    ) -> Result<(Vec<Event>, Waitbox, Vec<EventId>), Failure> {
        let found = self.store.unrouted(ids).await?;
        Ok((found.events, Waitbox::of(&found.types, found.shapes), found.left))
    }

    /// Reads what waits for events of these types: one query, whatever the batch is.
    ///
    /// It must come after the events were read. A wait that is not there yet has a runner who looks back when it is.
    pub(crate) async fn waitbox(&self, events: &[Event]) -> Result<Waitbox, Failure> {
        let types = store::types_of(events);
        let shapes = self.store.wait_shapes(types.clone()).await?;
        Ok(Waitbox::of(&types, shapes))
    }

    /// Says which runs get events of one workspace.
    pub(crate) async fn offer(
        &self,
        workspace: &WorkspaceId,
        events: &[Event],
        table: &RoutingTable,
        waitbox: &Waitbox,
    ) -> Result<BTreeMap<EventId, Heard>, WaitFailure> {
        let none = BTreeMap::new();
        let shapes = waitbox.shapes.get(workspace).unwrap_or(&none);
        if shapes.is_empty() && waitbox.given.is_empty() {
            return Ok(BTreeMap::new());
        }
        routing::offer(&self.store, &self.jail, events, table, shapes, &waitbox.given).await
    }
}
