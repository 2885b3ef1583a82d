//! What operators want of runs: written into their inboxes, for whoever runs them.

use super::super::Conn;
use super::super::schema::{run_inbox, runs};
use super::runs::UNFINISHED;
use crate::runs::{Wish, arrival, wish};
use crate::sql::{Stamp, Uid};
use crate::{Control, Controlled, Error, RunsOf};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    RunQueryDsl,
};
use std::collections::HashSet;
use wire::{Instant, RunId, RunState, WorkspaceId};

/// Wishes of one run that are looked at; there are more only of somebody who sends them in a loop.
const WISHES: i64 = 100;

/// Writes a wish down, in the caller's transaction.
pub(crate) fn control(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    id: RunId,
    control: Control,
    at: Instant,
) -> Result<Controlled, Error> {
    let row = runs::table
        .filter(runs::id.eq(Uid::from(id)))
        .filter(runs::workspace_id.eq(workspace.as_str()));
    // Changes nothing and locks the row, in the words of both databases: what is read below stays so until the commit.
    if diesel::update(row)
        .set(runs::epoch.eq(runs::epoch))
        .execute(conn)?
        == 0
    {
        return Ok(Controlled::Missing);
    }
    let state: Option<String> = runs::table
        .find(Uid::from(id))
        .select(runs::state)
        .first(conn)
        .optional()?;
    let Some(state) = state.and_then(|state| state.parse::<RunState>().ok()) else {
        return Ok(Controlled::Missing);
    };
    let open: Vec<String> = run_inbox::table
        .filter(run_inbox::run_id.eq(Uid::from(id)))
        .filter(run_inbox::taken_at.is_null())
        .filter(run_inbox::kind.ne("message"))
        .order(run_inbox::id)
        .limit(WISHES)
        .select(run_inbox::kind)
        .load(conn)?;
    match wish(state, open.iter().map(String::as_str), control) {
        Wish::New => {}
        Wish::Open => return Ok(Controlled::Wished),
        Wish::Impossible => return Ok(Controlled::Refused(state)),
    }
    put(conn, &[id], control, at)?;
    wake(conn, &[id], at)?;
    Ok(Controlled::Wished)
}

/// Has up to `limit` runs cancelled that have not ended, in the order of their ids.
pub(crate) fn cancel_of(
    conn: &mut Conn,
    of: &RunsOf,
    after: Option<RunId>,
    limit: i64,
    at: Instant,
) -> Result<Vec<RunId>, Error> {
    let mut query = runs::table
        .filter(sql::<Bool>(UNFINISHED))
        .order(runs::id)
        .limit(limit)
        .select(runs::id)
        .into_boxed();
    query = match of {
        RunsOf::Workspace(id) => query.filter(runs::workspace_id.eq(id.as_str())),
        RunsOf::Playbook(id) => query.filter(runs::playbook_id.eq(id.as_str())),
    };
    if let Some(after) = after {
        query = query.filter(runs::id.gt(Uid::from(after)));
    }
    let ids: Vec<Uid> = query.load(conn)?;
    cancel_all(conn, ids, at)
}

/// Wishes that were there already are not doubled. One for a run that ends meanwhile is thrown away by whoever finds it.
fn cancel_all(conn: &mut Conn, ids: Vec<Uid>, at: Instant) -> Result<Vec<RunId>, Error> {
    let wished: Vec<Uid> = run_inbox::table
        .filter(run_inbox::run_id.eq_any(&ids))
        .filter(run_inbox::taken_at.is_null())
        .filter(run_inbox::kind.eq(Control::Cancel.as_str()))
        .select(run_inbox::run_id)
        .load(conn)?;
    let wished: HashSet<RunId> = wished.into_iter().map(RunId::from).collect();
    let ids: Vec<RunId> = ids.into_iter().map(RunId::from).collect();
    let unwished: Vec<RunId> = ids.iter().copied().filter(|id| !wished.contains(id)).collect();
    put(conn, &unwished, Control::Cancel, at)?;
    wake(conn, &unwished, at)?;
    Ok(ids)
}

fn put(conn: &mut Conn, ids: &[RunId], control: Control, at: Instant) -> Result<(), Error> {
    let fresh_keys = matches!(control, Control::Retry { fresh_keys: true });
    for id in ids {
        diesel::insert_into(run_inbox::table)
            .values((
                run_inbox::id.eq(Uid(arrival(at))),
                run_inbox::run_id.eq(Uid::from(*id)),
                run_inbox::kind.eq(control.as_str()),
                run_inbox::exclusive.eq(false),
                run_inbox::fresh_keys.eq(fresh_keys),
                run_inbox::created_at.eq(Stamp(at)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Says that runs have something in their inboxes. To be called in the transaction that puts it there.
///
/// It is said of runs that have an owner as well, who looks for it, and who thereby cannot park a run over a message that
/// it has not seen: whichever of the two changes the row last sees what the other did.
pub(crate) fn wake(conn: &mut Conn, ids: &[RunId], at: Instant) -> Result<(), Error> {
    let mut ids: Vec<RunId> = ids.to_vec();
    // Everybody who changes several runs does so in this order, and nobody waits in a circle.
    ids.sort_unstable();
    for id in ids {
        let later = runs::ready_at
            .is_null()
            .or(runs::ready_at.gt(Stamp(at)).assume_not_null());
        diesel::update(runs::table.filter(runs::id.eq(Uid::from(id))).filter(later))
            .set(runs::ready_at.eq(Some(Stamp(at))))
            .execute(conn)?;
    }
    Ok(())
}
