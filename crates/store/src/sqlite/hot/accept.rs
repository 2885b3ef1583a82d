//! ACCEPT on SQLite.

use crate::accept::{Claimed, Leader};
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::{claims, events};
use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use wire::{Instant, SourceId};

/// Writes the leaders' claims and events, and tells for each what became of it, in their order.
///
/// The only process that writes is this one, so its clock is the database's.
pub(crate) fn accept(conn: &mut SqliteConnection, leaders: &[&Leader]) -> QueryResult<Vec<Claimed>> {
    let now = Instant::now();
    conn.immediate_transaction(|conn| {
        leaders
            .iter()
            .map(|leader| accept_one(conn, leader, now))
            .collect()
    })
}

fn accept_one(conn: &mut SqliteConnection, leader: &Leader, now: Instant) -> QueryResult<Claimed> {
    let own = Uid::from(leader.row.event.id);
    if leader.row.claim.is_none() || take_claim(conn, leader, now)? {
        insert_event(conn, leader)?;
        let mine = leader.row.claim.as_ref().and_then(|claim| claim.fingerprint);
        count_repeats(
            conn,
            leader,
            &leader.followers,
            mine.as_ref().map(<[u8; 32]>::as_slice),
        )?;
        return Ok(Claimed::Won);
    }
    let Some((event_id, accepted_at, fingerprint)) = read_claim(conn, leader)? else {
        return Ok(Claimed::Vanished);
    };
    if event_id == own {
        return Ok(Claimed::Won);
    }
    let mine = leader.row.claim.as_ref().and_then(|claim| claim.fingerprint);
    let repeats: Vec<_> = std::iter::once(mine)
        .chain(leader.followers.iter().copied())
        .collect();
    count_repeats(conn, leader, &repeats, fingerprint.as_deref())?;
    Ok(Claimed::Lost {
        event_id,
        accepted_at: accepted_at.0,
        fingerprint,
    })
}

/// Inserts the claim, or takes over an expired one; says whether it did.
fn take_claim(conn: &mut SqliteConnection, leader: &Leader, now: Instant) -> QueryResult<bool> {
    let Some(claim) = &leader.row.claim else {
        return Ok(false);
    };
    let taken = diesel::insert_into(claims::table)
        .values((
            claims::scope.eq(&claim.scope),
            claims::key_hash.eq(leader.key_hash.as_slice()),
            claims::key.eq(&claim.key),
            claims::fingerprint.eq(claim.fingerprint.as_ref().map(<[u8; 32]>::as_slice)),
            claims::event_id.eq(Uid::from(leader.row.event.id)),
            claims::accepted_at.eq(Stamp(leader.row.event.received_at)),
            claims::expires_at.eq(Stamp(now + claim.window)),
            claims::repeats.eq(0),
            claims::mismatches.eq(0),
        ))
        .on_conflict((claims::scope, claims::key_hash))
        .do_update()
        .set((
            claims::key.eq(excluded(claims::key)),
            claims::fingerprint.eq(excluded(claims::fingerprint)),
            claims::event_id.eq(excluded(claims::event_id)),
            claims::accepted_at.eq(excluded(claims::accepted_at)),
            claims::expires_at.eq(excluded(claims::expires_at)),
            claims::repeats.eq(0),
            claims::mismatches.eq(0),
        ))
        .filter(claims::expires_at.le(Stamp(now)))
        .execute(conn)?;
    Ok(taken > 0)
}

fn insert_event(conn: &mut SqliteConnection, leader: &Leader) -> QueryResult<()> {
    let event = &leader.row.event;
    diesel::insert_into(events::table)
        .values((
            (
                events::id.eq(Uid::from(event.id)),
                events::workspace_id.eq(event.workspace_id.as_str()),
                events::source_id.eq(event.source_id.as_ref().map(SourceId::as_str)),
                events::event_type.eq(&event.event_type),
                events::state.eq("accepted"),
                events::verified.eq(event.verified),
                events::received_at.eq(Stamp(event.received_at)),
                events::method.eq(&event.method),
            ),
            (
                events::query.eq(&event.query),
                events::remote_address.eq(&event.remote_address),
                events::headers.eq(event.headers.as_ref()),
                events::content_type.eq(&event.content_type),
                events::body.eq(event.body.as_ref()),
                events::idempotency_key.eq(&event.idempotency_key),
                events::traceparent.eq(&event.traceparent),
                events::failures.eq(0),
            ),
        ))
        .on_conflict(events::id)
        .do_nothing()
        .execute(conn)?;
    Ok(())
}

type First = (Uid, Stamp, Option<Vec<u8>>);

fn read_claim(conn: &mut SqliteConnection, leader: &Leader) -> QueryResult<Option<First>> {
    let Some(claim) = &leader.row.claim else {
        return Ok(None);
    };
    claims::table
        .find((&claim.scope, leader.key_hash.as_slice()))
        .select((claims::event_id, claims::accepted_at, claims::fingerprint))
        .first(conn)
        .optional()
}

/// Counts `repeats`, given by their fingerprints, at the claim that was first made with the fingerprint `first`.
fn count_repeats(
    conn: &mut SqliteConnection,
    leader: &Leader,
    repeats: &[Option<[u8; 32]>],
    first: Option<&[u8]>,
) -> QueryResult<()> {
    let Some(claim) = leader.row.claim.as_ref().filter(|_| !repeats.is_empty()) else {
        return Ok(());
    };
    let differs =
        |repeat: &&Option<[u8; 32]>| repeat.is_some_and(|mine| first.is_some_and(|first| first != mine));
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    diesel::update(claims::table.find((&claim.scope, leader.key_hash.as_slice())))
        .set((
            claims::repeats.eq(claims::repeats + count(repeats.len())),
            claims::mismatches.eq(claims::mismatches + count(repeats.iter().filter(differs).count())),
        ))
        .execute(conn)?;
    Ok(())
}
