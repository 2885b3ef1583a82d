//! Routing: what the router decided of a batch of events becomes deliveries and runs, in one statement.

use crate::connect::{read, write};
use crate::sweep::LONGEST_SWEEP;
use crate::write::{BatchError, PATIENCE, Unwritten, Writer, answered, statements, together};
use crate::{Error, Event, QueueError, QueueOptions, Store, postgres, sqlite};
use batcher::Batcher;
use bytes::Bytes;
use uuid::Uuid;
use wire::{
    DeliveryId, DeliveryState, EndpointId, EventId, EventState, Instant, PlaybookId, RouteId, RunId, Trigger,
    WorkspaceId,
};

/// One event with everything that was decided of it.
#[derive(Debug, Clone)]
pub struct RoutedEvent {
    /// Must be in state `accepted`; otherwise another router was faster, and nothing is written.
    pub id: EventId,
    /// `routed` or `quarantined`; `accepted` for what was decided at a door and is still to be offered to runs.
    pub state: EventState,
    /// The decision trace as JSON.
    pub trace: Bytes,
    /// What it becomes at its endpoints.
    pub deliveries: Vec<NewDelivery>,
    /// What it starts.
    pub runs: Vec<NewRun>,
    /// The runs that go on with it. Where the wait of an exclusive one is gone, nothing of the event is written.
    pub gifts: Vec<Gift>,
    /// Whether it is decided knowing that a run looked back and has taken it. Else nothing is written of such an event.
    pub is_taken: bool,
    /// When this was decided.
    pub at: Instant,
}

/// A delivery about to be made.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// [`DeliveryId::of`] its event and endpoint, so that routing twice makes one.
    pub id: DeliveryId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Where to.
    pub endpoint_id: EndpointId,
    /// Which route made it.
    pub route_id: Option<RouteId>,
    /// The event's type.
    pub event_type: Option<String>,
    /// `delivering` with a lease, `pending` without, or `skipped` with a reason.
    pub state: DeliveryState,
    /// Why it is skipped.
    pub reason: Option<String>,
    /// When its first attempt is due.
    pub due_at: Option<Instant>,
    /// The lease for the worker that gets the reference, and until when it holds. Counts no attempt.
    pub lease: Option<(Uuid, Instant)>,
    /// What a transform made of the event; none: the event's own bytes.
    pub body: Option<Bytes>,
    /// The delivery that this one replays.
    pub replay_of: Option<DeliveryId>,
    /// What it shares with those that go one after the other. It is not under way at once then, whatever `state` says.
    pub order_key: Option<String>,
}

impl NewDelivery {
    /// Whether it goes after others, and so is not due before it is its turn.
    pub(crate) fn goes_in_turn(&self) -> bool {
        self.order_key.is_some() && self.due_at.is_some()
    }
}

/// A run about to be made.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// [`RunId::of`] its event and playbook.
    pub id: RunId,
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// Which playbook.
    pub playbook_id: PlaybookId,
    /// Which route made it.
    pub route_id: Option<RouteId>,
    /// JSON.
    pub input: Bytes,
    /// What starts it.
    pub trigger: Trigger,
    /// The slug of the project it is targeted at.
    pub project: Option<String>,
    /// The slug of the template whose inputs it has.
    pub template: Option<String>,
    /// How many runs its event descends from.
    pub generation: i32,
}

/// An event for a run that waits for it, by one of its waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gift {
    /// Who gets it.
    pub run_id: RunId,
    /// The listen's effect.
    pub effect: i32,
    /// Which of its filters.
    pub filter: i32,
    /// Whether the listen ends with it, so that all of its waits go.
    pub is_any: bool,
    /// Whether the event is this run's alone.
    pub is_exclusive: bool,
}

/// A handle to the routing thread; clones share it.
#[derive(Debug, Clone)]
pub struct RoutingQueue(Batcher<RoutedEvent, Result<bool, Unwritten>>);

impl Store {
    /// Reads the oldest events that were accepted before `before` and not routed since, at most `limit`, and says whether there
    /// may be more. Passes by those of the workspaces `passed`.
    ///
    /// Several routers may get the same ones; whoever writes first routes them.
    pub async fn unrouted_events(
        &self,
        before: Instant,
        passed: Vec<WorkspaceId>,
        limit: i64,
    ) -> Result<(Vec<Event>, bool), Error> {
        let limit = limit.clamp(0, LONGEST_SWEEP);
        read!(self, |conn, queries| queries::events::unrouted(
            conn, before, &passed, limit
        ))
    }

    /// Counts a failure to route `id`, and returns how many there were.
    pub async fn count_routing_failure(&self, id: EventId) -> Result<i32, Error> {
        write!(self, |conn, queries| queries::events::count_failure(conn, id))
    }

    /// Starts a thread that writes what routers decide.
    pub fn routing_queue(&self, options: QueueOptions) -> Result<RoutingQueue, Error> {
        let mut writer = Writer::of(self);
        Batcher::spawn("routing", options.into(), move |rows| write(&mut writer, &rows))
            .map(RoutingQueue)
            .map_err(Error::Thread)
    }
}

impl RoutingQueue {
    /// Writes the decisions; each answer says whether this call was the one that routed the event.
    ///
    /// It is not when another router was faster, or when the waitbox is not what it was when this was decided: then the
    /// event is still accepted, and is to be decided anew.
    ///
    /// Returns after the commit. The rows are written in batches, not all or nothing. When the connection broke just
    /// after a commit, the second try finds the events routed and the answer is false: nobody publishes what came of them,
    /// and the sweepers find it.
    pub async fn route(&self, events: Vec<RoutedEvent>) -> Result<Vec<Result<bool, Unwritten>>, QueueError> {
        answered(self.0.submit_many(events)).await
    }
}

fn write(writer: &mut Writer, rows: &[RoutedEvent]) -> Vec<Result<bool, Unwritten>> {
    let deadline = std::time::Instant::now() + PATIENCE;
    statements(rows, RoutedEvent::bytes)
        .flat_map(|rows| together(rows, &mut |rows| route(writer, deadline, rows)))
        .collect()
}

fn route(
    writer: &mut Writer,
    deadline: std::time::Instant,
    rows: &[RoutedEvent],
) -> Result<Vec<bool>, BatchError> {
    let mut sorted: Vec<&RoutedEvent> = rows.iter().collect();
    // Two routers may hold the same events; one order of locks keeps them out of each other's way.
    sorted.sort_by_key(|row| row.id);
    let routed = writer.run(
        deadline,
        |conn| postgres::hot::route(conn, &sorted),
        |conn| sqlite::hot::route(conn, &sorted),
    )?;
    Ok(rows.iter().map(|row| routed.contains(&row.id.into())).collect())
}

/// What a delivery, a run or a gift counts for in a statement beside its body: one event may have thousands, and what a statement
/// makes of them has to be made within its time.
const MADE_BYTES: usize = 4_096;

impl RoutedEvent {
    pub(crate) fn bytes(&self) -> usize {
        let bodies = self
            .deliveries
            .iter()
            .filter_map(|delivery| delivery.body.as_ref());
        let inputs = self.runs.iter().map(|run| &run.input);
        let made = self.deliveries.len() + self.runs.len() + self.gifts.len();
        self.trace.len() + made * MADE_BYTES + bodies.chain(inputs).map(Bytes::len).sum::<usize>()
    }
}
