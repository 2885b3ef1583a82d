//! What the worker's tasks share: the deliveries in hand, and the ways to take them and to give them back.

use crate::certificates::Certificates;
use crate::lines::{Admission, Bounds, Limits, Lines, Ticket};
use crate::quota::Quota;
use crate::recipients::Recipients;
use crate::tokens::Tokens;
use boot::settings;
use broker::Conveyor;
use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Stopwatch};
use store::{AcceptQueue, Job, OutcomeQueue, Store};
use tokio::sync::Notify;
use uuid::Uuid;
use wire::resource::EndpointSpec;
use wire::{DeliveryId, EndpointId, Instant};

/// Deliveries that a sweep brings at the most: as many as 256 slots have room for, since much of what a sweep costs is the same
/// for few and for many.
pub(crate) const SWEEP: usize = 192;

/// Twice a sweep: a line that is at most half full takes a whole sweep of its endpoint's.
const LINE: usize = 2 * SWEEP;

/// Attempts at the same time that a line begins with: a hundred endpoints that hang leave room among 256 slots.
const WINDOW: usize = 2;

/// Room for 32 lines that are half full.
const WAITING: usize = 32 * SWEEP;

/// Bodies in hand. A body has 25 MiB at the most, most have less than 64 KiB.
const BYTES: usize = 64 << 20;

/// The share of a lease that must be left when an attempt starts: the leases of attempts are renewed twice in that time.
pub(crate) const LEFT: u32 = 2;

/// One per process.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) egress: egress::Client,
    pub(crate) outcomes: OutcomeQueue,
    /// For operational events.
    pub(crate) notices: AcceptQueue,
    pub(crate) recipients: Recipients,
    pub(crate) tokens: Tokens,
    /// What is told of deliveries.
    pub(crate) quota: Quota,
    pub(crate) certificates: Certificates,
    pub(crate) settings: settings::Delivery,
    pub(crate) connect_timeout: Duration,
    lines: Mutex<Lines<Leased>>,
    /// A delivery may be able to start.
    pub(crate) turn: Notify,
    /// A slot came free.
    pub(crate) freed: Notify,
    /// There is room for a sweep again.
    pub(crate) relieved: Notify,
    /// Deliveries were made that wait for their turn.
    pub(crate) gated: Notify,
    /// It may be the turn of a delivery that goes after another.
    pub(crate) turned: Notify,
}

/// A delivery with the end of its lease.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) job: Job,
    pub(crate) until: Instant,
    /// Whether it was due again, and not told of by the router: so it may have waited, and may wait on.
    pub(crate) is_swept: bool,
    /// Whether it tests an open circuit.
    pub(crate) is_probe: bool,
}

/// What an endpoint that cannot be read allows.
fn default_limits() -> Limits {
    let concurrency = EndpointSpec::default_concurrency();
    Limits {
        concurrency: usize::try_from(concurrency).unwrap_or(1),
        rate: None,
    }
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) conveyor: Conveyor,
    pub(crate) egress: egress::Client,
    pub(crate) outcomes: OutcomeQueue,
    /// For operational events.
    pub(crate) notices: AcceptQueue,
    pub(crate) settings: settings::Delivery,
    pub(crate) connect_timeout: Duration,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let slots = parts.settings.slots.get();
        let bounds = Bounds {
            slots,
            reserve: slots / 8,
            window: WINDOW,
            line: LINE,
            patience: parts.settings.lease / LEFT,
            waiting: WAITING,
            waiting_each: WAITING - WAITING / 4,
            recording: slots.saturating_mul(4),
            bytes: BYTES,
        };
        Self {
            recipients: Recipients::new(parts.store.clone()),
            tokens: Tokens::new(parts.egress.clone()),
            quota: Quota::default(),
            certificates: Certificates::new(parts.egress.clone()),
            store: parts.store,
            conveyor: parts.conveyor,
            egress: parts.egress,
            outcomes: parts.outcomes,
            notices: parts.notices,
            settings: parts.settings,
            connect_timeout: parts.connect_timeout,
            lines: Mutex::new(Lines::new(bounds)),
            turn: Notify::new(),
            freed: Notify::new(),
            relieved: Notify::new(),
            gated: Notify::new(),
            turned: Notify::new(),
        }
    }

    /// Each use is a few steps that leave the lines whole, so a panic elsewhere does not matter to them.
    pub(crate) fn lines(&self) -> MutexGuard<'_, Lines<Leased>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts leased deliveries into their lines, and gives back those that there is no room for or that are not to be
    /// attempted now. Returns how many it holds.
    pub(crate) async fn hold(&self, deliveries: Vec<Leased>) -> usize {
        let mut back = Vec::new();
        let mut held = 0;
        for leased in deliveries {
            let Some(lease) = leased.job.lease else {
                continue;
            };
            let id = leased.job.delivery_id;
            let Some(limits) = self.limits(&leased.job).await else {
                back.push((id, lease));
                continue;
            };
            let ticket = self.ticket(&leased, lease);
            let is_too_late = ticket.start_by <= Stopwatch::now();
            let admission = if is_too_late {
                Admission::NoRoom
            } else {
                self.lines().admit(ticket, limits, leased)
            };
            match admission {
                Admission::Held => held += 1,
                Admission::Twice => {}
                Admission::NoRoom => back.push((id, lease)),
            }
        }
        self.turn.notify_one();
        self.release(back).await;
        held
    }

    /// What a delivery's endpoint allows; none when it holds its deliveries or cannot be looked up now. What else is
    /// wrong with an endpoint is for the attempt to find and to record.
    async fn limits(&self, job: &Job) -> Option<Limits> {
        match self.recipients.find(&job.endpoint_id).await {
            Ok(Some(recipient)) if !recipient.is_enabled() => None,
            Ok(Some(recipient)) => Some(recipient.limits()),
            Err(error) if error.is_transient() => None,
            Ok(None) | Err(_) => Some(default_limits()),
        }
    }

    /// Gives leases back unused: no attempt is counted, and the deliveries are due as they were.
    pub(crate) async fn release(&self, leases: Vec<(DeliveryId, Uuid)>) {
        if leases.is_empty() {
            return;
        }
        let count = leases.len();
        match self.store.release(leases, Instant::now()).await {
            Ok(_) => tracing::debug!(count, "deliveries were given back"),
            Err(error) => tracing::warn!(
                count,
                error.chain = &error as &dyn StdError,
                "deliveries could not be given back; their leases run out by themselves"
            ),
        }
    }

    /// Gives back what waits in an endpoint's line, whose circuit changed: it goes when it is its turn. A probe stays.
    pub(crate) async fn put_back(&self, endpoint: &EndpointId) {
        let waiting = self.lines().take_of(endpoint);
        let leases = waiting.into_iter().map(|ticket| (ticket.delivery, ticket.lease));
        self.release(leases.collect()).await;
    }

    /// Gives the slot of an attempt to the next one; `well` says whether it was a success.
    pub(crate) fn answered(&self, ticket: &Ticket, well: bool) {
        let is_relieved = {
            let mut lines = self.lines();
            lines.answered(ticket, well);
            lines.relieved()
        };
        self.wake(is_relieved);
    }

    /// Lets go of a delivery.
    pub(crate) fn finish(&self, ticket: &Ticket) {
        let is_relieved = {
            let mut lines = self.lines();
            lines.finish(ticket);
            lines.relieved()
        };
        self.wake(is_relieved);
    }

    fn wake(&self, is_relieved: bool) {
        self.turn.notify_one();
        self.freed.notify_one();
        if is_relieved {
            self.relieved.notify_one();
        }
    }

    fn ticket(&self, leased: &Leased, lease: Uuid) -> Ticket {
        let job = &leased.job;
        let left = leased.until.since(self.store.now());
        Ticket {
            delivery: job.delivery_id,
            lease,
            workspace: job.workspace_id.clone(),
            endpoint: job.endpoint_id.clone(),
            is_swept: leased.is_swept,
            is_probe: leased.is_probe,
            bytes: job.transformed.as_ref().map_or(0, Vec::len) + job.body.len(),
            start_by: Stopwatch::now() + left.saturating_sub(self.settings.lease / LEFT),
        }
    }
}
