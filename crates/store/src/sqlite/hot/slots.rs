//! SEAT on SQLite.

use crate::slots::{Asking, Seat};
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::runs;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::HashSet;
use wire::Instant;

/// Puts these runs where they belong, those excepted that are not any more their askers' or in line; returns those that it put.
pub(crate) fn seat(
    conn: &mut SqliteConnection,
    seats: &[Seat<'_>],
    now: Instant,
) -> QueryResult<HashSet<Uid>> {
    let mut seated = HashSet::with_capacity(seats.len());
    for seat in seats {
        let put = match (seat.asking, seat.slot) {
            (Some(asking), slot) => answer(conn, (seat.run, seat.line.1), asking, slot, now)?,
            (None, slot) => let_on(conn, seat.run, slot, now)?,
        };
        if put {
            seated.insert(seat.run);
        }
    }
    Ok(seated)
}

/// One whose owner asks for a slot.
fn answer(
    conn: &mut SqliteConnection,
    (run, key): (Uid, &str),
    asking: &Asking,
    slot: Option<i32>,
    now: Instant,
) -> QueryResult<bool> {
    let held = runs::table
        .filter(runs::id.eq(run))
        .filter(runs::owner.eq(Some(Uid(asking.owner))))
        .filter(runs::epoch.eq(asking.epoch));
    let put = diesel::update(held)
        .set((
            runs::slot.eq(slot),
            runs::queued.eq(slot.is_none()),
            runs::slot_key.eq(Some(key)),
        ))
        .execute(conn)?;
    if put == 0 || slot.is_some() {
        return Ok(put > 0);
    }
    diesel::update(runs::table.find(run))
        .set((runs::owner.eq(None::<Uid>), runs::updated_at.eq(Stamp(now))))
        .execute(conn)?;
    if !asking.is_begun {
        // It has not begun, whatever its owner was about to do.
        let unbegun = runs::table
            .filter(runs::id.eq(run))
            .filter(runs::state.eq("running"));
        diesel::update(unbegun)
            .set((runs::state.eq("pending"), runs::started_at.eq(None::<Stamp>)))
            .execute(conn)?;
    }
    Ok(true)
}

/// One that waits in line.
fn let_on(conn: &mut SqliteConnection, run: Uid, slot: Option<i32>, now: Instant) -> QueryResult<bool> {
    let in_line = runs::table.filter(runs::id.eq(run)).filter(runs::queued);
    let put = diesel::update(in_line)
        .set((runs::slot.eq(slot), runs::queued.eq(false)))
        .execute(conn)?;
    // One that somebody has goes on anyway.
    let unowned = runs::table.filter(runs::id.eq(run)).filter(runs::owner.is_null());
    if put > 0 {
        diesel::update(unowned)
            .set(runs::ready_at.eq(Some(Stamp(now))))
            .execute(conn)?;
    }
    Ok(put > 0)
}
