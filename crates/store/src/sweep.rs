//! A sweep: what is due is leased, lane by lane.

use crate::connect::{Ledger, look_up};
use crate::lane::{Lane, Looked, share};
use crate::sql::{Maybe, Stamp, StoredText, Uid};
use crate::{Error, Job, Store, postgres, sqlite};
use diesel::{QueryResult, Queryable};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;
use wire::circuit::LONGEST_WAIT;
use wire::{DeliveryId, EndpointId, EventId, Instant, RouteId, WorkspaceId};

/// The most that one sweep takes at once; whoever asks for more gets this much.
pub(crate) const LONGEST_SWEEP: i64 = 10_000;

/// Lanes that one sweep locks, and workspaces that share in it.
const LANES: i64 = 64;

/// Deliveries of one lane that a sweep gives up because their circuit was open for too long.
const GIVEN_UP: i64 = 500;

/// What a sweep brings.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// The deliveries, leased.
    pub jobs: Vec<Job>,
    /// Those of them that test whether their endpoint is there again.
    pub probes: HashSet<DeliveryId>,
    /// Whether there is more that is due and may go.
    pub more: bool,
    /// Those that it gave up, because they had waited at an open circuit for too long.
    pub given_up: Vec<GivenUp>,
}

/// A delivery that is a dead letter because its endpoint's circuit was open for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The event that it delivers.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: Option<String>,
    /// Where it was to go.
    pub endpoint_id: EndpointId,
    /// Whose it is.
    pub workspace_id: WorkspaceId,
    /// How many attempts were made.
    pub attempts: i32,
    /// When it was given up.
    pub at: Instant,
}

/// The columns of [`GivenUp`] and the key that it went by, as both databases return them.
pub(crate) type GivenUpRow = (
    Uid,
    Uid,
    Option<String>,
    StoredText,
    StoredText,
    i32,
    Option<String>,
);

impl GivenUp {
    /// With the key that it went by.
    fn of(row: GivenUpRow, at: Instant) -> (Self, Option<String>) {
        let (delivery_id, event_id, event_type, endpoint_id, workspace_id, attempts, key) = row;
        let given_up = Self {
            delivery_id: delivery_id.into(),
            event_id: event_id.into(),
            event_type,
            endpoint_id: endpoint_id.into(),
            workspace_id: workspace_id.into(),
            attempts,
            at,
        };
        (given_up, key)
    }
}

/// A lane's share of a sweep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share<'l> {
    pub(crate) lane: &'l Lane,
    /// How many of its deliveries may be leased.
    pub(crate) most: usize,
    /// How many of those that wait are passed by first, counted round: see [`probed`].
    pub(crate) skipped: i64,
}

/// Among how many of those that wait a probe is chosen. A mask, so a power of two.
pub(crate) const PROBED: i64 = 64;

/// Which of the deliveries that wait at an open circuit is its probe, drawn with the lot that a new lease is.
///
/// Not always the first: one that the receiver can never take would keep the circuit open, whatever waits behind it.
fn probed(lane: &Lane, lease: Uuid) -> i64 {
    let lot = i64::from(lease.as_bytes().last().copied().unwrap_or(0));
    if lane.is_open() { lot % PROBED } else { 0 }
}

/// In what order a lane's deliveries are leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they are due.
    OldestFirst,
    /// While an endpoint recovers, so that fresh ones do not wait behind its backlog.
    NewestFirst,
}

/// Whose turn it is: the workspace that the last sweep of this process ended with.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<String>);

impl Turns {
    fn after(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn served(&self, last: &WorkspaceId) {
        last.as_str()
            .clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One sweep.
#[derive(Clone)]
struct Look {
    now: Instant,
    room: usize,
    lease: (Uuid, Instant),
    full: Vec<EndpointId>,
    /// How many workspaces are passed by because they can use nothing.
    passed_by: i64,
}

/// Whom a sweep leaves out.
#[derive(Debug, Clone, Default)]
pub struct Full {
    /// Endpoints whose slots the worker has used up.
    pub endpoints: Vec<EndpointId>,
    /// Workspaces that can use no slot more.
    pub workspaces: Vec<WorkspaceId>,
}

impl From<Vec<EndpointId>> for Full {
    fn from(endpoints: Vec<EndpointId>) -> Self {
        Self {
            endpoints,
            workspaces: Vec::new(),
        }
    }
}

impl Look {
    /// How many workspaces share in it: no more than each get something, so that nobody's turn is over who got nothing, and
    /// no lane loses its place to one that did.
    fn workspaces(&self) -> i64 {
        i64::try_from(self.room).unwrap_or(LANES).min(LANES)
    }
}

/// A delivery as it is when its lease begins.
#[derive(Debug, Queryable)]
pub(crate) struct Leased {
    #[diesel(deserialize_as = Uid)]
    pub(crate) delivery_id: DeliveryId,
    pub(crate) attempts: i32,
    #[diesel(deserialize_as = StoredText)]
    pub(crate) workspace_id: WorkspaceId,
    #[diesel(deserialize_as = Uid)]
    pub(crate) event_id: EventId,
    #[diesel(deserialize_as = StoredText)]
    pub(crate) endpoint_id: EndpointId,
    #[diesel(deserialize_as = Maybe<StoredText>)]
    pub(crate) route_id: Option<RouteId>,
    pub(crate) event_type: Option<String>,
    #[diesel(deserialize_as = Maybe<Stamp>)]
    pub(crate) due_at: Option<Instant>,
    /// Whether it has a body of its own, which a route made of the event's.
    pub(crate) is_transformed: bool,
    pub(crate) order_key: Option<String>,
}

/// What a sweep leased.
struct Taken {
    leased: Vec<Leased>,
    probes: HashSet<DeliveryId>,
    more: bool,
    given_up: Vec<GivenUp>,
    /// Who had the last of the turns; none when nobody had one.
    last: Option<WorkspaceId>,
}

/// Reads the workspaces whose turn it is, with the statements of `$hot`.
macro_rules! ready {
    ($conn:ident, $hot:ident, $look:ident, $after:ident) => {{
        let most = $look.workspaces() + $look.passed_by;
        let mut ready = $hot::ready_workspaces($conn, $look.now, &$after, &$look.full, most)?;
        let left = most - i64::try_from(ready.len()).unwrap_or(most);
        if left > 0 && !$after.is_empty() {
            let first = $hot::ready_workspaces($conn, $look.now, "", &$look.full, left)?;
            ready.extend(first.into_iter().filter(|id| id.as_str() <= $after.as_str()));
        }
        QueryResult::Ok(ready)
    }};
}

/// Takes what is due of ready lanes, with the statements of `$hot`. Each is a statement of its own, for the reason that
/// `lane` gives.
macro_rules! take {
    ($conn:ident, $hot:ident, $queries:ident, $look:ident, $ready:ident) => {{
        let now = $look.now;
        let each = each($look.room, $ready.len());
        let lanes = $hot::lock_ready($conn, now, &$ready, each, &$look.full)?;
        let limited: Vec<&EndpointId> = of(&lanes, Lane::is_limited);
        let in_flight = $hot::in_flight($conn, &limited)?;
        let free = free(&lanes, &in_flight, &$look);
        let shares = share(&lanes, &free, $look.room);
        let past: Vec<&EndpointId> = of(&lanes, |lane| lane.is_past_waiting(now));
        let given_up: Vec<(GivenUp, Option<String>)> =
            $hot::give_up($conn, &past, now - LONGEST_WAIT, GIVEN_UP, now)?
                .into_iter()
                .map(|row| GivenUp::of(row, now))
                .collect();
        let mut turns = $queries::order::Turns::default();
        let mut turned: HashSet<EndpointId> = HashSet::new();
        for (row, key) in &given_up {
            turns.add(row.endpoint_id.as_str(), key.as_deref());
            if key.is_some() {
                turned.insert(row.endpoint_id.clone());
            }
        }
        turns.settle($conn, now)?;
        let in_order = |order: Order| {
            let is_in_order = move |lane: &Lane| lane.is_recovering() == (order == Order::NewestFirst);
            let all = lanes.iter().zip(shares.iter().copied());
            // Of a key whose first was given up the next has its turn to be, before any is a probe.
            let may_go = |lane: &Lane| !turned.contains(&lane.endpoint_id);
            let in_order = all.filter(move |(lane, most)| *most > 0 && is_in_order(lane) && may_go(lane));
            let share = |(lane, most)| Share {
                lane,
                most,
                skipped: probed(lane, $look.lease.0),
            };
            in_order.map(share).collect::<Vec<_>>()
        };
        let mut leased = Vec::new();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            leased.extend($hot::lease($conn, now, &in_order(order), order, $look.lease)?);
        }
        let given_up = given_up.into_iter().map(|(row, _)| row).collect();
        let (unsure, mut next_due) = backlogs(&lanes, &shares, &leased, now);
        next_due.extend($hot::next_due($conn, &unsure)?);
        let (looked, mut taken) = taken(&lanes, &in_flight, (leased, given_up, &turned), &next_due, &$look);
        taken.last = last_served(&lanes, &shares);
        taken.more |= is_cut(&lanes, each)
            || i64::try_from($ready.len()).is_ok_and(|count| count >= $look.workspaces());
        $hot::looked($conn, &lanes, &looked, now)?;
        QueryResult::Ok(taken)
    }};
}

/// Of which lanes it is to be asked when the next is due, and when that is of the others: now.
///
/// Who gave all of its share, and that was more than one, has a backlog nearly always. Should it have had just so many, it is
/// looked at once in vain; to ask of each lane of a backlog is a good part of what a sweep costs.
fn backlogs<'l>(
    lanes: &'l [Lane],
    shares: &[usize],
    leased: &[Leased],
    now: Instant,
) -> (Vec<&'l EndpointId>, HashMap<EndpointId, Instant>) {
    let counts = counts(leased);
    let is_backlog = |lane: &Lane, share: usize| {
        share > 1 && !lane.is_limited() && counts.get(&lane.endpoint_id).is_some_and(|count| *count >= share)
    };
    let (mut unsure, mut next_due) = (Vec::new(), HashMap::new());
    for (lane, share) in lanes.iter().zip(shares) {
        if is_backlog(lane, *share) {
            next_due.insert(lane.endpoint_id.clone(), now);
        } else {
            unsure.push(&lane.endpoint_id);
        }
    }
    (unsure, next_due)
}

/// How much of each lane was leased.
fn counts(leased: &[Leased]) -> HashMap<&EndpointId, usize> {
    let mut counts = HashMap::new();
    for row in leased {
        *counts.entry(&row.endpoint_id).or_default() += 1;
    }
    counts
}

/// How many lanes of each workspace are locked: no more than there is room for, since others could take them meanwhile.
fn each(room: usize, workspaces: usize) -> i64 {
    let lanes = i64::try_from(room).unwrap_or(LANES).min(LANES);
    let workspaces = i64::try_from(workspaces).unwrap_or(LANES).max(1);
    (lanes / workspaces).max(1)
}

/// Whether the workspaces may have more ready lanes than were looked at.
fn is_cut(lanes: &[Lane], each: i64) -> bool {
    let mut counts: HashMap<&WorkspaceId, i64> = HashMap::new();
    lanes.iter().any(|lane| {
        let count = counts.entry(&lane.workspace_id).or_default();
        *count += 1;
        *count >= each
    })
}

/// Who had the last of the turns in which `share` gave these shares: the last of those who had the most of them.
fn last_served(lanes: &[Lane], shares: &[usize]) -> Option<WorkspaceId> {
    let mut served: Vec<(&WorkspaceId, usize)> = Vec::new();
    for (lane, share) in lanes.iter().zip(shares) {
        match served.iter_mut().find(|(id, _)| **id == lane.workspace_id) {
            Some((_, turns)) => *turns += share,
            None => served.push((&lane.workspace_id, *share)),
        }
    }
    // Of equal ones, this is the last.
    let (last, turns) = served.into_iter().max_by_key(|(_, turns)| *turns)?;
    (turns > 0).then(|| last.clone())
}

fn of(lanes: &[Lane], is_one: impl Fn(&Lane) -> bool) -> Vec<&EndpointId> {
    let chosen = lanes.iter().filter(|lane| is_one(lane));
    chosen.map(|lane| &lane.endpoint_id).collect()
}

/// How many each lane may still have.
fn free(lanes: &[Lane], in_flight: &HashMap<EndpointId, usize>, look: &Look) -> Vec<usize> {
    let in_flight = |lane: &Lane| in_flight.get(&lane.endpoint_id).copied().unwrap_or(0);
    let free = |lane: &Lane| lane.free(look.now, in_flight(lane), look.room);
    lanes.iter().map(free).collect()
}

/// What was leased, and what to write into the lanes.
fn taken(
    lanes: &[Lane],
    in_flight: &HashMap<EndpointId, usize>,
    (leased, given_up, turned): (Vec<Leased>, Vec<GivenUp>, &HashSet<EndpointId>),
    next_due: &HashMap<EndpointId, Instant>,
    look: &Look,
) -> (Vec<Looked>, Taken) {
    let now = look.now;
    let counts = counts(&leased);
    let tested: HashSet<&EndpointId> = of(lanes, |lane| lane.is_probed(now)).into_iter().collect();
    let is_probe = |row: &&Leased| tested.contains(&row.endpoint_id);
    let probes = leased
        .iter()
        .filter(is_probe)
        .map(|row| row.delivery_id)
        .collect();
    let is_overdue = |lane: &Lane| {
        let of_lane = given_up
            .iter()
            .filter(|given_up| given_up.endpoint_id == lane.endpoint_id);
        turned.contains(&lane.endpoint_id)
            || i64::try_from(of_lane.count()).is_ok_and(|count| count >= GIVEN_UP)
    };
    let mut more = false;
    let looked = lanes
        .iter()
        .map(|lane| {
            let leased = counts.get(&lane.endpoint_id).copied().unwrap_or(0);
            let next_due = next_due.get(&lane.endpoint_id).copied();
            let in_flight = in_flight.get(&lane.endpoint_id).copied().unwrap_or(0) + leased;
            let may_go = !lane.is_limited() || lane.free(now, in_flight, 1) > 0;
            let is_overdue = is_overdue(lane);
            more |= is_overdue || (may_go && !lane.is_open() && next_due.is_some_and(|due| due <= now));
            lane.after(now, leased, in_flight, next_due, is_overdue)
        })
        .collect();
    let taken = Taken {
        leased,
        probes,
        more,
        given_up,
        last: None,
    };
    (looked, taken)
}

impl Store {
    /// Leases up to `limit` deliveries that are due at `now`, by this host's clock, for `hold`, by the ledger's; counts their
    /// attempts.
    ///
    /// Goes by lanes (see `lane`): the workspaces with ready lanes take turns, and so do a workspace's lanes. Leaves out
    /// those in `full`, and the endpoints that hold their deliveries. The deliveries of a
    /// deleted endpoint are leased whether it was disabled or not: the worker ends them.
    pub async fn lease_due(
        &self,
        now: Instant,
        limit: i64,
        lease: (Uuid, Duration),
        full: impl Into<Full>,
    ) -> Result<Sweep, Error> {
        let full = full.into();
        let (token, hold) = lease;
        let limit = limit.clamp(0, LONGEST_SWEEP);
        if limit == 0 {
            return Ok(Sweep::default());
        }
        let after = self.turns.after();
        let look = Look {
            now,
            room: usize::try_from(limit).unwrap_or(0),
            lease: (token, self.clock.at(now + hold)),
            full: full.endpoints,
            passed_by: i64::try_from(full.workspaces.len()).unwrap_or(LONGEST_SWEEP),
        };
        // Most looks find nothing, and a look costs the embedded ledger its only writer's time.
        let mut ready = self.ready_workspaces(look.clone(), after).await?;
        ready.retain(|workspace| !full.workspaces.contains(workspace));
        ready.truncate(usize::try_from(look.workspaces()).unwrap_or(usize::MAX));
        let Some(last) = ready.last() else {
            return Ok(Sweep::default());
        };
        // Should all of these have nothing after all, or the ledger fail, the others have the next sweep.
        self.turns.served(last);
        let found = match &*self.ledger {
            Ledger::Postgres(ledger) => {
                use postgres::{hot, queries};
                ledger
                    .lease(move |conn| Ok(take!(conn, hot, queries, look, ready)?))
                    .await?
            }
            Ledger::Sqlite(ledger) => {
                use sqlite::{hot, queries};
                ledger
                    .write(move |conn| Ok(take!(conn, hot, queries, look, ready)?))
                    .await?
            }
        };
        if let Some(last) = &found.last {
            self.turns.served(last);
        }
        let (jobs, left) = self.jobs(found.leased, token).await?;
        let more = found.more || !left.is_empty();
        self.leave(left).await;
        Ok(Sweep {
            jobs,
            probes: found.probes,
            more,
            given_up: found.given_up,
        })
    }

    /// Reads what was leased, and says which of it was not read. Where nothing can be read, nothing stays leased: no attempt is
    /// made that could use the leases up.
    async fn jobs(
        &self,
        leased: Vec<Leased>,
        token: Uuid,
    ) -> Result<(Vec<Job>, Vec<(DeliveryId, Uuid)>), Error> {
        if leased.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let all: Vec<_> = leased.iter().map(|row| (row.delivery_id, token)).collect();
        let read = look_up!(self, |conn, queries| queries::deliveries::jobs(
            conn, leased, token
        )
        .map(|read| (read.jobs, read.left)));
        if read.is_err() {
            self.leave(all).await;
        }
        read
    }

    /// The workspaces whose turn it is, each once: those after the last one served, and then from the beginning.
    async fn ready_workspaces(&self, look: Look, after: String) -> Result<Vec<WorkspaceId>, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                use postgres::hot;
                ledger
                    .look_up(move |conn| Ok(ready!(conn, hot, look, after)?))
                    .await
            }
            Ledger::Sqlite(ledger) => {
                use sqlite::hot;
                ledger.read(move |conn| Ok(ready!(conn, hot, look, after)?)).await
            }
        }
    }
}
