//! A run in hand: from its state to the next, and from that to its effects, as long as something moves it.
//!
//! # Theory of operation
//!
//! What can happen comes one after the other: what the run was told, the answers of its calls, its timers. Each is one step
//! of the engine and one commit; only then are effects begun or given up. When nothing is left that could happen soon, that
//! commit lets go of the run. After it nothing is known here: whoever takes the run next begins from its row.
//!
//! A commit that adds waits keeps the run, since events that came before the waits must be looked for; that is done before
//! the run is let go of. Whoever takes over a run that waits looks as well, in case its last owner did not come to it.

/// Reads from the ledger until it answers. A macro, since what an asynchronous closure borrows keeps a task from being
/// moved between threads.
macro_rules! insist {
    ($course:expr, $read:expr) => {{
        let mut backoff = boot::Backoff::new();
        loop {
            match $read.await {
                Ok(value) => break value,
                Err(error) => $course.unread(&error, &mut backoff).await?,
            }
        }
    }};
}

mod aside;
mod begin;
mod commit;
mod slot;

use crate::call::Calls;
use crate::courses::Bell;
use crate::heart;
use crate::listen::Waiting;
use crate::runner::Runner;
use crate::secrets::Secrets;
use boot::{Backoff, metrics};
use bytes::Bytes;
use futures_util::FutureExt as _;
use playbook::{Effect, Event, Issued, Version};
use slot::Places;
use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use store::{Control, HeldRun, SlotLimit, Telling, Told};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use waitbox::Wait;
use wire::{EventId, Instant, ProjectId, RunId, RunState};

/// A run whose nearest timer is further away than this is let go of.
const SOON: Duration = Duration::from_secs(1);

/// How long the calls of a process that ends may take until they are given up.
const GRACE: Duration = Duration::from_secs(10);

/// A run, and what happens to it here.
struct Course {
    runner: Arc<Runner>,
    run: HeldRun,
    /// Its playbook, for metrics.
    label: metrics::Playbook,
    /// Counts it as in hand.
    active: Option<metrics::ActiveRun>,
    version: Version,
    /// How many runs of its playbook may go on at the same time.
    places: Option<Places>,
    /// What it gives back when it ends.
    limit: Option<SlotLimit>,
    /// The project of its playbook, where the run itself names none.
    target: Option<ProjectId>,
    /// Whether it is to end, since its playbook or its workspace is switched off.
    is_unwanted: bool,
    /// Whether its playbook was removed.
    is_orphan: bool,
    /// What it knows of its secrets.
    secrets: Secrets,
    /// For the places of its secrets.
    nonce: String,
    state: Option<Bytes>,
    waiting: Waiting,
    /// When its nearest timer goes off.
    wake_at: Option<Instant>,
    calls: Calls,
    /// What it was told and has not taken in.
    told: VecDeque<Told>,
    bell: Bell,
    /// Its place among the runs in hand.
    place: Place,
    stopping: CancellationToken,
}

/// Where a run in hand is.
#[derive(Debug)]
enum Place {
    /// Among those that go on.
    Inside { _permit: OwnedSemaphorePermit },
    /// Among those of suspected programs, which may have to wait for long.
    Aside { _permit: OwnedSemaphorePermit },
}

/// How a course ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The run is let go of.
    Parked,
    /// Another has it.
    Lost,
    /// It must be let go of, for others to take at once.
    Left,
}

/// Whether a course goes on.
type Flow = Result<(), End>;

/// Follows a run until it is let go of.
pub(crate) async fn course(
    runner: Arc<Runner>,
    run: HeldRun,
    told: Vec<Told>,
    bell: Bell,
    permit: OwnedSemaphorePermit,
) {
    let id = run.id;
    let place = Place::Inside { _permit: permit };
    let (end, place) = match Course::of(Arc::clone(&runner), run, told, Arc::clone(&bell), place).await {
        Ok(mut course) => match course.follow().await {
            Err(end) => (end, Some(course.place)),
            Ok(never) => match never {},
        },
        Err(end) => (end, None),
    };
    if end == End::Left {
        leave(&runner, id).await;
    }
    runner.courses.leave(id, &bell);
    if bell.notified().now_or_never().is_some() {
        // It was rung for while it was let go of.
        heart::wake(&runner, vec![id]).await;
    }
    drop(place);
    runner.relieve();
}

async fn leave(runner: &Runner, id: RunId) {
    match runner.store.let_go(runner.worker, vec![id], Instant::now()).await {
        Ok(0) => {}
        Ok(_) => runner.tell_runners(&[id]).await,
        Err(error) => tracing::debug!(
            error.chain = &error as &dyn StdError,
            "a run cannot be let go of now; the heart finds it"
        ),
    }
}

/// What happens next.
enum Next {
    Told(Told),
    /// A call came to an end.
    Done,
    Tick,
    Bell,
    /// The process ends, and the run is not waited for any longer.
    Stop,
}

impl Course {
    /// Lets one thing happen after the other.
    async fn follow(&mut self) -> Result<std::convert::Infallible, End> {
        self.begin().await?;
        loop {
            match self.next().await? {
                Next::Told(told) => self.hear(told).await?,
                Next::Done => {
                    self.hear_first().await?;
                    if let Some((id, result)) = self.calls.take() {
                        self.happen(Event::Done { id, result }, Vec::new()).await?;
                    }
                }
                Next::Tick => {
                    self.hear_first().await?;
                    self.happen(Event::Tick, Vec::new()).await?;
                }
                Next::Bell => self.read_inbox().await?,
                Next::Stop => return Err(End::Left),
            }
        }
    }

    async fn next(&mut self) -> Result<Next, End> {
        if let Some(told) = self.told.pop_front() {
            return Ok(Next::Told(told));
        }
        if self.stopping.is_cancelled() {
            self.calls.leave_waiting();
            if self.calls.is_empty() {
                return Ok(Next::Stop);
            }
        } else if self.run.state != RunState::Paused {
            self.calls.fill(&self.runner, &self.run, &self.nonce);
        }
        let timer = async {
            match self.wake_at {
                // A timer that goes off too early changes nothing, and would go off again.
                Some(at) => tokio::time::sleep(at.since(Instant::now()) + Duration::from_millis(1)).await,
                None => std::future::pending().await,
            }
        };
        let grace = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(GRACE.min(self.runner.shutdown.drain_timeout() / 2)).await;
        };
        // Told before answered: a run that is cancelled does not care for answers.
        tokio::select! {
            biased;
            () = self.bell.notified() => Ok(Next::Bell),
            is_whole = self.calls.end() => if is_whole {
                Ok(Next::Done)
            } else {
                tracing::error!("a call broke; the run is begun again from its state");
                Err(End::Left)
            },
            () = timer => Ok(Next::Tick),
            () = grace => Ok(Next::Stop),
        }
    }

    /// Hears what the run was given before something else ends its waiting: nobody else gets an event that it was given, and the
    /// bell for it rings a little later.
    async fn hear_first(&mut self) -> Flow {
        if self.waiting.is_empty() {
            return Ok(());
        }
        match self.runner.store.inbox(vec![self.run.id]).await {
            Ok(told) => self.told = told.into(),
            Err(error) => {
                tracing::debug!(
                    error.chain = &error as &dyn StdError,
                    "what a run was told cannot be read now; it is when the bell rings"
                );
                return Ok(());
            }
        }
        while let Some(told) = self.told.pop_front() {
            self.hear(told).await?;
        }
        Ok(())
    }

    async fn read_inbox(&mut self) -> Flow {
        match self.runner.store.inbox(vec![self.run.id]).await {
            Ok(told) => {
                self.told = told.into();
                Ok(())
            }
            // It is read again at the next ring, and by whoever takes the run next.
            Err(error) => {
                tracing::warn!(
                    error.chain = &error as &dyn StdError,
                    "what a run was told cannot be read now"
                );
                self.bell.notify_one();
                self.pause(Duration::from_millis(500)).await
            }
        }
    }

    /// Lets what the run was told happen.
    async fn hear(&mut self, told: Told) -> Flow {
        let event = match told.what {
            Telling::Control(control) => event_of(control),
            Telling::Message {
                event_id,
                effect,
                filter,
            } => match self.message(event_id, effect, filter).await? {
                Some(event) => event,
                // Time goes by: nothing happens, and it is noted as taken in.
                None => Event::Tick,
            },
        };
        self.happen(event, vec![told.id]).await
    }

    /// The event that a message is about; none when it is not in the ledger any more.
    async fn message(&self, event_id: EventId, effect: i32, filter: i32) -> Result<Option<Event>, End> {
        let store = &self.runner.store;
        let event = insist!(self, store.event(&self.run.workspace_id, event_id));
        let slugs = match event.as_ref().and_then(|event| event.source_id.as_ref()) {
            Some(_) => insist!(self, store.source_slugs(&self.run.workspace_id)),
            None => HashMap::new(),
        };
        let Some(event) = event else {
            tracing::warn!(event.id = %event_id, "an event that a run waited for is gone");
            return Ok(None);
        };
        let slug = event.source_id.as_ref().and_then(|id| slugs.get(id));
        let envelope = routing::incoming(&event, slug.map(String::as_str)).envelope();
        Ok(Some(Event::Message {
            id: u32::try_from(effect).unwrap_or(0),
            filter: usize::try_from(filter).unwrap_or(0),
            key: event_id.to_string(),
            envelope,
        }))
    }

    /// Begins what a step issued, unless the process ends: then whoever takes the run next does.
    fn issue(&mut self, issued: Vec<Issued>) {
        if self.stopping.is_cancelled() {
            return;
        }
        for issued in issued {
            if let Effect::Http(request) = issued.effect {
                self.calls.add(issued.id, *request);
            }
        }
    }

    /// Takes what came for these waits before they were there.
    async fn look_back(&mut self, waits: &[(i32, Wait)]) -> Flow {
        if waits.is_empty() {
            return Ok(());
        }
        let mut backoff = Backoff::new();
        loop {
            let looked = routing::look_back(
                &self.runner.store,
                &self.runner.jail,
                &self.run.workspace_id,
                (self.run.id, self.run.event_id),
                waits,
                Instant::now(),
            );
            match looked.await {
                Ok(gifts) if gifts.is_empty() => return Ok(()),
                Ok(_) => return self.read_inbox().await,
                Err(error) => {
                    tracing::warn!(
                        error.chain = &error as &dyn StdError,
                        "events that came before a run waited for them cannot be looked for now"
                    );
                    self.pause(backoff.next(rand::random())).await?;
                }
            }
        }
    }

    /// After the ledger did not answer: waits.
    async fn unread(&self, error: &(impl StdError + Sync + 'static), backoff: &mut Backoff) -> Flow {
        tracing::warn!(
            error.chain = error as &dyn StdError,
            "what a run needs cannot be read now"
        );
        self.pause(backoff.next(rand::random())).await
    }

    /// Waits before something is tried again; a process that ends does not wait.
    async fn pause(&self, time: Duration) -> Flow {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.stopping.cancelled() => Err(End::Left),
        }
    }
}

fn event_of(control: Control) -> Event {
    match control {
        Control::Cancel => Event::Cancel,
        Control::Pause => Event::Pause,
        Control::Resume => Event::Resume,
        Control::Retry { fresh_keys } => Event::Retry { fresh_keys },
    }
}
