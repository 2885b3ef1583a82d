//! Lanes, where one at a time will do. What must be quick is in `hot`.

use super::super::Conn;
use super::super::schema::{deliveries, endpoint_lanes};
use super::in_state;
use crate::catalog::CONFIGURED_LIMIT;
use crate::lane::LaneNews;
use crate::lanes::{Ailing, Held, LaneStatus, Watched};
use crate::sql::{Maybe, Stamp, StoredText};
use crate::{Endpoint, Error};
use diesel::dsl::{case_when, sql};
use diesel::sql_types::Bool;
use diesel::upsert::excluded;
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, RunQueryDsl,
};
use std::collections::{BTreeMap, HashMap};
use wire::circuit::{Circuit, CircuitState};
use wire::{EndpointId, Instant, WorkspaceId};

/// Why an endpoint holds its deliveries that an operator disabled.
const DISABLED: &str = "disabled";

/// Waiting deliveries that are counted at the most.
const COUNTED: i64 = 10_000;

/// Deliveries that wait, or wait again: the lanes of their endpoints are looked at when the first of them is due.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<String, (String, Option<Instant>)>);

impl Waiting {
    pub(crate) fn add(&mut self, endpoint: String, workspace: String, due_at: Option<Instant>) {
        let (_, first) = self.0.entry(endpoint).or_insert((workspace, None));
        *first = [*first, due_at].into_iter().flatten().min();
    }

    /// Touches the lanes, in the order in which everybody does, and those too that have nothing to change (see `lane`).
    pub(crate) fn wake(&self, conn: &mut Conn, now: Instant) -> QueryResult<()> {
        for (endpoint, (workspace, due_at)) in &self.0 {
            diesel::insert_into(endpoint_lanes::table)
                .values((
                    endpoint_lanes::endpoint_id.eq(endpoint),
                    endpoint_lanes::workspace_id.eq(workspace),
                    endpoint_lanes::ready_at.eq(due_at.map(Stamp)),
                    endpoint_lanes::updated_at.eq(Stamp(now)),
                ))
                .on_conflict(endpoint_lanes::endpoint_id)
                .do_update()
                .set(
                    endpoint_lanes::ready_at.eq(case_when(
                        endpoint_lanes::ready_at
                            .is_null()
                            .or(endpoint_lanes::ready_at.gt(excluded(endpoint_lanes::ready_at))),
                        excluded(endpoint_lanes::ready_at),
                    )
                    .otherwise(endpoint_lanes::ready_at)),
                )
                .execute(conn)?;
        }
        Ok(())
    }
}

/// Takes the ends of attempts in, and returns what came of each.
pub(crate) fn observe(conn: &mut Conn, watched: &[Watched]) -> QueryResult<Vec<Option<LaneNews>>> {
    let mut news = vec![None; watched.len()];
    let mut by_endpoint: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, row) in watched.iter().enumerate() {
        by_endpoint
            .entry(row.endpoint_id.as_str())
            .or_default()
            .push(index);
    }
    for (endpoint, indexes) in by_endpoint {
        let rows = || {
            indexes
                .iter()
                .filter_map(|index| Some((*index, watched.get(*index)?)))
        };
        let Some(now) = rows().map(|(_, row)| row.observed.ended_at).max() else {
            continue;
        };
        let Some(mut circuit) = lock(conn, endpoint, now)? else {
            continue;
        };
        let before = circuit.clone();
        let mut turns = Vec::new();
        for (index, row) in rows() {
            turns.push((index, circuit.observe(row.observed, row.random)));
        }
        save(conn, endpoint, &before, &circuit, now)?;
        for (index, turn) in turns {
            if let Some(place) = news.get_mut(index) {
                *place = Some(LaneNews {
                    circuit: circuit.clone(),
                    was_free: before.is_free(),
                    was: before.state,
                    turn,
                });
            }
        }
    }
    Ok(news)
}

/// Locks a lane, which a select does on no more than one of the databases, and returns its health; none when there is no
/// lane.
fn lock(conn: &mut Conn, endpoint: &str, now: Instant) -> QueryResult<Option<Circuit>> {
    let lane = || endpoint_lanes::table.find(endpoint.to_owned());
    let locked = diesel::update(lane())
        .set(endpoint_lanes::updated_at.eq(Stamp(now)))
        .execute(conn)?;
    if locked == 0 {
        return Ok(None);
    }
    let health: String = lane().select(endpoint_lanes::health).first(conn)?;
    Ok(Some(read(&health)))
}

/// What cannot be read is forgotten: it is no more than what a few attempts will show again.
fn read(health: &str) -> Circuit {
    serde_json::from_str(health).unwrap_or_default()
}

/// Writes a locked lane's health, and when to look at it: at an open circuit not before its probe.
///
/// What changes nothing about the next probe leaves its time alone. While a probe is under way the row has a later one than
/// the health, and no second probe must go beside the first because an attempt of before has ended.
fn save(
    conn: &mut Conn,
    endpoint: &str,
    before: &Circuit,
    circuit: &Circuit,
    now: Instant,
) -> QueryResult<()> {
    let lane = || endpoint_lanes::table.find(endpoint.to_owned());
    let is_as_it_was = (before.state, before.probe_at) == (CircuitState::Open, circuit.probe_at);
    if circuit.state != CircuitState::Open || !is_as_it_was {
        diesel::update(lane())
            .set((
                endpoint_lanes::probe_at.eq(circuit.probe_at.map(Stamp)),
                endpoint_lanes::ready_at.eq(Some(Stamp(circuit.probe_at.unwrap_or(now)))),
            ))
            .execute(conn)?;
    }
    diesel::update(lane())
        .set((
            endpoint_lanes::circuit.eq(circuit.state.as_str()),
            endpoint_lanes::waits_since.eq(circuit.waits_since.map(Stamp)),
            endpoint_lanes::max_in_flight.eq(circuit
                .limit
                .map(|limit| i32::try_from(limit).unwrap_or(i32::MAX))),
            endpoint_lanes::health.eq(crate::catalog::json(circuit)),
            endpoint_lanes::is_gated.eq(case_when(
                endpoint_lanes::held_at.is_not_null(),
                sql::<Bool>("TRUE"),
            )
            .otherwise(!circuit.is_free())),
            endpoint_lanes::is_watched.eq(!circuit.is_pristine()),
        ))
        .execute(conn)?;
    Ok(())
}

/// Lets an endpoint hold its deliveries.
pub(crate) fn hold(
    conn: &mut Conn,
    endpoint: &str,
    workspace: &str,
    reason: &str,
    now: Instant,
) -> QueryResult<()> {
    diesel::insert_into(endpoint_lanes::table)
        .values((
            endpoint_lanes::endpoint_id.eq(endpoint),
            endpoint_lanes::workspace_id.eq(workspace),
            endpoint_lanes::held_at.eq(Some(Stamp(now))),
            endpoint_lanes::held_reason.eq(Some(reason)),
            endpoint_lanes::is_gated.eq(true),
            endpoint_lanes::updated_at.eq(Stamp(now)),
        ))
        .on_conflict(endpoint_lanes::endpoint_id)
        .do_update()
        .set((
            // An endpoint that holds them goes on doing so since then and for that reason.
            endpoint_lanes::held_reason.eq(case_when(
                endpoint_lanes::held_at.is_null(),
                excluded(endpoint_lanes::held_reason),
            )
            .otherwise(endpoint_lanes::held_reason)),
            endpoint_lanes::held_at.eq(case_when(
                endpoint_lanes::held_at.is_null(),
                excluded(endpoint_lanes::held_at),
            )
            .otherwise(endpoint_lanes::held_at)),
            endpoint_lanes::is_gated.eq(true),
            endpoint_lanes::updated_at.eq(excluded(endpoint_lanes::updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Follows an endpoint that was saved: a disabled one holds its deliveries.
pub(crate) fn follow(conn: &mut Conn, endpoint: &Endpoint, now: Instant) -> QueryResult<()> {
    let (id, workspace) = (endpoint.id.as_str(), endpoint.workspace_id.as_str());
    if !endpoint.spec.enabled {
        return hold(conn, id, workspace, DISABLED, now);
    }
    let held: Option<Option<Stamp>> = endpoint_lanes::table
        .find(id)
        .select(endpoint_lanes::held_at)
        .first(conn)
        .optional()?;
    if held.flatten().is_some() {
        go_on(conn, id, now)?;
    }
    Ok(())
}

/// Lets a lane go on that was held or whose circuit is open; what waits is let in little by little. One that is neither stays what it is,
/// and where there is no lane there is nothing that waits.
pub(crate) fn go_on(conn: &mut Conn, endpoint: &str, now: Instant) -> QueryResult<()> {
    let Some(mut circuit) = lock(conn, endpoint, now)? else {
        return Ok(());
    };
    let lane = || endpoint_lanes::table.find(endpoint.to_owned());
    let held: Option<Stamp> = lane().select(endpoint_lanes::held_at).first(conn)?;
    let before = circuit.clone();
    match circuit.state {
        CircuitState::Closed if held.is_some() => circuit.ease_in(now),
        CircuitState::Closed => {}
        CircuitState::Open | CircuitState::HalfOpen => circuit.try_again(now),
    }
    diesel::update(lane())
        .set((
            endpoint_lanes::held_at.eq(None::<Stamp>),
            endpoint_lanes::held_reason.eq(None::<String>),
        ))
        .execute(conn)?;
    save(conn, endpoint, &before, &circuit, now)
}

/// The same for an endpoint that was deleted: what waits is ended at once, so nothing has to be paced.
pub(crate) fn let_all_go(conn: &mut Conn, endpoint: &str, now: Instant) -> QueryResult<()> {
    let Some(before) = lock(conn, endpoint, now)? else {
        return Ok(());
    };
    diesel::update(endpoint_lanes::table.find(endpoint.to_owned()))
        .set((
            endpoint_lanes::held_at.eq(None::<Stamp>),
            endpoint_lanes::held_reason.eq(None::<String>),
        ))
        .execute(conn)?;
    save(conn, endpoint, &before, &Circuit::default(), now)
}

type Columns = (
    endpoint_lanes::held_at,
    endpoint_lanes::held_reason,
    endpoint_lanes::health,
);

const COLUMNS: Columns = (
    endpoint_lanes::held_at,
    endpoint_lanes::held_reason,
    endpoint_lanes::health,
);

type Row = (Maybe<Stamp>, Option<String>, String);

fn told((at, reason, health): Row) -> Ailing {
    let held = Option::<Instant>::from(at).map(|since| Held {
        since,
        reason: reason.unwrap_or_default(),
    });
    Ailing {
        circuit: read(&health),
        held,
    }
}

/// Those of a workspace's endpoints whose deliveries do not all go as they come.
pub(crate) fn ailing(conn: &mut Conn, workspace: &WorkspaceId) -> Result<HashMap<EndpointId, Ailing>, Error> {
    let rows: Vec<(StoredText, Row)> = endpoint_lanes::table
        .filter(endpoint_lanes::workspace_id.eq(workspace.as_str()))
        .filter(endpoint_lanes::is_gated.eq(true))
        .order(endpoint_lanes::endpoint_id)
        .limit(CONFIGURED_LIMIT)
        .select((endpoint_lanes::endpoint_id, COLUMNS))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, row)| (id.into(), told(row))).collect())
}

/// What an operator asks about an endpoint's lane.
pub(crate) fn status(conn: &mut Conn, endpoint: &EndpointId) -> Result<LaneStatus, Error> {
    let lane: Option<Row> = endpoint_lanes::table
        .find(endpoint.as_str())
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    let Ailing { circuit, held } = lane.map_or_else(
        || Ailing {
            circuit: Circuit::default(),
            held: None,
        },
        told,
    );
    let of_endpoint = || {
        deliveries::table
            .filter(deliveries::endpoint_id.eq(endpoint.as_str().to_owned()))
            .select(deliveries::due_at)
    };
    let is_waiting = || sql::<Bool>("state IN ('pending', 'scheduled_retry')");
    let waiting: Vec<Option<Stamp>> = of_endpoint()
        .filter(is_waiting())
        .order(deliveries::due_at)
        .limit(COUNTED)
        .load(conn)?;
    // Those that go after others have no time yet.
    let oldest: Option<Option<Stamp>> = of_endpoint()
        .filter(is_waiting())
        .filter(deliveries::due_at.is_not_null())
        .order(deliveries::due_at)
        .first(conn)
        .optional()?;
    let in_flight: Vec<Option<Stamp>> = of_endpoint()
        .filter(in_state("delivering"))
        .limit(COUNTED)
        .load(conn)?;
    Ok(LaneStatus {
        circuit,
        held,
        waiting: waiting.len(),
        oldest_due_at: oldest.flatten().map(Instant::from),
        in_flight: in_flight.len(),
    })
}
