//! ACCEPT: claims and events in one statement, then the claims that were lost.

use super::losers::Losers;
use super::made::{Deliveries, Runs};
use super::routing::turns;
use super::{new_or_again, unless_there};
use crate::Verification;
use crate::accept::{Claimed, Leader};
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid};
use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl};
use std::collections::{HashMap, HashSet};
use wire::{Instant, SourceId};

/// Writes the leaders' claims and events, and tells for each what became of it, in their order.
pub(crate) fn accept(conn: &mut PgConnection, leaders: &[&Leader]) -> QueryResult<Vec<Claimed>> {
    new_or_again(
        conn,
        |conn| settle::<false>(conn, leaders),
        |conn| settle::<true>(conn, leaders),
    )
}

/// Writes them, and settles whose turn it is among the deliveries of those that are decided.
fn settle<const AGAIN: bool>(conn: &mut PgConnection, leaders: &[&Leader]) -> QueryResult<Vec<Claimed>> {
    let decided = leaders.iter().filter_map(|leader| leader.row.routed.as_ref());
    let Some(turns) = turns(decided) else {
        return write::<AGAIN>(conn, leaders);
    };
    conn.transaction(|conn| {
        let claimed = write::<AGAIN>(conn, leaders)?;
        turns.settle(conn, Instant::now())?;
        Ok(claimed)
    })
}

fn write<const AGAIN: bool>(conn: &mut PgConnection, leaders: &[&Leader]) -> QueryResult<Vec<Claimed>> {
    // Nearly every batch has no decided event in it, and its statement is the shorter one.
    let stored: Vec<Uid> = if leaders.iter().any(|leader| leader.row.routed.is_some()) {
        AcceptRouted::<AGAIN>::of(leaders).load(conn)?
    } else {
        Accept::<AGAIN>::of(leaders).load(conn)?
    };
    let stored: HashSet<Uid> = stored.into_iter().collect();
    let is_stored = |leader: &Leader| stored.contains(&leader.row.event.id.into());
    let unsettled: Vec<&Leader> = leaders
        .iter()
        .copied()
        .filter(|leader| leader.row.claim.is_some() && (!is_stored(leader) || !leader.followers.is_empty()))
        .collect();
    let found = if unsettled.is_empty() {
        HashMap::new()
    } else {
        Losers::of(&unsettled).read(conn)?
    };
    Ok(leaders
        .iter()
        .map(|leader| {
            let own = Uid::from(leader.row.event.id);
            match leader.row.claim.as_ref() {
                // Without a claim only an earlier try of the same row can have been in the way.
                None => Claimed::Won,
                Some(_) if stored.contains(&own) => Claimed::Won,
                Some(claim) => match found.get(&(claim.scope.as_str(), leader.key_hash.as_slice())) {
                    Some(first) if first.event_id == own => Claimed::Won,
                    Some(first) => Claimed::Lost {
                        event_id: first.event_id,
                        accepted_at: first.accepted_at.0,
                        fingerprint: first.fingerprint.clone(),
                    },
                    None => Claimed::Vanished,
                },
            }
        })
        .collect())
}

/// The columns of a batch, one array each. `AGAIN`: see [`new_or_again`].
struct Accept<'a, const AGAIN: bool> {
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    sources: Vec<Option<&'a str>>,
    event_types: Vec<Option<&'a str>>,
    verified: Vec<Option<bool>>,
    received_at: Vec<Stamp>,
    methods: Vec<&'a str>,
    queries: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
    headers: Vec<&'a [u8]>,
    content_types: Vec<Option<&'a str>>,
    bodies: Vec<&'a [u8]>,
    keys: Vec<Option<&'a str>>,
    traceparents: Vec<Option<&'a str>>,
    reasons: Vec<Option<&'a str>>,
    secrets: Vec<Option<&'a str>>,
    scopes: Vec<Option<&'a str>>,
    claimed_keys: Vec<Option<&'a str>>,
    key_hashes: Vec<&'a [u8]>,
    fingerprints: Vec<Option<&'a [u8]>>,
    windows_ms: Vec<i64>,
}

statement!(Accept<AGAIN>, Uuid, PgConnection);

impl<'a, const AGAIN: bool> Accept<'a, AGAIN> {
    fn of(leaders: &[&'a Leader]) -> Self {
        let events = || leaders.iter().map(|leader| &leader.row.event);
        let checks = || events().map(|event| event.verified.as_ref());
        let claims = || leaders.iter().map(|leader| leader.row.claim.as_ref());
        Self {
            ids: events().map(|event| event.id.into()).collect(),
            workspaces: events().map(|event| event.workspace_id.as_str()).collect(),
            sources: events()
                .map(|event| event.source_id.as_ref().map(SourceId::as_str))
                .collect(),
            event_types: events().map(|event| event.event_type.as_deref()).collect(),
            verified: checks().map(|check| check.map(Verification::is_valid)).collect(),
            received_at: events().map(|event| event.received_at.into()).collect(),
            methods: events().map(|event| event.method.as_str()).collect(),
            queries: events().map(|event| event.query.as_deref()).collect(),
            addresses: events().map(|event| event.remote_address.as_deref()).collect(),
            headers: events().map(|event| event.headers.as_ref()).collect(),
            content_types: events().map(|event| event.content_type.as_deref()).collect(),
            bodies: events().map(|event| event.body.as_ref()).collect(),
            keys: events().map(|event| event.idempotency_key.as_deref()).collect(),
            traceparents: events().map(|event| event.traceparent.as_deref()).collect(),
            reasons: checks()
                .map(|check| check.and_then(Verification::reason))
                .collect(),
            secrets: checks()
                .map(|check| check.and_then(Verification::secret_id))
                .collect(),
            scopes: claims()
                .map(|claim| claim.map(|claim| claim.scope.as_str()))
                .collect(),
            claimed_keys: claims()
                .map(|claim| claim.map(|claim| claim.key.as_str()))
                .collect(),
            key_hashes: leaders.iter().map(|leader| leader.key_hash.as_slice()).collect(),
            fingerprints: claims()
                .map(|claim| claim.and_then(|claim| claim.fingerprint.as_ref().map(<[u8; 32]>::as_slice)))
                .collect(),
            windows_ms: claims()
                .map(|claim| {
                    claim.map_or(0, |claim| {
                        i64::try_from(claim.window.as_millis()).unwrap_or(i64::MAX)
                    })
                })
                .collect(),
        }
    }

    /// The `unnest` of every column, in the order of its aliases.
    fn unnest<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.sources)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Bool>>, _>(&self.verified)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.received_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.methods)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.queries)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.addresses)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.headers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.content_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.bodies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.traceparents)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.reasons)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.secrets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.scopes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.claimed_keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.key_hashes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.fingerprints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.windows_ms)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<const AGAIN: bool> Accept<'_, AGAIN> {
    /// `WITH input AS (…), won AS (…)`: the rows, and those of them whose claim was won.
    fn claim<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM ");
        self.unnest(out)?;
        out.push_sql(
            " AS row (id, workspace_id, source_id, event_type, verified, received_at, method, query, remote_address, \
             headers, content_type, body, idempotency_key, traceparent, verify_reason, verify_secret_id, scope, claimed_key, \
             key_hash, fingerprint, window_ms)), \
             won AS (\
             INSERT INTO claims AS held (scope, key_hash, key, fingerprint, event_id, accepted_at, expires_at) \
             SELECT scope, key_hash, claimed_key, fingerprint, id, received_at, \
             now() + window_ms * interval '1 millisecond' \
             FROM input WHERE scope IS NOT NULL ORDER BY scope COLLATE \"C\", key_hash \
             ON CONFLICT (scope, key_hash) DO UPDATE SET key = excluded.key, fingerprint = excluded.fingerprint, \
             event_id = excluded.event_id, accepted_at = excluded.accepted_at, expires_at = excluded.expires_at, \
             repeats = 0, mismatches = 0 \
             WHERE held.expires_at <= now() \
             RETURNING event_id)",
        );
        Ok(())
    }
}

impl<const AGAIN: bool> QueryFragment<Pg> for Accept<'_, AGAIN> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.claim(&mut out)?;
        out.push_sql(
            " INSERT INTO events (id, workspace_id, source_id, event_type, state, verified, received_at, method, query, \
             remote_address, headers, content_type, body, idempotency_key, traceparent, verify_reason, verify_secret_id) \
             SELECT id, workspace_id, source_id, event_type, 'accepted', verified, received_at, method, query, \
             remote_address, headers, content_type, body, idempotency_key, traceparent, verify_reason, verify_secret_id \
             FROM input WHERE scope IS NULL OR id IN (SELECT event_id FROM won)",
        );
        out.push_sql(unless_there(AGAIN));
        out.push_sql(" RETURNING id");
        Ok(())
    }
}

/// The same for a batch in which some events are decided already: their deliveries and runs are made beside them.
struct AcceptRouted<'a, const AGAIN: bool> {
    accept: Accept<'a, AGAIN>,
    decided: Vec<Uid>,
    states: Vec<&'a str>,
    traces: Vec<&'a [u8]>,
    deliveries: Deliveries<'a>,
    runs: Runs<'a>,
}

statement!(AcceptRouted<AGAIN>, Uuid, PgConnection);

impl<'a, const AGAIN: bool> AcceptRouted<'a, AGAIN> {
    fn of(leaders: &[&'a Leader]) -> Self {
        let mut batch = Self {
            accept: Accept::of(leaders),
            decided: Vec::new(),
            states: Vec::new(),
            traces: Vec::new(),
            deliveries: Deliveries::default(),
            runs: Runs::default(),
        };
        for leader in leaders {
            let event = leader.row.event.id;
            let Some(routed) = &leader.row.routed else {
                continue;
            };
            batch.decided.push(event.into());
            batch.states.push(routed.state.as_str());
            batch.traces.push(routed.trace.as_ref());
            for delivery in &routed.deliveries {
                batch.deliveries.push(event, routed.at, delivery);
            }
            for run in &routed.runs {
                batch.runs.push(event, routed.at, run);
            }
        }
        batch
    }
}

impl<const AGAIN: bool> QueryFragment<Pg> for AcceptRouted<'_, AGAIN> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.accept.claim(&mut out)?;
        out.push_sql(", decided AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.decided)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.traces)?;
        out.push_sql(
            ") AS row (id, state, trace)), \
             stored AS (INSERT INTO events (id, workspace_id, source_id, event_type, state, verified, received_at, method, \
             query, remote_address, headers, content_type, body, idempotency_key, traceparent, verify_reason, \
             verify_secret_id, trace) \
             SELECT input.id, workspace_id, source_id, event_type, coalesce(decided.state, 'accepted'), verified, received_at, \
             method, query, remote_address, headers, content_type, body, idempotency_key, traceparent, verify_reason, \
             verify_secret_id, decided.trace \
             FROM input LEFT JOIN decided ON decided.id = input.id \
             WHERE scope IS NULL OR input.id IN (SELECT event_id FROM won)",
        );
        out.push_sql(unless_there(AGAIN));
        out.push_sql(" RETURNING id)");
        self.deliveries.insert(&mut out, "stored", AGAIN)?;
        self.runs.insert(&mut out, "stored", AGAIN)?;
        out.push_sql(" SELECT id FROM stored");
        Ok(())
    }
}
