//! CLAIM: a worker takes runs that are ready.

use crate::HeldRun;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{IntoSql as _, PgConnection, QueryResult, RunQueryDsl};
use wire::{Instant, RunId};

/// What the worker gets of a run, in the order of [`HeldRun`].
type Held = (
    Uuid,
    Text,
    Text,
    Integer,
    Nullable<Uuid>,
    Text,
    Binary,
    Nullable<Binary>,
    Nullable<Text>,
    Nullable<Binary>,
    BigInt,
    BigInt,
    Integer,
    Integer,
    Nullable<Integer>,
    Timestamptz,
    Nullable<Timestamptz>,
    Nullable<Text>,
    Nullable<Text>,
);

/// Takes what has been ready for longest.
pub(crate) fn claim(
    conn: &mut PgConnection,
    worker: uuid::Uuid,
    now: Instant,
    limit: i64,
) -> QueryResult<Vec<HeldRun>> {
    Claim {
        by: &Taker::new(worker, now),
        limit,
    }
    .load(conn)
}

/// Takes those of `ids` that are ready.
pub(crate) fn claim_named(
    conn: &mut PgConnection,
    worker: uuid::Uuid,
    now: Instant,
    ids: &[RunId],
) -> QueryResult<Vec<HeldRun>> {
    let ids: Vec<Uid> = ids.iter().copied().map(Uid::from).collect();
    ClaimNamed {
        by: &Taker::new(worker, now),
        ids: &ids,
    }
    .load(conn)
}

/// Who takes runs, and when.
struct Taker {
    worker: Uid,
    now: Stamp,
}

impl Taker {
    fn new(worker: uuid::Uuid, now: Instant) -> Self {
        Self {
            worker: Uid(worker),
            now: Stamp(now),
        }
    }

    fn take<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE runs SET owner = ");
        out.push_bind_param::<Uuid, _>(&self.worker)?;
        out.push_sql(
            ", epoch = epoch + 1, ready_at = NULL, \
             state = CASE WHEN state IN ('pending', 'waiting') THEN 'running' ELSE state END, started_at = coalesce(started_at, ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql("), updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" WHERE id = ANY(ARRAY(SELECT id FROM runs WHERE owner IS NULL AND ready_at IS NOT NULL AND ready_at <= ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        Ok(())
    }
}

struct Claim<'a> {
    by: &'a Taker,
    limit: i64,
}

statement!(Claim, Held, PgConnection);

struct ClaimNamed<'a> {
    by: &'a Taker,
    ids: &'a [Uid],
}

statement!(ClaimNamed, Held, PgConnection);

const RETURNING: &str = " FOR UPDATE SKIP LOCKED)) RETURNING id, workspace_id, playbook_id, version, event_id, state, input, \
                         engine, error, output, epoch, revision, steps, generation, slot, created_at, ended_at, project, slot_key";

impl QueryFragment<Pg> for Claim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.by.take(&mut out)?;
        out.push_sql(" ORDER BY ready_at, id LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(RETURNING);
        Ok(())
    }
}

impl QueryFragment<Pg> for ClaimNamed<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.by.take(&mut out)?;
        out.push_sql(" AND id = ANY(");
        out.push_bind_param::<Array<Uuid>, _>(self.ids)?;
        out.push_sql(") ORDER BY id");
        out.push_sql(RETURNING);
        Ok(())
    }
}

/// The clock that all processes share.
pub(crate) fn clock(conn: &mut PgConnection) -> QueryResult<Instant> {
    diesel::select(diesel::dsl::now.into_sql::<Timestamptz>())
        .get_result::<Stamp>(conn)
        .map(Instant::from)
}
