//! RECORD on SQLite.

use crate::outcome::Outcome;
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::{attempts, deliveries};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::HashSet;
use wire::DeliveryState;

/// Writes the outcomes, and returns the deliveries that they moved.
pub(crate) fn record(conn: &mut SqliteConnection, outcomes: &[&Outcome]) -> QueryResult<HashSet<Uid>> {
    conn.immediate_transaction(|conn| {
        let mut moved = HashSet::with_capacity(outcomes.len());
        for outcome in outcomes {
            insert_attempt(conn, outcome)?;
            if move_delivery(conn, outcome)? {
                moved.insert(outcome.delivery_id.into());
            }
        }
        Ok(moved)
    })
}

fn insert_attempt(conn: &mut SqliteConnection, outcome: &Outcome) -> QueryResult<()> {
    let attempt = &outcome.attempt;
    diesel::insert_into(attempts::table)
        .values((
            attempts::id.eq(Uid::from(attempt.id)),
            attempts::delivery_id.eq(Uid::from(outcome.delivery_id)),
            attempts::number.eq(attempt.number),
            attempts::response_status.eq(attempt.response_status),
            attempts::duration_ms.eq(attempt.duration_ms),
            attempts::error_kind.eq(&attempt.error_kind),
            attempts::error_message.eq(&attempt.error_message),
            attempts::request_headers.eq(attempt.request_headers.as_ref()),
            attempts::response_headers.eq(attempt.response_headers.as_ref()),
            attempts::response_body.eq(attempt.response_body.as_ref()),
            attempts::created_at.eq(Stamp(attempt.created_at)),
        ))
        .on_conflict(attempts::id)
        .do_nothing()
        .execute(conn)?;
    Ok(())
}

/// A worker that lost its lease moves nothing, unless it brings a success to a delivery that has none yet: the receiver
/// has the event, so no retry must follow.
fn move_delivery(conn: &mut SqliteConnection, outcome: &Outcome) -> QueryResult<bool> {
    let succeeded = outcome.state == DeliveryState::Delivered;
    let row = deliveries::table
        .find(Uid::from(outcome.delivery_id))
        .into_boxed();
    let mine = if succeeded {
        row.filter(deliveries::state.ne("delivered"))
    } else {
        row.filter(deliveries::lease_token.eq(Some(Uid(outcome.lease))))
    };
    let held: Option<(i32, Option<Stamp>, Option<Stamp>)> = mine
        .select((
            deliveries::attempts,
            deliveries::first_attempt_at,
            deliveries::delivered_at,
        ))
        .first(conn)
        .optional()?;
    let Some((counted, first_attempt_at, delivered_at)) = held else {
        return Ok(false);
    };
    diesel::update(deliveries::table.find(Uid::from(outcome.delivery_id)))
        .set((
            deliveries::state.eq(outcome.state.as_str()),
            deliveries::reason.eq(&outcome.reason),
            deliveries::due_at.eq(outcome.due_at.map(Stamp)),
            deliveries::attempts.eq(counted.max(outcome.attempt.number)),
            deliveries::lease_until.eq(None::<Stamp>),
            deliveries::lease_token.eq(None::<Uid>),
            deliveries::first_attempt_at.eq(first_attempt_at.or(Some(Stamp(outcome.attempt.created_at)))),
            deliveries::delivered_at.eq(if succeeded {
                Some(Stamp(outcome.at))
            } else {
                delivered_at
            }),
            deliveries::updated_at.eq(Stamp(outcome.at)),
        ))
        .execute(conn)?;
    Ok(true)
}
