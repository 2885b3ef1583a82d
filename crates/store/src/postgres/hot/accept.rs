//! ACCEPT: claims and events in one statement, then the claims that were lost.

use super::made::{Deliveries, Runs};
use super::routing::turns;
use super::{new_or_again, unless_there};
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
        let claims = || leaders.iter().map(|leader| leader.row.claim.as_ref());
        Self {
            ids: events().map(|event| event.id.into()).collect(),
            workspaces: events().map(|event| event.workspace_id.as_str()).collect(),
            sources: events()
                .map(|event| event.source_id.as_ref().map(SourceId::as_str))
                .collect(),
            event_types: events().map(|event| event.event_type.as_deref()).collect(),
            verified: events().map(|event| event.verified).collect(),
            received_at: events().map(|event| event.received_at.into()).collect(),
            methods: events().map(|event| event.method.as_str()).collect(),
            queries: events().map(|event| event.query.as_deref()).collect(),
            addresses: events().map(|event| event.remote_address.as_deref()).collect(),
            headers: events().map(|event| event.headers.as_ref()).collect(),
            content_types: events().map(|event| event.content_type.as_deref()).collect(),
            bodies: events().map(|event| event.body.as_ref()).collect(),
            keys: events().map(|event| event.idempotency_key.as_deref()).collect(),
            traceparents: events().map(|event| event.traceparent.as_deref()).collect(),
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
             headers, content_type, body, idempotency_key, traceparent, scope, claimed_key, key_hash, fingerprint, window_ms)), \
             won AS (\
             INSERT INTO claims AS held (scope, key_hash, key, fingerprint, event_id, accepted_at, expires_at) \
             SELECT scope, key_hash, claimed_key, fingerprint, id, received_at, \
             now() + window_ms * interval '1 millisecond' \
             FROM input WHERE scope IS NOT NULL ORDER BY scope, key_hash \
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
             remote_address, headers, content_type, body, idempotency_key, traceparent) \
             SELECT id, workspace_id, source_id, event_type, 'accepted', verified, received_at, method, query, \
             remote_address, headers, content_type, body, idempotency_key, traceparent \
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
             query, remote_address, headers, content_type, body, idempotency_key, traceparent, trace) \
             SELECT input.id, workspace_id, source_id, event_type, coalesce(decided.state, 'accepted'), verified, received_at, \
             method, query, remote_address, headers, content_type, body, idempotency_key, traceparent, decided.trace \
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

/// Reads the claims that were lost, and counts the repeats: the losers themselves and everybody's followers, one row each.
struct Losers<'a> {
    scopes: Vec<&'a str>,
    key_hashes: Vec<&'a [u8]>,
    fingerprints: Vec<Option<&'a [u8]>>,
    /// A leader's event; a follower's was never to be written.
    ids: Vec<Option<Uid>>,
}

statement!(
    Losers,
    (Text, Binary, Uuid, Timestamptz, Nullable<Binary>),
    PgConnection
);

struct First {
    event_id: Uid,
    accepted_at: Stamp,
    fingerprint: Option<Vec<u8>>,
}

/// Scope and key hash.
type Name<'a> = (&'a str, &'a [u8]);

impl<'a> Losers<'a> {
    fn of(leaders: &[&'a Leader]) -> Self {
        let mut losers = Self {
            scopes: Vec::new(),
            key_hashes: Vec::new(),
            fingerprints: Vec::new(),
            ids: Vec::new(),
        };
        for leader in leaders {
            if let Some(claim) = &leader.row.claim {
                let own = Some(Uid::from(leader.row.event.id));
                losers.push(&claim.scope, &leader.key_hash, claim.fingerprint.as_ref(), own);
                for fingerprint in &leader.followers {
                    losers.push(&claim.scope, &leader.key_hash, fingerprint.as_ref(), None);
                }
            }
        }
        losers
    }

    fn push(
        &mut self,
        scope: &'a str,
        key_hash: &'a [u8; 32],
        fingerprint: Option<&'a [u8; 32]>,
        id: Option<Uid>,
    ) {
        self.scopes.push(scope);
        self.key_hashes.push(key_hash);
        self.fingerprints.push(fingerprint.map(<[u8; 32]>::as_slice));
        self.ids.push(id);
    }

    fn read(self, conn: &mut PgConnection) -> QueryResult<HashMap<Name<'a>, First>> {
        type Row = (String, Vec<u8>, Uid, Stamp, Option<Vec<u8>>);
        let names: HashMap<Name<'_>, Name<'a>> = self
            .scopes
            .iter()
            .copied()
            .zip(self.key_hashes.iter().copied())
            .map(|name| (name, name))
            .collect();
        let rows: Vec<Row> = self.load(conn)?;
        Ok(rows
            .into_iter()
            .filter_map(|(scope, key_hash, event_id, accepted_at, fingerprint)| {
                let name = *names.get(&(scope.as_str(), key_hash.as_slice()))?;
                Some((
                    name,
                    First {
                        event_id,
                        accepted_at,
                        fingerprint,
                    },
                ))
            })
            .collect())
    }
}

impl QueryFragment<Pg> for Losers<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.scopes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.key_hashes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.fingerprints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.ids)?;
        // The claims are locked in the order of their keys first: an UPDATE alone would lock them in the order of its
        // plan, and two gateways could wait for each other.
        out.push_sql(
            ") AS row (scope, key_hash, fingerprint, id)), \
             locked AS MATERIALIZED (SELECT held.scope, held.key_hash, held.event_id, held.fingerprint FROM claims AS held \
             WHERE (held.scope, held.key_hash) IN (SELECT scope, key_hash FROM input) \
             ORDER BY held.scope, held.key_hash FOR UPDATE), \
             counted AS (SELECT locked.scope, locked.key_hash, count(*)::int AS repeats, \
             (count(*) FILTER (WHERE input.fingerprint <> locked.fingerprint))::int AS mismatches \
             FROM locked JOIN input USING (scope, key_hash) WHERE input.id IS DISTINCT FROM locked.event_id \
             GROUP BY locked.scope, locked.key_hash) \
             UPDATE claims AS held SET repeats = held.repeats + coalesce(counted.repeats, 0), \
             mismatches = held.mismatches + coalesce(counted.mismatches, 0) \
             FROM locked LEFT JOIN counted USING (scope, key_hash) \
             WHERE held.scope = locked.scope AND held.key_hash = locked.key_hash \
             RETURNING held.scope, held.key_hash, held.event_id, held.accepted_at, held.fingerprint",
        );
        Ok(())
    }
}
