//! COMMIT: what steps of runs came to.

mod rows;

use super::lock_slots;
use crate::commit::{by_slots, committed, only};
use crate::postgres::queries;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use crate::{Committed, Hold, RunCommit, Unwaited};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{Connection, ExpressionMethods, PgConnection, QueryDsl, QueryResult, RunQueryDsl};
use rows::{Emitted, Inbox, Steps, Waits};
use std::collections::{HashMap, HashSet};
use wire::RunId;

/// Keeps what is still its owner's to keep, and tells for each what became of it, in their order.
pub(crate) fn commit(conn: &mut PgConnection, commits: &[&RunCommit]) -> QueryResult<Vec<Committed>> {
    let slots = by_slots(commits.iter().copied());
    if slots.is_empty() {
        // One statement is a transaction of its own.
        let kept = keep(conn, commits)?;
        return Ok(committed(commits, &kept, &HashMap::new()));
    }
    conn.transaction(|conn| {
        // Before any run, as whoever gives slots locks them: nobody waits in a circle, and nobody begins to wait in line unseen.
        for (playbook, key) in slots.into_keys() {
            lock_slots(conn, playbook, key)?;
        }
        let kept = keep(conn, commits)?;
        let mut woken: HashMap<RunId, Vec<RunId>> = HashMap::new();
        for ((playbook, _), (commit, limit)) in by_slots(only(&kept, commits)) {
            let next = queries::slots::fill(conn, playbook, limit, commit.at)?;
            woken.insert(commit.id, next);
        }
        Ok(committed(commits, &kept, &woken))
    })
}

/// Returns the runs that are kept, those included that an earlier try of this very batch has kept.
fn keep(conn: &mut PgConnection, commits: &[&RunCommit]) -> QueryResult<HashSet<Uid>> {
    let kept: Vec<Uid> = if commits.iter().all(|commit| is_plain(commit)) {
        Commit::<true>::of(commits).load(conn)?
    } else {
        Commit::<false>::of(commits).load(conn)?
    };
    let mut kept: HashSet<Uid> = kept.into_iter().collect();
    let lost: HashMap<Uid, &RunCommit> = commits
        .iter()
        .map(|commit| (Uid::from(commit.id), *commit))
        .filter(|(id, _)| !kept.contains(id))
        .collect();
    if !lost.is_empty() {
        use crate::postgres::schema::runs;
        let ids: Vec<Uid> = lost.keys().copied().collect();
        let rows: Vec<(Uid, i64, i64)> = runs::table
            .filter(runs::id.eq_any(ids))
            .select((runs::id, runs::epoch, runs::revision))
            .load(conn)?;
        let mine = rows.into_iter().filter(|(id, epoch, revision)| {
            lost.get(id)
                .is_some_and(|commit| *epoch == commit.epoch && *revision == commit.revision + 1)
        });
        kept.extend(mine.map(|(id, ..)| id));
    }
    Ok(kept)
}

/// Whether nothing of it is kept but the run and its steps.
fn is_plain(commit: &RunCommit) -> bool {
    let waits_on = matches!(&commit.unwaited, Unwaited::These(effects) if effects.is_empty());
    waits_on && commit.waits.is_empty() && commit.emitted.is_empty() && commit.taken.is_empty()
}

/// The columns of a batch, one array each. `PLAIN`: whether nothing is kept but the runs and their steps, as of most: to get
/// ready for each of the others costs as much as to keep a step.
struct Commit<'a, const PLAIN: bool> {
    ids: Vec<Uid>,
    owners: Vec<Uid>,
    epochs: Vec<i64>,
    revisions: Vec<i64>,
    states: Vec<&'a str>,
    engines: Vec<Option<&'a [u8]>>,
    outputs: Vec<Option<&'a [u8]>>,
    errors: Vec<Option<&'a str>>,
    totals: Vec<i32>,
    parks: Vec<bool>,
    ready_at: Vec<Option<Stamp>>,
    ended_at: Vec<Option<Stamp>>,
    at: Vec<Stamp>,
    steps: Steps<'a>,
    emitted: Emitted<'a>,
    waits: Waits<'a>,
    inbox: Inbox,
}

statement!(Commit<PLAIN>, Uuid, PgConnection);

impl<'a, const PLAIN: bool> Commit<'a, PLAIN> {
    fn of(rows: &[&'a RunCommit]) -> Self {
        let mut batch = Self {
            ids: rows.iter().map(|row| row.id.into()).collect(),
            owners: rows.iter().map(|row| Uid(row.owner)).collect(),
            epochs: rows.iter().map(|row| row.epoch).collect(),
            revisions: rows.iter().map(|row| row.revision).collect(),
            states: rows.iter().map(|row| row.state.as_str()).collect(),
            engines: rows.iter().map(|row| row.engine.as_deref()).collect(),
            outputs: rows.iter().map(|row| row.output.as_deref()).collect(),
            errors: rows.iter().map(|row| row.error.as_deref()).collect(),
            totals: rows.iter().map(|row| row.steps_total).collect(),
            parks: rows.iter().map(|row| row.hold != Hold::Kept).collect(),
            ready_at: rows
                .iter()
                .map(|row| match row.hold {
                    Hold::Kept => None,
                    Hold::Parked(until) => until.map(Stamp),
                })
                .collect(),
            ended_at: rows.iter().map(|row| row.ended_at().map(Stamp)).collect(),
            at: rows.iter().map(|row| row.at.into()).collect(),
            steps: Steps::default(),
            emitted: Emitted::default(),
            waits: Waits::default(),
            inbox: Inbox::default(),
        };
        for row in rows {
            batch.steps.push(row);
            batch.emitted.push(row);
            batch.waits.push(row);
            batch.inbox.push(row);
        }
        batch
    }
}

impl<const PLAIN: bool> QueryFragment<Pg> for Commit<'_, PLAIN> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.owners)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.epochs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.revisions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.engines)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.outputs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.errors)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.totals)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.parks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.ready_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.ended_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.at)?;
        // The owner is compared in a way that no index of owners serves: the row is found by its key.
        // A parked run that was told something meanwhile stays ready: `least` leaves nulls out.
        out.push_sql(
            ") AS row (id, owner, epoch, revision, state, engine, output, error, steps, parks, ready_at, ended_at, at)), \
             kept AS (UPDATE runs AS held SET state = input.state, revision = held.revision + 1, \
             engine = coalesce(input.engine, held.engine), output = input.output, error = input.error, steps = input.steps, \
             owner = CASE WHEN input.parks THEN NULL ELSE held.owner END, \
             ready_at = CASE WHEN input.parks THEN least(held.ready_at, input.ready_at) ELSE held.ready_at END, \
             slot = CASE WHEN input.ended_at IS NULL THEN held.slot END, \
             queued = held.queued AND input.ended_at IS NULL, \
             ended_at = CASE WHEN input.ended_at IS NOT NULL THEN coalesce(held.ended_at, input.ended_at) END, updated_at = input.at \
             FROM input WHERE held.id = input.id AND held.owner IS NOT DISTINCT FROM input.owner AND held.epoch = input.epoch \
             AND held.revision = input.revision RETURNING held.id)",
        );
        self.steps.insert(&mut out)?;
        if !PLAIN {
            self.emitted.insert(&mut out)?;
            self.waits.delete(&mut out)?;
            self.waits.insert(&mut out)?;
            self.inbox.take(&mut out)?;
        }
        out.push_sql(" SELECT id FROM kept");
        Ok(())
    }
}
