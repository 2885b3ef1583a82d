//! The waitbox on SQLite: what runs wait for, and GIVE.

use crate::routing::Gift;
use crate::runs::arrival;
use crate::sql::{Stamp, Uid};
use crate::sqlite::schema::{events, run_inbox, run_waits, runs};
use crate::statement::statement;
use crate::waits::{Given, NewGift, Standing};
use crate::{WaitKey, WaitRow, WaitShape};
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Text};
use diesel::sqlite::Sqlite;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    QueryResult, RunQueryDsl, SqliteConnection,
};
use wire::{EventId, Instant, RunId, WorkspaceId};

/// Reads the shapes of each type, from each to the next by the index.
pub(crate) fn wait_shapes(
    conn: &mut SqliteConnection,
    types: &[(WorkspaceId, String)],
) -> QueryResult<Vec<WaitShape>> {
    let mut shapes = Vec::new();
    for (asked, (workspace, event_type)) in types.iter().enumerate() {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut query = run_waits::table
                .filter(run_waits::workspace_id.eq(workspace.as_str()))
                .filter(run_waits::event_type.eq(event_type))
                .order(run_waits::shape)
                .limit(1)
                .select((run_waits::shape, run_waits::run_id, run_waits::spec))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(run_waits::shape.gt(after));
            }
            let next: Option<(Vec<u8>, Uid, String)> = query.first(conn).optional()?;
            let Some((shape, run, spec)) = next else {
                break;
            };
            after = Some(shape.clone());
            shapes.push(WaitShape {
                asked,
                shape,
                run_id: run.into(),
                spec,
            });
        }
    }
    Ok(shapes)
}

/// Reads the waits of each key, `limit` of it at the most.
pub(crate) fn waits(conn: &mut SqliteConnection, keys: &[WaitKey], limit: i64) -> QueryResult<Vec<WaitRow>> {
    let mut waits = Vec::new();
    for (asked, key) in keys.iter().enumerate() {
        let after = key.after.unwrap_or((RunId::from_uuid(uuid::Uuid::nil()), -1, -1));
        let rows: Vec<(Uid, i32, i32, String, bool)> = Waits {
            key,
            run: after.0.into(),
            effect: after.1,
            filter: after.2,
            limit,
        }
        .load(conn)?;
        waits.extend(
            rows.into_iter()
                .map(|(run, effect, filter, spec, is_any)| WaitRow {
                    asked,
                    run_id: run.into(),
                    effect,
                    filter,
                    spec,
                    is_any,
                }),
        );
    }
    Ok(waits)
}

struct Waits<'a> {
    key: &'a WaitKey,
    run: Uid,
    effect: i32,
    filter: i32,
    limit: i64,
}

statement!(Waits, (Binary, Integer, Integer, Text, Bool), SqliteConnection);

impl QueryFragment<Sqlite> for Waits<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT run_id, effect, filter, spec, is_any FROM run_waits WHERE workspace_id = ");
        out.push_bind_param::<Text, _>(self.key.workspace_id.as_str())?;
        out.push_sql(" AND event_type = ");
        out.push_bind_param::<Text, _>(&self.key.event_type)?;
        out.push_sql(" AND shape = ");
        out.push_bind_param::<Binary, _>(&self.key.shape)?;
        out.push_sql(" AND correlation = ");
        out.push_bind_param::<Binary, _>(&self.key.correlation)?;
        out.push_sql(" AND is_broadcast = ");
        out.push_bind_param::<Bool, _>(&self.key.is_broadcast)?;
        out.push_sql(" AND (run_id, effect, filter) > (");
        out.push_bind_param::<Binary, _>(&self.run)?;
        out.push_sql(", ");
        out.push_bind_param::<Integer, _>(&self.effect)?;
        out.push_sql(", ");
        out.push_bind_param::<Integer, _>(&self.filter)?;
        out.push_sql(") ORDER BY run_id, effect, filter LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

/// Gives one event, in the caller's transaction.
pub(crate) fn give(
    conn: &mut SqliteConnection,
    event: EventId,
    gift: Gift,
    at: Instant,
) -> QueryResult<Given> {
    let there = events::table.find(Uid::from(event)).select(events::failures);
    if there.first::<i32>(conn).optional()?.is_none() {
        return Ok(Given::Taken);
    }
    let gift = NewGift { event, gift, at };
    let verdict = stand(conn, &gift)?.verdict();
    if verdict == Given::Given {
        put(conn, &gift)?;
    }
    Ok(verdict)
}

/// How a gift stands until the transaction ends, which locks out everybody else.
pub(super) fn stand(conn: &mut SqliteConnection, new: &NewGift) -> QueryResult<Standing> {
    let NewGift { event, gift, .. } = new;
    let awaited: Option<i32> = run_waits::table
        .find((Uid::from(gift.run_id), gift.effect, gift.filter))
        .select(run_waits::filter)
        .first(conn)
        .optional()?;
    let has: Vec<(Uid, bool)> = run_inbox::table
        .filter(run_inbox::event_id.eq(Some(Uid::from(*event))))
        .select((run_inbox::run_id, run_inbox::exclusive))
        .load(conn)?;
    let is_in_the_way = |(run, exclusive): &(Uid, bool)| {
        RunId::from(*run) == gift.run_id || (*exclusive && gift.is_exclusive)
    };
    Ok(Standing {
        is_awaited: awaited.is_some(),
        is_free: !has.iter().any(is_in_the_way),
    })
}

/// Writes a gift that stands.
pub(super) fn put(conn: &mut SqliteConnection, new: &NewGift) -> QueryResult<()> {
    let NewGift { event, gift, at } = new;
    let run = Uid::from(gift.run_id);
    diesel::insert_into(run_inbox::table)
        .values((
            run_inbox::id.eq(Uid(arrival(*at))),
            run_inbox::run_id.eq(run),
            run_inbox::kind.eq("message"),
            run_inbox::event_id.eq(Some(Uid::from(*event))),
            run_inbox::effect.eq(Some(gift.effect)),
            run_inbox::filter.eq(Some(gift.filter)),
            run_inbox::exclusive.eq(gift.is_exclusive),
            run_inbox::fresh_keys.eq(false),
            run_inbox::created_at.eq(Stamp(*at)),
        ))
        .execute(conn)?;
    let of_listen = run_waits::table
        .filter(run_waits::run_id.eq(run))
        .filter(run_waits::effect.eq(gift.effect));
    if gift.is_any {
        diesel::delete(of_listen).execute(conn)?;
    } else {
        diesel::delete(of_listen.filter(run_waits::filter.eq(gift.filter))).execute(conn)?;
    }
    let later = runs::ready_at
        .is_null()
        .or(runs::ready_at.gt(Stamp(*at)).assume_not_null());
    diesel::update(runs::table.filter(runs::id.eq(run)).filter(later))
        .set(runs::ready_at.eq(Some(Stamp(*at))))
        .execute(conn)?;
    Ok(())
}
