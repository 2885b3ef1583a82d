//! RECORD on SQLite.

use super::lanes;
use crate::outcome::Outcome;
use crate::sql::{Stamp, Uid};
use crate::sqlite::queries::lanes::Waiting;
use crate::sqlite::queries::order::Turns;
use crate::sqlite::schema::attempts;
use crate::statement::statement;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{ExpressionMethods, OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::HashMap;
use wire::{DeliveryState, Instant};

/// Writes the outcomes, and returns the deliveries that they moved, and of each whether its endpoint is watched.
pub(crate) fn record(conn: &mut SqliteConnection, outcomes: &[&Outcome]) -> QueryResult<HashMap<Uid, bool>> {
    conn.immediate_transaction(|conn| {
        let mut moved = HashMap::with_capacity(outcomes.len());
        let (mut waiting, mut turns) = (Waiting::default(), Turns::default());
        let mut now = Instant::from_unix_micros(0);
        for outcome in outcomes {
            if outcome.is_made {
                insert_attempt(conn, outcome)?;
            }
            let Some((endpoint, workspace)) = move_delivery(conn, outcome)? else {
                continue;
            };
            moved.insert(outcome.delivery_id.into(), lanes::is_watched(conn, &endpoint)?);
            now = now.max(outcome.at);
            turns.add(&endpoint, outcome.order_key.as_deref());
            if outcome.state != DeliveryState::Delivered {
                waiting.add(endpoint, workspace, outcome.due_at);
            }
        }
        waiting.wake(conn, now)?;
        turns.settle(conn, now)?;
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
        .on_conflict((attempts::delivery_id, attempts::id))
        .do_nothing()
        .execute(conn)?;
    Ok(())
}

/// Returns its endpoint and workspace when it moved.
fn move_delivery(conn: &mut SqliteConnection, outcome: &Outcome) -> QueryResult<Option<(String, String)>> {
    let moved = Move {
        state: outcome.state.as_str(),
        reason: outcome.reason.as_deref(),
        error_kind: outcome.attempt.error_kind.as_deref(),
        due_at: outcome.due_at.map(Stamp),
        counted: outcome.counted(),
        counts: outcome.counts && outcome.is_made,
        began_at: outcome.is_made.then_some(Stamp(outcome.attempt.created_at)),
        ended_at: Stamp(outcome.at),
        id: outcome.delivery_id.into(),
        lease: Uid(outcome.lease),
    };
    moved.get_result(conn).optional()
}

struct Move<'a> {
    state: &'a str,
    reason: Option<&'a str>,
    error_kind: Option<&'a str>,
    due_at: Option<Stamp>,
    counted: i32,
    counts: bool,
    began_at: Option<Stamp>,
    ended_at: Stamp,
    id: Uid,
    lease: Uid,
}

statement!(Move, (Text, Text), SqliteConnection);

impl QueryFragment<Sqlite> for Move<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE deliveries SET state = ");
        out.push_bind_param::<Text, _>(&self.state)?;
        out.push_sql(", reason = ");
        out.push_bind_param::<Nullable<Text>, _>(&self.reason)?;
        out.push_sql(", error_kind = ");
        out.push_bind_param::<Nullable<Text>, _>(&self.error_kind)?;
        out.push_sql(", due_at = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.due_at)?;
        out.push_sql(", attempts = max(");
        out.push_bind_param::<Integer, _>(&self.counted)?;
        out.push_sql(", CASE WHEN ");
        out.push_bind_param::<Bool, _>(&self.counts)?;
        out.push_sql(
            " THEN attempts ELSE 0 END), lease_until = NULL, lease_token = NULL, first_attempt_at = coalesce(first_attempt_at, ",
        );
        out.push_bind_param::<Nullable<BigInt>, _>(&self.began_at)?;
        out.push_sql("), delivered_at = CASE WHEN ");
        out.push_bind_param::<Text, _>(&self.state)?;
        out.push_sql(" = 'delivered' THEN ");
        out.push_bind_param::<BigInt, _>(&self.ended_at)?;
        out.push_sql(" ELSE delivered_at END, updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.ended_at)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        // A worker that lost its lease moves nothing, unless it brings a success to a delivery that has none yet: the
        // receiver has the event, so no retry must follow.
        out.push_sql(" AND (lease_token = ");
        out.push_bind_param::<Binary, _>(&self.lease)?;
        out.push_sql(" OR (");
        out.push_bind_param::<Text, _>(&self.state)?;
        out.push_sql(" = 'delivered' AND state <> 'delivered')) RETURNING endpoint_id, workspace_id");
        Ok(())
    }
}
