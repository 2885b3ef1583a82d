//! ROUTE on SQLite.

use super::waits as hot;
use crate::routing::{NewRun, RoutedEvent};
use crate::sql::{Stamp, Uid};
use crate::sqlite::queries;
use crate::sqlite::schema::{playbooks, runs};
use crate::statement::statement;
use crate::waits;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Binary, Bool, Text};
use diesel::sqlite::Sqlite;
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection};
use std::collections::HashSet;
use wire::{EventId, Instant, RouteId};

/// Writes the decisions, and returns the events that this call routed.
pub(crate) fn route(conn: &mut SqliteConnection, routed: &[&RoutedEvent]) -> QueryResult<HashSet<Uid>> {
    conn.immediate_transaction(|conn| {
        let mut mine = HashSet::with_capacity(routed.len());
        let mut standing = Vec::new();
        for gift in waits::gifts_of(routed) {
            standing.push(hot::stand(conn, &gift)?);
        }
        let (events, gifts) = waits::standing(routed, &standing);
        for event in events {
            let id = Uid::from(event.id);
            let moved = LeaveAccepted {
                id,
                state: event.state.as_str(),
                trace: &event.trace,
                is_taken: event.is_taken,
            };
            if moved.execute(conn)? == 0 {
                continue;
            }
            mine.insert(id);
            insert_made(conn, event.id, event)?;
        }
        for gift in gifts {
            if mine.contains(&gift.event.into()) {
                hot::put(conn, &gift)?;
            }
        }
        Ok(mine)
    })
}

/// Inserts what becomes of `event`.
pub(super) fn insert_made(
    conn: &mut SqliteConnection,
    event: EventId,
    routed: &RoutedEvent,
) -> QueryResult<()> {
    for delivery in &routed.deliveries {
        queries::deliveries::insert(conn, event, delivery, routed.at)?;
    }
    for run in &routed.runs {
        insert_run(conn, event, routed.at, run)?;
    }
    Ok(())
}

struct LeaveAccepted<'a> {
    id: Uid,
    state: &'a str,
    trace: &'a [u8],
    is_taken: bool,
}

statement!(LeaveAccepted, Binary, SqliteConnection);

impl QueryFragment<Sqlite> for LeaveAccepted<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE events SET state = ");
        out.push_bind_param::<Text, _>(&self.state)?;
        out.push_sql(", trace = ");
        out.push_bind_param::<Binary, _>(&self.trace)?;
        out.push_sql(" WHERE state = 'accepted' AND id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND (");
        out.push_bind_param::<Bool, _>(&self.is_taken)?;
        out.push_sql(" OR NOT EXISTS (SELECT 1 FROM run_inbox WHERE event_id = events.id AND exclusive))");
        Ok(())
    }
}

fn insert_run(conn: &mut SqliteConnection, event: EventId, at: Instant, run: &NewRun) -> QueryResult<()> {
    let version: Option<i32> = playbooks::table
        .find(run.playbook_id.as_str())
        .select(playbooks::version)
        .first(conn)
        .optional()?;
    diesel::insert_into(runs::table)
        .values((
            runs::id.eq(Uid::from(run.id)),
            runs::workspace_id.eq(run.workspace_id.as_str()),
            runs::playbook_id.eq(run.playbook_id.as_str()),
            runs::event_id.eq(Uid::from(event)),
            runs::route_id.eq(run.route_id.as_ref().map(RouteId::as_str)),
            runs::state.eq("pending"),
            runs::input.eq(run.input.as_ref()),
            runs::trigger.eq(run.trigger.as_str()),
            runs::project.eq(&run.project),
            runs::template.eq(&run.template),
            runs::generation.eq(run.generation),
            runs::version.eq(version.unwrap_or(1)),
            runs::ready_at.eq(Stamp(at)),
            runs::created_at.eq(Stamp(at)),
            runs::updated_at.eq(Stamp(at)),
        ))
        .on_conflict(runs::id)
        .do_nothing()
        .execute(conn)?;
    Ok(())
}
