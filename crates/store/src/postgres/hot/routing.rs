//! ROUTE: events leave `accepted`; their deliveries and runs appear.

use crate::routing::{NewDelivery, NewRun, RoutedEvent};
use crate::sql::{Stamp, Uid};
use crate::statement::statement;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Binary, Nullable, Text, Timestamptz, Uuid};
use diesel::{PgConnection, QueryResult, RunQueryDsl};
use std::collections::HashSet;
use wire::RouteId;

/// Writes the decisions, and returns the events that this call routed.
pub(crate) fn route(conn: &mut PgConnection, events: &[&RoutedEvent]) -> QueryResult<HashSet<Uid>> {
    Ok(Route::of(events).load(conn)?.into_iter().collect())
}

/// The columns of a batch: the events', then the deliveries', then the runs'.
struct Route<'a> {
    ids: Vec<Uid>,
    states: Vec<&'a str>,
    traces: Vec<&'a [u8]>,
    deliveries: Deliveries<'a>,
    runs: Runs<'a>,
}

statement!(Route, Uuid, PgConnection);

#[derive(Default)]
struct Deliveries<'a> {
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    events: Vec<Uid>,
    endpoints: Vec<&'a str>,
    routes: Vec<Option<&'a str>>,
    event_types: Vec<Option<&'a str>>,
    states: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    due_at: Vec<Option<Stamp>>,
    lease_until: Vec<Option<Stamp>>,
    lease_tokens: Vec<Option<Uid>>,
    bodies: Vec<Option<&'a [u8]>>,
    replay_of: Vec<Option<Uid>>,
    created_at: Vec<Stamp>,
}

#[derive(Default)]
struct Runs<'a> {
    ids: Vec<Uid>,
    workspaces: Vec<&'a str>,
    playbooks: Vec<&'a str>,
    events: Vec<Uid>,
    routes: Vec<Option<&'a str>>,
    inputs: Vec<&'a [u8]>,
    created_at: Vec<Stamp>,
}

impl<'a> Route<'a> {
    fn of(events: &[&'a RoutedEvent]) -> Self {
        let mut batch = Self {
            ids: events.iter().map(|event| event.id.into()).collect(),
            states: events.iter().map(|event| event.state.as_str()).collect(),
            traces: events.iter().map(|event| event.trace.as_ref()).collect(),
            deliveries: Deliveries::default(),
            runs: Runs::default(),
        };
        for event in events {
            for delivery in &event.deliveries {
                batch.deliveries.push(event, delivery);
            }
            for run in &event.runs {
                batch.runs.push(event, run);
            }
        }
        batch
    }
}

impl<'a> Deliveries<'a> {
    fn push(&mut self, event: &'a RoutedEvent, delivery: &'a NewDelivery) {
        self.ids.push(delivery.id.into());
        self.workspaces.push(delivery.workspace_id.as_str());
        self.events.push(event.id.into());
        self.endpoints.push(delivery.endpoint_id.as_str());
        self.routes.push(delivery.route_id.as_ref().map(RouteId::as_str));
        self.event_types.push(delivery.event_type.as_deref());
        self.states.push(delivery.state.as_str());
        self.reasons.push(delivery.reason.as_deref());
        self.due_at.push(delivery.due_at.map(Stamp));
        self.lease_until
            .push(delivery.lease.map(|(_, until)| Stamp(until)));
        self.lease_tokens
            .push(delivery.lease.map(|(token, _)| Uid(token)));
        self.bodies.push(delivery.body.as_deref());
        self.replay_of.push(delivery.replay_of.map(Uid::from));
        self.created_at.push(event.at.into());
    }
}

impl<'a> Runs<'a> {
    fn push(&mut self, event: &'a RoutedEvent, run: &'a NewRun) {
        self.ids.push(run.id.into());
        self.workspaces.push(run.workspace_id.as_str());
        self.playbooks.push(run.playbook_id.as_str());
        self.events.push(event.id.into());
        self.routes.push(run.route_id.as_ref().map(RouteId::as_str));
        self.inputs.push(run.input.as_ref());
        self.created_at.push(event.at.into());
    }
}

impl QueryFragment<Pg> for Route<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.traces)?;
        out.push_sql(
            ") AS row (id, state, trace)), \
             routed AS (UPDATE events SET state = input.state, trace = input.trace FROM input \
             WHERE events.id = input.id AND events.state = 'accepted' RETURNING events.id), \
             made AS (INSERT INTO deliveries (id, workspace_id, event_id, endpoint_id, route_id, event_type, state, reason, \
             due_at, lease_until, lease_token, body, replay_of, created_at, updated_at) \
             SELECT row.*, row.created_at FROM ",
        );
        self.deliveries.walk(&mut out)?;
        // `IS TRUE` keeps the look-up in `routed` a hash table; a bare IN becomes a join, row by row.
        out.push_sql(
            " WHERE (row.event_id IN (SELECT id FROM routed)) IS TRUE ON CONFLICT (id) DO NOTHING), \
             started AS (INSERT INTO runs (id, workspace_id, playbook_id, event_id, route_id, input, state, created_at, updated_at) \
             SELECT row.id, row.workspace_id, row.playbook_id, row.event_id, row.route_id, row.input, 'pending', \
             row.created_at, row.created_at FROM ",
        );
        self.runs.walk(&mut out)?;
        out.push_sql(
            " WHERE (row.event_id IN (SELECT id FROM routed)) IS TRUE ON CONFLICT (id) DO NOTHING) \
             SELECT id FROM routed",
        );
        Ok(())
    }
}

impl Deliveries<'_> {
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.endpoints)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.routes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.event_types)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.reasons)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.due_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&self.lease_until)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.lease_tokens)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.bodies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.replay_of)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(
            ") AS row (id, workspace_id, event_id, endpoint_id, route_id, event_type, state, reason, due_at, lease_until, \
             lease_token, body, replay_of, created_at)",
        );
        Ok(())
    }
}

impl Runs<'_> {
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.workspaces)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.playbooks)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.events)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.routes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.inputs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.created_at)?;
        out.push_sql(") AS row (id, workspace_id, playbook_id, event_id, route_id, input, created_at)");
        Ok(())
    }
}
