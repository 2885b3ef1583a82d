//! Turns: of the deliveries to one endpoint that share a key, one may go at a time, in the order of their events.
//!
//! # Theory of operation
//!
//! The first of a key's deliveries that is not finished has the turn: it alone has a `due_at`, and is leased, tried again and
//! held as any other. The others keep their time in `turn_due_at`, where nobody looks for what is due: a key that fails parks
//! itself alone, and a backlog behind it costs nothing. Whoever makes a delivery with a key, or ends one, settles whose turn
//! it is, in the same transaction: it locks the endpoint's lane, and reads **in a later statement** who is there. The lock
//! makes it exact, as it does for lanes: of two who change a key at once, the second sees what the first has done.
//!
//! A delivery under way keeps the turn. One that waits gives it to one of an earlier event that came late, or that an operator
//! revived.

use super::super::Conn;
use super::super::schema::{deliveries, endpoint_lanes};
use super::lanes::Waiting;
use crate::sql::{Stamp, Uid};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl};
use std::collections::BTreeSet;
use wire::Instant;

/// What is not finished; written out, as the indexes have it.
const UNFINISHED: &str = "state IN ('pending', 'scheduled_retry', 'delivering')";

/// The keys, by endpoint, whose turn is to be settled.
#[derive(Debug, Default)]
pub(crate) struct Turns(BTreeSet<(String, String)>);

impl Turns {
    pub(crate) fn add(&mut self, endpoint: &str, key: Option<&str>) {
        if let Some(key) = key {
            self.0.insert((endpoint.to_owned(), key.to_owned()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Settles whose turn it is, and wakes the lanes of those who have it. To be called in the transaction that changed
    /// something, after the change.
    pub(crate) fn settle(&self, conn: &mut Conn, now: Instant) -> QueryResult<()> {
        if self.is_empty() {
            return Ok(());
        }
        // All of them before anything is read, in the order in which everybody does.
        let endpoints: BTreeSet<&str> = self.0.iter().map(|(endpoint, _)| endpoint.as_str()).collect();
        for endpoint in endpoints {
            lock(conn, endpoint, now)?;
        }
        let mut waiting = Waiting::default();
        for (endpoint, key) in &self.0 {
            if let Some((workspace, due_at)) = settle(conn, endpoint, key)? {
                waiting.add(endpoint.clone(), workspace, due_at);
            }
        }
        waiting.wake(conn, now)
    }
}

/// Locks an endpoint's lane.
pub(crate) fn lock(conn: &mut Conn, endpoint: &str, now: Instant) -> QueryResult<()> {
    diesel::update(endpoint_lanes::table.find(endpoint.to_owned()))
        .set(endpoint_lanes::updated_at.eq(Stamp(now)))
        .execute(conn)?;
    Ok(())
}

/// Gives the turn to the first of a key; returns its workspace and when it is due, unless it had it before.
fn settle(conn: &mut Conn, endpoint: &str, key: &str) -> QueryResult<Option<(String, Option<Instant>)>> {
    let unfinished = || {
        deliveries::table
            .filter(deliveries::endpoint_id.eq(endpoint.to_owned()))
            .filter(deliveries::order_key.eq(key.to_owned()))
            .filter(sql::<Bool>(UNFINISHED))
    };
    // There is one at the most.
    let has_it: Option<(Uid, String)> = unfinished()
        .filter(deliveries::turn_due_at.is_null())
        .select((deliveries::id, deliveries::state))
        .first(conn)
        .optional()?;
    if has_it.as_ref().is_some_and(|(_, state)| state == "delivering") {
        return Ok(None);
    }
    let first: Option<(Uid, String, Option<Stamp>)> = unfinished()
        .order((deliveries::event_id, deliveries::id))
        .select((deliveries::id, deliveries::workspace_id, deliveries::turn_due_at))
        .first(conn)
        .optional()?;
    // The first may go already: it has the turn, or its endpoint was deleted and all of them may.
    let Some((first, workspace, Some(due_at))) = first else {
        return Ok(None);
    };
    if let Some((id, _)) = has_it {
        diesel::update(deliveries::table.find(id))
            .set((
                deliveries::turn_due_at.eq(deliveries::due_at),
                deliveries::due_at.eq(None::<Stamp>),
            ))
            .execute(conn)?;
    }
    diesel::update(deliveries::table.find(first))
        .set((
            deliveries::due_at.eq(deliveries::turn_due_at),
            deliveries::turn_due_at.eq(None::<Stamp>),
        ))
        .execute(conn)?;
    Ok(Some((workspace, Some(due_at.into()))))
}

/// Lets everything that waits for its turn at an endpoint go, in no order: the endpoint was deleted, and the worker ends it.
pub(crate) fn let_all_go(conn: &mut Conn, endpoint: &str) -> QueryResult<()> {
    let waiting = deliveries::table
        .filter(deliveries::endpoint_id.eq(endpoint.to_owned()))
        .filter(deliveries::order_key.is_not_null())
        .filter(deliveries::turn_due_at.is_not_null())
        .filter(sql::<Bool>(UNFINISHED));
    diesel::update(waiting)
        .set((
            deliveries::due_at.eq(deliveries::turn_due_at),
            deliveries::turn_due_at.eq(None::<Stamp>),
        ))
        .execute(conn)?;
    Ok(())
}
