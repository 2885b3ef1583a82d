//! COMMIT on SQLite.

use crate::commit::{by_slots, committed, only};
use crate::sql::{Stamp, Uid};
use crate::sqlite::queries;
use crate::sqlite::schema::{events, run_inbox, run_waits, runs, steps};
use crate::statement::statement;
use crate::{Committed, Hold, RunCommit, Unwaited};
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::{HashMap, HashSet};

/// Keeps what is still its owner's to keep, and tells for each what became of it, in their order.
pub(crate) fn commit(conn: &mut SqliteConnection, commits: &[&RunCommit]) -> QueryResult<Vec<Committed>> {
    conn.immediate_transaction(|conn| {
        let mut kept = HashSet::with_capacity(commits.len());
        for commit in commits {
            if keep(conn, commit)? {
                kept.insert(Uid::from(commit.id));
            }
        }
        let mut woken = HashMap::new();
        for ((playbook, _), (commit, limit)) in by_slots(only(&kept, commits)) {
            woken.insert(commit.id, queries::slots::fill(conn, playbook, limit, commit.at)?);
        }
        Ok(committed(commits, &kept, &woken))
    })
}

fn keep(conn: &mut SqliteConnection, commit: &RunCommit) -> QueryResult<bool> {
    if Keep::of(commit).execute(conn)? == 0 {
        let row: Option<(i64, i64)> = runs::table
            .find(Uid::from(commit.id))
            .select((runs::epoch, runs::revision))
            .first(conn)
            .optional()?;
        // An earlier try of this very batch may have kept it.
        return Ok(row == Some((commit.epoch, commit.revision + 1)));
    }
    insert_steps(conn, commit)?;
    insert_emitted(conn, commit)?;
    change_waits(conn, commit)?;
    let taken: Vec<Uid> = commit.taken.iter().copied().map(Uid).collect();
    if !taken.is_empty() {
        let told = run_inbox::table
            .filter(run_inbox::id.eq_any(taken))
            .filter(run_inbox::run_id.eq(Uid::from(commit.id)));
        diesel::update(told)
            .set(run_inbox::taken_at.eq(Some(Stamp(commit.at))))
            .execute(conn)?;
    }
    Ok(true)
}

struct Keep<'a> {
    id: Uid,
    owner: Uid,
    epoch: i64,
    revision: i64,
    state: &'a str,
    engine: Option<&'a [u8]>,
    output: Option<&'a [u8]>,
    error: Option<&'a str>,
    steps: i32,
    parks: bool,
    ready_at: Option<Stamp>,
    ended_at: Option<Stamp>,
    at: Stamp,
}

statement!(Keep, Binary, SqliteConnection);

impl<'a> Keep<'a> {
    fn of(commit: &'a RunCommit) -> Self {
        Self {
            id: commit.id.into(),
            owner: Uid(commit.owner),
            epoch: commit.epoch,
            revision: commit.revision,
            state: commit.state.as_str(),
            engine: commit.engine.as_deref(),
            output: commit.output.as_deref(),
            error: commit.error.as_deref(),
            steps: commit.steps_total,
            parks: commit.hold != Hold::Kept,
            ready_at: match commit.hold {
                Hold::Kept => None,
                Hold::Parked(until) => until.map(Stamp),
            },
            ended_at: commit.ended_at().map(Stamp),
            at: commit.at.into(),
        }
    }
}

impl QueryFragment<Sqlite> for Keep<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE runs SET revision = revision + 1, state = ");
        out.push_bind_param::<Text, _>(&self.state)?;
        out.push_sql(", engine = coalesce(");
        out.push_bind_param::<Nullable<Binary>, _>(&self.engine)?;
        out.push_sql(", engine), output = ");
        out.push_bind_param::<Nullable<Binary>, _>(&self.output)?;
        out.push_sql(", error = ");
        out.push_bind_param::<Nullable<Text>, _>(&self.error)?;
        out.push_sql(", steps = ");
        out.push_bind_param::<Integer, _>(&self.steps)?;
        out.push_sql(", owner = CASE WHEN ");
        out.push_bind_param::<Bool, _>(&self.parks)?;
        out.push_sql(" THEN NULL ELSE owner END, ready_at = CASE WHEN ");
        out.push_bind_param::<Bool, _>(&self.parks)?;
        // A parked run that was told something meanwhile stays ready. `min` of a null is null.
        out.push_sql(" THEN coalesce(min(ready_at, ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ready_at)?;
        out.push_sql("), ready_at, ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ready_at)?;
        out.push_sql(") ELSE ready_at END, slot = CASE WHEN ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ended_at)?;
        out.push_sql(" IS NULL THEN slot END, queued = queued AND ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ended_at)?;
        out.push_sql(" IS NULL, ended_at = CASE WHEN ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ended_at)?;
        out.push_sql(" IS NOT NULL THEN coalesce(ended_at, ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.ended_at)?;
        out.push_sql(") END, updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND owner = ");
        out.push_bind_param::<Binary, _>(&self.owner)?;
        out.push_sql(" AND epoch = ");
        out.push_bind_param::<BigInt, _>(&self.epoch)?;
        out.push_sql(" AND revision = ");
        out.push_bind_param::<BigInt, _>(&self.revision)?;
        Ok(())
    }
}

fn insert_steps(conn: &mut SqliteConnection, commit: &RunCommit) -> QueryResult<()> {
    for step in &commit.steps {
        diesel::insert_into(steps::table)
            .values((
                steps::run_id.eq(Uid::from(commit.id)),
                steps::number.eq(step.number),
                steps::pointer.eq(&step.pointer),
                steps::name.eq(&step.name),
                steps::kind.eq(&step.kind),
                steps::status.eq(step.status.as_str()),
                steps::attempt.eq(step.attempt),
                steps::input.eq(&step.input),
                steps::output.eq(&step.output),
                steps::is_cut.eq(step.is_cut),
                steps::error.eq(&step.error),
                steps::started_at.eq(Stamp(step.started_at)),
                steps::ended_at.eq(Stamp(step.ended_at)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

fn insert_emitted(conn: &mut SqliteConnection, commit: &RunCommit) -> QueryResult<()> {
    for event in &commit.emitted {
        diesel::insert_into(events::table)
            .values((
                events::id.eq(Uid::from(event.id)),
                events::workspace_id.eq(event.workspace_id.as_str()),
                events::event_type.eq(&event.event_type),
                events::state.eq("accepted"),
                events::received_at.eq(Stamp(event.received_at)),
                events::method.eq(&event.method),
                events::headers.eq(event.headers.as_ref()),
                events::content_type.eq(&event.content_type),
                events::body.eq(event.body.as_ref()),
                events::traceparent.eq(&event.traceparent),
                events::failures.eq(0),
            ))
            .on_conflict(events::id)
            .do_nothing()
            .execute(conn)?;
    }
    Ok(())
}

fn change_waits(conn: &mut SqliteConnection, commit: &RunCommit) -> QueryResult<()> {
    let run = Uid::from(commit.id);
    let of_run = run_waits::table.filter(run_waits::run_id.eq(run));
    match &commit.unwaited {
        Unwaited::Every => {
            diesel::delete(of_run).execute(conn)?;
        }
        Unwaited::These(effects) if effects.is_empty() => {}
        Unwaited::These(effects) => {
            diesel::delete(of_run.filter(run_waits::effect.eq_any(effects))).execute(conn)?;
        }
    }
    for wait in &commit.waits {
        diesel::insert_into(run_waits::table)
            .values((
                run_waits::run_id.eq(run),
                run_waits::effect.eq(wait.effect),
                run_waits::filter.eq(wait.filter),
                run_waits::workspace_id.eq(commit.workspace_id.as_str()),
                run_waits::event_type.eq(&wait.event_type),
                run_waits::shape.eq(&wait.shape),
                run_waits::correlation.eq(&wait.correlation),
                run_waits::spec.eq(&wait.spec),
                run_waits::is_any.eq(wait.is_any),
                run_waits::is_broadcast.eq(wait.is_broadcast),
                run_waits::created_at.eq(Stamp(commit.at)),
            ))
            .on_conflict((run_waits::run_id, run_waits::effect, run_waits::filter))
            .do_nothing()
            .execute(conn)?;
    }
    Ok(())
}
