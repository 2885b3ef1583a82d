//! Offering a batch to the runs that wait, before any route sees it.

use crate::Failure;
use crate::route::Router;
use routing::{Heard, WaitFailure};
use std::collections::{BTreeMap, HashMap, HashSet};
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

impl Router {
    /// Reads what waits for events of these types: one query, whatever the batch is.
    ///
    /// It must come after the events were read. A wait that is not there yet has a runner who looks back when it is.
    pub(crate) async fn waitbox(
        &self,
        events: &[Event],
        given: Vec<(EventId, RunId, bool)>,
    ) -> Result<Waitbox, Failure> {
        let types: HashSet<(WorkspaceId, String)> = events
            .iter()
            .filter_map(|event| Some((event.workspace_id.clone(), event.event_type.clone()?)))
            .collect();
        let types: Vec<(WorkspaceId, String)> = types.into_iter().collect();
        let mut shapes: HashMap<WorkspaceId, BTreeMap<String, Vec<WaitShape>>> = HashMap::new();
        for row in self.store.wait_shapes(types.clone()).await? {
            if let Some((workspace, event_type)) = types.get(row.asked) {
                let of_workspace = shapes.entry(workspace.clone()).or_default();
                of_workspace.entry(event_type.clone()).or_default().push(row);
            }
        }
        Ok(Waitbox { shapes, given })
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
