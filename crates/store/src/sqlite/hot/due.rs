//! LEASE and REAP on SQLite, inside the caller's transaction.

use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::{deliveries, endpoints};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use wire::{EndpointId, Instant};

/// Leases what is due, oldest first, and returns it. `lease` is the token and until when it holds.
pub(crate) fn lease_due(
    conn: &mut SqliteConnection,
    now: Instant,
    limit: i64,
    lease: (uuid::Uuid, Instant),
    full: &[EndpointId],
) -> QueryResult<Vec<Uid>> {
    let disabled = endpoints::table
        // Written out, as below: a bound parameter would keep SQLite from the partial indexes.
        .filter(sql::<Bool>("NOT enabled AND deleted_at IS NULL"))
        .select(endpoints::id);
    let due: Vec<Uid> = deliveries::table
        .filter(sql::<Bool>("state IN ('pending', 'scheduled_retry')"))
        .filter(deliveries::due_at.le(Some(Stamp(now))))
        .filter(deliveries::endpoint_id.ne_all(full.iter().map(EndpointId::as_str)))
        .filter(deliveries::endpoint_id.ne_all(disabled))
        .order(deliveries::due_at)
        .limit(limit)
        .select(deliveries::id)
        .load(conn)?;
    for id in &due {
        diesel::update(deliveries::table.find(id))
            .set((
                deliveries::state.eq("delivering"),
                deliveries::attempts.eq(deliveries::attempts + 1),
                deliveries::lease_token.eq(Some(Uid(lease.0))),
                deliveries::lease_until.eq(Some(Stamp(lease.1))),
                deliveries::updated_at.eq(Stamp(now)),
            ))
            .execute(conn)?;
    }
    Ok(due)
}

/// Takes back leases that ran out, and returns how many.
pub(crate) fn reap(
    conn: &mut SqliteConnection,
    now: Instant,
    retry_at: Instant,
    limit: i64,
) -> QueryResult<usize> {
    let lost: Vec<(Uid, i32)> = deliveries::table
        .filter(sql::<Bool>("state = 'delivering'"))
        .filter(deliveries::lease_until.lt(Some(Stamp(now))))
        .order(deliveries::lease_until)
        .limit(limit)
        .select((deliveries::id, deliveries::attempts))
        .load(conn)?;
    for (id, attempts) in &lost {
        // A lease of the router's counted no attempt, so its delivery is simply due. A worker's did: the attempt is lost.
        let (state, due_at) = if *attempts == 0 {
            ("pending", now)
        } else {
            ("scheduled_retry", retry_at)
        };
        diesel::update(deliveries::table.find(id))
            .set((
                deliveries::state.eq(state),
                deliveries::due_at.eq(Some(Stamp(due_at))),
                deliveries::lease_token.eq(None::<Uid>),
                deliveries::lease_until.eq(None::<Stamp>),
                deliveries::updated_at.eq(Stamp(now)),
            ))
            .execute(conn)?;
    }
    Ok(lost.len())
}
