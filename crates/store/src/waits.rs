//! The waitbox's side of the ledger: what runs wait for, and what they are given.
//!
//! # Theory of operation
//!
//! Whoever gives an event to a run holds the event's row, then the run's, each in the order of their ids; whoever changes
//! what a run waits for holds the run's row. So a gift is written for a wait that is there, and the wait goes with it.

use crate::connect::{Ledger, look_up, read};
use crate::routing::{Gift, RoutedEvent};
use crate::sweep::LONGEST_SWEEP;
use crate::{Error, Event, Store, postgres, sqlite};
use std::collections::{HashMap, HashSet};
use wire::{EventId, Instant, RunId, SourceId, WorkspaceId};

/// How many of a workspace's runs are looked at for whether they listen: a few versions of playbooks have most of them.
const LOOKED_AT: i64 = 100;

/// What the waits for a type ask an event, and one of them as an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitShape {
    /// The place of the type among those that were asked for.
    pub asked: usize,
    /// The digest of the expressions; empty: none.
    pub shape: Vec<u8>,
    /// Of the example.
    pub run_id: RunId,
    /// Of the example: JSON.
    pub spec: String,
}

/// Which waits are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WaitKey {
    /// Whose.
    pub workspace_id: WorkspaceId,
    /// The exact type.
    pub event_type: String,
    /// The digest of the expressions.
    pub shape: Vec<u8>,
    /// The digest of the expressions and of what they yield.
    pub correlation: Vec<u8>,
    /// Those of either kind.
    pub is_broadcast: bool,
    /// Only those after this one, in the order of run, effect and filter.
    pub after: Option<(RunId, i32, i32)>,
}

/// One filter of one listen of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRow {
    /// The place of its key among those that were asked for.
    pub asked: usize,
    /// Whose.
    pub run_id: RunId,
    /// The listen's effect.
    pub effect: i32,
    /// Which of its filters.
    pub filter: i32,
    /// JSON.
    pub spec: String,
    /// Whether the first message ends the listen as a whole.
    pub is_any: bool,
}

/// What became of a gift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// It is in the run's inbox.
    Given,
    /// The run does not wait for it any more: it has got another.
    Gone,
    /// The run has the event already, or it is another run's alone.
    Taken,
}

/// Events that are to be routed, and what is asked of events of their types.
#[derive(Debug, Default)]
pub struct Unrouted {
    /// Those of the events asked for that wait to be routed.
    pub events: Vec<Event>,
    /// Those that wait as well and were not read, because all bodies would be too much at once.
    pub left: Vec<EventId>,
    /// Their types.
    pub types: Vec<(WorkspaceId, String)>,
    /// What is asked of events of these types, by place among them. Read after the events.
    pub shapes: Vec<WaitShape>,
}

/// The types of a batch, each once.
pub fn types_of(events: &[Event]) -> Vec<(WorkspaceId, String)> {
    let types: HashSet<(&WorkspaceId, &String)> = events
        .iter()
        .filter_map(|event| Some((&event.workspace_id, event.event_type.as_ref()?)))
        .collect();
    types
        .into_iter()
        .map(|(workspace, event_type)| (workspace.clone(), event_type.clone()))
        .collect()
}

/// Reads events and then their types' waits, with the statements of `$hot`.
macro_rules! unrouted {
    ($conn:ident, $queries:ident, $hot:ident, $ids:ident) => {{
        let (events, left) = $queries::events::accepted($conn, &$ids)?;
        let types = types_of(&events);
        let shapes = if types.is_empty() {
            Vec::new()
        } else {
            $hot::wait_shapes($conn, &types)?
        };
        Ok(Unrouted {
            events,
            left,
            types,
            shapes,
        })
    }};
}

impl Store {
    /// Reads those of `ids` that wait to be routed, and then what is asked of events of their types.
    pub async fn unrouted(&self, ids: Vec<EventId>) -> Result<Unrouted, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                use postgres::{hot, queries};
                let call = move |conn: &mut _| unrouted!(conn, queries, hot, ids);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                use sqlite::{hot, queries};
                let call = move |conn: &mut _| unrouted!(conn, queries, hot, ids);
                ledger.read(call).await
            }
        }
    }

    /// Reads what is asked of events of these types: each distinct set of expressions once, however many runs wait.
    pub async fn wait_shapes(&self, types: Vec<(WorkspaceId, String)>) -> Result<Vec<WaitShape>, Error> {
        if types.is_empty() {
            return Ok(Vec::new());
        }
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::wait_shapes(conn, &types)?);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::wait_shapes(conn, &types)?);
                ledger.read(call).await
            }
        }
    }

    /// Reads the waits of these keys, oldest run first, at most `limit` of each.
    pub async fn waits(&self, keys: Vec<WaitKey>, limit: i64) -> Result<Vec<WaitRow>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let limit = limit.clamp(0, LONGEST_SWEEP);
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::waits(conn, &keys, limit)?);
                ledger.look_up(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::waits(conn, &keys, limit)?);
                ledger.read(call).await
            }
        }
    }

    /// Reads which runs have these events already, and whether an event is the run's alone: at most 10,000.
    pub async fn given(&self, events: Vec<EventId>) -> Result<Vec<(EventId, RunId, bool)>, Error> {
        read!(self, |conn, queries| queries::waits::given(
            conn,
            &events,
            LONGEST_SWEEP
        ))
    }

    /// Whether a run of the workspace goes on whose playbook listens: it may take an event, also one that came before it
    /// waits, since it looks back. Where so many go on that not all are looked at, one may.
    pub async fn may_listen(&self, workspace: &WorkspaceId) -> Result<bool, Error> {
        let workspace = workspace.clone();
        look_up!(self, |conn, queries| queries::waits::may_listen(
            conn, &workspace, LOOKED_AT
        ))
    }

    /// Whether a run that begins now may listen, by the playbooks that the workspace has. Where it has so many that not all
    /// are looked at, one may.
    pub async fn could_listen(&self, workspace: &WorkspaceId) -> Result<bool, Error> {
        let workspace = workspace.clone();
        read!(self, |conn, queries| queries::waits::could_listen(
            conn, &workspace, LOOKED_AT
        ))
    }

    /// Reads a workspace's events of a type from `since` on, the newest `limit` of them, oldest first, with the bytes of
    /// their bodies.
    pub async fn events_since(
        &self,
        workspace: &WorkspaceId,
        event_type: String,
        since: EventId,
        limit: i64,
    ) -> Result<Vec<(EventId, i32)>, Error> {
        let workspace = workspace.clone();
        let limit = limit.clamp(0, LONGEST_SWEEP);
        read!(self, |conn, queries| queries::waits::events_since(
            conn,
            &workspace,
            &event_type,
            since,
            limit
        ))
    }

    /// Reads what a workspace's sources are called, at most 10,000.
    pub async fn source_slugs(&self, workspace: &WorkspaceId) -> Result<HashMap<SourceId, String>, Error> {
        let workspace = workspace.clone();
        let slugs = read!(self, |conn, queries| queries::sources::slugs(
            conn,
            &workspace,
            LONGEST_SWEEP
        ))?;
        Ok(slugs.into_iter().collect())
    }

    /// Reads these events, in no order.
    pub async fn events_named(&self, ids: Vec<EventId>) -> Result<Vec<Event>, Error> {
        read!(self, |conn, queries| queries::waits::events_named(conn, &ids))
    }

    /// Gives an event to a run that looked back and found it, whether or not it was routed.
    pub async fn give(&self, event: EventId, gift: Gift, at: Instant) -> Result<Given, Error> {
        match &*self.ledger {
            Ledger::Postgres(ledger) => {
                let call = move |conn: &mut _| Ok(postgres::hot::give(conn, event, gift, at)?);
                ledger.write(call).await
            }
            Ledger::Sqlite(ledger) => {
                let call = move |conn: &mut _| Ok(sqlite::hot::give(conn, event, gift, at)?);
                ledger.write(call).await
            }
        }
    }
}

/// A gift about to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewGift {
    pub(crate) event: EventId,
    pub(crate) gift: Gift,
    pub(crate) at: Instant,
}

/// How a gift stands, with the rows held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The run still waits.
    pub(crate) is_awaited: bool,
    /// The run has not got the event, and no other has it alone if this one would.
    pub(crate) is_free: bool,
}

impl Standing {
    pub(crate) const fn verdict(self) -> Given {
        match (self.is_free, self.is_awaited) {
            (false, _) => Given::Taken,
            (true, false) => Given::Gone,
            (true, true) => Given::Given,
        }
    }
}

/// All gifts of a batch, in the order of its events.
pub(crate) fn gifts_of(events: &[&RoutedEvent]) -> Vec<NewGift> {
    let of_event = |event: &&RoutedEvent| {
        let (id, at) = (event.id, event.at);
        let gifts = event.gifts.clone().into_iter();
        gifts.map(move |gift| NewGift { event: id, gift, at })
    };
    events.iter().flat_map(of_event).collect()
}

/// Keeps the events that can be written as they were decided, and the gifts that can be made; `standing` is each gift's,
/// in their order.
///
/// Batches that were decided side by side may give by the same wait: the first event has it. An event whose exclusive
/// gift cannot be made is to be decided anew. A run that is only told of it besides, and waits no more, is left out.
pub(crate) fn standing<'a>(
    events: &[&'a RoutedEvent],
    standing: &[Standing],
) -> (Vec<&'a RoutedEvent>, Vec<NewGift>) {
    let mut verdicts = standing.iter();
    let mut used: HashSet<(RunId, i32, Option<i32>)> = HashSet::new();
    let (mut kept, mut gifts) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        let mut of_event = Vec::with_capacity(event.gifts.len());
        let mut stands = true;
        for gift in &event.gifts {
            let verdict = verdicts.next().map(|standing| standing.verdict());
            let place = (gift.run_id, gift.effect, (!gift.is_any).then_some(gift.filter));
            if verdict == Some(Given::Given) && !used.contains(&place) {
                of_event.push((place, *gift));
            } else if gift.is_exclusive {
                stands = false;
            }
        }
        if stands {
            used.extend(of_event.iter().map(|(place, _)| *place));
            gifts.extend(of_event.into_iter().map(|(_, gift)| NewGift {
                event: event.id,
                gift,
                at: event.at,
            }));
            kept.push(*event);
        }
    }
    (kept, gifts)
}
