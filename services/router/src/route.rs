//! Routing a batch: read the events, decide each, write what was decided, tell whom it concerns.

use crate::Failure;
use crate::tables::Tables;
use crate::underway::Underway;
use boot::metrics;
use broker::Conveyor;
use expression::Jail;
use futures_util::future::join_all;
use routing::{Moment, quarantine};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::{Duration, Instant as Stopwatch};
use store::{Event, RoutedEvent, RoutingQueue, Store};
use uuid::Uuid;
use wire::{DeliveryId, EventId, Instant, Message, Queue, Reference, RunId, WorkspaceId};

/// After so many failures an event is put aside, for an operator to look at.
const FAILURES: i32 = 5;

/// References in one message at the most: a worker takes a whole message, and there are several workers.
const REFERENCES: usize = 64;

/// Routes events; one per process, shared by the consumer and the sweep.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) jail: Jail,
    pub(crate) decided: RoutingQueue,
    pub(crate) tables: Tables,
    pub(crate) underway: Underway,
    /// How long a worker has for a delivery that it is told of.
    pub(crate) lease: Duration,
}

/// What a batch of routed events gives the workers to do.
#[derive(Debug, Default)]
struct Work {
    deliveries: Vec<(DeliveryId, Uuid)>,
    runs: Vec<RunId>,
    traceparent: Option<String>,
}

impl Router {
    /// Routes those of `ids` that are not routed yet, and returns how many.
    ///
    /// Running it twice does no harm, and what another batch of this process is routing is left to that. A failure means that nothing more can be routed now; what one event does wrong is
    /// counted against that event instead.
    pub(crate) async fn route(&self, ids: Vec<EventId>) -> Result<usize, Failure> {
        let events = self.store.accepted_events(ids).await?;
        self.route_events(events).await
    }

    /// The same for events that were read already.
    pub(crate) async fn route_events(&self, events: Vec<Event>) -> Result<usize, Failure> {
        let (events, _taken) = self.underway.take(events);
        let mut by_workspace: HashMap<WorkspaceId, Vec<Event>> = HashMap::new();
        for event in events {
            by_workspace
                .entry(event.workspace_id.clone())
                .or_default()
                .push(event);
        }
        // Side by side, so that the slow expressions of one workspace hold up no other.
        let shares = by_workspace
            .into_iter()
            .map(|(workspace, events)| self.route_share(workspace, events));
        let mut routed = 0;
        let mut failure = None;
        for share in join_all(shares).await {
            match share {
                Ok(count) => routed += count,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(routed), Err)
    }

    /// Routes events of one workspace.
    async fn route_share(&self, workspace: WorkspaceId, events: Vec<Event>) -> Result<usize, Failure> {
        let (hopeless, events): (Vec<Event>, Vec<Event>) =
            events.into_iter().partition(|event| event.failures >= FAILURES);
        for event in &hopeless {
            self.put_aside(event, format!("routing failed {} times", event.failures))
                .await?;
        }
        let table = match self.tables.find(&workspace).await {
            Ok(table) => table,
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => {
                // Settings that cannot be read stay so until somebody saves them again.
                for event in &events {
                    self.blame(event, &error).await?;
                }
                return Ok(0);
            }
        };
        let resolving = routing::resolve(&self.jail, &events, &table, || self.moment());
        let decided = match resolving.await {
            Ok(decided) => decided,
            Err(error) => {
                // Workspaces without expressions must not wait for those with some: the sweep comes back to these.
                tracing::error!(
                    workspace.id = %workspace,
                    events = events.len(),
                    error.chain = &error as &dyn StdError,
                    "expressions cannot be evaluated now; the events are left to the next sweep"
                );
                return Ok(0);
            }
        };
        self.write(&events, decided).await
    }

    fn moment(&self) -> Moment {
        let now = Instant::now();
        Moment {
            now,
            lease: Uuid::new_v4(),
            lease_until: now + self.lease,
        }
    }

    /// Writes decisions and tells the workers of those that were this router's.
    async fn write(&self, events: &[Event], decided: Vec<RoutedEvent>) -> Result<usize, Failure> {
        if decided.is_empty() {
            return Ok(0);
        }
        let works: Vec<Work> = decided.iter().map(Work::of).collect();
        let began = Stopwatch::now();
        let written = self.decided.route(decided).await?;
        metrics::batch_written("route", written.len(), began.elapsed());

        let mut mine = Work::default();
        let mut routed = 0;
        let mut failure = None;
        for ((event, work), written) in events.iter().zip(works).zip(written) {
            match written {
                Ok(true) => {
                    routed += 1;
                    mine.add(work, event);
                }
                // Another router was faster. Or it was this one, and the commit's answer was lost: then the leases are
                // this router's, and giving back what is another's changes nothing.
                Ok(false) => self.release(work.deliveries).await,
                Err(error) if error.is_transient() => failure = Some(error),
                Err(error) => self.blame(event, &error).await?,
            }
        }
        self.tell(mine).await;
        failure.map_or(Ok(routed), |error| Err(error.into()))
    }

    /// Publishes references to new work. What the conveyor does not take, sweeps find.
    async fn tell(&self, work: Work) {
        let parent = work.traceparent;
        for leases in work.deliveries.chunks(REFERENCES) {
            let references = leases
                .iter()
                .map(|(id, lease)| Reference::Delivery {
                    id: *id,
                    lease: *lease,
                })
                .collect();
            if !self.publish(Queue::Deliver, references, parent.clone()).await {
                // Nobody will come for these leases; without them the next sweep takes the deliveries.
                self.release(leases.to_vec()).await;
            }
        }
        for runs in work.runs.chunks(REFERENCES) {
            let references = runs.iter().map(|id| Reference::Run { id: *id }).collect();
            self.publish(Queue::Run, references, parent.clone()).await;
        }
    }

    async fn publish(&self, queue: Queue, references: Vec<Reference>, parent: Option<String>) -> bool {
        let count = references.len();
        let published = self
            .conveyor
            .publish(queue, &Message::new(references, parent))
            .await;
        match published {
            Ok(()) => metrics::published(queue, count),
            // The conveyor logs once that it is disconnected; a line per message would bury everything else.
            Err(ref error) => {
                tracing::debug!(
                    queue.name = queue.name(),
                    error.chain = error as &dyn StdError,
                    "references were not published; a sweep will find their rows"
                );
                metrics::publish_failed(queue, count, "unpublished");
            }
        }
        published.is_ok()
    }

    async fn release(&self, leases: Vec<(DeliveryId, Uuid)>) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.store.release(leases, Instant::now()).await {
            tracing::warn!(
                error.chain = &error as &dyn StdError,
                "leases could not be given back; they run out by themselves"
            );
        }
    }

    /// Counts a failure that is this event's own.
    async fn blame(&self, event: &Event, error: &store::Error) -> Result<(), Failure> {
        let failures = self.store.count_routing_failure(event.id).await?;
        let why = boot::report(error);
        tracing::error!(
            event.id = %event.id,
            workspace.id = %event.workspace_id,
            failures,
            error.chain = why,
            "an event could not be routed"
        );
        if failures >= FAILURES {
            self.put_aside(event, format!("routing failed {failures} times, lastly: {why}"))
                .await?;
        }
        Ok(())
    }

    async fn put_aside(&self, event: &Event, why: String) -> Result<(), Failure> {
        let quarantined = quarantine(event, why, Instant::now());
        for written in self.decided.route(vec![quarantined]).await? {
            match written {
                Ok(_) => tracing::error!(
                    event.id = %event.id,
                    workspace.id = %event.workspace_id,
                    "an event is quarantined"
                ),
                Err(error) if error.is_transient() => return Err(error.into()),
                // It stays what it is, and is tried again by each sweep; others must not wait for it.
                Err(error) => tracing::error!(
                    event.id = %event.id,
                    error.chain = error.as_ref() as &dyn StdError,
                    "an event could not be quarantined"
                ),
            }
        }
        Ok(())
    }
}

impl Work {
    fn of(routed: &RoutedEvent) -> Self {
        let leased = |delivery: &store::NewDelivery| delivery.lease.map(|(token, _)| (delivery.id, token));
        Self {
            deliveries: routed.deliveries.iter().filter_map(leased).collect(),
            runs: routed.runs.iter().map(|run| run.id).collect(),
            traceparent: None,
        }
    }

    fn add(&mut self, other: Self, event: &Event) {
        self.deliveries.extend(other.deliveries);
        self.runs.extend(other.runs);
        if self.traceparent.is_none() {
            self.traceparent.clone_from(&event.traceparent);
        }
    }
}
