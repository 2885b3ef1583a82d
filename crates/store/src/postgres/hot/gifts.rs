//! GIVE: events come into the inboxes of runs that wait for them, and the waits go.

use crate::routing::Gift;
use crate::runs::arrival;
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use crate::waits::{Given, NewGift, Standing};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Bool, Integer, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use wire::{EventId, Instant};

/// Gives one event, in the caller's transaction.
pub(crate) fn give(conn: &mut PgConnection, event: EventId, gift: Gift, at: Instant) -> QueryResult<Given> {
    let gifts = [NewGift { event, gift, at }];
    if HoldEvents(&[event.into()]).load::<Uid>(conn)?.is_empty() {
        return Ok(Given::Taken);
    }
    let standing = stand(conn, &gifts)?;
    let verdict = standing
        .first()
        .map_or(Given::Gone, |standing| standing.verdict());
    if verdict == Given::Given {
        put(conn, &gifts)?;
    }
    Ok(verdict)
}

/// Holds `events` and then the runs of `gifts`, and says how each gift stands until the transaction ends.
pub(crate) fn hold(conn: &mut PgConnection, events: &[Uid], gifts: &[NewGift]) -> QueryResult<Vec<Standing>> {
    HoldEvents(events).load::<Uid>(conn)?;
    stand(conn, gifts)
}

fn stand(conn: &mut PgConnection, gifts: &[NewGift]) -> QueryResult<Vec<Standing>> {
    let runs: Vec<Uid> = gifts.iter().map(|gift| gift.gift.run_id.into()).collect();
    HoldRuns(&runs).load::<Uid>(conn)?;
    // A statement of its own: it must see what those committed that were waited for.
    let rows: Vec<(bool, bool)> = Stand(&Columns::of(gifts)).load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(is_awaited, is_free)| Standing { is_awaited, is_free })
        .collect())
}

/// Writes gifts that stand.
pub(crate) fn put(conn: &mut PgConnection, gifts: &[NewGift]) -> QueryResult<()> {
    if gifts.is_empty() {
        return Ok(());
    }
    Put {
        ids: gifts.iter().map(|gift| Uid(arrival(gift.at))).collect(),
        anys: gifts.iter().map(|gift| gift.gift.is_any).collect(),
        at: gifts.iter().map(|gift| Stamp(gift.at)).collect(),
        columns: &Columns::of(gifts),
    }
    .execute(conn)?;
    Ok(())
}

struct HoldEvents<'a>(&'a [Uid]);

statement!(HoldEvents, Uuid, PgConnection);

impl QueryFragment<Pg> for HoldEvents<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM events WHERE id = ANY(");
        out.push_bind_param::<Array<Uuid>, _>(&self.0)?;
        out.push_sql(") ORDER BY id FOR NO KEY UPDATE");
        Ok(())
    }
}

struct HoldRuns<'a>(&'a [Uid]);

statement!(HoldRuns, Uuid, PgConnection);

impl QueryFragment<Pg> for HoldRuns<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM runs WHERE id = ANY(");
        out.push_bind_param::<Array<Uuid>, _>(&self.0)?;
        out.push_sql(") ORDER BY id FOR NO KEY UPDATE");
        Ok(())
    }
}

/// Gifts, one array a column.
struct Columns {
    events: Vec<Uid>,
    runs: Vec<Uid>,
    effects: Vec<i32>,
    filters: Vec<i32>,
    exclusives: Vec<bool>,
}

impl Columns {
    fn of(gifts: &[NewGift]) -> Self {
        Self {
            events: gifts.iter().map(|gift| gift.event.into()).collect(),
            runs: gifts.iter().map(|gift| gift.gift.run_id.into()).collect(),
            effects: gifts.iter().map(|gift| gift.gift.effect).collect(),
            filters: gifts.iter().map(|gift| gift.gift.filter).collect(),
            exclusives: gifts.iter().map(|gift| gift.gift.is_exclusive).collect(),
        }
    }

    /// The beginning of an `unnest(…` of them.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.runs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.effects)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Integer>, _>(&self.filters)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.exclusives)
    }
}

struct Stand<'a>(&'a Columns);

statement!(Stand, (Bool, Bool), PgConnection);

impl QueryFragment<Pg> for Stand<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // `(SELECT … LIMIT 1)` is one probe of an index a gift. An `EXISTS` may be planned as one pass over all that was ever
        // given, which is nothing when this is planned.
        out.push_sql(
            "SELECT (SELECT w.run_id FROM run_waits w WHERE w.run_id = gift.run_id AND w.effect = gift.effect \
             AND w.filter = gift.filter LIMIT 1) IS NOT NULL, \
             (SELECT i.run_id FROM run_inbox i WHERE i.event_id = gift.event_id AND i.run_id = gift.run_id LIMIT 1) IS NULL \
             AND (NOT gift.exclusive OR (SELECT i.run_id FROM run_inbox i WHERE i.event_id = gift.event_id AND i.exclusive \
             LIMIT 1) IS NULL) FROM ",
        );
        self.0.walk(&mut out)?;
        out.push_sql(
            ") WITH ORDINALITY AS gift (event_id, run_id, effect, filter, exclusive, number) ORDER BY gift.number",
        );
        Ok(())
    }
}

struct Put<'a> {
    columns: &'a Columns,
    ids: Vec<Uid>,
    anys: Vec<bool>,
    at: Vec<Stamp>,
}

statement!(Put, Bool, PgConnection);

impl QueryFragment<Pg> for Put<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH gift AS (SELECT * FROM ");
        self.columns.walk(&mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.anys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.at)?;
        out.push_sql(
            ") AS row (event_id, run_id, effect, filter, exclusive, id, is_any, at)), \
             told AS (INSERT INTO run_inbox (id, run_id, kind, event_id, effect, filter, exclusive, created_at) \
             SELECT id, run_id, 'message', event_id, effect, filter, exclusive, at FROM gift), \
             gone AS (DELETE FROM run_waits USING gift WHERE run_waits.run_id = gift.run_id \
             AND run_waits.effect = gift.effect AND (gift.is_any OR run_waits.filter = gift.filter)) \
             UPDATE runs SET ready_at = least(runs.ready_at, woken.at) \
             FROM (SELECT run_id, min(at) AS at FROM gift GROUP BY run_id) AS woken WHERE runs.id = woken.run_id",
        );
        Ok(())
    }
}
