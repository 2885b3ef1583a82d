//! SEAT: runs get slots, or wait in line.

use crate::slots::Seat;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashSet;
use wire::Instant;

/// Puts these runs where they belong, those excepted that are not any more their askers' or in line; returns those that it put.
/// They are locked in the order of `seats`.
pub(crate) fn seat(conn: &mut PgConnection, seats: &[Seat<'_>], now: Instant) -> QueryResult<HashSet<Uid>> {
    if seats.is_empty() {
        return Ok(HashSet::new());
    }
    let seated: Vec<Uid> = Seats {
        now: Stamp(now),
        keys: seats.iter().map(|seat| seat.line.1).collect(),
        runs: seats.iter().map(|seat| seat.run).collect(),
        slots: seats.iter().map(|seat| seat.slot).collect(),
        owners: seats
            .iter()
            .map(|seat| seat.asking.map(|asking| Uid(asking.owner)))
            .collect(),
        epochs: seats
            .iter()
            .map(|seat| seat.asking.map(|asking| asking.epoch))
            .collect(),
        are_begun: seats
            .iter()
            .map(|seat| seat.asking.is_none_or(|asking| asking.is_begun))
            .collect(),
    }
    .load(conn)?;
    Ok(seated.into_iter().collect())
}

/// The seats, one array a column.
struct Seats<'a> {
    now: Stamp,
    keys: Vec<&'a str>,
    runs: Vec<Uid>,
    slots: Vec<Option<i32>>,
    owners: Vec<Option<Uid>>,
    epochs: Vec<Option<i64>>,
    are_begun: Vec<bool>,
}

statement!(Seats, Uuid, PgConnection);

impl QueryFragment<Pg> for Seats<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // One that has not begun has not begun again, whatever its owner was about to do.
        out.push_sql(
            "UPDATE runs AS held SET slot = seat.slot, queued = seat.slot IS NULL, slot_key = seat.key, owner = CASE WHEN seat.slot IS NOT NULL THEN held.owner END, \
             state = CASE WHEN seat.slot IS NULL AND NOT seat.is_begun AND held.state = 'running' THEN 'pending' ELSE held.state END, \
             started_at = CASE WHEN seat.slot IS NULL AND NOT seat.is_begun AND held.state = 'running' THEN NULL \
             ELSE held.started_at END, ready_at = CASE WHEN seat.owner IS NULL AND held.owner IS NULL THEN ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ELSE held.ready_at END, updated_at = CASE WHEN seat.slot IS NULL THEN ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ELSE held.updated_at END FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Integer>>, _>(&self.slots)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.owners)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.epochs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.are_begun)?;
        // The owner is compared in a way that no index of owners serves: the row is found by its key.
        out.push_sql(
            ") AS seat (run_id, key, slot, owner, epoch, is_begun) WHERE held.id = seat.run_id \
             AND CASE WHEN seat.owner IS NULL THEN held.queued \
             ELSE held.owner IS NOT DISTINCT FROM seat.owner AND held.epoch = seat.epoch END RETURNING held.id",
        );
        Ok(())
    }
}
