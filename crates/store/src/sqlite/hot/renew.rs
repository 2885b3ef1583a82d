//! RENEW on SQLite.

use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::deliveries;
use diesel::{ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::BTreeSet;
use wire::{DeliveryId, Instant};

/// Holds those of these leases until `until` that are still their holder's; returns how many.
pub(crate) fn renew(
    conn: &mut SqliteConnection,
    leases: &[(DeliveryId, uuid::Uuid)],
    until: Instant,
) -> QueryResult<usize> {
    let mut renewed = 0;
    for (id, token) in leases.iter().collect::<BTreeSet<_>>() {
        let mine = deliveries::table
            .filter(deliveries::id.eq(Uid::from(*id)))
            .filter(deliveries::state.eq("delivering"))
            .filter(deliveries::lease_token.eq(Some(Uid(*token))));
        renewed += diesel::update(mine)
            .set(deliveries::lease_until.eq(Some(Stamp(until))))
            .execute(conn)?;
    }
    Ok(renewed)
}
