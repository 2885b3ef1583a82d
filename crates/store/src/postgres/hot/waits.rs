//! What runs wait for, by the types and the correlations of a batch of events.

use crate::sql::Uid;
use crate::statement::statement;
use crate::{WaitKey, WaitRow, WaitShape};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Text, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::{RunId, WorkspaceId};

/// The most shapes that one batch is asked; each is a set of expressions that somebody wrote into a playbook.
const SHAPES: i64 = 10_000;

/// Reads the shapes of each type.
pub(crate) fn wait_shapes(
    conn: &mut PgConnection,
    types: &[(WorkspaceId, String)],
) -> QueryResult<Vec<WaitShape>> {
    let rows: Vec<(i64, Vec<u8>, Uid, String)> = Shapes {
        workspaces: types.iter().map(|(workspace, _)| workspace.as_str()).collect(),
        event_types: types.iter().map(|(_, event_type)| event_type.as_str()).collect(),
    }
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(number, shape, run, spec)| WaitShape {
            asked: place(number),
            shape,
            run_id: run.into(),
            spec,
        })
        .collect())
}

/// `WITH ORDINALITY` counts from 1.
fn place(number: i64) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}

struct Shapes<'a> {
    workspaces: Vec<&'a str>,
    event_types: Vec<&'a str>,
}

statement!(Shapes, (BigInt, Binary, Uuid, Text), PgConnection);

impl QueryFragment<Pg> for Shapes<'_> {
    /// From each shape to the next by the index: as many steps as there are shapes, not as there are waits.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE asked AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.event_types)?;
        out.push_sql(
            ") WITH ORDINALITY AS row (workspace_id, event_type, number)), \
             found AS (SELECT asked.*, first.shape, first.run_id, first.spec FROM asked CROSS JOIN LATERAL (\
             SELECT shape, run_id, spec FROM run_waits WHERE run_waits.workspace_id = asked.workspace_id \
             AND run_waits.event_type = asked.event_type ORDER BY shape LIMIT 1) AS first \
             UNION ALL \
             SELECT found.workspace_id, found.event_type, found.number, next.shape, next.run_id, next.spec FROM found \
             CROSS JOIN LATERAL (SELECT shape, run_id, spec FROM run_waits \
             WHERE run_waits.workspace_id = found.workspace_id AND run_waits.event_type = found.event_type \
             AND run_waits.shape > found.shape ORDER BY shape LIMIT 1) AS next) \
             SELECT number, shape, run_id, spec FROM found LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&SHAPES)
    }
}

/// Reads the waits of each key, `limit` of it at the most.
pub(crate) fn waits(conn: &mut PgConnection, keys: &[WaitKey], limit: i64) -> QueryResult<Vec<WaitRow>> {
    let after = |key: &WaitKey| key.after.unwrap_or((RunId::from_uuid(uuid::Uuid::nil()), -1, -1));
    let rows: Vec<(i64, Uid, i32, i32, String, bool)> = Waits {
        workspaces: keys.iter().map(|key| key.workspace_id.as_str()).collect(),
        event_types: keys.iter().map(|key| key.event_type.as_str()).collect(),
        shapes: keys.iter().map(|key| key.shape.as_slice()).collect(),
        correlations: keys.iter().map(|key| key.correlation.as_slice()).collect(),
        broadcasts: keys.iter().map(|key| key.is_broadcast).collect(),
        runs: keys.iter().map(|key| after(key).0.into()).collect(),
        effects: keys.iter().map(|key| after(key).1).collect(),
        filters: keys.iter().map(|key| after(key).2).collect(),
        limit,
    }
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(number, run, effect, filter, spec, is_any)| WaitRow {
            asked: place(number),
            run_id: run.into(),
            effect,
            filter,
            spec,
            is_any,
        })
        .collect())
}

struct Waits<'a> {
    workspaces: Vec<&'a str>,
    event_types: Vec<&'a str>,
    shapes: Vec<&'a [u8]>,
    correlations: Vec<&'a [u8]>,
    broadcasts: Vec<bool>,
    runs: Vec<Uid>,
    effects: Vec<i32>,
    filters: Vec<i32>,
    limit: i64,
}

statement!(Waits, (BigInt, Uuid, Integer, Integer, Text, Bool), PgConnection);

impl QueryFragment<Pg> for Waits<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT asked.number, found.* FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.shapes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.correlations)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.broadcasts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.effects)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.filters)?;
        out.push_sql(
            ") WITH ORDINALITY AS asked (workspace_id, event_type, shape, correlation, is_broadcast, run_id, effect, \
             filter, number) CROSS JOIN LATERAL (SELECT w.run_id, w.effect, w.filter, w.spec, w.is_any FROM run_waits w \
             WHERE w.workspace_id = asked.workspace_id AND w.event_type = asked.event_type AND w.shape = asked.shape \
             AND w.correlation = asked.correlation AND w.is_broadcast = asked.is_broadcast \
             AND (w.run_id, w.effect, w.filter) > (asked.run_id, asked.effect, asked.filter) \
             ORDER BY w.run_id, w.effect, w.filter LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") AS found");
        Ok(())
    }
}
