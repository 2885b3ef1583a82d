//! Routing a batch: read the events, decide each, write what was decided, tell whom it concerns.

use crate::Failure;
use crate::pace::SHARE;
use crate::tables::Tables;
use crate::underway::Underway;
use crate::waiting::Waitbox;
use boot::metrics;
use broker::Conveyor;
use expression::Jail;
use futures_util::future::{join, join_all};
use routing::{Heard, Moment, Resolved, WaitFailure, quarantine};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::{Duration, Instant as Stopwatch};
use store::{Event, RoutedEvent, RoutingQueue, RoutingTable, Store, Unwritten};
use uuid::Uuid;
use waitbox::LAST_GENERATION;
use wire::{DeliveryId, EventId, Instant, Message, Queue, Reference, RunId, WorkspaceId};

/// After so many failures an event is put aside, for an operator to look at.
const FAILURES: i32 = 5;

/// How often an event is decided anew because the run that was to have it has got another. Then a sweep finds it.
const TRIES: usize = 4;

/// For how long an event is not decided because a program is suspended. Whoever keeps it suspended for longer decides what becomes
/// of its events.
const SUSPENDED: Duration = Duration::from_mins(10);

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

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// How many events were routed.
    pub(crate) routed: usize,
    /// Those that were decided and not written: another router was faster, or the waitbox had changed.
    unwritten: Vec<EventId>,
    /// The workspaces of which some events are left to the next sweep, because their expressions take too long or cannot be
    /// evaluated now.
    pub(crate) passed: Vec<WorkspaceId>,
}

impl Round {
    pub(crate) fn add(&mut self, other: Self) {
        self.routed += other.routed;
        self.unwritten.extend(other.unwritten);
        self.passed.extend(other.passed);
    }
}

/// What a batch of routed events gives the workers to do.
#[derive(Debug, Default)]
struct Work {
    deliveries: Vec<(DeliveryId, Uuid)>,
    runs: Vec<RunId>,
    traceparent: Option<String>,
}

impl Router {
    /// Routes those of `ids` that are not routed yet.
    ///
    /// Running it twice does no harm, and what another batch of this process is routing is left to that. A failure means that
    /// nothing more can be routed now; what one event does wrong is counted against that event instead.
    pub(crate) async fn route(&self, mut ids: Vec<EventId>) -> Result<(), Failure> {
        let mut passed = Vec::new();
        while !ids.is_empty() {
            let (mut events, waitbox, left) = self.unrouted(ids).await?;
            // A workspace has its time once for all of the batch, however many pieces that is read in.
            events.retain(|event| !passed.contains(&event.workspace_id));
            passed.extend(self.route_read(events, waitbox).await?.passed);
            ids = left;
        }
        Ok(())
    }

    /// The same for events that were read already; says what became of them.
    pub(crate) async fn route_events(&self, events: Vec<Event>) -> Result<Round, Failure> {
        let waitbox = self.waitbox(&events).await?;
        self.route_read(events, waitbox).await
    }

    /// Routes events together, and should that fail for what may be the fault of one, one by one.
    async fn route_read(&self, events: Vec<Event>, waitbox: Waitbox) -> Result<Round, Failure> {
        let ids: Vec<(EventId, Instant)> = events.iter().map(|event| (event.id, event.received_at)).collect();
        match self.route_as(events, waitbox).await {
            Err(failure) if failure.may_be_of_one() => self.route_apart(ids, failure).await,
            done => done,
        }
    }

    /// Routes events as the waitbox is, and those for which it has changed meanwhile as it is then.
    pub(crate) async fn route_as(&self, events: Vec<Event>, mut waitbox: Waitbox) -> Result<Round, Failure> {
        let (mut events, _taken) = self.underway.take(events);
        let mut all = Round::default();
        for _ in 0..TRIES {
            if events.is_empty() {
                break;
            }
            let mut round = self.route_round(events, &waitbox).await?;
            let unwritten = std::mem::take(&mut round.unwritten);
            all.add(round);
            if unwritten.is_empty() {
                break;
            }
            // Those that another router has are not accepted any more. The waits of the others are not what they were. They
            // were read at once before, so nothing is left of them now.
            (events, waitbox, _) = self.unrouted(unwritten).await?;
            waitbox.given = self
                .store
                .given(events.iter().map(|event| event.id).collect())
                .await?;
        }
        Ok(all)
    }

    /// Routes events as the waitbox is now.
    async fn route_round(&self, events: Vec<Event>, waitbox: &Waitbox) -> Result<Round, Failure> {
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
            .map(|(workspace, events)| self.route_share(workspace, events, waitbox));
        let mut round = Round::default();
        let mut failure = None;
        for share in join_all(shares).await {
            match share {
                Ok(share) => round.add(share),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(round), Err)
    }

    /// Routes events of one workspace, as many as there is time for.
    async fn route_share(
        &self,
        workspace: WorkspaceId,
        events: Vec<Event>,
        waitbox: &Waitbox,
    ) -> Result<Round, Failure> {
        let mut round = Round::default();
        let mut events = self.put_hopeless_aside(events).await?;
        let known = match self.tables.find(&workspace).await {
            Ok(known) => known,
            Err(error) if is_of_the_settings(&error) => {
                // Settings that cannot be read stay so until somebody saves them again.
                for event in &events {
                    self.blame(event, &error).await?;
                }
                return Ok(round);
            }
            Err(error) => return Err(error.into()),
        };
        let began = Stopwatch::now();
        while !events.is_empty() {
            if began.elapsed() >= SHARE {
                tracing::warn!(
                    workspace.id = %workspace,
                    events = events.len(),
                    "a workspace's expressions take long; the rest of its events is left to the next sweep"
                );
                round.passed.push(workspace);
                break;
            }
            let piece: Vec<Event> = events.drain(..known.pace.events().min(events.len())).collect();
            let (length, piece_began) = (piece.len(), Stopwatch::now());
            let deciding = self.decide(&workspace, piece, &known.table, waitbox);
            let (piece, decided) = match deciding.await {
                Ok(decided) => decided,
                Err(WaitFailure::Ledger(error)) => return Err(error.into()),
                Err(WaitFailure::Jail(error)) => {
                    // Workspaces without expressions must not wait for those with some: the sweep comes back to these.
                    tracing::error!(
                        workspace.id = %workspace,
                        error.chain = &error as &dyn StdError,
                        "expressions cannot be evaluated now; the events are left to the next sweep"
                    );
                    round.passed.push(workspace);
                    break;
                }
            };
            known.pace.took(length, piece_began.elapsed());
            if decided.len() < length {
                round.passed.push(workspace.clone());
            }
            round.add(self.write(&piece, decided).await?);
        }
        Ok(round)
    }

    /// Decides events, in the order in which it returns them: runs that wait come first, then the routes. Where a door has tried
    /// the routes already, only the runs are left.
    async fn decide(
        &self,
        workspace: &WorkspaceId,
        events: Vec<Event>,
        table: &RoutingTable,
        waitbox: &Waitbox,
    ) -> Result<(Vec<Event>, Vec<RoutedEvent>), WaitFailure> {
        let mut heard = self.offer(workspace, &events, table, waitbox).await?;
        let is_settled = |event: &Event| event.trace.is_some();
        let is_taken = |event: &Event| heard.get(&event.id).is_some_and(Heard::is_exclusive);
        let (mut events, others): (Vec<Event>, Vec<Event>) = events.into_iter().partition(is_settled);
        let (taken, open): (Vec<Event>, Vec<Event>) = others.into_iter().partition(is_taken);
        let now = Instant::now();
        let mut heard_of = |event: &Event| heard.remove(&event.id).unwrap_or_default();
        let mut decided: Vec<RoutedEvent> = Vec::with_capacity(events.len() + taken.len() + open.len());
        decided.extend(
            events
                .iter()
                .map(|event| routing::settled(event, heard_of(event), now)),
        );
        decided.extend(
            taken
                .iter()
                .map(|event| routing::taken(event, heard_of(event), now)),
        );
        let resolved = routing::resolve(&self.jail, &open, table, heard, || self.moment()).await?;
        events.extend(taken);
        for (event, resolved) in open.into_iter().zip(resolved) {
            match resolved {
                Resolved::Decided(routed) => {
                    decided.push(routed);
                    events.push(event);
                }
                // Its program is suspended for what other events made of it. This one waits until it is run again.
                Resolved::Suspended(_) if now.since(event.received_at) < SUSPENDED => {}
                Resolved::Suspended(routed) => {
                    decided.push(*routed);
                    events.push(event);
                }
            }
        }
        Ok((events, decided))
    }

    /// Quarantines the events that will never be routed, and returns the others.
    async fn put_hopeless_aside(&self, events: Vec<Event>) -> Result<Vec<Event>, Failure> {
        let mut hopeful = Vec::with_capacity(events.len());
        for event in events {
            let generation = waitbox::generation(&event.method, &event.headers);
            if event.failures >= FAILURES {
                let why = format!("routing failed {} times", event.failures);
                self.put_aside(&event, why).await?;
            } else if generation > LAST_GENERATION {
                let why = format!(
                    "it descends from {generation} runs that started each other by the events that they emitted, and at \
                     most {LAST_GENERATION} are allowed: does a playbook start itself?"
                );
                self.put_aside(&event, why).await?;
            } else {
                hopeful.push(event);
            }
        }
        Ok(hopeful)
    }

    fn moment(&self) -> Moment {
        let now = Instant::now();
        Moment {
            now,
            lease: Uuid::new_v4(),
            lease_until: self.store.now() + self.lease,
        }
    }

    /// Writes decisions and tells the workers of those that were this router's.
    async fn write(&self, events: &[Event], decided: Vec<RoutedEvent>) -> Result<Round, Failure> {
        let mut round = Round::default();
        if decided.is_empty() {
            return Ok(round);
        }
        let works: Vec<Work> = decided.iter().map(Work::of).collect();
        let written = self.decided.route(decided).await?;

        let mut mine = Work::default();
        let mut failure = None;
        let mut refused = Vec::new();
        for ((event, work), written) in events.iter().zip(works).zip(written) {
            match written {
                Ok(true) => {
                    round.routed += 1;
                    mine.add(work, event);
                }
                // Another router was faster. Or it was this one, and the commit's answer was lost: then the leases are
                // this router's, and giving back what is another's changes nothing. Or the waitbox has changed.
                Ok(false) => {
                    self.release(work.deliveries).await;
                    round.unwritten.push(event.id);
                }
                Err(Unwritten::Unavailable(error)) => failure = Some(error),
                Err(Unwritten::Refused(error)) => refused.push((event, error)),
            }
        }
        // First, since nobody else knows of these leases.
        self.tell(mine).await;
        for (event, error) in refused {
            self.blame(event, &error).await?;
        }
        failure.map_or(Ok(round), |error| Err(error.into()))
    }

    /// Publishes references to new work. What the conveyor does not take, sweeps find. All at once: a conveyor that takes
    /// messages and does not confirm them is waited for once.
    async fn tell(&self, work: Work) {
        let parent = &work.traceparent;
        let deliveries = work.deliveries.chunks(REFERENCES).map(async |leases| {
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
        });
        let runs = work.runs.chunks(REFERENCES).map(async |runs| {
            let references = runs.iter().map(|id| Reference::Run { id: *id }).collect();
            self.publish(Queue::Run, references, parent.clone()).await;
        });
        join(join_all(deliveries), join_all(runs)).await;
    }

    async fn publish(&self, queue: Queue, references: Vec<Reference>, parent: Option<String>) -> bool {
        let message = Message::new(references, parent);
        let published = metrics::publish(&self.conveyor, queue, &message).await;
        if let Err(error) = &published {
            // The conveyor logs once that it is disconnected; a line per message would bury everything else.
            tracing::debug!(
                queue.name = queue.name(),
                error.chain = error as &dyn StdError,
                "references were not published; a sweep will find their rows"
            );
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
    pub(crate) async fn blame(&self, event: &Event, error: &store::Error) -> Result<(), Failure> {
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
        let now = Instant::now();
        let aside = if event.trace.is_some() {
            // What its door decided stands, and is under way. It is merely not offered to runs.
            RoutedEvent {
                is_taken: true,
                ..routing::settled(event, Heard::default(), now)
            }
        } else {
            quarantine(event, why, now)
        };
        let state = aside.state.as_str();
        for written in self.decided.route(vec![aside]).await? {
            match written {
                Ok(_) => tracing::error!(
                    event.id = %event.id,
                    workspace.id = %event.workspace_id,
                    "an event is put aside, as {state}"
                ),
                Err(Unwritten::Unavailable(error)) => return Err(error.into()),
                // It stays what it is, and is tried again by each sweep; others must not wait for it.
                Err(Unwritten::Refused(error)) => tracing::error!(
                    event.id = %event.id,
                    error.chain = error.as_ref() as &dyn StdError,
                    "an event could not be put aside"
                ),
            }
        }
        Ok(())
    }
}

/// Whether a workspace's table cannot be read because of what is in it.
fn is_of_the_settings(error: &store::Error) -> bool {
    matches!(
        error,
        store::Error::Corrupt { .. } | store::Error::Unbounded { .. } | store::Error::KeyRing(_)
    )
}

impl Work {
    fn of(routed: &RoutedEvent) -> Self {
        let leased = |delivery: &store::NewDelivery| delivery.lease.map(|(token, _)| (delivery.id, token));
        let woken = routed.gifts.iter().map(|gift| gift.run_id);
        Self {
            deliveries: routed.deliveries.iter().filter_map(leased).collect(),
            runs: routed.runs.iter().map(|run| run.id).chain(woken).collect(),
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
