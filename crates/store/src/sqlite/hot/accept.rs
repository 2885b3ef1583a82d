//! ACCEPT on SQLite.

use super::routing::insert_made;
use crate::Verification;
use crate::accept::{Claimed, Leader};
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::{claims, events};
use crate::statement::statement;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
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
    let taken = TakeClaim {
        scope: &claim.scope,
        key_hash: &leader.key_hash,
        key: &claim.key,
        fingerprint: claim.fingerprint.as_ref().map(<[u8; 32]>::as_slice),
        event_id: leader.row.event.id.into(),
        accepted_at: leader.row.event.received_at.into(),
        expires_at: Stamp(now + claim.window),
        now: Stamp(now),
    };
    Ok(taken.execute(conn)? > 0)
}

struct TakeClaim<'a> {
    scope: &'a str,
    key_hash: &'a [u8],
    key: &'a str,
    fingerprint: Option<&'a [u8]>,
    event_id: Uid,
    accepted_at: Stamp,
    expires_at: Stamp,
    now: Stamp,
}

statement!(TakeClaim, Binary, SqliteConnection);

impl QueryFragment<Sqlite> for TakeClaim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO claims (scope, key_hash, key, fingerprint, event_id, accepted_at, expires_at) VALUES (",
        );
        out.push_bind_param::<Text, _>(&self.scope)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&self.key_hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.key)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Binary>, _>(&self.fingerprint)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&self.event_id)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.accepted_at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.expires_at)?;
        out.push_sql(
            ") ON CONFLICT (scope, key_hash) DO UPDATE SET key = excluded.key, fingerprint = excluded.fingerprint, \
             event_id = excluded.event_id, accepted_at = excluded.accepted_at, expires_at = excluded.expires_at, \
             repeats = 0, mismatches = 0 WHERE claims.expires_at <= ",
        );
        out.push_bind_param::<BigInt, _>(&self.now)?;
        Ok(())
    }
}

fn insert_event(conn: &mut SqliteConnection, leader: &Leader) -> QueryResult<()> {
    let (event, routed) = (&leader.row.event, leader.row.routed.as_ref());
    let verified = event.verified.as_ref();
    let inserted = diesel::insert_into(events::table)
        .values((
            (
                events::id.eq(Uid::from(event.id)),
                events::workspace_id.eq(event.workspace_id.as_str()),
                events::source_id.eq(event.source_id.as_ref().map(SourceId::as_str)),
                events::event_type.eq(&event.event_type),
                events::state.eq(routed.map_or("accepted", |routed| routed.state.as_str())),
                events::verified.eq(verified.map(Verification::is_valid)),
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
                events::trace.eq(routed.map(|routed| routed.trace.as_ref())),
                events::verify_reason.eq(verified.and_then(Verification::reason)),
                events::verify_secret_id.eq(verified.and_then(Verification::secret_id)),
            ),
        ))
        .on_conflict(events::id)
        .do_nothing()
        .execute(conn)?;
    match routed.filter(|_| inserted > 0) {
        Some(routed) => insert_made(conn, event.id, routed),
        None => Ok(()),
    }
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
    CountRepeats {
        repeats: count(repeats.len()),
        mismatches: count(repeats.iter().filter(differs).count()),
        scope: &claim.scope,
        key_hash: &leader.key_hash,
    }
    .execute(conn)?;
    Ok(())
}

struct CountRepeats<'a> {
    repeats: i32,
    mismatches: i32,
    scope: &'a str,
    key_hash: &'a [u8],
}

statement!(CountRepeats, Binary, SqliteConnection);

impl QueryFragment<Sqlite> for CountRepeats<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE claims SET repeats = repeats + ");
        out.push_bind_param::<Integer, _>(&self.repeats)?;
        out.push_sql(", mismatches = mismatches + ");
        out.push_bind_param::<Integer, _>(&self.mismatches)?;
        out.push_sql(" WHERE scope = ");
        out.push_bind_param::<Text, _>(&self.scope)?;
        out.push_sql(" AND key_hash = ");
        out.push_bind_param::<Binary, _>(&self.key_hash)?;
        Ok(())
    }
}
