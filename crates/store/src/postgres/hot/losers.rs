//! The claims that a batch of accepted events lost.

use crate::accept::Leader;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Binary, Nullable, Text, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashMap;

/// Reads the claims that were lost, and counts the repeats: the losers themselves and everybody's followers, one row each.
pub(super) struct Losers<'a> {
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

/// What the winner of a claim recorded with it.
pub(super) struct First {
    pub(super) event_id: Uid,
    pub(super) accepted_at: Stamp,
    pub(super) fingerprint: Option<Vec<u8>>,
}

/// Scope and key hash.
pub(super) type Name<'a> = (&'a str, &'a [u8]);

impl<'a> Losers<'a> {
    pub(super) fn of(leaders: &[&'a Leader]) -> Self {
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

    pub(super) fn read(self, conn: &mut PgConnection) -> QueryResult<HashMap<Name<'a>, First>> {
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
