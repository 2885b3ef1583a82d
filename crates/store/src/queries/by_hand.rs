//! What an operator does with one delivery.

use super::super::Conn;
use super::super::schema::deliveries;
use super::lanes::Waiting;
use super::order::{Turns, lock};
use crate::Error;
use crate::sql::{Stamp, Uid};
use diesel::dsl::case_when;
use diesel::sql_types::Text;
use diesel::{ExpressionMethods, IntoSql as _, OptionalExtension, QueryDsl, RunQueryDsl};
use wire::{DeliveryId, Instant, WorkspaceId};

/// Makes a delivery due at once, whatever came of it before, unless a worker holds it; says whether it did. One that goes
/// after others is due when it is its turn.
pub(crate) fn retry(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
    now: Instant,
) -> Result<bool, Error> {
    let Some((endpoint, key)) = hold_turn(conn, workspace, id, now)? else {
        return Ok(false);
    };
    let row = || {
        deliveries::table
            .find(Uid::from(id))
            .filter(deliveries::state.ne("delivering"))
    };
    let to_retry = (
        // One that was held, or waits for its first attempt, still does.
        deliveries::state.eq(
            case_when(deliveries::attempts.eq(0), "pending".into_sql::<Text>())
                .otherwise("scheduled_retry".into_sql::<Text>()),
        ),
        deliveries::reason.eq(None::<String>),
        // Should it fail once more, it is a dead letter that nobody has sent again since.
        deliveries::recovery_id.eq(None::<Uid>),
        deliveries::updated_at.eq(Stamp(now)),
    );
    // The one that has the turn keeps it.
    let has_the_turn = key.is_none()
        || diesel::select(diesel::dsl::exists(
            row()
                .filter(deliveries::state.eq_any(["pending", "scheduled_retry"]))
                .filter(deliveries::turn_due_at.is_null()),
        ))
        .get_result(conn)?;
    let moved = if has_the_turn {
        diesel::update(row())
            .set((to_retry, deliveries::due_at.eq(Some(Stamp(now)))))
            .execute(conn)?
    } else {
        diesel::update(row())
            .set((to_retry, deliveries::turn_due_at.eq(Some(Stamp(now)))))
            .execute(conn)?
    };
    if moved > 0 {
        let mut waiting = Waiting::default();
        let due_at = has_the_turn.then_some(now);
        waiting.add(endpoint.clone(), workspace.as_str().to_owned(), due_at);
        waiting.wake(conn, now)?;
        let mut turns = Turns::default();
        turns.add(&endpoint, key.as_deref());
        turns.settle(conn, now)?;
    }
    Ok(moved > 0)
}

/// Gives a waiting delivery up; says whether it was waiting.
pub(crate) fn cancel(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
    now: Instant,
) -> Result<bool, Error> {
    let Some((endpoint, key)) = hold_turn(conn, workspace, id, now)? else {
        return Ok(false);
    };
    let row = deliveries::table
        .find(Uid::from(id))
        .filter(deliveries::state.eq_any(["pending", "scheduled_retry"]));
    let moved = diesel::update(row)
        .set((
            deliveries::state.eq("failed"),
            deliveries::reason.eq(Some("cancelled")),
            deliveries::due_at.eq(None::<Stamp>),
            deliveries::turn_due_at.eq(None::<Stamp>),
            deliveries::updated_at.eq(Stamp(now)),
        ))
        .execute(conn)?;
    if moved > 0 {
        let mut turns = Turns::default();
        turns.add(&endpoint, key.as_deref());
        turns.settle(conn, now)?;
    }
    Ok(moved > 0)
}

/// A delivery's endpoint and key. Where it has a key its lane is locked before anything is changed: whoever settles a turn
/// locks the lane first, and so nobody waits in a circle.
fn hold_turn(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: DeliveryId,
    now: Instant,
) -> Result<Option<(String, Option<String>)>, Error> {
    let found: Option<(String, Option<String>)> = deliveries::table
        .find(Uid::from(id))
        .filter(deliveries::workspace_id.eq(workspace.as_str()))
        .select((deliveries::endpoint_id, deliveries::order_key))
        .first(conn)
        .optional()?;
    if let Some((endpoint, Some(_))) = &found {
        lock(conn, endpoint, now)?;
    }
    Ok(found)
}
