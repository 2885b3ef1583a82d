//! ROUTE: events leave `accepted`; their deliveries and runs appear.

use super::gifts;
use super::made::{Deliveries, Runs};
use super::new_or_again;
use crate::postgres::queries::order::Turns;
use crate::routing::RoutedEvent;
use crate::sql::Uid;
use crate::statement::statement;
use crate::waits;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Binary, Bool, Text, Uuid};
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashSet;
use wire::Instant;

/// Writes the decisions, and returns the events that this call routed.
///
/// One statement, unless some of them continue runs: then those are held first, so that what was decided still holds. Or
/// unless some of their deliveries go after others: then whose turn it is, is settled behind it.
pub(crate) fn route(conn: &mut PgConnection, events: &[&RoutedEvent]) -> QueryResult<HashSet<Uid>> {
    new_or_again(
        conn,
        |conn| settle::<false>(conn, events),
        |conn| settle::<true>(conn, events),
    )
}

fn settle<const AGAIN: bool>(conn: &mut PgConnection, events: &[&RoutedEvent]) -> QueryResult<HashSet<Uid>> {
    let gifts = waits::gifts_of(events);
    let turns = turns(events.iter().copied());
    let now = events.iter().map(|event| event.at).max();
    if gifts.is_empty() {
        let Some(turns) = turns else {
            return write::<AGAIN>(conn, events);
        };
        return conn.transaction(|conn| {
            let routed = write::<AGAIN>(conn, events)?;
            turns.settle(conn, now.unwrap_or_else(Instant::now))?;
            Ok(routed)
        });
    }
    conn.transaction(|conn| {
        // All of the batch, in one order, or two routers that have the same events could each wait for the other.
        let ids: Vec<Uid> = events.iter().map(|event| event.id.into()).collect();
        let (events, mut gifts) = waits::standing(events, &gifts::hold(conn, &ids, &gifts)?);
        let routed = write::<AGAIN>(conn, &events)?;
        gifts.retain(|gift| routed.contains(&gift.event.into()));
        gifts::put(conn, &gifts)?;
        if let Some(turns) = turns {
            turns.settle(conn, now.unwrap_or_else(Instant::now))?;
        }
        Ok(routed)
    })
}

fn write<const AGAIN: bool>(conn: &mut PgConnection, events: &[&RoutedEvent]) -> QueryResult<HashSet<Uid>> {
    let routed: Vec<Uid> = if events.iter().all(|event| event.runs.is_empty()) {
        Route::<AGAIN, false>::of(events).load(conn)?
    } else {
        Route::<AGAIN, true>::of(events).load(conn)?
    };
    Ok(routed.into_iter().collect())
}

/// The turns of what is made of events; none when nothing of it goes after others, as nearly always.
pub(super) fn turns<'e>(events: impl Iterator<Item = &'e RoutedEvent>) -> Option<Turns> {
    let mut turns = None;
    for delivery in events.flat_map(|event| &event.deliveries) {
        if delivery.goes_in_turn() {
            let turns = turns.get_or_insert_with(Turns::default);
            turns.add(delivery.endpoint_id.as_str(), delivery.order_key.as_deref());
        }
    }
    turns
}

/// The columns of a batch: the events', then the deliveries', then the runs'. `AGAIN`: see [`new_or_again`]. `STARTS`: whether a
/// run is started. In most batches none is, and to get ready for one costs as much as to insert one.
struct Route<'a, const AGAIN: bool, const STARTS: bool> {
    ids: Vec<Uid>,
    first: Uid,
    last: Uid,
    states: Vec<&'a str>,
    traces: Vec<&'a [u8]>,
    taken: Vec<bool>,
    deliveries: Deliveries<'a>,
    runs: Runs<'a>,
}

statement!(Route<AGAIN, STARTS>, Uuid, PgConnection);

impl<'a, const AGAIN: bool, const STARTS: bool> Route<'a, AGAIN, STARTS> {
    fn of(events: &[&'a RoutedEvent]) -> Self {
        let ids = || events.iter().map(|event| event.id);
        let mut batch = Self {
            ids: ids().map(Uid::from).collect(),
            first: ids().min().map_or(Uid(uuid::Uuid::nil()), Uid::from),
            last: ids().max().map_or(Uid(uuid::Uuid::nil()), Uid::from),
            states: events.iter().map(|event| event.state.as_str()).collect(),
            traces: events.iter().map(|event| event.trace.as_ref()).collect(),
            taken: events.iter().map(|event| event.is_taken).collect(),
            deliveries: Deliveries::default(),
            runs: Runs::default(),
        };
        for event in events {
            for delivery in &event.deliveries {
                batch.deliveries.push(event.id, event.at, delivery);
            }
            for run in &event.runs {
                batch.runs.push(event.id, event.at, run);
            }
        }
        batch
    }
}

impl<const AGAIN: bool, const STARTS: bool> QueryFragment<Pg> for Route<'_, AGAIN, STARTS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS MATERIALIZED (SELECT id, state, trace FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.traces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.taken)?;
        // One probe an event, whatever the planner guesses: `NOT EXISTS` may become one pass over all that was ever given,
        // and beside the update it could be repeated for each event that waits.
        out.push_sql(
            ") AS row (id, state, trace, taken) WHERE row.taken OR (SELECT run_id FROM run_inbox \
             WHERE run_inbox.event_id = row.id AND run_inbox.exclusive LIMIT 1) IS NULL), \
             routed AS (UPDATE events SET state = input.state, trace = input.trace FROM input \
             WHERE events.id = input.id AND events.state = 'accepted' AND events.id = ANY(",
        );
        // By keys alone, or a plan made while few events wait would read all that wait with each batch. The range keeps it
        // out of the partitions of other days.
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(") AND events.id BETWEEN ");
        out.push_bind_param::<Uuid, _>(&self.first)?;
        out.push_sql(" AND ");
        out.push_bind_param::<Uuid, _>(&self.last)?;
        out.push_sql(" RETURNING events.id)");
        self.deliveries.insert(&mut out, "routed", AGAIN)?;
        if STARTS {
            self.runs.insert(&mut out, "routed", AGAIN)?;
        }
        out.push_sql(" SELECT id FROM routed");
        Ok(())
    }
}
